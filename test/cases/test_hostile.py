"""Phones that do it another way: the catalogue of those that a server must live with.

Lives here: what has no case of its own elsewhere in this folder, in detail. Not here: the phones
of doug.testing.hostile, which meet every application that is shipped (test_hostilephones.py).
Numbers are those of the catalogue; the others are in test_transaction (18 to 24), test_dialog (6,
7), test_offeranswer (9, 29, 30, 32, 33), test_hold (11, 12), test_early (25, 26, 28), test_nat (34,
35), test_rtp (36, 38, 39), test_dtmf (42, 43, 61), test_parse (1 to 4), test_transport (54 to 56),
test_life (23).
"""

from __future__ import annotations

from collections.abc import Iterable
from random import Random
from typing import NamedTuple

from doug.events import CallHeldEvent, CallResumedEvent, DTMFReceivedEvent
from test.cases.actor import Dialogue, direction, sdp, version
from test.cases.case import FieldCase
from test.cases.media import assertGapless, jumps, loud, quietSeconds, sound

HOST, PORT = "198.51.100.20", 40000
PLAIN = sdp(HOST, PORT).decode()
VIA = f"SIP/2.0/UDP {HOST}"
CANDIDATES = (
    "a=candidate:1 1 UDP 2130706431 198.51.100.20 40000 typ host\na=ice-ufrag:abcd\n"
    "a=ice-pwd:0123456789abcdef012345\na=rtcp-mux\na=rtcp:40001 IN IP4 198.51.100.20\n"
    "a=ssrc:1 cname:x\na=setup:actpass\na=sendrecv"
)
CRYPTO = "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz"


class Odd(NamedTuple):
    """How one phone's INVITE differs: headers, those left out, Request-URI, description."""

    name: str
    headers: dict[str, str] = {}
    drop: tuple[str, ...] = ()
    uri: str = ""
    body: str = PLAIN


HEADERS = (
    Odd("5: no rport", {"Via": f"{VIA}:5060;branch=z9hG4bKo5"}),
    Odd("no branch of this century", {"Via": f"{VIA}:5060;branch=1"}),
    Odd("a Via of odd parameters", {"Via": f"{VIA};maddr=9.9.9.9;ttl=1;branch=z9hG4bKm;rport;x"}),
    Odd("no Max-Forwards", {}, ("Max-Forwards",)),
    Odd("Max-Forwards used up", {"Max-Forwards": "0"}),
    Odd("no Contact", {}, ("Contact",)),
    Odd("a private Contact", {"Contact": "<sip:alice@10.0.0.7:5066>"}),
    Odd("a Contact by name", {"Contact": "<sip:alice@phone.invalid;transport=udp>"}),
    Odd("a Contact without brackets", {"Contact": f"sip:alice@{HOST}"}),
    Odd("a Contact over TCP", {"Contact": f"<sip:alice@{HOST}:5060;transport=tcp>"}),
    Odd("no tag in From", {"From": "<sip:alice@example.net>"}),
    Odd("names in capitals", {"FROM": "<sip:alice@example.net>;TAG=c1"}, ("From",)),
    Odd("To without brackets", {"To": "sip:app@192.0.2.10"}),
    Odd("To with parameters", {"To": "App <sip:app@192.0.2.10;user=phone>;x=y"}),
    Odd("a great CSeq", {"CSeq": "2147483646 INVITE"}),
    Odd("an odd Call-ID", {"Call-ID": "{a-b}<c>%25\"d'`@[::1]"}),
    Odd("all kinds of Supported", {"Supported": "100rel, timer, replaces, path, gruu, outbound"}),
    Odd("headers of others", {"P-Asserted-Identity": "<sip:x@y>", "Session-Expires": "1800"}),
    Odd("a Date of the wrong form", {"Date": "yesterday", "Expires": "soon", "Priority": "?"}),
    Odd("a Route of ours", {"Route": "<sip:192.0.2.10;lr>"}),
    Odd("a tel: target", uri="tel:+15550100;phone-context=example.com"),
    Odd("a target without user", uri="sip:192.0.2.10"),
    Odd("a target with all", uri="sip:a%20b;c=d:pw@192.0.2.10:5060;transport=UDP;user=phone;lr"),
)  # fmt: skip
DESCRIPTIONS = (
    Odd("bare LFs in SDP", body=PLAIN.replace("\r\n", "\n")),
    Odd("no s= and t=", body=PLAIN.replace("s=-\r\nt", "t").replace("t=0 0\r\n", "")),
    Odd("c= at the stream alone", body=PLAIN.replace("c=", "i=").replace("RTP/AVP 0 8 101\r\n",
        f"RTP/AVP 0 8 101\r\nc=IN IP4 {HOST}\r\n")),
    Odd("another c= at the session", body=PLAIN.replace(f"c=IN IP4 {HOST}", "c=IN IP4 192.0.2.77")
        .replace("101\r\na", f"101\r\nc=IN IP4 {HOST}\r\na", 1)),
    Odd("no rtpmap for what is static", body=PLAIN.replace("a=rtpmap:0 PCMU/8000\r\n", "")
        .replace("a=rtpmap:8 PCMA/8000\r\n", "")),
    Odd("small letters", body=PLAIN.replace("PCMU/8000", "pcmu/8000/1")),
    Odd("every codec there is", body=sdp(HOST, PORT, "18 3 9 4 97 98 13 0 8 101 102",
        rtpmap="97 iLBC/8000\n98 opus/48000/2\n101 telephone-event/8000\n102 G726-32/8000")
        .decode()),
    Odd("AVPF", body=PLAIN.replace("RTP/AVP", "RTP/AVPF")),
    Odd("ICE", body=sdp(HOST, PORT, more=CANDIDATES).decode()),
    Odd("SRTP if you like", body=sdp(HOST, PORT, more=f"{CRYPTO}\na=sendrecv").decode()),
    Odd("SRTP first, then plain", body=PLAIN.replace("m=audio", "m=audio 40010 RTP/SAVP 0\r\n"
        f"{CRYPTO}\r\nm=audio")),
    Odd("video too", body=PLAIN + "m=video 40002 RTP/AVP 31\r\na=sendrecv\r\n"),
    Odd("video first", body=PLAIN.replace("m=audio", "m=video 40002 RTP/AVP 31\r\nm=audio")),
    Odd("T.38 too", body=PLAIN + "m=image 40004 udptl t38\r\n"),
    Odd("bandwidths and keys", body=PLAIN.replace("t=0 0", "b=AS:64\r\nt=0 0\r\nk=clear:x")),
    Odd("nonsense lines", body=PLAIN + "a=\r\nx=y\r\na=:::\r\n"),
    Odd("an o= of text", body=PLAIN.replace("o=- 1001 1", "o=the phone 99999999999999999999 x")),
    Odd("maxptime", body=PLAIN.replace("a=ptime:20", "a=maxptime:20\r\na=ptime:20")),
)  # fmt: skip


class PhoneTable(FieldCase):
    """Phones whose INVITE is odd; the call is like any other."""

    def test_phonesWhoseHeadersAreOdd(self) -> None:
        """It rings, is answered, both hear each other, keys come, either side may hang up."""
        self.callByEach(HEADERS)

    def test_phonesWhoseDescriptionIsOdd(self) -> None:
        """The same, whatever else stands in the SDP beside an audio stream that is ours."""
        self.callByEach(DESCRIPTIONS)

    def callByEach(self, phones: Iterable[Odd]) -> None:
        """One after the other."""
        self.prompt = self.soundFile(0.4)
        for number, phone in enumerate(phones):
            try:
                self.callBy(phone, hangsUp=number % 2 == 0)
            except AssertionError as error:
                raise AssertionError(f"{phone.name}: {error}") from error
        self.assertStillWell()

    def callBy(self, phone: Odd, hangsUp: bool) -> None:
        """One call, from INVITE to the answer to BYE."""
        self.alice.media.packets.clear()
        call = self.callOf(phone)
        self.alice.response("180 INVITE")
        self.accept(call)
        ear = self.listen()
        self.app.leg.mediaPlay(self.prompt)
        self.alice.media.say(call.media, count=20, ssrc=len(self.desk))
        self.alice.media.press(
            call.media, "5", ts=8000, seq=30, after=0.42, durations=[160], ssrc=len(self.desk)
        )
        self.lab.advance(0.1)
        assertGapless(self.alice.media.during(0.25))
        self.lab.advance(0.3)
        self.assertGreater(len(loud(ear.heard)) / 8000, 0.38)
        self.assertEqual([event.digits for event in self.app.got(DTMFReceivedEvent)], ["5"])
        if hangsUp:
            self.hangUp(call)
        else:
            self.app.leg.hangupCall()
            self.alice.reply(self.alice.request("BYE"), 200)
            self.lab.advance(0.01)
        self.assertOneEnd(self.app)

    def callOf(self, phone: Odd) -> Dialogue:
        """The INVITE, and a Dialogue that knows what it said."""
        call = self.alice.invite(
            phone.body.encode(), uri=phone.uri, with_=phone.headers, drop=phone.drop
        )
        headers = {name.title(): value for name, value in phone.headers.items()}
        caller = headers.get("From")
        if caller is not None:
            call.local, _, _ = caller.partition(";TAG")
            call.tag = "c1" if "TAG" in caller else ""
        call.remote = headers.get("To", call.remote)
        if "Call-Id" in headers:
            call.callID = headers["Call-Id"]
        if "Cseq" in headers:
            call.cseq = call.inviteCSeq = int(headers["Cseq"].split()[0])
        return call


class SignallingCases(FieldCase):
    """Odd in the course of a call."""

    def test_hostile_08_aStrictRouter(self) -> None:
        """No lr: it finds itself in the Request-URI, the phone last in Route (12.2.1.1)."""
        self.alice.invite(with_={"Record-Route": "<sip:198.51.100.20:5060>, <sip:p2.invalid;lr>"})
        self.alice.response("180 INVITE")
        self.app.leg.answerCall(self.app)
        self.alice.response("200 INVITE")
        self.app.leg.hangupCall()
        self.alice.nothing("BYE", during=1)  # it waits for the ACK
        call = self.alice.invite(with_={"Record-Route": "<sip:198.51.100.20:5060>"})
        self.alice.response("180 INVITE")
        self.accept(call)
        self.app.leg.hangupCall()
        bye = self.alice.request("BYE")
        self.assertEqual(str(bye.uri), "sip:198.51.100.20:5060")
        self.assertEqual(bye.headerValues("Route"), [f"<{self.alice.contact}>"])
        self.alice.reply(bye, 200)
        self.assertStillWell()

    def test_hostile_10_resumedByAReINVITEWithoutOffer(self) -> None:
        """Our offer in the 200 says sendrecv, and the play goes on with the ACK's answer."""
        call = self.answered()
        self.app.leg.mediaPlay(self.soundFile(3.0))
        self.lab.advance(0.2)
        call.reoffer(sdp(HOST, PORT, version=2, more="a=sendonly"))
        self.assertEqual(self.alice.media.during(0.5), [])
        call.reinvite(b"")
        self.assertEqual(direction(self.alice.response("200 INVITE").body), "sendrecv")
        call.ack(sdp(HOST, PORT, version=3))
        self.lab.advance(0.05)
        assertGapless(self.alice.media.during(0.5))
        self.assertEqual(len(self.app.got(CallResumedEvent)), 1)
        self.hangUp(call)
        self.assertStillWell()

    def test_hostile_13_reINVITEsAsKeepAlives(self) -> None:
        """Nothing has changed: the same answer and version, the sound has no gap."""
        call = self.answered()
        self.app.leg.mediaPlay(self.soundFile(4.0))
        self.lab.advance(0.1)
        answers = {call.sdp}
        packets = []
        for _ in range(5):
            packets += self.alice.media.during(0.4)
            before = len(self.alice.media.packets)
            answers.add(call.reoffer().body)
            packets += self.alice.media.packets[before:]
        assertGapless(packets)
        self.assertEqual(len(answers), 1)
        self.assertEqual(self.app.names, ["CallAnsweredEvent"])
        self.hangUp(call)
        self.assertStillWell()

    def test_hostile_14_heldTwice(self) -> None:
        """The second hold says nothing new: one event, the same version."""
        call = self.answered()
        hold = sdp(HOST, PORT, version=2, more="a=sendonly")
        first, second = call.reoffer(hold).body, call.reoffer(hold).body
        self.assertEqual((direction(second), version(second)), ("recvonly", version(first)))
        call.reoffer(sdp(HOST, PORT, version=3, more="a=inactive"))
        self.lab.advance(0.01)
        self.assertEqual(len(self.app.got(CallHeldEvent)), 1)
        call.reoffer(sdp(HOST, PORT, version=4))
        self.lab.advance(0.01)
        self.assertEqual(len(self.app.got(CallResumedEvent)), 1)
        self.hangUp(call)
        self.assertStillWell()

    def test_hostile_31_anotherNumberForEvents(self) -> None:
        """Keys of an answer that has its own payload type for them come, with either number."""
        app = self.dial()
        call = self.trunk.takes(self.trunk.request("INVITE"))
        rtpmap = "0 PCMU/8000\n96 telephone-event/8000"
        call.says(200, body=sdp(self.trunk.host, 30000, "0 96", rtpmap=rtpmap))
        self.trunk.request("ACK")
        self.trunk.media.press(call.media, "1", ts=1000, pt=101)
        self.trunk.media.press(call.media, "2", ts=9000, seq=20, pt=96, after=0.5)
        self.lab.advance(1.0)
        self.assertEqual([event.digits for event in app.got(DTMFReceivedEvent)], ["1", "2"])
        self.hangUp(call)
        self.assertStillWell()

    def test_hostile_58_scanners(self) -> None:
        """Schemes, users and methods that nobody has: an answer each, never an error of ours."""
        for uri in (
            "http://192.0.2.10/",
            "foo:bar",
            "sip:",
            "sip:192.0.2.10:99999",
            "*",
            "sips:a@b",
        ):
            for name in ("From", "To", "Contact"):
                call = self.mallory.invite(with_={name: f"<{uri}>;tag=1" if name != "To" else uri})
                self.answerOrNothing(call)
            call = self.mallory.invite(uri=uri)
            self.answerOrNothing(call)
        for user in ("100", "admin", "'; DROP TABLE users--", "%00", "a" * 3000, "\u202e"):
            self.mallory.ask("OPTIONS", uri=f"sip:{user}@192.0.2.10")
            self.lab.advance(0.01)
        for method in ("GET", "invite", "A" * 500, "OPTIONS,INVITE"):
            self.mallory.ask(method)
            self.lab.advance(0.01)
        self.lab.advance(40.0)
        self.assertStillWell()

    def answerOrNothing(self, call: Dialogue) -> None:
        """Whatever became of the INVITE is ended."""
        before = len(self.desk)
        self.lab.advance(0.02)
        for app in self.desk[before - 1 :]:
            app.returnResult("enough")
        self.lab.advance(0.02)
        call.ackRefusal()

    def test_hostile_63_soundBeforeTheAnswer(self) -> None:
        """It is no part of the call; what is said after the answer is heard at once."""
        call = self.alice.invite()
        self.alice.response("180 INVITE")
        (session,) = self.lab.application.exchange.media.sessions
        self.alice.media.say((self.server[0], session.port), count=100)
        self.lab.advance(1.0)
        self.app.leg.answerCall(self.app)
        ear = self.listen()
        self.alice.response("200 INVITE")
        self.lab.advance(0.5)
        self.assertGreater(len(loud(ear.heard)) / 8000, 0.4)
        self.assertLess(len(ear.heard) / 8000, 0.53)
        call.ack()
        self.lab.advance(0.7)
        heard = loud(ear.heard)
        self.assertNear(len(heard) / 8000, 1.0, 0.05)
        self.assertEqual(jumps(heard, 440), 0)
        self.hangUp(call)
        self.assertStillWell()

    def test_hostile_64_anotherCodec(self) -> None:
        """A re-INVITE from PCMU to PCMA alone: we switch at the answer, the far end 0.5 s later.

        Both payload types are heard meanwhile, and no sample is lost; after a second the old one
        is not taken any more.
        """
        call = self.answered()
        self.app.leg.mediaPlay(self.soundFile(4.0))
        ear = self.listen()
        say = self.alice.media.say
        say(call.media, count=75)
        say(call.media, count=50, pt=8, seq=76, ts=75 * 160, after=1.5)
        self.lab.advance(0.94)
        call.reoffer(sdp(HOST, PORT, "8 101", version=2))
        switched = len(self.alice.media.packets)
        self.lab.advance(1.8)
        packets = self.alice.media.packets
        types = [packet.rtp.payloadType for packet in packets]
        self.assertEqual(set(types[: switched - 1]), {0})
        self.assertEqual(set(types[switched + 1 :]), {8})
        assertGapless(packets)
        self.assertEqual(jumps(sound(packets[50:]), 440), 0)
        heard = loud(ear.heard)
        self.assertNear(len(heard) / 8000, 2.5, 0.002)
        self.assertEqual(jumps(heard, 440), 0)
        (session,) = self.lab.application.exchange.media.sessions
        say(call.media, count=5, seq=126, ts=125 * 160)
        self.lab.advance(0.2)
        self.assertEqual(session.stats.dropped, {"payload type": 5})
        self.hangUp(call)
        self.assertStillWell()

    def test_hostile_64_aKeyWhileTheCodecChanges(self) -> None:
        """Down before the re-INVITE, up after it: one key, and its length is known."""
        call = self.answered()
        self.alice.media.press(call.media, "7", ts=1000, durations=range(160, 4000, 160), end=4000)
        self.lab.advance(0.2)
        call.reoffer(sdp(HOST, PORT, "8 101", version=2))
        self.lab.advance(1.0)
        (event,) = self.app.got(DTMFReceivedEvent)
        self.assertEqual((event.digits, event.evidence[0].duration), ("7", 0.5))
        self.hangUp(call)
        self.assertStillWell()


class MediaCases(FieldCase):
    """Odd packets."""

    def test_hostile_37_theSequenceBeginsAnew(self) -> None:
        """The same SSRC, sequence and timestamp somewhere else: heard again after two packets."""
        call = self.answered()
        ear = self.listen()
        self.alice.media.say(call.media, seq=30000, ts=900000, count=50)
        self.alice.media.say(call.media, seq=5, ts=77, count=50, after=1.0)
        self.lab.advance(2.3)
        heard = loud(ear.heard)
        self.assertLess(quietSeconds(heard), 0.11)
        self.assertGreater(len(heard) / 8000, 1.85)
        self.hangUp(call)
        self.assertStillWell()

    def test_hostile_40_silenceThatIsNotSent(self) -> None:
        """DTX and comfort noise: silence, the recording's clock goes on, the call stays."""
        call = self.answered()
        ear = self.listen()
        say = self.alice.media.say
        say(call.media, count=25)
        self.alice.media.send(
            b"\x80\x0d\x00\x1a\x00\x00\x10\x00\x00\x00\x00\x01\x40", call.media, 0.5
        )
        say(call.media, count=25, seq=27, ts=32000, marker=True, after=4.0)
        self.lab.advance(5.0)
        self.assertNear(len(ear.heard) / 8000, 5.0, 0.021)
        heard = loud(ear.heard)
        self.assertNear(len(heard) / 8000, 4.5, 0.05)
        self.assertNear(quietSeconds(heard), 3.5, 0.05)
        self.hangUp(call)
        self.assertStillWell()

    def test_hostile_41_aFastClockAndBursts(self) -> None:
        """1 % too fast for 20 s, then in lumps of five: nothing piles up, little is lost."""
        call = self.answered()
        ear = self.listen()
        say = self.alice.media.say
        say(call.media, count=1000, every=0.0198)
        self.lab.advance(19.8)
        self.assertLess(quietSeconds(loud(ear.heard)), 0.05)
        before = len(ear.frames)
        self.lab.advance(1.0)
        rest = [frame for frame in ear.frames[before:] if max(frame) > 0]
        self.assertLess(len(rest) * 0.02, 0.25)
        for lump in range(20):
            first = 2000 + lump * 5
            for n in range(5):
                say(call.media, count=1, seq=first + n, ts=900000 + (lump * 5 + n) * 160, ssrc=2,
                    after=lump * 0.1)  # fmt: skip
        before = len(ear.frames)
        self.lab.advance(2.3)
        heard = loud(ear.heard[before * 160 :])
        self.assertGreater(len(heard) / 8000, 1.8)
        self.assertLess(quietSeconds(heard[4800:]), 0.1)
        self.hangUp(call)
        self.assertStillWell()

    def test_hostile_44_aLongPressWithAGap(self) -> None:
        """Half of its packets are lost in one piece: one key."""
        call = self.answered()
        self.alice.media.press(
            call.media, "8", ts=1000, durations=range(160, 16000, 160), lose=range(20, 70)
        )
        self.lab.advance(3.0)
        self.assertEqual([event.digits for event in self.app.got(DTMFReceivedEvent)], ["8"])
        self.hangUp(call)
        self.assertStillWell()

    def test_hostile_45_theTimestampRunsWithinAPress(self) -> None:
        """Each packet has a timestamp of its own, the duration grows: one key, ends included."""
        call = self.answered()
        for after, first in ((0.0, 1000), (0.5, 5000)):
            for n in range(8):
                self.alice.media.press(
                    call.media,
                    "6",
                    ts=first + n * 160,
                    seq=n,
                    durations=[160 * (n + 1)] if n < 5 else [],
                    end=960,
                    ends=0 if n < 5 else 1,
                    marker=n == 0,
                    after=after + n * 0.02,
                )
        self.lab.advance(1.5)
        self.assertEqual([event.digits for event in self.app.got(DTMFReceivedEvent)], ["6", "6"])
        self.hangUp(call)
        self.assertStillWell()

    def test_hostile_60_lossRepeatsAndOtherOrder(self) -> None:
        """15 % lost, some twice, some late: what is there is heard, and the counts are true."""
        call = self.answered()
        ear = self.listen()
        chance = Random(60)
        fates = [chance.random() for _ in range(300)]
        fates[0] = fates[-1] = 1.0  # the counts begin and end with what arrives
        for n, fate in enumerate(fates):
            if fate < 0.15:
                continue
            late = 0.025 if fate < 0.25 else 0.0
            for _ in range(2 if fate > 0.9 else 1):
                self.alice.media.say(call.media, count=1, seq=n, ts=n * 160, after=n * 0.02 + late)
        self.lab.advance(6.5)
        lost = sum(fate < 0.15 for fate in fates)
        heard = loud(ear.heard)
        self.assertNear(len(heard) / 8000, 6.0, 0.08)
        self.assertNear(quietSeconds(heard), lost * 0.02, 0.3)
        (session,) = self.lab.application.exchange.media.sessions
        stats = session.stats
        self.assertEqual(stats.lost, lost)
        self.assertEqual(
            stats.packetsReceived, len(fates) - lost + sum(fate > 0.9 for fate in fates)
        )
        self.hangUp(call)
        self.assertStillWell()
