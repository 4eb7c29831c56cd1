"""Requests whose source is forged: what the one who is meant gets of it."""

from __future__ import annotations

from itertools import count

from doug.settings import Settings
from doug.trunks import Trunk
from shtoom.agent.registrar import Phone
from shtoom.sip.digest import parseChallenges
from test.cases.actor import DOUG, sdp
from test.cases.case import FieldCase
from test.cases.media import Address, assertGapless
from test.doug.forging import request


class ForgedCase(FieldCase):
    """Forged requests, and how many bytes of answers there are.

    came, answers: bytes. most: of an answer, for each byte of its request.
    """

    def setUp(self) -> None:
        super().setUp()
        self.numbers = count(1000)
        self.came = self.answers = 0  # bytes
        self.most = 0.0
        self._request = 0
        self.lab.network.observers.append(self._pass)

    def _pass(self, data: bytes, source: Address, to: Address) -> None:
        if source == DOUG:
            self.answers += len(data)
            self.most = max(self.most, len(data) / self._request)
        elif to == DOUG:
            self.came += len(data)
            self._request = len(data)

    def forge(self, data: bytes, host: str) -> None:
        """One, and time for its answer."""
        self.lab.network.send(data, (host, 5060), DOUG)
        self.lab.advance(0.002)


class AmplificationCases(ForgedCase):
    """A server that anybody may call."""

    def test_answersAreShort(self) -> None:
        """None is longer than 1.5 times its request, and none but those to INVITE comes twice."""
        for n in range(40):
            host = f"198.18.{n}.1"
            for method in ("REGISTER", "OPTIONS", "FOO", "BYE", "NOTIFY", "SUBSCRIBE", "CANCEL"):
                number = next(self.numbers)
                self.forge(request(method, number, host), host)
                self.forge(request(method, number, host, cseq="x"), host)
                self.forge(request(method, number, host, more="Require: foo, bar\r\n"), host)
                self.forge(request(method, number, host, more="X" * 3000 + "\r\n"), host)
                self.forge(request(method, number, host)[:-30], host)
            tiny = (
                "OPTIONS sip:a SIP/2.0\r\nv: SIP/2.0/UDP a;branch=z9hG4bKa\r\nf: <sip:a>;tag=a\r\n"
                f"t: <sip:a>\r\ni: {n}\r\nCSeq: 1 OPTIONS\r\nMax-Forwards: 70\r\n\r\n"
            )
            self.forge(tiny.encode(), host)
        self.lab.advance(40.0)
        self.assertGreater(self.answers, self.came / 4)
        self.assertLessEqual(self.most, 1.5)
        self.assertLessEqual(self.answers / self.came, 2.0)

    def test_aCallThatIsTaken(self) -> None:
        """Its 200 is repeated until an ACK (RFC 3261 13.3.1.4); of its sound a second is sent."""
        host = "198.18.0.7"
        media: list[bytes] = []
        self.lab.network.bind((host, 50000), lambda data, source: media.append(data))
        invite = request("INVITE", next(self.numbers), host, body=sdp(host, 50000))
        self.forge(invite, host)
        self.app.leg.answerCall(self.app)
        self.app.leg.mediaPlay(self.soundFile(60.0))
        self.lab.advance(40.0)
        self.assertEqual(self.app.names[-1], "CallEndedEvent")
        self.assertEqual({len(packet) for packet in media}, {172})
        self.assertTrue(45 <= len(media) <= 50, len(media))
        self.assertLess(self.most, 1.7)

    def test_aCallThatIsTakenAndWasShort(self) -> None:
        """Its 200, and each repeat of it, has no more than a call needs."""
        host = "198.18.0.7"
        answers: list[bytes] = []
        self.lab.network.bind((host, 5060), lambda data, source: answers.append(data))
        body = b"v=0\r\ns=-\r\nc=IN IP4 198.18.0.7\r\nm=audio 50000 RTP/AVP 0\r\n"
        invite = (
            "INVITE sip:a SIP/2.0\r\nv: SIP/2.0/UDP a;branch=z9hG4bKa\r\nf: <sip:a>;tag=a\r\n"
            "t: <sip:a>\r\ni: 1\r\nCSeq: 1 INVITE\r\nMax-Forwards: 70\r\nc: application/sdp\r\n\r\n"
        )
        self.forge(invite.encode() + body, host)
        self.app.leg.answerCall(self.app)
        self.lab.advance(40.0)
        taken = [data for data in answers if data.startswith(b"SIP/2.0 200")]
        self.assertEqual((len(taken), len(set(taken))), (11, 1))
        self.assertNotIn(b"\r\nAllow:", taken[0])
        self.assertIn(b"\r\nContact:", taken[0])
        self.assertLess(self.most, 2.0)

    def test_soundGoesOnWhenTheFarEndHasShownThatItIsThere(self) -> None:
        """By its ACK, however late, or by a packet of sound."""
        for proof in ("ACK", "sound"):
            call = self.ringing()
            self.app.leg.answerCall(self.app)
            self.app.leg.mediaPlay(self.soundFile(60.0))
            self.alice.response("200 INVITE")
            self.lab.advance(3.0)
            self.assertEqual(self.alice.media.during(1.0), [], proof)
            if proof == "ACK":
                call.ack()
            else:
                self.alice.media.say(call.media, count=1)
            self.lab.advance(0.2)
            packets = self.alice.media.during(2.0)
            self.assertTrue(98 <= len(packets) <= 102, proof)
            assertGapless(packets)
            call.bye()
            self.lab.advance(1.0)

    def test_refusalsOfINVITEs(self) -> None:
        """One is repeated for 32 s (timer G); of many that nobody acknowledges none."""
        broken = b"v=0\r\nm=audio what RTP/AVP 0\r\n"
        self.forge(request("INVITE", next(self.numbers), "198.18.0.1", body=broken), "198.18.0.1")
        self.lab.advance(40.0)
        few = self.answers / self.came
        self.assertTrue(5 < few < 15, few)
        self.came = self.answers = 0
        for n in range(600):
            host = f"198.18.{n % 200}.2"
            self.forge(request("INVITE", next(self.numbers), host, body=broken), host)
        self.lab.advance(40.0)
        many = self.answers / self.came
        self.assertLess(many, 2.5)
        self.assertLessEqual(self.most, 1.5)


class ChallengeCases(ForgedCase):
    """A server with phones, and a trunk that is told by its password: who asks hears challenges."""

    settings = Settings(
        phones={"100": Phone("secret")},
        trunks={"gw": Trunk("gw", "203.0.113.30", user="gw", password="x", inbound="password")},
    )

    def tiny(self, method: str, host: str, length: int = 0) -> bytes:
        """As short as one can be, and so many bytes more."""
        number = next(self.numbers)
        return (
            f"{method} sip:a SIP/2.0\r\nv: SIP/2.0/UDP a;branch=z9hG4bK{number}\r\n"
            f"f: <sip:100@a>;tag=a\r\nt: <sip:100@a>\r\ni: {number}\r\nCSeq: 1 {method}\r\n"
            f"Max-Forwards: 70\r\ns: {'x' * length}\r\n\r\n"
        ).encode()

    def test_noChallengeIsAWeapon(self) -> None:
        """Of any length of REGISTER and INVITE; none comes twice by itself."""
        for method in ("REGISTER", "INVITE"):
            self.came = self.answers = 0
            for n in range(150):
                host = f"198.18.{n}.1"
                self.forge(self.tiny(method, host, 5 * n), host)
            self.lab.advance(40.0)
            self.assertGreater(self.answers, self.came / 4)
            self.assertLessEqual(self.answers / self.came, 1.5)
        self.assertLessEqual(self.most, 1.5)
        self.assertLogged("REGISTER from .* is not answered: it has 1.. bytes, and the challenge")
        self.assertNothingLeft()

    def test_whatIsTooShortIsAbsorbed(self) -> None:
        """Its repeats cost nothing; its CANCEL and ACK are in order."""
        data = self.tiny("INVITE", "198.18.0.1")
        for _ in range(7):
            self.forge(data, "198.18.0.1")
        self.assertEqual(self.answers, 0)
        self.assertEqual(self.lab.application.exchange.agent.layer.counts["tooLong"], 1)
        for method in (b"CANCEL", b"ACK"):
            self.forge(data.replace(b"INVITE", method), "198.18.0.1")
        self.assertLessEqual(self.most, 1.5)
        self.lab.advance(40.0)
        self.assertNothingLeft()

    def test_phonesHearBothChallenges(self) -> None:
        """What they send is long enough, with a Contact and a name of their own."""
        for method in ("REGISTER", "INVITE"):
            self.mallory.raw(request(method, next(self.numbers), self.mallory.host))
            asked = self.mallory.response(f"401 {method}")
            lines = asked.headers.getLines("WWW-Authenticate")
            found = [challenge.algorithm for challenge in parseChallenges(lines)]
            self.assertEqual(found, ["SHA-256", "MD5"])
        self.lab.advance(40.0)
        self.assertEqual(len(self.mallory.labels("401 INVITE")), 1)
        self.assertNothingLeft()
