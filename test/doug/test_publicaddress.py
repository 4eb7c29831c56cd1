"""The address that others are told: of a STUN server, or of a registrar."""

from __future__ import annotations

import re
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from doug.settings import Endpoint, Settings, parseAdvertise, stunServer
from doug.testing import Lab
from doug.testing.phonecall import PhoneCall
from doug.trunks import Trunk
from shtoom.sip.message import Request
from shtoom.sip.parser import isKeepAlive, parse
from test.doug.callees import Hello
from test.support.logs import logLines
from test.support.stunserver import Address, STUNServer

SERVER: Address = ("192.0.2.10", 5060)
REGISTRAR: Address = ("203.0.113.30", 5060)
STUN: Address = ("203.0.113.7", 3478)
OUTSIDE: Address = ("203.0.113.50", 40000)
TRUNKS = {"prov": Trunk("prov", REGISTRAR[0], user="u1", register=True, expires=600)}


class FakeRegistrar:
    """Takes every REGISTER. sees: us as where; None for the true source. heard: what came, when."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.sees: Address | None = None
        self.heard: list[tuple[float, Request]] = []
        lab.network.bind(REGISTRAR, self._received)

    def _received(self, data: bytes, source: Address) -> None:
        if isKeepAlive(data):
            return
        message = parse(data)
        assert isinstance(message, Request)
        self.heard.append((self.lab.reactor.seconds(), message))
        host, port = self.sees or source
        via = message.via.replacing(received=host, rport=str(port))
        response = message.respond(200, toTag="r", headers=(("Expires", "600"),))
        self.lab.network.send(response.replacing("Via", str(via)).toBytes(), REGISTRAR, source)

    @property
    def contacts(self) -> list[str]:
        """Of each REGISTER, as it stood."""
        return [str(request.header("Contact")) for _, request in self.heard]


class PublicTests(SynchronousTestCase):
    """A server with a registration, and phones in and outside of its network."""

    def setUp(self) -> None:
        self.lines = logLines(self)

    def build(self, advertise: str | None, sees: Address | None = None, **more: Any) -> Lab:
        """The server is started; no time has passed. sees: how others see it."""
        settings = Settings(
            advertise=advertise, trunks=TRUNKS, anonymous="app", rtpTimeout=0, **more
        )
        lab = self.lab = Lab(Hello, settings=settings)
        self.sent: list[tuple[str, bytes]] = []
        lab.network.observers.append(lambda data, source, at: self.sent.append((at[0], data)))
        self.registrar = FakeRegistrar(lab)
        self.registrar.sees = sees
        self.stun = STUNServer(lab.network, STUN, lab.reactor.seconds)
        self.stun.sees = sees
        lab.network.bind(
            OUTSIDE, lambda data, source: lab.network.send(data, source, SERVER)
        )  # the router passes it on
        return lab

    def call(self, host: str) -> PhoneCall:
        """A call of a phone there, which is up."""
        phone = self.lab.phone(host=self.lab.network.host(host))
        call = phone.dial("sip:hello@doug")
        self.lab.advance(1)
        self.assertEqual(call.state, "answered")
        return call

    def told(self, host: str) -> tuple[str, str]:
        """Contact and c= of the last message to that host that had a description."""
        found = [data.decode() for at, data in self.sent if at == host and b"\r\nc=IN" in data]
        contact = re.search(r"Contact: <sip:(?:[^@>]*@)?([^>]*)>", found[-1])
        address = re.search(r"c=IN IP4 (\S+)", found[-1])
        assert contact is not None
        assert address is not None
        return contact[1], address[1]

    def finish(self) -> None:
        """Nothing is left of it."""
        self.lab.network.unbind(STUN)
        self.lab.network.unbind(OUTSIDE)
        self.lab.advance(1)
        self.lab.close()
        self.lab.network.unbind(REGISTRAR)
        self.lab.assertNothingLeft()

    def test_stun(self) -> None:
        """REGISTER, Via, Contact and SDP say what the server sees, neighbours hear the route's."""
        lab = self.build("stun:203.0.113.7", OUTSIDE)
        lab.advance(1)
        self.assertEqual(self.registrar.contacts, ["<sip:u1@203.0.113.50:40000>"])
        via = self.registrar.heard[0][1].via
        self.assertEqual((via.host, via.port), OUTSIDE)
        far, near = self.call("198.51.100.20"), self.call("10.0.0.7")
        self.assertEqual(self.told("198.51.100.20"), ("203.0.113.50:40000", "203.0.113.50"))
        self.assertEqual(self.told("10.0.0.7"), ("192.0.2.10:5060", "192.0.2.10"))
        lab.advance(60)
        self.assertEqual(self.told("198.51.100.20"), ("203.0.113.50:40000", "203.0.113.50"))
        self.assertEqual(len(self.registrar.heard), 1)
        far.hangUp()
        near.hangUp()
        self.assertEqual([round(at) for at, _ in self.stun.asked], [0, 25, 50])
        self.assertEqual({source for _, source in self.stun.asked}, {SERVER})
        told = [line for line in self.lines if "behind NAT" in line]
        self.assertEqual(len(told), 1)
        self.assertEqual([line for line in self.lines if "has no address" in line], [])
        self.finish()

    def test_stunIsSilent(self) -> None:
        """The route's address after a while, and words about it; the right one once it speaks."""
        lab = self.build("stun:203.0.113.7", OUTSIDE)
        self.stun.isDead = True
        lab.advance(2.9)
        self.assertEqual(self.registrar.heard, [])
        lab.advance(0.2)
        self.assertEqual(self.registrar.contacts, ["<sip:u1@192.0.2.10:5060>"])
        lab.advance(40)
        [told] = [line for line in self.lines if "does not tell how this server is seen" in line]
        self.assertIn("told 192.0.2.10", told)
        self.stun.isDead = False
        lab.advance(40)
        self.assertEqual(
            self.registrar.contacts[1:],
            ["<sip:u1@203.0.113.50:40000>, <sip:u1@192.0.2.10:5060>;expires=0"],
        )
        self.finish()

    def test_stunChanges(self) -> None:
        """Registered anew at once, calls are told (Contact, SDP); an answer lost is no change."""
        lab = self.build("stun:203.0.113.7", OUTSIDE)
        lab.advance(1)
        call = self.call("198.51.100.20")
        near = self.call("10.0.0.7")
        self.stun.sees = ("203.0.113.51", 40001)
        lab.network.bind(
            self.stun.sees, lambda data, source: lab.network.send(data, source, SERVER)
        )
        lab.advance(24)
        self.assertEqual(self.told("198.51.100.20"), ("203.0.113.51:40001", "203.0.113.51"))
        self.assertEqual(self.told("10.0.0.7"), ("192.0.2.10:5060", "192.0.2.10"))
        self.assertEqual(call.state, "answered")
        self.assertEqual(
            self.registrar.contacts[1:],
            ["<sip:u1@203.0.113.51:40001>, <sip:u1@203.0.113.50:40000>;expires=0"],
        )
        self.stun.isDead = True
        lab.advance(100)
        self.assertEqual(len(self.registrar.heard), 2)
        self.assertEqual(call.state, "answered")
        call.hangUp()
        near.hangUp()
        lab.advance(1)
        lab.network.unbind(self.stun.sees)
        self.finish()

    def test_auto(self) -> None:
        """What the registrar sees is told to it, and to everybody outside; it is registered once
        more with that, and not again.
        """
        lab = self.build("auto", OUTSIDE)
        lab.advance(5)
        self.assertEqual(
            self.registrar.contacts,
            [
                "<sip:u1@192.0.2.10:5060>",
                "<sip:u1@203.0.113.50:40000>, <sip:u1@192.0.2.10:5060>;expires=0",
            ],
        )
        far, near = self.call("198.51.100.20"), self.call("192.168.1.7")
        self.assertEqual(self.told("198.51.100.20"), ("203.0.113.50:40000", "203.0.113.50"))
        self.assertEqual(self.told("192.168.1.7"), ("192.0.2.10:5060", "192.0.2.10"))
        lab.advance(600)
        self.assertEqual(self.registrar.contacts[2:], ["<sip:u1@203.0.113.50:40000>"])
        far.hangUp()
        near.hangUp()
        self.assertEqual(self.stun.asked, [])
        self.finish()

    def test_autoBehindAPrivateNAT(self) -> None:
        """A registrar that sees a private address is told that; nobody else is."""
        lab = self.build("auto", ("10.8.0.2", 5060))
        lab.advance(5)
        self.assertRegex(self.registrar.contacts[-1], "^<sip:u1@10.8.0.2:5060>")
        call = self.call("198.51.100.20")
        self.assertEqual(self.told("198.51.100.20"), ("192.0.2.10:5060", "192.0.2.10"))
        call.hangUp()
        self.finish()

    def test_aRegistrarThatSeesUsElsewhereEachTime(self) -> None:
        """Fewer and fewer registrations, no loop."""
        lab = self.build("auto", OUTSIDE)
        for second in range(120):
            self.registrar.sees = ("203.0.113.50", 40000 + second)
            lab.advance(1)
        self.assertLess(len(self.registrar.heard), 20)
        times = [at for at, _ in self.registrar.heard]
        self.assertLess(len([at for at in times if at > 60]), 5)
        self.finish()

    def test_symmetricNAT(self) -> None:
        """The server's other address sees another port: said once, asked once."""
        lab = self.build("stun:203.0.113.7", OUTSIDE)
        second = STUNServer(lab.network, ("203.0.113.8", 3479), lab.reactor.seconds)
        second.sees = ("203.0.113.50", 40009)
        self.stun.other = second.at
        lab.advance(80)
        self.assertEqual(len(second.asked), 1)
        [told] = [line for line in self.lines if "symmetric NAT" in line]
        self.assertIn("203.0.113.50:40000 to one far end and as 203.0.113.50:40009", told)
        second.close()
        self.finish()

    def test_symmetricNATByARegistrar(self) -> None:
        """A STUN server with one address: the registrar's view tells, once both are sure."""
        lab = self.build("stun:203.0.113.7", OUTSIDE)
        self.registrar.sees = ("203.0.113.50", 40777)
        lab.advance(20)
        self.assertEqual([line for line in self.lines if "symmetric NAT" in line], [])
        lab.advance(60)
        [told] = [line for line in self.lines if "symmetric NAT" in line]
        self.assertIn("as 203.0.113.50:40777 to another", told)
        self.finish()

    def test_aNewAddressIsNoSymmetricNAT(self) -> None:
        """Both see it, one after the other, and so does the server's other address."""
        lab = self.build("stun:203.0.113.7", OUTSIDE)
        second = STUNServer(lab.network, ("203.0.113.8", 3479), lab.reactor.seconds)
        self.stun.other, second.sees = second.at, OUTSIDE
        lab.advance(60)
        self.stun.sees = self.registrar.sees = second.sees = ("203.0.113.51", 40001)
        lab.advance(100)
        self.assertEqual(len(self.registrar.heard), 2)
        self.assertEqual(len(second.asked), 2)
        self.assertEqual([line for line in self.lines if "symmetric NAT" in line], [])
        second.close()
        self.finish()

    def test_aRegistrarThatHasNotSeenTheNewAddressYet(self) -> None:
        """STUN sees it first: no symmetric NAT, the registrar's answer is older."""
        lab = self.build("stun:203.0.113.7", OUTSIDE)
        lab.advance(60)
        self.stun.sees = self.registrar.sees = ("203.0.113.51", 40001)
        lab.advance(100)
        self.assertEqual([line for line in self.lines if "symmetric NAT" in line], [])
        self.finish()

    def test_stoppedWhileItAsks(self) -> None:
        """Nothing is registered, no timer is left."""
        lab = self.build("stun:203.0.113.7")
        self.stun.isDead = True
        lab.advance(1)
        self.lab.close()
        self.assertEqual(self.registrar.heard, [])
        self.finish()

    def test_eachPortIsAskedAbout(self) -> None:
        """By its own address family; of an IPv6 port that nobody sees nothing is said."""
        ports = (Endpoint("udp", "", 5060), Endpoint("udp", "", 5062), Endpoint("udp", "::", 5064))
        lab = self.build("stun:203.0.113.7", listen=ports)
        lab.advance(1)
        self.assertEqual({port for _, (_, port) in self.stun.asked}, {5060, 5062})
        self.assertEqual(len(self.registrar.heard), 1)
        self.assertEqual([line for line in self.lines if "does not tell how" in line], [])
        self.finish()

    def test_refusedAndForged(self) -> None:
        """An error names its words; what others send is no answer."""
        lab = self.build("stun:203.0.113.7", OUTSIDE)
        self.stun.error = (500, "Server Error")
        lab.advance(1)
        forged = self.stun.answer(bytes(12), SERVER)
        lab.network.send(forged, STUN, SERVER)
        lab.advance(1)
        [told] = [line for line in self.lines if "does not tell how" in line]
        self.assertIn("500 Server Error", told)
        self.assertEqual(self.registrar.contacts, ["<sip:u1@192.0.2.10:5060>"])
        self.finish()


class OptionTests(SynchronousTestCase):
    """--advertise."""

    def test_whatItMaySay(self) -> None:
        for text, wanted in (
            ("auto", "auto"),
            ("stun:stun.example.net", "stun:stun.example.net"),
            ("stun:[2001:db8::7]:3479", "stun:[2001:db8::7]:3479"),
            ("[2001:db8::7]", "2001:db8::7"),
        ):
            self.assertEqual(parseAdvertise(text), wanted)
        self.assertEqual(stunServer("stun:a.example:99"), ("a.example", 99))
        self.assertEqual(stunServer("stun:[2001:db8::7]"), ("2001:db8::7", 3478))
        self.assertEqual(Settings(advertise="203.0.113.5").fixedAddress, "203.0.113.5")
        for moving in ("auto", "stun:a", None):
            self.assertIsNone(Settings(advertise=moving).fixedAddress)

    def test_whatItMayNot(self) -> None:
        for text in ("", "stun:", "stun:a:x", "stun:a:0", "stun:a b", "sip.example.net", "Auto"):
            self.assertRaises(ValueError, parseAdvertise, text)
            self.assertRaises(ValueError, Settings, advertise=text)
