"""The trace of a running server: who is shown messages, and what it costs when nobody is."""

from __future__ import annotations

import os
import signal
from dataclasses import replace
from typing import Any

from twisted.internet.endpoints import TCP4ClientEndpoint
from twisted.internet.protocol import Factory, Protocol
from twisted.logger import ILogObserver, formatEvent, globalLogPublisher
from twisted.python.usage import UsageError
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from doug.options import Options
from doug.process import onSignal
from doug.settings import Endpoint, Settings
from doug.testing import Lab
from test.doug.callees import Hello
from test.support.hep import decode


class TracingTests(SynchronousTestCase):
    """Calls to a server, its log and a Homer."""

    def lab(self, **settings: Any) -> Lab:
        self.lines: list[str] = []

        def note(event: Any) -> None:
            if event.get("log_namespace") == "shtoom.sip.trace.Trace":
                self.lines.append(formatEvent(event))

        observer = implementer(ILogObserver)(note)
        globalLogPublisher.addObserver(observer)
        self.addCleanup(globalLogPublisher.removeObserver, observer)
        self.server = Lab(Hello, settings=Settings(**settings))
        self.phone = self.server.phone("alice")
        return self.server

    def call(self) -> str:
        """A short one; its Call-ID."""
        call = self.phone.dial("sip:hello@doug")
        self.server.advance(1)
        assert call.call is not None
        callID = call.call.callID
        call.hangUp()
        self.server.advance(1)
        return callID

    def methods(self) -> list[str]:
        """What passed, as its direction and first word or code."""
        return [
            f"{'>' if ' to ' in line.partition(': ')[0] else '<'}"
            + line.partition(": ")[2].removeprefix("SIP/2.0 ").split()[0]
            for line in self.lines
        ]

    def test_aCall(self) -> None:
        """Every message, both ways, in its order."""
        lab = self.lab(traceSIP=("all",))
        self.call()
        self.assertEqual(
            self.methods(), ["<INVITE", ">100", ">180", ">200", "<ACK", "<BYE", ">200"]
        )
        lab.assertNothingLeft()

    def test_nothingWhenOff(self) -> None:
        """The layer has nobody to show anything to."""
        lab = self.lab()
        self.call()
        self.assertEqual(self.lines, [])
        self.assertIsNone(lab.application.exchange.agent.layer.trace)
        lab.assertNothingLeft()

    def test_switchedWhileItRuns(self) -> None:
        """By peer, by call, all of it; off again."""
        lab = self.lab()
        doug = lab.application
        doug.traceSIP("203.0.113.0/24")
        self.call()
        self.assertEqual(self.lines, [])
        doug.traceSIP(self.phone.host.address)
        callID = self.call()
        self.assertEqual(len(self.lines), 7)
        doug.traceSIP(self.phone.host.address, False)
        doug.traceSIP(callID)
        self.call()
        self.assertEqual(len(self.lines), 7)
        doug.traceSIP("all")
        self.call()
        self.assertEqual(len(self.lines), 14)
        doug.traceSIP("all", False)
        self.call()
        self.assertEqual(len(self.lines), 14)
        self.assertIsNone(doug.exchange.agent.layer.trace)
        self.assertRaises(ValueError, doug.traceSIP, "two words")
        lab.assertNothingLeft()

    def test_toggled(self) -> None:
        """On, off; of a server that is not running nothing comes."""
        lab = self.lab()
        lab.application.toggleTrace()
        self.call()
        self.assertEqual(len(self.lines), 7)
        lab.application.toggleTrace()
        self.call()
        self.assertEqual(len(self.lines), 7)
        lab.assertNothingLeft()
        lab.application.toggleTrace()

    def test_newSettings(self) -> None:
        """What the file has named before is shown no more; what was switched by hand stays."""
        lab = self.lab(traceSIP=("all",))
        doug = lab.application
        doug.reload(replace(doug.settings, traceSIP=(self.phone.host.address,), traceFull=True))
        self.call()
        self.assertEqual(len(self.lines), 7)
        self.assertIn("\n    | ", self.lines[0])
        doug.traceSIP("nobody@")
        doug.reload(replace(doug.settings, traceSIP=()))
        self.assertIsNotNone(doug.exchange.agent.layer.trace)
        self.call()
        self.assertEqual(len(self.lines), 7)
        lab.assertNothingLeft()

    def test_overTCP(self) -> None:
        """The same, and what does not tell where it ends."""
        listen = (Endpoint("tcp", "", 5060),)
        lab = self.lab(traceSIP=("all",), listen=listen)
        self.phone = lab.phone("bob", transport="tcp")
        self.call()
        self.assertEqual(len(self.lines), 7)
        self.assertRegex(self.lines[0], "Z TCP from .*: INVITE ")
        broken = Factory.forProtocol(Protocol)
        host = lab.network.host("198.51.100.99")
        wires: list[Any] = []
        TCP4ClientEndpoint(host, "192.0.2.10", 5060).connect(broken).addCallback(wires.append)
        lab.advance(1)
        wires[0].transport.write(b"BYE sip:a SIP/2.0\r\nCall-ID: q\r\nContent-Length: x\r\n\r\n")
        lab.advance(1)
        self.assertRegex(self.lines[7], "Z TCP from 198.51.100.99:.*: BYE .*Call-ID q")
        lab.assertNothingLeft()

    def test_whatIsMalformed(self) -> None:
        """It is shown as it came, before anybody tries to read it; nobody answers this one."""
        lab = self.lab(traceSIP=("all",), traceFull=True)
        raw = b"OPTIONS sip:doug SIP/2.0\r\nVia: SIP/2.0/UDP 198.51.100.99\r\nTo\r\n\r\n"
        lab.network.send(raw, ("198.51.100.99", 5060), ("192.0.2.10", 5060))
        lab.advance(1)
        self.assertEqual(len(self.lines), 1)
        self.assertIn("\n    | To\n", self.lines[0])
        lab.assertNothingLeft()

    def test_homer(self) -> None:
        """Is shown what the log is not; each message once, by its own Call-ID."""
        lab = self.lab(hep="203.0.113.7:9060,5")
        came: list[bytes] = []
        lab.network.bind(("203.0.113.7", 9060), lambda data, source: came.append(data))
        callID = self.call()
        packets = list(map(decode, came))
        self.assertEqual(self.lines, [])
        self.assertEqual(len(packets), 7)
        self.assertEqual({packet["correlationId"] for packet in packets}, {callID})
        self.assertEqual({packet["captureId"] for packet in packets}, {5})
        self.assertEqual(packets[0]["srcIp"], self.phone.host.address)
        self.assertEqual(packets[1]["dstIp"], self.phone.host.address)
        self.assertEqual(packets[1]["srcIp"], "192.0.2.10")
        self.assertTrue(str(packets[0]["payload"]).startswith("INVITE "))
        lab.network.unbind(("203.0.113.7", 9060))
        lab.assertNothingLeft()


class OptionTests(SynchronousTestCase):
    """What the command line and a process say."""

    def test_options(self) -> None:
        options = Options()
        options.parseOptions(
            [
                *("--trace-sip=192.0.2.1", "--trace-sip=abc", "--trace-full"),
                *("--trace-no-digits", "--hep=h:9060,1,pw"),
            ]
        )
        found = options.settings(Hello)
        self.assertEqual(found.traceSIP, ("192.0.2.1", "abc"))
        self.assertEqual((found.traceFull, found.traceNoDigits), (True, True))
        self.assertEqual(found.hep, "h:9060,1,pw")

    def test_mistakes(self) -> None:
        """Are named, and a password is not."""
        for word in ("--trace-sip=", "--trace-sip=a b", "--hep=x:y,1,secret"):
            error = self.assertRaises(UsageError, Options().parseOptions, [word])
            self.assertIn(word.partition("=")[0], str(error))
            self.assertNotIn("secret", str(error))
        error = self.assertRaises(ValueError, Settings, hep="x:y,1,secret")
        self.assertNotIn("secret", str(error))
        self.assertRaises(ValueError, Settings, traceSIP=("a b",))

    def test_aSignal(self) -> None:
        """It is served on a turn of the reactor, each time."""
        before = signal.getsignal(signal.SIGUSR2)
        self.addCleanup(signal.signal, signal.SIGUSR2, before)
        turns: list[Any] = []

        class Reactor:
            def callFromThread(self, f: Any) -> None:
                turns.append(f)

        onSignal(Reactor(), signal.SIGUSR2, self.fail)
        os.kill(os.getpid(), signal.SIGUSR2)
        os.kill(os.getpid(), signal.SIGUSR2)
        self.assertEqual(turns, [self.fail, self.fail])
