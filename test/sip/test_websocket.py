"""WebSocket framing (RFC 7118, RFC 6455): handshakes, messages however they are cut, limits."""

from __future__ import annotations

from random import Random
from unittest import SkipTest

from twisted.trial.unittest import SynchronousTestCase

from shtoom.sip.framing import Broken, Over, Piece, Ping, Say, Whole
from shtoom.sip.websocket import LONGEST_HANDSHAKE, MOST_FRAMES, WebSocketFramer, missing
from test.sip.streamed import PLAIN, WITH_BODY

if missing() is None:
    from test.support.webclient import WebClient

SITE = "https://phone.example.com"


class WebSocketCase(SynchronousTestCase):
    """A framer, and a client that talks to it."""

    def setUp(self) -> None:
        if (why := missing()) is not None:
            raise SkipTest(why)
        self.framer, self.client = WebSocketFramer(), WebClient()

    def hear(self, data: bytes) -> list[Piece]:
        """The framer's pieces; what it says goes to the client, whose answers come back."""
        pieces = self.framer.received(data)
        for piece in pieces:
            if isinstance(piece, Say):
                answer = self.client.received(piece.data)
                if answer:
                    pieces = [*pieces, *self.hear(answer)]
        return pieces

    def begin(self) -> None:
        self.hear(self.client.hello)
        self.assertTrue(self.framer.begun)

    def wholes(self, pieces: list[Piece]) -> list[bytes]:
        return [piece.data for piece in pieces if isinstance(piece, Whole)]


class HandshakeTests(WebSocketCase):
    """Who may come in."""

    def test_thatOfSIP(self) -> None:
        """The answer names the subprotocol (RFC 7118 4.1)."""
        self.assertTrue(self.framer.within)
        self.begin()
        self.assertFalse(self.framer.within)
        assert self.client.accepted is not None
        self.assertEqual(self.client.accepted.subprotocol, "sip")

    def test_anotherSubprotocol(self) -> None:
        for names in ((), ("chat", "soap")):
            self.framer, self.client = WebSocketFramer(), WebClient(names)
            pieces = self.hear(self.client.hello)
            self.assertIsInstance(pieces[-1], Over)
            self.assertEqual(self.client.rejected, 400)
            self.assertEqual(self.framer.received(b"more"), [])

    def test_origins(self) -> None:
        """Pages of other sites may not; who is no browser says none."""
        for origin, code in ((SITE, None), ("https://evil.example", 403), (None, None)):
            self.framer = WebSocketFramer(["https://Phone.example.com"])
            self.client = WebClient(origin=origin)
            self.hear(self.client.hello)
            self.assertEqual((self.client.rejected, self.framer.begun), (code, code is None))

    def test_whatIsNoHandshake(self) -> None:
        """400, and the end; however it is wrong."""
        host = b"Host: 192.0.2.10\r\n"
        for head in (
            b"OPTIONS sip:192.0.2.10 SIP/2.0\r\nVia: SIP/2.0/WS a.invalid\r\n\r\n",
            b"GET / HTTP/1.1\r\n" + host + b"\r\n",
            b"POST / HTTP/1.1\r\n" + host + b"\r\n",
            b"GET / HTTP/1.1\r\nHost: \xff\xfe" + b"x" * 70 + b".\r\n\r\n",
            b"\0\1\2\r\n\r\n",
            b"GET /\xff HTTP/1.1\r\n" + host + b"\r\n",
        ):
            framer = WebSocketFramer()
            said, over = framer.received(head)
            assert isinstance(said, Say)
            self.assertRegex(said.data, b"^HTTP/1.1 4\\d\\d ")
            self.assertIsInstance(over, Over)
            self.assertFalse(framer.begun)

    def test_oneWithoutEnd(self) -> None:
        for _ in range(LONGEST_HANDSHAKE // 1000):
            self.assertEqual(self.framer.received(b"x" * 1000), [])
        [over] = self.framer.received(b"x" * 1000)
        self.assertIsInstance(over, Over)

    def test_aMessageInTheSameRead(self) -> None:
        """A client that does not wait for the answer loses nothing."""
        impatient = WebClient()
        impatient.received(WebSocketFramer().received(impatient.hello)[0].data)  # type: ignore[union-attr]
        pieces = self.framer.received(impatient.hello + impatient.say(PLAIN.decode()))
        self.assertEqual(self.wholes(pieces), [PLAIN])


class MessageTests(WebSocketCase):
    """After the handshake."""

    def test_everyCutGivesTheSameMessages(self) -> None:
        """However a stream is cut into reads, and messages into frames."""
        wanted = [PLAIN, WITH_BODY] * 3
        for seed in range(30):
            chance = Random(seed)
            self.framer, self.client = WebSocketFramer(), WebClient()
            self.begin()
            stream = b"".join(
                self.client.say(message.decode(), chance.randint(1, 5)) + self.client.ping()
                for message in wanted
            )
            found: list[Piece] = []
            while stream:
                size = chance.choice((1, 2, 7, 100, 1000))
                found += self.hear(stream[:size])
                stream = stream[size:]
            self.assertEqual(self.wholes(found), wanted)
            self.assertEqual(self.client.pongs, 6)
            self.assertFalse(self.framer.within)

    def test_whatBeginsIsWithin(self) -> None:
        self.begin()
        data = self.client.say(PLAIN.decode(), 2)
        self.hear(data[:1])
        self.assertTrue(self.framer.within)
        self.hear(data[1:-1])
        self.assertTrue(self.framer.within)
        self.assertEqual(self.wholes(self.hear(data[-1:])), [PLAIN])
        self.assertFalse(self.framer.within)

    def test_ours(self) -> None:
        """One message each, as text; what is no UTF-8 as bytes (RFC 7118 5)."""
        self.begin()
        odd = PLAIN.replace(b"\r\n\r\n", b"\r\nX: \xff\r\n\r\n")
        for message in (PLAIN, odd):
            self.client.received(self.framer.wrap(message))
        self.assertEqual(self.client.messages, [PLAIN, odd])

    def test_keepAlives(self) -> None:
        """CRLF CRLF wants its pong; a ping of ours has one, and is no word of the peer."""
        self.begin()
        self.assertEqual(self.hear(self.client.say("\r\n\r\n")), [Ping()])
        pong = self.client.received(self.framer.ping())
        self.assertEqual((self.client.pings, self.hear(pong)), (1, []))

    def test_tooLong(self) -> None:
        """513 for a reason, and the end; not before all of it is here."""
        self.framer = WebSocketFramer(longest=2000)
        self.begin()
        pieces = self.hear(self.client.say("x" * 3000, 30)[:2600])
        broken = next(piece for piece in pieces if isinstance(piece, Broken))
        self.assertEqual(broken.error.code, 513)
        self.assertIsInstance(pieces[-1], Over)
        self.assertEqual(self.client.closed, 1009)
        self.assertEqual(self.framer.received(b"more"), [])
        self.assertEqual(self.framer.wrap(PLAIN), b"")

    def test_framesWithoutEnd(self) -> None:
        """Empty ones too: a message has so many, then it is too long."""
        self.begin()
        empty = b"\x00\x80\0\0\0\0"
        pieces = self.hear(b"\x01\x81\0\0\0\0x" + empty * (MOST_FRAMES - 1))
        self.assertEqual(pieces, [])
        self.assertTrue(self.framer.within)
        pieces = self.hear(empty)
        self.assertIsInstance(pieces[-1], Over)
        self.assertEqual(self.client.closed, 1009)

    def test_manyFramesAreAMessage(self) -> None:
        """As many as it has bytes, and empty ones between, twice."""
        self.begin()
        text = PLAIN.decode()
        for _ in range(2):
            self.assertEqual(self.wholes(self.hear(self.client.say(text, len(text)))), [PLAIN])

    def test_whatIsNoFrame(self) -> None:
        """Frames without a mask, with bits that mean nothing, text that is none: the end."""
        for bad in (
            b"\x81\x02hi",
            b"\xf1\x80\0\0\0\0",
            b"\x83\x80\0\0\0\0",
            b"\x81\x81\0\0\0\0\xff",
        ):
            self.framer, self.client = WebSocketFramer(), WebClient()
            self.begin()
            pieces = self.hear(bad)
            self.assertIsInstance(pieces[-1], Over)
            self.assertIn(self.client.closed, (1002, 1007))

    def test_theClientCloses(self) -> None:
        self.begin()
        pieces = self.hear(self.client.close())
        self.assertIsInstance(pieces[-1], Over)
        self.assertEqual(self.framer.wrap(PLAIN), b"")

    def test_anyBytes(self) -> None:
        """No bytes after the handshake are an error of ours."""
        for seed in range(300):
            chance = Random(seed)
            self.framer, self.client = WebSocketFramer(), WebClient()
            self.begin()
            good = self.client.say(WITH_BODY.decode(), 3)
            mangled = bytearray(good)
            for _ in range(chance.randint(1, 6)):
                mangled[chance.randrange(len(mangled))] = chance.randrange(256)
            for piece in self.framer.received(bytes(mangled)):
                self.assertIsInstance(piece, Say | Whole | Ping | Broken | Over)
