"""Connections of a whole server in virtual time: limits, TLS, registrations over them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest import SkipTest

from twisted.internet.endpoints import TCP4ClientEndpoint
from twisted.internet.protocol import ClientFactory, Factory, Protocol

from doug.events import CallRejectedEvent
from doug.settings import Settings, parseEndpoint
from doug.tls import Certificates, TLSEndpoint
from doug.trunks import Trunk
from shtoom.agent.registrar import Phone
from shtoom.sip.digest import Answering, parseChallenges
from shtoom.sip.stream import StreamLimits
from test.cases.case import FieldCase
from test.cases.wires import StreamActor, Wire

try:
    from cryptography import x509
    from OpenSSL import SSL

    from test.support.certificates import selfSigned
except ImportError:  # the extra is not there
    selfSigned = None  # type: ignore[assignment]

REGISTRAR = "203.0.113.30"
HANDSHAKE = StreamLimits().handshake


class ConnectionCase(FieldCase):
    """A server with UDP and TCP, and actors that know both."""

    settings = Settings(
        listen=(parseEndpoint("udp:*:5060"), parseEndpoint("tcp:*:5060")), rtpTimeout=0.0
    )
    kind = StreamActor
    alice: StreamActor
    bob: StreamActor
    trunk: StreamActor
    mallory: StreamActor


class LimitTests(ConnectionCase):
    """Against sources that want too much."""

    def test_theGateHoldsForConnections(self) -> None:
        """Too many requests of one source: answered 503 at first, then with silence; others none.

        What belongs to a call is not counted.
        """
        self.mallory.connect()
        self.alice.connect()
        call = self.answered()
        for _ in range(300):
            self.mallory.ask("OPTIONS")
        self.lab.advance(0.1)
        codes = [label for label in self.mallory.labels() if label.endswith("OPTIONS")]
        self.assertEqual(codes.count("200 OPTIONS"), 100)
        self.assertIn(codes.count("503 OPTIONS"), (1, 2))
        self.assertLess(len(codes), 105)
        self.assertLogged("203.0.113.99 sends more than 50 requests a second")
        self.bob.connect()
        self.bob.ask("OPTIONS")
        self.bob.response("200 OPTIONS")
        self.hangUp(call)
        self.assertStillWell()

    def test_connectionsOfOneSource(self) -> None:
        """As many as --max-source-connections says, and of a trunk any number; reloading changes it
        for those that come, and none that is up is closed.
        """
        trunk = Trunk("office", self.trunk.host)
        changes: dict[str, Any] = {
            "maxSourceConnections": 2,
            "trunks": {"office": trunk},
            "anonymous": "app",
        }
        application = self.lab.application
        application.reload(replace(application.settings, **changes))
        for actor, held in ((self.mallory, 2), (self.alice, 2), (self.trunk, 5)):
            self.assertEqual(self.heldBy(actor), held)
        self.assertLogged("TCP connections from 203.0.113.99 are refused: 2 from there and 2 in")
        application.reload(replace(application.settings, maxConnections=12))
        self.assertEqual(self.heldBy(self.bob), 2)
        application.reload(replace(application.settings, maxSourceConnections=4))
        self.assertEqual(self.heldBy(self.bob), 1)  # the twelfth

    def heldBy(self, actor: StreamActor) -> int:
        """How many of five connections more stay open."""
        held = 0
        for _ in range(5):
            actor.connect()
            self.lab.advance(0.1)
            held += actor.wire is not None
        return held

    def test_aMessageOverTheSettingsLength(self) -> None:
        """--max-message holds here, too: 513, and the end."""
        self.lab.close()
        self.settings = Settings(listen=self.settings.listen, maxMessage=2000)
        self.setUp()
        self.alice.connect()
        self.alice.ask("OPTIONS", body=b"x" * 2000)
        self.alice.response("513 OPTIONS")
        self.lab.advance(0.1)
        self.assertIsNone(self.alice.wire)
        self.assertStillWell()

    def test_whoSendsAndDoesNotRead(self) -> None:
        """Its connection is closed once as much waits as a connection may hold."""
        self.mallory.connect()
        wire = self.mallory.wire.transport
        wire.pauseProducing()
        for _ in range(60):
            for _ in range(20):
                self.mallory.ask("OPTIONS", with_={"X-Pad": "A" * 500})
            self.lab.advance(1.0)
            if wire.closed:
                break
        self.assertTrue(wire.closed)
        self.assertStillWell()

    def test_whoPingsAndDoesNotRead(self) -> None:
        """Pongs are not kept without end either."""
        self.mallory.connect()
        wire = self.mallory.wire.transport
        wire.pauseProducing()
        for _ in range(10):
            self.mallory.raw("\r\n\r\n" * 8000)
            self.lab.advance(1.0)
        self.assertTrue(wire.closed)
        self.assertStillWell()


class FlowTests(ConnectionCase):
    """A trunk that we register at over TCP."""

    settings = Settings(
        listen=ConnectionCase.settings.listen,
        trunks={
            "office": Trunk(
                "office", REGISTRAR, transport="tcp", user="doug", password="x", register=True
            )
        },
        anonymous="app",
    )

    def setUp(self) -> None:
        super().setUp()
        self.trunk.listen()
        self.lab.advance(0.0)

    def registered(self, within: float = 2.0) -> None:
        """The trunk takes the next REGISTER."""
        register = self.trunk.request("REGISTER", within)
        contact = register.header("Contact")
        self.trunk.reply(register, 200, tag="r", with_={"Contact": f"{contact};expires=600"})
        self.lab.advance(0.01)

    def test_aLostFlowIsRegisteredAnewAtOnce(self) -> None:
        """Within a second of the loss, over a new connection; calls could not come in else."""
        self.registered(40.0)
        self.assertEqual(self.trunk.wires, 1)
        self.lab.advance(300.0)
        self.assertEqual((self.trunk.wires, len(self.trunk.labels("REGISTER"))), (1, 1))
        self.lab.network.reset(REGISTRAR)
        self.registered(1.0)
        self.assertEqual((self.trunk.wires, len(self.trunk.labels("REGISTER"))), (2, 2))
        self.assertLogged("registration office: the connection is gone")
        self.assertNothingLeft()

    def test_aRegistrarThatClosesEachTimeIsNotBesieged(self) -> None:
        """At most eight REGISTER in any minute."""
        self.registered(40.0)
        for _ in range(12):
            self.trunk.hangUpWire()
            self.registered(15.0)
        times = [heard.at for heard in self.trunk.heard if heard.label == "REGISTER"]
        for at in times:
            self.assertLessEqual(sum(at <= other < at + 60.0 for other in times), 8)
        self.assertNothingLeft()


class PhoneFlowTests(ConnectionCase):
    """alice registers over TCP from behind a router, or a proxy on this machine, whose ports are
    many clients', one after the other."""

    settings = Settings(
        listen=ConnectionCase.settings.listen,
        phones={"alice": Phone("a")},
        anonymous="app",
        rtpTimeout=0.0,
    )
    port = 40001

    def connectAgain(self) -> None:
        """From the same port; whoever that is now."""
        if self.alice.wire is not None:
            self.alice.hangUpWire()
        self.alice.connect(own=self.port)

    def register(self, contact: str) -> None:
        """With the right password."""
        lines = {
            "From": "<sip:alice@doug>;tag=1",
            "To": "<sip:alice@doug>",
            "Contact": f"<sip:alice@{contact}>",
        }
        self.alice.ask("REGISTER", uri="sip:doug", with_=lines)
        asked = self.alice.response("401 REGISTER")
        challenge = parseChallenges(asked.headers.getLines("WWW-Authenticate"))[0]
        answer = Answering(challenge, "alice", "a", "1").answer("REGISTER", "sip:doug")
        self.alice.ask("REGISTER", uri="sip:doug", with_={**lines, "Authorization": str(answer)})
        self.alice.response("200 REGISTER")

    def test_itsCallsGoOverItsConnectionAndNoOther(self) -> None:
        """Whoever connects from the same port later hears of none: 480."""
        self.connectAgain()
        self.register("10.0.0.1")
        app = self.dial("sip:alice@doug")
        self.alice.takes(self.alice.request("INVITE")).says(486)
        self.lab.advance(0.5)
        self.assertEqual([event.sipCode for event in app.got(CallRejectedEvent)], [486])
        self.alice.forget()
        self.connectAgain()
        app = self.dial("sip:alice@doug")
        self.lab.advance(0.5)
        self.assertEqual(self.alice.labels("INVITE"), [])
        self.assertEqual([event.sipCode for event in app.got(CallRejectedEvent)], [480])
        self.register("10.0.0.1")
        app = self.dial("sip:alice@doug")
        self.alice.takes(self.alice.request("INVITE")).says(486)
        self.lab.advance(0.5)
        self.assertNothingLeft()

    def test_itListensForOthers(self) -> None:
        """A phone that accepts connections is reached there once its own is gone."""
        self.connectAgain()
        self.alice.listen()
        self.register(f"{self.alice.host}:5060")
        self.connectAgain()
        stranger = self.alice.wire
        self.dial("sip:alice@doug")
        self.lab.advance(0.5)
        self.assertIsNot(self.alice.wire, stranger)
        self.alice.takes(self.alice.request("INVITE")).says(486)
        self.lab.advance(0.5)
        self.assertNothingLeft()

    def test_theConnectionOfAPhoneStays(self) -> None:
        """Not so another's from the same port: silent, it ends after two minutes."""
        self.connectAgain()
        self.register("10.0.0.1")
        self.lab.advance(300)
        self.assertIsNotNone(self.alice.wire)
        self.connectAgain()
        self.lab.advance(130)
        self.assertIsNone(self.alice.wire)


class TLSTests(ConnectionCase):
    """A server with TLS."""

    def setUp(self) -> None:
        if selfSigned is None:
            raise SkipTest("TLS needs the extra tls")
        folder = Path(self.mktemp())
        folder.mkdir()
        self.pem = str(selfSigned(folder, "192.0.2.10"))
        self.settings = Settings(
            listen=(parseEndpoint("udp:*:5060"), parseEndpoint("tls:*:5061")),
            certificate=self.pem,
            tlsCA=self.pem,
            rtpTimeout=0.0,
        )
        super().setUp()
        for actor in (self.alice, self.mallory):
            actor.server, actor.kind = ("192.0.2.10", 5061), "TLS"

    def connectTLS(self, actor: StreamActor) -> None:
        """With a handshake that looks at the certificate."""
        options = Certificates(self.settings).connecting("192.0.2.10")
        plain = TCP4ClientEndpoint(actor.machine, *actor.server)
        endpoint = TLSEndpoint(options, plain, self.lab.reactor)
        made = endpoint.connect(Factory.forProtocol(lambda: Wire(actor)))
        self.lab.advance(0.1)
        self.successResultOf(made)

    def test_transport_006_ourBYEOverTLS(self) -> None:
        """Over the caller's own connection; its Contact names a port where nobody listens."""
        self.alice.contactPort = 51234
        self.connectTLS(self.alice)
        self.answered()
        self.app.leg.hangupCall()
        bye = self.alice.request("BYE")
        self.assertEqual(bye.via.transport, "TLS")
        self.alice.reply(bye, 200)
        self.assertEqual(self.alice.wires, 1)
        self.assertOneEnd(self.app)
        self.assertStillWell()

    def test_weCallOverTLS(self) -> None:
        """The far end's certificate is looked at."""
        server = Certificates(self.settings).accepting(
            Factory.forProtocol(lambda: Wire(self.trunk)), self.lab.reactor
        )
        port = self.trunk.machine.listenTCP(5061, server)
        self.trunk.kind = "TLS"
        app = self.dial("sip:200@203.0.113.30;transport=tls")
        self.lab.advance(1.0)
        self.assertOneEnd(app, CallRejectedEvent)  # it is for another address
        self.assertIn("its certificate is for another name", app.got(CallRejectedEvent)[0].reason)
        port.stopListening()
        self.assertStillWell()

    def test_whoseCertificateNamesNobodyIsNotCalled(self) -> None:
        """Somebody believed has signed it, and it has no names, or one that is none."""
        for names, word in (
            ([], "no names"),
            ([x509.DNSName("203.0.113.30")], "no name at all"),
            ([x509.DNSName("a..b"), x509.DNSName("*")], "none that can be read"),
        ):
            folder = Path(self.mktemp())
            folder.mkdir()
            pem = str(selfSigned(folder, "203.0.113.30", names))
            server = Certificates(Settings(listen=(), certificate=pem)).accepting(
                Factory.forProtocol(lambda: Wire(self.trunk)), self.lab.reactor
            )
            port = self.trunk.machine.listenTCP(5061, server)
            self.trunk.kind = "TLS"
            Path(self.pem).write_bytes(Path(pem).read_bytes())  # it is believed
            app = self.dial("sip:200@203.0.113.30;transport=tls")
            self.lab.advance(1.0)
            self.assertOneEnd(app, CallRejectedEvent)
            reason = app.got(CallRejectedEvent)[0].reason
            self.assertIn("its certificate names nobody", reason, word)
            port.stopListening()
        self.assertStillWell()

    def test_aHandshakeThatIsNotMade(self) -> None:
        """Silence, or a byte a second: closed after ten seconds."""
        self.mallory.connect()
        self.lab.advance(HANDSHAKE - 1)
        self.assertIsNotNone(self.mallory.wire)
        self.lab.advance(1.5)
        self.assertIsNone(self.mallory.wire)
        self.mallory.connect()
        for byte in b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc":
            self.mallory.raw(bytes([byte]))
            self.lab.advance(1.0)
        self.lab.advance(HANDSHAKE - 8)
        self.assertIsNone(self.mallory.wire)
        self.assertStillWell()

    def test_whatIsNoTLS(self) -> None:
        """Its connection ends, the log says why; nothing else does."""
        self.mallory.connect()
        self.mallory.ask("OPTIONS")
        self.lab.advance(0.1)
        self.assertLogged("TLS with 203.0.113.99:[0-9]+: no handshake: TLS failed: ")
        self.assertIsNone(self.mallory.wire)
        self.assertEqual(self.mallory.labels(), [])
        self.assertStillWell()

    def test_renegotiationIsOff(self) -> None:
        """A client of TLS 1.2 that wants another handshake gets none (it costs us, not them)."""
        raw = self.connectRaw(self.mallory)
        context = SSL.Context(SSL.TLS_CLIENT_METHOD)
        context.set_max_proto_version(SSL.TLS1_2_VERSION)
        client = SSL.Connection(context, None)
        client.set_connect_state()
        self.exchange(client, raw)
        self.assertEqual(client.get_protocol_version_name(), "TLSv1.2")
        client.send(b"\r\n\r\n")
        self.exchange(client, raw)
        self.assertEqual(client.recv(10), b"\r\n")
        client.renegotiate()
        self.exchange(client, raw)
        self.assertTrue(client.renegotiate_pending())
        self.mallory.machine.network.reset(self.mallory.host)
        self.assertStillWell()

    def test_whatElseAClientMaySpeak(self) -> None:
        """Browsers offer HTTP (ALPN); who offers nothing that we know is served all the same."""
        for offered, chosen in (
            ([b"http/1.1"], b"http/1.1"),
            ([b"h2", b"sip/2"], b"sip/2"),
            ([b"h2", b"imap"], b""),
        ):
            raw = self.connectRaw(self.alice)
            context = SSL.Context(SSL.TLS_CLIENT_METHOD)
            context.set_alpn_protos(offered)
            client = SSL.Connection(context, None)
            client.set_connect_state()
            self.exchange(client, raw)
            client.send(b"\r\n\r\n")
            self.exchange(client, raw)
            self.assertEqual(client.recv(10), b"\r\n")
            self.assertEqual(client.get_alpn_proto_negotiated(), chosen)
            self.lab.network.reset(self.alice.host)
        self.assertStillWell()

    def connectRaw(self, actor: StreamActor) -> Raw:
        """A connection without TLS of its own."""
        raw = Raw()
        factory = ClientFactory()
        factory.protocol = lambda: raw
        factory.noisy = False
        actor.connect(factory)
        return raw

    def exchange(self, client: Any, raw: Raw) -> None:
        """Some round trips of a handshake."""
        for _ in range(4):
            _step(client.do_handshake)
            _step(lambda: raw.write(client.bio_read(65536)))
            self.lab.advance(0.05)
            said, raw.said = raw.said, b""
            if said:
                client.bio_write(said)


class Raw(Protocol):
    """Bytes that come, as they are."""

    said = b""

    def dataReceived(self, data: bytes) -> None:
        """From Twisted."""
        self.said += data

    def write(self, data: bytes) -> None:
        """Sends."""
        if self.transport is not None:
            self.transport.write(data)


def _step(do: Any) -> None:
    try:
        do()
    except SSL.Error:
        """It wants to read more, or was refused."""
