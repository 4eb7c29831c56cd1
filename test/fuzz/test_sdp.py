"""Hostile session descriptions: what becomes of a call that comes with one, and how long it takes.

Lives here: bad bodies against a whole server, row by row; any body at all; time by length. Not
here: what good ones mean (test.sdp), SIP around them (test_sip.py).
"""

from __future__ import annotations

from random import Random
from typing import NamedTuple

from twisted.trial.unittest import SynchronousTestCase

from doug.testing import Lab
from doug.testing.phonecall import PhoneCall
from shtoom.exceptions import CallFailed, MalformedMessage, NotAcceptable
from shtoom.sdp.description import MAX_BYTES, parseSDP
from shtoom.sdp.offeranswer import makeOffer, negotiate, readAnswer
from test.fuzz.bodies import HEAD, HERE, OURS, SERVER, SHAPES, C, M, O, S, T, V
from test.fuzz.generators import fuzzSeeds
from test.fuzz.mutation import SDP, mutated
from test.fuzz.peers import Address, Peers
from test.fuzz.seeds import onSeeds
from test.fuzz.sipfuzz import Plain
from test.support.bodytime import secondsOf

THERE: Address = (HERE, 4000)
MANY = " ".join(str(kind) for kind in range(128))


class Row(NamedTuple):
    """lines: the description. wanted: the status. sends: where media goes to if that is 200."""

    name: str
    lines: tuple[str, ...]
    wanted: int
    sends: Address | None = None


# --- what is no description: 400 (513 if it makes the message too large) -----------------------

UNREADABLE = (
    Row("nothing in it", ("\0",), 400),
    Row("another kind of text", ("hello",), 400),
    Row("no v=", (O, S, C, T, M), 400),
    Row("v= of another version", ("v=1", O, S, C, T, M), 400),
    Row("v= that is not first", (O, V, S, C, T, M), 400),
    Row("v= with a blank before it", (" v=0", O, S, C, T, M), 400),
    Row("a line without letter", (*HEAD, "=x", M), 400),
    Row("a line without equals sign", (*HEAD, "audio", M), 400),
    Row("a NUL for a letter", (*HEAD, "\0=x", M), 400),
    Row("a NUL before the letter", (*HEAD, "\0m=audio 4000 RTP/AVP 0"), 400),
    Row("a folded line", (*HEAD, M, " a=sendrecv"), 400),
    Row("m= with nothing", (*HEAD, "m="), 400),
    Row("m= with a type alone", (*HEAD, "m=audio"), 400),
    Row("m= without formats", (*HEAD, "m=audio 4000 RTP/AVP"), 400),
    Row("m= with a word for a port", (*HEAD, "m=audio x RTP/AVP 0"), 400),
    Row("m= with a negative port", (*HEAD, "m=audio -1 RTP/AVP 0"), 400),
    Row("m= with port 65536", (*HEAD, "m=audio 65536 RTP/AVP 0"), 400),
    Row("m= with a port of 2**32 and more", (*HEAD, f"m=audio {2**32 + 4000} RTP/AVP 0"), 400),
    Row("m= with a port of foreign digits", (*HEAD, "m=audio ٤٠٠٠ RTP/AVP 0"), 400),
    Row("m= with a hexadecimal port", (*HEAD, "m=audio 0xfa0 RTP/AVP 0"), 400),
    Row("m= with 2**31 ports in a row", (*HEAD, f"m=audio 4000/{2**31} RTP/AVP 0"), 400),
    Row("a profile of 5000 characters", (*HEAD, "m=audio 4000 " + "X" * 5000 + " 0"), 400),
    Row("129 formats", (*HEAD, f"m=audio 4000 RTP/AVP {MANY} 0"), 400),
    Row("2000 m= lines", (*HEAD, *[M] * 2000), 400),
    Row("65 m= lines", (*HEAD, *[M] * 65), 400),
    Row("3000 a= lines", (*HEAD, M, *["a=x"] * 3000), 400),
    Row("3000 empty lines", (*HEAD, *[""] * 3000, M), 400),
    Row("500 c= lines", (*HEAD, *[C] * 500, M), 400),
    Row("65 KiB", (*HEAD, M, "a=" + "x" * MAX_BYTES), 513),
    Row("c= with nothing", (V, O, S, "c=", T, M), 400),
    Row("c= of another network", (V, O, S, "c=ATM NSAP 47.0091", T, M), 400),
    Row("c= with three numbers", (V, O, S, "c=IN IP4 1.2.3", T, M), 400),
    Row("c= with a number above 255", (V, O, S, "c=IN IP4 1.2.3.256", T, M), 400),
    Row("c= with a zone", (V, O, S, "c=IN IP6 fe80::1%eth0", T, M), 400),
    Row("c= with a NUL in it", (V, O, S, "c=IN IP4 198.51.100.77\0", T, M), 400),
    Row("c= with a shell's mark", (V, O, S, "c=IN IP4 $(reboot)", T, M), 400),
    Row("a broken c= behind a good one", (*HEAD, M, "c=IN IP4 999.9.9.9"), 400),
)

# --- what may be said, and cannot be done: 488 ------------------------------------------------

REFUSED = (
    Row("no media", HEAD, 488),
    Row("port 0", (*HEAD, "m=audio 0 RTP/AVP 0"), 488),
    Row("no c=", (V, O, S, T, M), 488),
    Row("multicast", (V, O, S, "c=IN IP4 224.2.1.1/127", T, M), 488),
    Row("multicast of the medium", (*HEAD, M, "c=IN IP4 239.0.0.1/1/3"), 488),
    Row("broadcast", (V, O, S, "c=IN IP4 255.255.255.255", T, M), 488),
    Row("a name", (V, O, S, "c=IN IP4 victim.example", T, M), 488),
    Row("IPv6 to a server without", (V, O, S, "c=IN IP6 2001:db8::7", T, M), 488),
    Row("IPv6 multicast", (V, O, S, "c=IN IP6 ff02::1", T, M), 488),
    Row("IPv4 multicast in IPv6", (V, O, S, "c=IN IP6 ::ffff:224.0.0.1", T, M), 488),
    Row("our own SIP port", (V, O, S, f"c=IN IP4 {SERVER}", T, "m=audio 5060 RTP/AVP 0"), 488),
    Row("a payload type of 2**32", (*HEAD, f"m=audio 4000 RTP/AVP {2**32}"), 488),
    Row("a negative payload type", (*HEAD, "m=audio 4000 RTP/AVP -8"), 488),
    Row("payload type 128", (*HEAD, "m=audio 4000 RTP/AVP 128", "a=rtpmap:128 PCMU/8000"), 488),
    Row("a dynamic type without rtpmap", (*HEAD, "m=audio 4000 RTP/AVP 96"), 488),
    Row("a clock of 0", (*HEAD, M, "a=rtpmap:0 PCMU/0"), 488),
    Row("a clock that is no one's", (*HEAD, M, "a=rtpmap:0 PCMU/9999999"), 488),
    Row("999 channels", (*HEAD, M, "a=rtpmap:0 PCMU/8000/999"), 488),
    Row(
        "keys alone", (*HEAD, "m=audio 4000 RTP/AVP 101", "a=rtpmap:101 telephone-event/8000"), 488
    ),
    Row("SRTP alone", (*HEAD, "m=audio 4000 RTP/SAVP 0"), 488),
    Row("a profile that there is not", (*HEAD, "m=audio 4000 " + "X" * 3000 + " 0"), 488),
    Row("a fax", (*HEAD, "m=image 4000 udptl t38"), 488),
    Row("video", (*HEAD, "m=video 4000 RTP/AVP 31"), 488),
    Row("64 refusals", (*HEAD, *["m=audio 4000 RTP/AVP 99"] * 64), 488),
)

# --- what is odd, and harms nobody: 200, and media goes where it was said ----------------------

TAKEN = (
    Row("ptime of a day", (*HEAD, M, "a=ptime:86400000"), 200, THERE),
    Row("ptime 0", (*HEAD, M, "a=ptime:0"), 200, THERE),
    Row("ptime 1", (*HEAD, M, "a=ptime:1"), 200, THERE),
    Row("ptime 99999", (*HEAD, M, "a=ptime:99999", "a=maxptime:99999"), 200, THERE),
    Row("maxptime 1", (*HEAD, M, "a=maxptime:1"), 200, THERE),
    Row("a negative ptime", (*HEAD, M, "a=ptime:-20"), 200, THERE),
    Row("an rtpmap without anything", (*HEAD, M, "a=rtpmap:", "a=fmtp:", "a=:"), 200, THERE),
    Row("an rtpmap for a type of 2**32", (*HEAD, M, f"a=rtpmap:{2**32} PCMU/8000"), 200, THERE),
    Row("keys of a clock of 0", (*HEAD, M + " 101", "a=rtpmap:101 telephone-event/0"), 200, THERE),
    Row("events up to 2**32", (*HEAD, M + " 101", "a=rtpmap:101 telephone-event/8000",
                               f"a=fmtp:101 0-{2**32}"), 200, THERE),
    Row("128 formats", (*HEAD, f"m=audio 4000 RTP/AVP {MANY}"), 200, THERE),
    Row("a format twice", (*HEAD, "m=audio 4000 RTP/AVP 0 0 0"), 200, THERE),
    Row("64 m= lines", (*HEAD, *[M] * 64), 200, THERE),
    Row("the last of 64 is for us", (*HEAD, *["m=video 4 RTP/AVP 31"] * 63, M), 200, THERE),
    Row("an o= of nonsense", (V, "o=" + "9" * 5000, S, C, T, M), 200, THERE),
    Row("a t= of 2**64", (V, O, S, C, f"t={2**64} {2**64}", M), 200, THERE),
    Row("an attribute of 60 KiB", (*HEAD, M, "a=" + "x" * 60_000), 200, THERE),
    Row("a NUL in an attribute", (*HEAD, M, "a=x\0y"), 200, THERE),
    Row("octets that are no UTF-8", (*HEAD, M, "a=\udcff\udcfe", "i=\udcc3"), 200, THERE),
    Row("all directions at once", (*HEAD, M, "a=sendrecv", "a=inactive"), 200, THERE),
    Row("a direction that there is not", (*HEAD, M, "a=sendall"), 200, THERE),
    Row("an RTCP port of our own", (*HEAD, M, f"a=rtcp:5060 IN IP4 {SERVER}"), 200, THERE),
    Row("a candidate that is a victim", (*HEAD, M, "a=candidate:1 1 UDP 1 203.0.113.9 9 typ host"),
        200, THERE),
    Row("a c= of the other medium", (*HEAD, M, "m=video 4 RTP/AVP 31", "c=IN IP4 203.0.113.9"),
        200, THERE),
    Row("0.0.0.0, the hold of old", (V, O, S, "c=IN IP4 0.0.0.0", T, M), 200),
    Row("inactive", (*HEAD, M, "a=inactive"), 200),
    Row("loopback, which is us", (V, O, S, "c=IN IP4 127.0.0.1", T, M), 200),
    Row("another loopback address", (V, O, S, "c=IN IP4 127.9.9.9", T, M), 200),
)  # fmt: skip


class BadBodyTests(SynchronousTestCase):
    """Each row is the offer of a call to a server that answers and plays a tone at once."""

    def setUp(self) -> None:
        self.lab = Lab({"": Plain})
        self.phone = self.lab.phone()
        self.media: set[Address] = set()
        self.lab.network.observers.append(self.sent)

    def sent(self, data: bytes, source: Address, destination: Address) -> None:
        """Notes where the server's media goes to."""
        if source[0] == SERVER and source[1] != 5060 and data:  # an empty one keeps a NAT open
            self.media.add(destination)

    def check(self, row: Row) -> PhoneCall:
        """The answer, and where media went to in the first third of a second."""
        body = ("\r\n".join(row.lines) + "\r\n").encode("utf-8", "surrogateescape")
        self.media.clear()
        call = self.phone.dial("sip:plain@doug", sdp=body)
        self.lab.reactor.advance(0.3)
        status = 200 if call.state == "answered" else call.failure and call.failure.sipCode
        self.assertEqual(status, row.wanted, row.name)
        self.assertEqual(self.media, {row.sends} if row.sends else set(), row.name)
        call.hangUp()
        return call

    def checkAll(self, rows: tuple[Row, ...]) -> None:
        """All of them one after the other; then nothing is left."""
        for row in rows:
            call = self.check(row)
            if row.wanted != 200:
                assert call.failure is not None
                self.assertTrue(call.failure.reason.isprintable(), row.name)
        self.lab.assertNothingLeft()
        self.assertEqual(self.flushLoggedErrors(), [])

    def test_whatIsNoDescriptionIs400(self) -> None:
        """In words that say what is wrong."""
        self.checkAll(UNREADABLE)

    def test_whatCannotBeDoneIs488(self) -> None:
        """Nothing is sent to a group, to everybody, or to ourselves."""
        self.checkAll(REFUSED)

    def test_whatIsOddIsTaken(self) -> None:
        """Media goes where it was said and to nobody else, or to nobody."""
        self.checkAll(TAKEN)

    def test_aReINVITEToOurOwnMediaPort(self) -> None:
        """488, and media goes on as it was: sent to ourselves it would come back for ever."""
        call = self.phone.dial("sip:plain@doug")
        self.lab.reactor.advance(0.1)
        invite = call.call
        assert invite is not None
        assert invite.remoteSDP is not None
        port = parseSDP(invite.remoteSDP).media[0].port
        own = "\r\n".join((V, O, S, f"c=IN IP4 {SERVER}", T, f"m=audio {port} RTP/AVP 0", ""))
        offered = invite.reoffer(own.encode())
        self.lab.reactor.advance(0.3)
        self.assertEqual(self.failureResultOf(offered, CallFailed).value.sipCode, 488)
        self.assertEqual({host for host, _ in self.media}, {self.phone.host.address})
        call.hangUp()
        self.lab.assertNothingLeft()


SEEDS = 3000  # bodies of the fuzz without a server


class AnyBodyTests(SynchronousTestCase):
    """Whatever the body is: an answer, or one of the two refusals that there are."""

    @onSeeds(30)
    def test_anyBodyIsAnsweredOrRefused(self, seed: int) -> None:
        """As an offer and as an answer; what we answer can be read, line for line of the offer."""
        rng = Random(seed)
        peers = Peers(rng)
        seeds = fuzzSeeds("sdp")
        for _ in range(SEEDS // 30):
            body = rng.choice(seeds) if seeds and rng.random() < 0.3 else peers.description()
            self.judge(mutated(rng, body, SDP), seed)

    def judge(self, body: bytes, seed: int) -> None:
        """One body."""
        try:
            description = parseSDP(body)
        except MalformedMessage:
            return
        try:
            answer = negotiate(description, OURS).answer
            again = parseSDP(answer.toBytes())
            self.assertEqual(again, answer, (seed, body))
            self.assertEqual(len(again.media), len(description.media), (seed, body))
        except NotAcceptable as refusal:
            self.assertTrue((refusal.warning or "").isprintable(), (seed, body))
        try:
            stream = readAnswer(makeOffer(OURS), description, OURS)
            self.assertIn(stream.codec, OURS.codecs, (seed, body))
            self.assertLessEqual(stream.ptime, 60, (seed, body))
        except NotAcceptable:
            pass


HALF, WHOLE = 16_000, 32_000  # octets
ROUNDS = 6  # of which one has to be undisturbed
STEADY = 2.5


class TimeTests(SynchronousTestCase):
    """Hostile bodies cost time by their length alone, up to the limits of the parser."""

    def test_twiceAsLongTakesTwiceAsLong(self) -> None:
        """At most: a shape that took time by its square would take four times as long."""
        head = "\r\n".join((*HEAD, "a=y", M, ""))
        for name, shape in SHAPES.items():
            half, whole = ((head + shape(n)).encode() for n in (HALF, WHOLE))
            ratios: list[float] = []
            while len(ratios) < ROUNDS and min(ratios, default=9.0) > STEADY:
                ratios.append(secondsOf(whole, OURS) / secondsOf(half, OURS))
            self.assertLessEqual(min(ratios), STEADY, name)
