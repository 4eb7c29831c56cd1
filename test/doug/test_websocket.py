"""Browsers by WebSocket (RFC 7118), with the whole server in virtual time."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from unittest import SkipTest

from twisted.internet.endpoints import TCP4ClientEndpoint
from twisted.internet.protocol import ClientFactory, Factory

from doug.settings import Settings, parseEndpoint
from doug.tls import Certificates, TLSEndpoint
from shtoom.agent.registrar import Phone as Account
from shtoom.sip.digest import Answering, parseChallenges, strongest
from shtoom.sip.stream import StreamLimits
from shtoom.sip.websocket import missing
from test.cases.case import FieldCase
from test.cases.wires import INVALID, StreamActor, WebWire

LIMITS = StreamLimits()
SITE = "https://phone.example.com"


class WebCase(FieldCase):
    """A server with UDP and WebSocket; alice and mallory are browsers."""

    settings = Settings(
        listen=(parseEndpoint("udp:*:5060"), parseEndpoint("ws:*:8080")), rtpTimeout=0.0
    )
    kind = StreamActor
    alice: StreamActor
    mallory: StreamActor

    def setUp(self) -> None:
        if (why := missing()) is not None:
            raise SkipTest(why)
        super().setUp()
        for actor in (self.alice, self.mallory):
            actor.server, actor.kind = ("192.0.2.10", 8080), "WS"

    def browse(self, actor: StreamActor, origin: str | None = SITE) -> None:
        """The page connects."""
        factory = ClientFactory()
        factory.protocol = lambda: WebWire(actor, origin)
        factory.noisy = False
        actor.connect(factory)


class CallTests(WebCase):
    """Calls of browsers and to them."""

    def test_aCall(self) -> None:
        """Via and Contact of ours say WS; answers and our own BYE come over its connection."""
        self.browse(self.alice)
        self.answered()
        response = next(h.message for h in self.alice.heard if h.label == "200 INVITE")
        self.assertIn(";transport=ws", str(response.contact).lower())
        self.assertEqual(response.via.host, INVALID)
        self.assertEqual(response.via.received, self.alice.host)
        self.app.leg.hangupCall()
        bye = self.alice.request("BYE")
        self.assertEqual((bye.via.transport, bye.uri.host), ("WS", INVALID))
        self.alice.reply(bye, 200)
        self.assertEqual(self.alice.wires, 1)
        self.assertOneEnd(self.app)
        self.assertStillWell()

    def test_itsConnectionIsGone(self) -> None:
        """The call ends on this side; nobody looks for .invalid in DNS, nor connects anywhere."""
        self.browse(self.alice)
        self.answered()
        self.lab.network.reset(self.alice.host)
        self.lab.advance(0.1)
        self.app.leg.hangupCall()
        self.lab.advance(0.1)
        self.assertOneEnd(self.app)
        self.assertLogged("BYE was not confirmed: .*that connection is gone")
        self.assertEqual(self.lab.application.exchange.agent.calls, set())
        self.assertStillWell()

    def test_aPageOfAnotherSite(self) -> None:
        """--ws-origin."""
        self.lab.close()
        self.settings = Settings(listen=self.settings.listen, wsOrigins=(SITE,))
        self.setUp()
        self.browse(self.mallory, "https://evil.example")
        assert self.mallory.web is not None
        self.assertEqual((self.mallory.web.rejected, self.mallory.wire), (403, None))
        self.browse(self.alice)
        self.hangUp(self.answeredCall())
        self.assertStillWell()

    def answeredCall(self) -> Any:
        """A call that is up."""
        return self.answered()

    def test_manyMessagesAndAFlood(self) -> None:
        """The gate holds here, too."""
        self.browse(self.mallory)
        for _ in range(300):
            self.mallory.ask("OPTIONS")
        self.lab.advance(0.1)
        self.assertEqual(self.mallory.labels().count("200 OPTIONS"), 100)
        self.assertLess(len(self.mallory.labels()), 105)
        self.assertStillWell()


class LimitTests(WebCase):
    """Silence, slowness, keep-alives."""

    def test_aHandshakeThatIsNotMade(self) -> None:
        """Closed after ten seconds, whatever is said meanwhile."""
        self.mallory.kind = "TCP"
        self.mallory.connect()
        for _ in range(int(LIMITS.handshake) - 1):
            self.mallory.raw("G")
            self.lab.advance(1.0)
        self.assertIsNotNone(self.mallory.wire)
        self.lab.advance(2.0)
        self.assertIsNone(self.mallory.wire)
        self.assertStillWell()

    def test_pings(self) -> None:
        """One each half minute, while a call goes on over it; silence without one is the end."""
        self.browse(self.alice)
        call = self.answered()
        self.lab.advance(300.0)
        assert self.alice.web is not None
        self.assertEqual(self.alice.web.pings, 10)
        self.alice.raw("\r\n\r\n")
        self.lab.advance(0.1)
        self.assertEqual(self.alice.rest, 1)
        self.hangUp(call)
        self.lab.advance(LIMITS.idle - LIMITS.ping)
        self.assertIsNotNone(self.alice.wire)
        self.lab.advance(2 * LIMITS.ping)
        self.assertIsNone(self.alice.wire)
        self.assertStillWell()


class PhoneTests(WebCase):
    """Browsers that register."""

    settings = Settings(
        listen=WebCase.settings.listen,
        phones={"alice": Account("secret")},
        anonymous="app",
    )

    def test_isCalledOverItsConnection(self) -> None:
        """Which stays open as long as it is registered."""
        self.browse(self.alice)
        self.register()
        self.lab.advance(300.0)
        self.dial("sip:alice@192.0.2.10")
        call = self.alice.takes(self.alice.request("INVITE"))
        self.assertEqual(self.alice.heard[-1].via, "WS")
        call.says(200, body=self.alice.answer)
        self.alice.request("ACK")
        self.lab.advance(0.01)
        self.app.leg.hangupCall()
        self.alice.reply(self.alice.request("BYE"), 200)
        self.assertEqual(self.alice.wires, 1)
        self.alice.hangUpWire()
        app = self.dial("sip:alice@192.0.2.10")  # the page is gone
        self.lab.advance(1.0)
        self.assertIn("CallRejectedEvent", app.names)
        self.assertStillWell()

    def register(self) -> None:
        """With its password."""
        lines = {
            "Contact": f"<{self.alice.contact}>",
            "From": "<sip:alice@192.0.2.10>;tag=r",
            "To": "<sip:alice@192.0.2.10>",
            "Expires": "600",
        }
        self.alice.ask("REGISTER", uri="sip:192.0.2.10", with_=lines)
        refused = self.alice.response("401 REGISTER")
        challenge = strongest(parseChallenges(refused.headerValues("WWW-Authenticate")))
        assert challenge is not None
        answer = Answering(challenge, "alice", "secret", "c").answer("REGISTER", "sip:192.0.2.10")
        lines["Authorization"] = str(answer)
        self.alice.ask("REGISTER", uri="sip:192.0.2.10", with_=lines)
        self.alice.response("200 REGISTER")


class SecureTests(WebCase):
    """The same over TLS."""

    def test_aCallByWSS(self) -> None:
        """Via says WSS; a handshake with the certificate of TLS."""
        try:
            from test.support.certificates import selfSigned
        except ImportError:
            raise SkipTest("TLS needs the extra tls") from None
        folder = Path(self.mktemp())
        folder.mkdir()
        pem = str(selfSigned(folder, "192.0.2.10"))
        self.lab.close()
        listen = (parseEndpoint("udp:*:5060"), parseEndpoint("wss:*:8443"))
        self.settings = Settings(listen=listen, certificate=pem, tlsCA=pem)
        self.setUp()
        self.alice.server, self.alice.kind = ("192.0.2.10", 8443), "WSS"
        plain = TCP4ClientEndpoint(self.alice.machine, *self.alice.server)
        options = Certificates(self.settings).connecting("192.0.2.10")
        endpoint = TLSEndpoint(options, plain, self.lab.reactor)
        endpoint.connect(Factory.forProtocol(lambda: WebWire(self.alice)))
        self.lab.advance(0.1)
        self.answered()
        self.app.leg.hangupCall()
        bye = self.alice.request("BYE")
        self.assertEqual(bye.via.transport, "WSS")
        self.alice.reply(bye, 200)
        self.assertOneEnd(self.app)
        self.assertStillWell()
