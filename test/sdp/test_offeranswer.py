"""Offer and answer: RFC 3264."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from shtoom.exceptions import NotAcceptable
from shtoom.sdp.description import SessionDescription, parseSDP
from shtoom.sdp.offeranswer import (
    AgreedStream,
    Capabilities,
    makeOffer,
    negotiate,
    readAnswer,
    renewed,
)

OURS = Capabilities(("PCMU", "PCMA"), True, "192.0.2.10", 10000, 77, 3)
EVENT = "a=rtpmap:101 telephone-event/8000"


def describe(*lines: str, address: str = "IN IP4 198.51.100.20") -> SessionDescription:
    """A description of the far end with these lines from the first m= line on."""
    head = ("v=0", "o=- 5 6 IN IP4 198.51.100.20", "s=-", f"c={address}", "t=0 0")
    return parseSDP("\r\n".join([*head, *lines, ""]).encode())


def audio(types: str, *lines: str) -> SessionDescription:
    """An offer of one audio line on port 4000."""
    return describe(f"m=audio 4000 RTP/AVP {types}", *lines)


def answerLines(offer: SessionDescription, ours: Capabilities = OURS) -> list[str]:
    """Our answer from its first m= line on."""
    text = negotiate(offer, ours).answer.toBytes().decode()
    return text[text.index("m=") :].splitlines()


class NegotiateTests(SynchronousTestCase):
    def refusal(self, offer: SessionDescription, ours: Capabilities = OURS) -> NotAcceptable:
        failure: NotAcceptable = self.assertRaises(NotAcceptable, negotiate, offer, ours)
        self.assertEqual(failure.sipCode, 488)
        self.assertRegex(failure.warning or "", r'^3\d\d doug "[^"\\]+"$')
        return failure

    def test_wholeAnswer(self) -> None:
        """Our address, session and version, the offer's t= line and type, events, ptime (6)."""
        answer = negotiate(audio("0 8 101", EVENT), OURS).answer
        self.assertEqual(
            answer.toBytes().decode().split("\r\n"),
            [
                "v=0",
                "o=- 77 3 IN IP4 192.0.2.10",
                "s=-",
                "c=IN IP4 192.0.2.10",
                "t=0 0",
                "m=audio 10000 RTP/AVP 0 101",
                "a=rtpmap:0 PCMU/8000",
                "a=rtpmap:101 telephone-event/8000",
                "a=fmtp:101 0-15",
                "a=ptime:20",
                "a=sendrecv",
                "",
            ],
        )

    def test_agreedStream(self) -> None:
        """All that the media session must know."""
        stream = negotiate(audio("8 0 101", EVENT), OURS).stream
        self.assertEqual(
            stream,
            AgreedStream(
                codec="PCMU",
                rate=8000,
                payloadType=0,
                accepts={0: "PCMU", 8: "PCMA"},
                eventType=101,
                ptime=20,
                remoteHost="198.51.100.20",
                remotePort=4000,
                send=True,
                receive=True,
                eventClock=8000,
                sendEventType=101,
            ),
        )

    def test_ourOrderCounts(self) -> None:
        """Of what is offered, our first is taken."""
        for codecs, wanted in ((("PCMU", "PCMA"), 0), (("PCMA", "PCMU"), 8)):
            for types in ("0 8", "8 0", "3 18 8 9 0"):
                stream = negotiate(audio(types), replace(OURS, codecs=codecs)).stream
                self.assertEqual(stream.payloadType, wanted)

    def test_offeranswer_001(self) -> None:
        """A codec keeps the payload type that the offer gave it (6.1)."""
        offer = audio("96 97 0", "a=rtpmap:96 opus/48000/2", "a=rtpmap:97 telephone-event/8000")
        self.assertEqual(answerLines(offer)[0], "m=audio 10000 RTP/AVP 0 97")
        offer = audio("8 100", "a=rtpmap:100 telephone-event/8000")
        ours = replace(OURS, codecs=("PCMA",))
        self.assertEqual(answerLines(offer, ours)[0], "m=audio 10000 RTP/AVP 8 100")
        offer = audio("96", "a=rtpmap:96 pcmu/8000/1")
        self.assertEqual(answerLines(offer)[:2], [
            "m=audio 10000 RTP/AVP 96", "a=rtpmap:96 pcmu/8000",
        ])  # fmt: skip

    def test_offeranswer_002(self) -> None:
        """Events are answered when both know them, and are no audio codec (RFC 4733 2.4.1)."""
        ours = replace(OURS, codecs=("PCMU",))
        offer = audio("0 101", EVENT)
        self.assertEqual(
            answerLines(offer, replace(ours, events=False))[0], "m=audio 10000 RTP/AVP 0"
        )
        lines = answerLines(offer, ours)
        self.assertEqual(lines[0], "m=audio 10000 RTP/AVP 0 101")
        self.assertIn("a=rtpmap:101 telephone-event/8000", lines)
        self.assertIn("a=fmtp:101 0-15", lines)
        self.assertIn("no codec in common", self.refusal(audio("101", EVENT), ours).reason)

    def test_offeranswer_003(self) -> None:
        """The event format whose clock is the codec's (RFC 4733 2.1)."""
        two = ("a=rtpmap:100 telephone-event/16000", EVENT)
        for types, maps, codec, wanted in (
            ("0 8 100 101", two, "PCMU", "0 101"),
            ("9 100 101", two, "G722", "9 101"),
            (
                "96 100 101",
                ("a=rtpmap:96 opus/48000/2", "a=rtpmap:100 telephone-event/48000", EVENT),
                "opus",
                "96 100",
            ),
        ):
            lines = answerLines(audio(types, *maps), replace(OURS, codecs=(codec,)))
            self.assertEqual(lines[0], f"m=audio 10000 RTP/AVP {wanted}")

    def test_eventsOfAnotherClockBeatNone(self) -> None:
        """If no event type has the codec's clock, the first of another is taken, and it is told."""
        stream = negotiate(audio("0 99", "a=rtpmap:99 telephone-event/16000"), OURS).stream
        self.assertEqual((stream.eventType, stream.eventClock), (99, 16000))

    def test_ipv6_002(self) -> None:
        """No brackets in SDP; the family of the answer is the offer's (RFC 8866 5.7)."""
        offer = describe("m=audio 4000 RTP/AVP 0", address="IN IP6 2001:db8::9")
        for address in ("2001:db8::5", "[2001:db8::5]"):
            answer = negotiate(offer, replace(OURS, address=address)).answer
            self.assertEqual(answer.line("c"), "IN IP6 2001:db8::5")
            self.assertEqual(answer.origin, "- 77 3 IN IP6 2001:db8::5")
        self.assertEqual(negotiate(audio("0"), OURS).answer.line("c"), "IN IP4 192.0.2.10")
        failure = self.refusal(offer)
        self.assertRegex(failure.warning or "", "^300 doug .*2001:db8::9 is IP6, ours is IP4")

    def test_hold_001(self) -> None:
        """The direction answered for each that is offered, on either level (6.1)."""
        for lines, wanted in (
            (["m=audio 4000 RTP/AVP 0", "a=sendrecv"], "sendrecv"),
            (["m=audio 4000 RTP/AVP 0", "a=sendonly"], "recvonly"),
            (["m=audio 4000 RTP/AVP 0", "a=recvonly"], "sendonly"),
            (["m=audio 4000 RTP/AVP 0", "a=inactive"], "inactive"),
            (["m=audio 4000 RTP/AVP 0"], "sendrecv"),
            (["a=sendonly", "m=audio 4000 RTP/AVP 0"], "recvonly"),
        ):
            answer, stream = negotiate(describe(*lines), OURS)
            self.assertEqual(answer.media[0].direction, wanted)
            self.assertEqual(stream.send, wanted in {"sendrecv", "sendonly"})
            self.assertEqual(stream.receive, wanted in {"sendrecv", "recvonly"})

    def test_hold_003(self) -> None:
        """While we hold, our wish and the offer are combined (8.4)."""
        held = replace(OURS, direction="sendonly")
        for offered, wanted in (
            ("sendrecv", "sendonly"),
            ("sendonly", "inactive"),
            ("recvonly", "sendonly"),
            ("inactive", "inactive"),
        ):
            answer = negotiate(audio("0", f"a={offered}"), held).answer
            self.assertEqual(answer.media[0].direction, wanted)

    def test_hold_004(self) -> None:
        """Address 0.0.0.0 or :: is a hold, no error: nothing is sent (8.4)."""
        offer = describe("m=audio 4000 RTP/AVP 0", address="IN IP4 0.0.0.0")
        answer, stream = negotiate(offer, OURS)
        self.assertEqual((stream.send, stream.receive), (False, True))
        self.assertEqual(answer.media[0].direction, "recvonly")
        offer = describe("m=audio 4000 RTP/AVP 0", address="IN IP6 ::")
        self.assertFalse(negotiate(offer, replace(OURS, address="2001:db8::5")).stream.send)

    def test_refusedStreamsKeepTheirPlace(self) -> None:
        """Each m= line is answered in its place, those not taken with port 0 (6)."""
        offer = describe(
            "m=video 5006/2 RTP/AVP 99",
            "a=rtpmap:99 H264/90000",
            "m=audio 5000 RTP/SAVP 0",
            "m=audio 5002 RTP/AVP 18",
            "m=audio 5004 RTP/AVPF 8",
            "m=audio 5008 RTP/AVP 0",
            "m=image 0 udptl t38",
        )
        answer, stream = negotiate(offer, OURS)
        self.assertEqual(
            [(each.type, each.port, each.proto, each.formatNames) for each in answer.media],
            [
                ("video", 0, "RTP/AVP", ("99",)),
                ("audio", 0, "RTP/SAVP", ("0",)),
                ("audio", 0, "RTP/AVP", ("18",)),
                ("audio", 10000, "RTP/AVPF", ("8",)),
                ("audio", 0, "RTP/AVP", ("0",)),
                ("image", 0, "udptl", ("t38",)),
            ],
        )
        self.assertEqual(stream.remotePort, 5004)

    def test_refusalsSayWhy(self) -> None:
        """488 names what was offered and what would do, with a Warning (RFC 3261 20.43)."""
        for offer, words in (
            (describe(), "304 .*no stream at all"),
            (describe("m=video 5000 RTP/AVP 99"), "304 .*offered: video 5000"),
            (describe("m=audio 0 RTP/AVP 0"), "304 .*offered: audio 0"),
            (audio("18 97"), "305 .*offered G729, type 97, supported PCMU, PCMA"),
            (describe("m=audio 5000 RTP/SAVP 0"), "302 .*RTP/SAVP is not supported; offer RTP/AVP"),
            (describe("m=audio 5000 RTP/AVP 0", address="IN IP4 233.252.0.1/127"), "330 "),
            (describe("m=audio 5000 RTP/AVP 0", address="IN IP4 a.example.com"), "301 .*a.example"),
            (parseSDP(b"v=0\r\nm=audio 5000 RTP/AVP 0\r\n"), "301 .*no c= line"),
        ):
            self.assertRegex(self.refusal(offer).warning or "", words)

    def test_foreignTextCannotBreakTheWarning(self) -> None:
        """Quotes, controls and odd bytes of an offer come out as question marks."""
        offer = audio("96", 'a=rtpmap:96 ev"il\\\x01\u0663/8000')
        self.assertIn("offered ev?il???, ", self.refusal(offer).warning or "")

    def test_clockAndChannelsMustFit(self) -> None:
        """A name alone is no codec: PCMU/16000 and two channels are something else."""
        for each in ("PCMU/16000", "PCMU/8000/2", "opus/16000"):
            self.refusal(audio("96", f"a=rtpmap:96 {each}"), replace(OURS, codecs=("PCMU", "opus")))

    def test_packetTime(self) -> None:
        """The far end's wish in 10 to 60 ms, in whole tens, below its maximum; else 20."""
        for lines, wanted in (
            (["a=ptime:30"], 30),
            (["a=ptime:10"], 10),
            (["a=ptime:25"], 20),
            (["a=ptime:5"], 20),
            (["a=ptime:200"], 20),
            (["a=maxptime:10"], 10),
            (["a=maxptime:5"], 10),
            (["a=ptime:60", "a=maxptime:40"], 40),
            (["a=ptime:20", "a=maxptime:150"], 20),
        ):
            answer, stream = negotiate(audio("0", *lines), OURS)
            self.assertEqual((stream.ptime, answer.media[0].ptime), (wanted, wanted), lines)

    def test_versionGrowsOnlyWithChange(self) -> None:
        """The same answer again keeps its version, another has one more (8)."""
        first = negotiate(audio("0"), OURS).answer
        again = negotiate(audio("0"), replace(OURS, version=1)).answer
        other = negotiate(audio("0", "a=sendonly"), replace(OURS, version=1)).answer
        self.assertEqual(renewed(first, None), first)
        self.assertEqual(renewed(again, first), first)
        self.assertEqual(renewed(other, first).origin, "- 77 4 IN IP4 192.0.2.10")
        self.assertEqual(renewed(other, first).media, renewed(other, first).media)
        self.assertEqual(renewed(other, first).media[0].direction, "recvonly")

    def test_capabilitiesAreChecked(self) -> None:
        """A codec or direction that nobody knows is named at once."""
        with self.assertRaisesRegex(ValueError, "got 'PCMX'"):
            replace(OURS, codecs=("PCMX",))
        with self.assertRaisesRegex(ValueError, "got 'up'"):
            replace(OURS, direction="up")
        with self.assertRaisesRegex(ValueError, "got 'up'"):
            makeOffer(OURS, "up")

    @settings(max_examples=100, deadline=None)
    @given(
        st.lists(
            st.tuples(
                st.sampled_from(("audio", "video", "image")),
                st.sampled_from((0, 4000)),
                st.sampled_from(("RTP/AVP", "RTP/SAVP", "udptl")),
                st.lists(st.sampled_from(("0", "8", "18", "101", "t38")), min_size=1),
                st.sampled_from(("sendrecv", "sendonly", "inactive", "x")),
                st.sampled_from(("IN IP4 192.0.2.9", "IN IP6 ::1", "IN IP4 0.0.0.0")),
            ),
            max_size=5,
        )
    )
    def test_answersFitTheirOffer(
        self, media: list[tuple[str, int, str, list[str], str, str]]
    ) -> None:
        """An answer has a line for each line; one is taken, and both sides read the same of it."""
        lines: list[str] = []
        for kind, port, proto, types, direction, address in media:
            lines += [f"m={kind} {port} {proto} {' '.join(types)}", EVENT]
            lines += [f"a={direction}", f"c={address}"]
        offer = describe(*lines)
        try:
            answer, stream = negotiate(offer, OURS)
        except NotAcceptable:
            return
        self.assertEqual(
            [(each.type, each.proto) for each in answer.media],
            [(each.type, each.proto) for each in offer.media],
        )
        (taken,) = [i for i, each in enumerate(answer.media) if each.port]
        self.assertEqual(offer.media[taken].type, "audio")
        self.assertEqual(stream.remoteHost, offer.media[taken].address)
        self.assertEqual(parseSDP(answer.toBytes()), answer)


class OfferTests(SynchronousTestCase):
    def test_offerHasAllOurs(self) -> None:
        """Codecs in our order, events for each clock, direction and ptime (5)."""
        ours = replace(OURS, codecs=("opus", "PCMA", "PCMU"))
        text = makeOffer(ours, "recvonly").toBytes().decode()
        self.assertEqual(
            text[text.index("m=") :].splitlines(),
            [
                "m=audio 10000 RTP/AVP 96 8 0 101 102",
                "a=rtpmap:96 opus/48000/2",
                "a=rtpmap:8 PCMA/8000",
                "a=rtpmap:0 PCMU/8000",
                "a=rtpmap:101 telephone-event/48000",
                "a=fmtp:101 0-15",
                "a=rtpmap:102 telephone-event/8000",
                "a=fmtp:102 0-15",
                "a=ptime:20",
                "a=recvonly",
            ],
        )
        plain = makeOffer(replace(OURS, events=False))
        self.assertEqual(plain.media[0].formatNames, ("0", "8"))

    def read(self, *lines: str, direction: str = "sendrecv") -> AgreedStream:
        """What an answer with these lines agrees to."""
        return readAnswer(makeOffer(OURS, direction), describe(*lines), OURS)

    def test_answerIsTaken(self) -> None:
        """The answer's first codec is sent; all that we offered may come in (7)."""
        stream = self.read("m=audio 5000 RTP/AVP 8 0 101", EVENT, "a=ptime:30")
        self.assertEqual(
            stream,
            AgreedStream(
                codec="PCMA",
                rate=8000,
                payloadType=8,
                accepts={0: "PCMU", 8: "PCMA"},
                eventType=101,
                ptime=30,
                remoteHost="198.51.100.20",
                remotePort=5000,
                send=True,
                receive=True,
                eventClock=8000,
                sendEventType=101,
            ),
        )

    def test_eventTypesMayDiffer(self) -> None:
        """Keys come in under our number and go out under theirs (6.1)."""
        stream = self.read("m=audio 5000 RTP/AVP 0 96", "a=rtpmap:96 telephone-event/8000")
        self.assertEqual((stream.eventType, stream.sendEventType), (101, 96))
        stream = self.read("m=audio 5000 RTP/AVP 0")
        self.assertEqual((stream.eventType, stream.sendEventType), (None, None))

    def test_directionsMeet(self) -> None:
        """We send if both want it, and receive if both want it (6.1)."""
        for offered, answered, send, receive in (
            ("sendrecv", "sendrecv", True, True),
            ("sendrecv", "recvonly", True, False),
            ("sendrecv", "sendonly", False, True),
            ("sendrecv", "inactive", False, False),
            ("sendonly", "sendrecv", True, False),
            ("recvonly", "sendonly", False, True),
        ):
            stream = self.read("m=audio 5000 RTP/AVP 0", f"a={answered}", direction=offered)
            self.assertEqual((stream.send, stream.receive), (send, receive), (offered, answered))

    def test_offeranswer_004(self) -> None:
        """A codec that was not offered fails, and both are named (6.1)."""
        failure = self.assertRaises(
            NotAcceptable, self.read, "m=audio 5000 RTP/AVP 112", "a=rtpmap:112 dpeex/8000"
        )
        self.assertIn("answered dpeex, offered PCMU, PCMA", str(failure))

    def test_codecMustHaveBeenOffered(self) -> None:
        """A codec of ours that this offer did not name is not agreed to."""
        offer = makeOffer(replace(OURS, codecs=("PCMU",)))
        answer = describe("m=audio 5000 RTP/AVP 8")
        failure = self.assertRaises(NotAcceptable, readAnswer, offer, answer, OURS)
        self.assertIn("answered PCMA, offered PCMU", str(failure))

    def test_offeranswer_005(self) -> None:
        """Lines beyond those offered are ignored."""
        stream = self.read(
            "m=audio 5000 RTP/AVP 0", "m=video 20001 RTP/AVP 105", "a=rtpmap:105 H264/90000"
        )
        self.assertEqual(stream.remotePort, 5000)

    def test_refusedAudioFails(self) -> None:
        """Port 0, another kind in its place, no line at all: there is nothing to talk over."""
        for lines in (["m=audio 0 RTP/AVP 0"], ["m=video 5000 RTP/AVP 0"], []):
            failure = self.assertRaises(NotAcceptable, self.read, *lines)
            self.assertIn("refuses the audio stream", str(failure))

    def test_bothSidesAgree(self) -> None:
        """Our offer, answered by ourselves, gives the same codec and types on both sides."""
        far = replace(OURS, address="192.0.2.99", port=12000, codecs=("PCMA", "G722"))
        offer = makeOffer(replace(OURS, codecs=("G722", "PCMU", "PCMA")))
        answer, theirs = negotiate(offer, far)
        ours = readAnswer(offer, answer, OURS)
        self.assertEqual(theirs.codec, "PCMA")
        self.assertEqual(
            (ours.codec, ours.payloadType, ours.eventType),
            (theirs.codec, theirs.payloadType, theirs.eventType),
        )
