"""New settings for a server that runs: calls go on, what is new holds for those that come."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from dataclasses import replace
from ipaddress import ip_network
from pathlib import Path
from threading import Timer
from typing import Any

from twisted.python.usage import UsageError
from twisted.trial.unittest import SynchronousTestCase

from doug.options import Options
from doug.reloading import TAKEN, reread
from doug.settings import Endpoint, Routed, Settings
from doug.testing import Lab
from doug.testing.phone import Phone
from doug.trunks import Trunk
from shtoom.agent.credentials import Account as Credentials
from shtoom.agent.gatekeeper import Gatekeeper
from shtoom.agent.registrar import Phone as Account
from shtoom.agent.registrar import Registrar
from shtoom.agent.registration import Registration
from shtoom.sip.message import Request
from shtoom.sip.uri import parseURI
from test.doug.callees import Notes, Other
from test.support.logs import logLines

PBX = "198.51.100.20"
OFFICE = Trunk("office", PBX, user="doug", password="secret", register=True)


class ReloadingCase(SynchronousTestCase):
    """A server, and a PBX that others register at."""

    def serve(self, **settings: Any) -> Lab:
        self.notes: list[Any] = []
        self.lab = Lab(Notes, settings=Settings(**settings), notes=self.notes)
        return self.lab

    def reload(self, **changes: Any) -> list[str]:
        """The settings that the server has, with these changes."""
        application = self.lab.application
        return application.reload(replace(application.settings, **changes))

    def answered(self, phone: Phone, user: str = "doug") -> str:
        """The class of the application that answers a new call, which ends again."""
        call = phone.dial(f"sip:{user}@doug")
        self.lab.advance(0.5)
        if call.failure is not None:
            return str(call.failure.sipCode)
        name: str = self.notes[-2][0]
        call.hangUp()
        self.lab.advance(0.5)
        return name

    def dialled(self, uri: str) -> Any:
        """What becomes of a call of ours, which ends again."""
        self.lab.application.startVoiceApp(toURI=uri)
        self.lab.advance(0.5)
        outcome = self.notes[-1]
        for cookie in self.lab.application.listVoiceapps():
            self.lab.application.dropCall(cookie)
        self.lab.advance(0.5)
        return outcome

    def pbx(self) -> tuple[Phone, list[Request]]:
        """It registers doug; the REGISTERs that it has had, in order."""
        pbx, heard = self.lab.phone("pbx"), []
        gate = Gatekeeper("office", {"doug": "secret", "other": "geheim"}.get, b"s")
        users = {"doug": Account("secret"), "other": Account("geheim")}
        seconds = self.lab.reactor.seconds
        registrar = Registrar(gate, users.get, None, seconds, seconds)
        answer = registrar.answer

        def listening(request: Request, peer: Any) -> Any:
            heard.append(request)
            return answer(request, peer)

        registrar.answer = listening  # type: ignore[method-assign]
        pbx.agent.registrar = registrar
        return pbx, heard


class ReloadTests(ReloadingCase):
    """DougApplication.reload()."""

    def test_callsThatAreUpGoOn(self) -> None:
        """Not a packet is lost while everything else is another."""
        self.serve(idle="silence")
        phone = self.lab.phone("alice")
        call = phone.dial("sip:doug@doug")
        self.lab.advance(1)
        before = call.session.stats.packetsReceived
        self.assertEqual(self.reload(routes=(Routed(Other),), maxCalls=1, codecs=("PCMA",)), [])
        self.lab.advance(5)
        self.assertEqual(call.state, "answered")
        self.assertEqual(call.session.stats.packetsReceived - before, 250)
        self.assertEqual(self.notes, [("Notes", None, None), ("up", None)])
        call.hangUp()
        self.lab.advance(1)
        self.assertEqual(self.notes[-1], ("CallEndedEvent", None))
        self.lab.assertNothingLeft()

    def test_applicationsRoutesAndArguments(self) -> None:
        self.serve()
        phone = self.lab.phone("alice")
        self.assertEqual(self.answered(phone), "Notes")
        self.reload(apps={"": Notes, "echo": Other})
        self.assertEqual((self.answered(phone), self.answered(phone, "echo")), ("Notes", "Other"))
        self.reload(apps={"": Notes}, routes=(Routed(Other, user="100"),))
        found = self.answered(phone, "echo"), self.answered(phone, "100")
        self.assertEqual(found, ("Notes", "Other"))
        others: list[Any] = []
        self.reload(args={**self.lab.application.settings.args, "notes": others})
        call = phone.dial("sip:100@doug")
        self.lab.advance(1)
        call.hangUp()
        self.lab.advance(1)
        self.assertEqual(others[0][0], "Other")
        self.lab.assertNothingLeft()

    def test_limits(self) -> None:
        self.serve()
        phone = self.lab.phone("alice")
        first = phone.dial("sip:doug@doug")
        self.lab.advance(1)
        self.reload(maxCalls=1)
        self.assertEqual(self.answered(phone), "503")
        self.reload(maxCalls=None, userCalls={"doug": 1})
        self.assertEqual(self.answered(phone), "486")
        self.reload(userCalls={}, maxCallDuration=3.0)
        self.assertEqual(self.answered(phone), "Notes")
        second = phone.dial("sip:doug@doug")
        self.lab.advance(4)
        self.assertEqual(second.state, "ended")
        self.assertEqual(first.state, "answered")  # it began under another limit
        first.hangUp()
        self.lab.advance(1)
        self.lab.assertNothingLeft()

    def test_floods(self) -> None:
        """The rate of a source, for who floods already, too."""
        self.serve(sourceRate=0.0)
        phone = self.lab.phone("alice")
        self.reload(sourceRate=1.0)
        calls = [phone.dial("sip:doug@doug") for _ in range(4)]
        self.lab.advance(0.4)
        self.assertEqual([call.state for call in calls].count("answered"), 2)
        self.reload(sourceRate=0.0)
        self.lab.advance(1)
        self.assertEqual(self.answered(phone), "Notes")
        for call in calls:
            call.hangUp()
        self.lab.advance(1)
        self.lab.assertNothingLeft()

    def test_whatMayBeDialled(self) -> None:
        self.serve()
        phone = self.lab.phone("alice")
        self.reload(dialOut=("*.example.com",))
        self.assertEqual(self.dialled(phone.uri), ("CallRejectedEvent", 403))
        self.reload(dialOut=(), gateway=phone.host.address)
        self.assertEqual(self.dialled("tel:+4930"), ("up", None))
        self.lab.assertNothingLeft()

    def test_whoMayCall(self) -> None:
        self.serve()
        phone = self.lab.phone("alice")
        self.reload(deny=(ip_network("198.51.100.0/24"),))
        self.assertEqual(self.answered(phone), "403")
        self.reload(deny=(), anonymous="reject")
        self.assertEqual(self.answered(phone), "403")
        self.reload(anonymous="auto")
        self.assertEqual(self.answered(phone), "Notes")
        self.lab.assertNothingLeft()

    def test_codecs(self) -> None:
        self.serve()
        phone = self.lab.phone("alice", codecs=("PCMU",))
        self.reload(codecs=("PCMA",))
        self.assertEqual(self.answered(phone), "488")
        self.lab.assertNothingLeft()

    def test_whatNeedsARestartIsNamedAndLeft(self) -> None:
        self.serve()
        before = self.lab.application.settings
        left = self.reload(
            listen=(Endpoint("udp", "", 5070),), rtpPorts=(30000, 30100), advertise="203.0.113.5"
        )
        self.assertEqual(left, ["listen", "rtpPorts", "advertise"])
        self.assertEqual(self.lab.application.settings, before)
        self.assertEqual(self.answered(self.lab.phone("alice")), "Notes")
        self.lab.assertNothingLeft()

    def test_noApplication(self) -> None:
        """Nothing is changed."""
        self.serve()
        self.assertRaises(ValueError, self.reload, apps={}, maxCalls=1)
        self.assertIsNone(self.lab.application.settings.maxCalls)
        self.assertEqual(self.answered(self.lab.phone("alice")), "Notes")
        self.lab.assertNothingLeft()

    def test_theNamesOfSettings(self) -> None:
        """None of those that are taken is misspelt."""
        self.assertLessEqual(TAKEN, set(Settings.__dataclass_fields__))


class TrunkTests(ReloadingCase):
    """Trunks that come, change and go."""

    def live(self) -> Any:
        return self.lab.application.exchange.relations.trunking.trunks

    def test_aNewOneRegistersAndOneThatIsGoneUnregisters(self) -> None:
        self.serve()
        pbx, heard = self.pbx()
        self.reload(trunks={"office": OFFICE})
        self.lab.advance(1)
        assert pbx.agent.registrar is not None
        self.assertEqual(pbx.agent.registrar.registered(), {"doug": 1})
        call = pbx.dial("sip:doug@doug")
        self.lab.advance(1)
        self.assertEqual(self.notes[-2:], [("Notes", "office", None), ("up", "office")])
        self.reload(trunks={})
        self.lab.advance(1)
        self.assertEqual(pbx.agent.registrar.registered(), {})
        self.assertEqual(heard[-1].header("Expires"), "0")
        self.lab.advance(5)
        self.assertEqual(call.state, "answered")
        call.hangUp()
        self.lab.advance(1)
        self.assertEqual(self.live(), {})
        self.lab.assertNothingLeft()

    def test_oneThatIsAsBeforeIsLeftAlone(self) -> None:
        """Nor does another limit, codec or header make it register."""
        self.serve(trunks={"office": OFFICE})
        _, heard = self.pbx()
        self.lab.advance(40)
        sent, before = len(heard), self.live()["office"]
        self.reload(trunks={"office": replace(OFFICE)}, maxCalls=7)
        self.reload(trunks={"office": replace(OFFICE, maxCalls=1, qualify=5)})
        self.lab.advance(40)
        self.assertIs(self.live()["office"], before)
        self.assertEqual(len(heard), sent)
        self.assertEqual(before.state(), "registered, up")
        self.reload(trunks={"office": OFFICE})
        self.assertEqual(before.state(), "registered")
        self.lab.assertNothingLeft()

    def test_anotherAccountComesAfterTheOld(self) -> None:
        """The old one is gone before the new one registers; calls count for the limit still."""
        self.serve(trunks={"office": OFFICE})
        pbx, heard = self.pbx()
        self.lab.advance(1)
        call = pbx.dial("sip:doug@doug")
        self.lab.advance(1)
        del heard[:]
        other = replace(OFFICE, user="other", password="geheim", maxCalls=1)
        self.reload(trunks={"office": other})
        self.lab.advance(1)
        asked = [(r.toAddress.uri.user, r.header("Expires")) for r in heard]
        self.assertEqual(list(dict.fromkeys(asked)), [("doug", "0"), ("other", "600")])
        self.assertEqual(self.answered(pbx, "other"), "486")
        call.hangUp()
        self.lab.advance(1)
        self.lab.assertNothingLeft()

    def test_aRegistrarThatIsDeadHoldsNothingUp(self) -> None:
        """The old registration is given up after five seconds, at the server's end at once."""
        self.serve(trunks={"office": OFFICE})
        pbx, _ = self.pbx()
        self.lab.advance(1)
        pbx.close()
        self.reload(trunks={"office": replace(OFFICE, host="198.51.100.77")})
        self.lab.advance(6)
        self.assertIn("trying", self.live()["office"].state())
        self.reload(trunks={"office": replace(OFFICE, expires=700)})
        self.lab.advance(0.5)
        self.lab.assertNothingLeft()


class PhoneTests(ReloadingCase):
    """Phones that come and go."""

    def test_aPhoneThatIsGoneIsNotCalled(self) -> None:
        """Nor may it register or call; once it is back, its binding counts."""
        phones = {"alice": Account("wonderland"), "bob": Account("builder")}
        self.serve(phones=phones)
        alice = self.lab.phone("alice", auth=None)
        registration = self.registered(alice, "alice", "wonderland")
        self.assertEqual(self.dialled("sip:alice@doug"), ("up", None))
        self.reload(phones={"bob": Account("builder")})
        self.assertEqual(self.answered(alice), "401")
        registration.refresh()
        self.lab.advance(1)
        self.assertIn("rejected the credentials", registration.reason)
        self.assertFalse(self.dialled("sip:alice@doug")[0] == "up")
        self.reload(phones=phones)
        self.assertEqual(self.dialled("sip:alice@doug"), ("up", None))
        self.reload(phones={})
        self.assertEqual(self.answered(alice), "Notes")
        registration.refresh()
        self.lab.advance(1)
        self.assertIn("405", registration.reason)
        registration.abandon()
        self.lab.assertNothingLeft()

    def test_theFirstPhone(self) -> None:
        self.serve()
        alice = self.lab.phone("alice")
        self.reload(phones={"alice": Account("wonderland")}, realm="home")
        registration = self.registered(alice, "alice", "wonderland")
        self.assertEqual(self.dialled("sip:alice@home"), ("up", None))
        registration.abandon()
        self.lab.assertNothingLeft()

    def test_aFileThatCannotBeHadChangesNothing(self) -> None:
        self.serve(registrations="/nowhere/phones.sqlite")
        self.assertRaises(OSError, self.reload, phones={"alice": Account("x")}, maxCalls=3)
        self.assertEqual(self.lab.application.settings.phones, {})
        self.assertIsNone(self.lab.application.settings.maxCalls)
        self.assertEqual(self.answered(self.lab.phone("alice")), "Notes")
        self.lab.assertNothingLeft()

    def registered(self, phone: Phone, user: str, password: str) -> Registration:
        registration = Registration(
            phone.agent,
            user,
            parseURI("sip:192.0.2.10"),
            parseURI(f"sip:{user}@192.0.2.10"),
            Credentials(user, password, phone.rng),
            expires=3600,
        )
        registration.start()
        self.lab.advance(1)
        return registration


class FileTests(ReloadingCase):
    """--config, read anew."""

    def test_aMistakeLeavesAllAsItIs(self) -> None:
        """It is logged, with its line; the file put right is taken."""
        path = Path(self.mktemp())
        path.write_text("[limits]\nmax-calls = 7\n")
        options = Options()
        options.parseOptions([f"--config={path}", "--max-legs=3"])
        self.serve()
        application = self.lab.application
        application.reload(options.settings(Notes))
        said = logLines(self)
        for text, words in [
            ("[limits]\nmax-calls = 8\n[trunk.x]\nhots = 'a'\n", "line 4: hots"),
            ("[limits]\nmax-calls = 8\n[[route]]\napp = 'no.Such'\n", "no.Such"),
            ("[limits]\nmax-calls = many\n", "line 2"),
        ]:
            path.write_text(text)
            before = application.settings
            reread(options, application, Notes)
            self.assertIs(application.settings, before)
            self.assertIn("nothing is changed: ", said[-1])
            self.assertIn(words, said[-1])
        path.write_text("[limits]\nmax-calls = 9\n")
        reread(options, application, Notes)
        settings = application.settings
        self.assertEqual((settings.maxCalls, settings.maxLegs), (9, 3))
        self.lab.assertNothingLeft()
        self.assertIn("new settings: maxCalls", said)

    def test_withoutAFile(self) -> None:
        options = Options()
        options.parseOptions([])
        self.assertRaises(UsageError, options.reread)


class SignalTests(SynchronousTestCase):
    """SIGHUP, in a process of its own."""

    def test_SIGHUP(self) -> None:
        """A mistake, and then none; the server goes on until it is told to stop."""
        folder = Path(self.mktemp()).absolute()
        folder.mkdir()
        path = folder / "doug.toml"
        path.write_text("[server]\nlisten = 'udp:127.0.0.1:0'\n")
        twistd = str(Path(sys.executable).parent / "twistd")
        words = ["doug", "--app=doug.demo.Demo", "--config=doug.toml", "--rtp-ports=20000-20100"]
        server = subprocess.Popen(
            [twistd, "-n", "--pidfile=", *words],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        self.addCleanup(server.kill)
        self.addCleanup(server.stdout.close)  # type: ignore[union-attr]
        watchdog = Timer(30.0, server.kill)
        watchdog.start()
        self.addCleanup(watchdog.cancel)
        self.assertTrue(self.hears(server, "doug.demo.app.Demo at udp:127.0.0.1:"))
        path.write_text("[limits]\nmax-cals = 3\n")
        server.send_signal(signal.SIGHUP)
        self.assertTrue(self.hears(server, "doug.toml, line 2: there is no such key: max-cals"))
        path.write_text("[limits]\nmax-calls = 3\n[server]\nlisten = 'udp:127.0.0.1:0'\n")
        server.send_signal(signal.SIGHUP)
        self.assertTrue(self.hears(server, "new settings: maxCalls"))
        server.terminate()
        self.assertTrue(self.hears(server, "all ports are closed"))
        self.assertEqual(server.wait(), -signal.SIGTERM)  # as twistd ends

    def hears(self, server: subprocess.Popen[bytes], words: str) -> bool:
        """Does its log come to these words before its end?"""
        assert server.stdout is not None
        return any(words.encode() in line for line in server.stdout)
