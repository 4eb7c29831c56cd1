"""Offers and answers in whole calls (cases offeranswer-001 to 008)."""

from __future__ import annotations

from doug.events import CallAnsweredEvent, CallRejectedEvent
from test.cases.actor import sdp
from test.cases.case import FieldCase
from test.cases.media import assertGapless

EVENT_RATES = "100 telephone-event/16000\n101 telephone-event/8000"
OPUS = "96 opus/48000/2\n97 telephone-event/8000"


class AnswerCases(FieldCase):
    """What is answered to the offers of callers."""

    def answerTo(self, formats: str, rtpmap: str) -> str:
        """The answer to an offer of alice's, in a call that comes about."""
        call = self.answered(sdp(self.alice.host, 40000, formats, rtpmap=rtpmap))
        text = call.sdp.decode()
        self.hangUp(call)
        return text

    def test_offeranswer_001_aCodecKeepsItsPayloadType(self) -> None:
        """Dynamic numbers of the offer are those of the answer (RFC 3264 6.1)."""
        answer = self.answerTo("96 97 0", OPUS)
        self.assertRegex(answer, r"m=audio \d+ RTP/AVP 0 97\r\n")
        self.assertIn("a=rtpmap:97 telephone-event/8000\r\n", answer)
        answer = self.answerTo("8 100", "100 telephone-event/8000")
        self.assertRegex(answer, r"m=audio \d+ RTP/AVP 8 100\r\n")
        self.assertStillWell()

    def test_offeranswer_001_theNumberOfTheOfferIsSentAndHeard(self) -> None:
        """Keys under the offer's number come to the application (RFC 3264 5.1)."""
        call = self.answered(sdp(self.alice.host, 40000, "0 97", rtpmap=OPUS))
        self.alice.media.press(call.media, "7", ts=800, pt=97)
        self.lab.advance(0.3)
        self.assertEqual([event.digits for event in self.app.events[2:]], ["7"])  # type: ignore[attr-defined]
        self.hangUp(call)
        self.assertStillWell()

    def test_offeranswer_002_eventsAreNoCodec(self) -> None:
        """Events are answered beside a codec; alone they are 488 (RFC 4733 2.4.1)."""
        answer = self.answerTo("0 101", "101 telephone-event/8000")
        self.assertRegex(answer, r"m=audio \d+ RTP/AVP 0 101\r\n")
        self.assertRegex(answer, "a=fmtp:101 0-1[56]\r\n")
        self.assertRegex(self.answerTo("0", ""), r"m=audio \d+ RTP/AVP 0\r\n")
        apps = len(self.desk)
        call = self.alice.invite(
            sdp(self.alice.host, 40000, "101", rtpmap="101 telephone-event/8000")
        )
        refusal = self.alice.response("488 INVITE")
        self.assertRegex(refusal.header("Warning") or "", "^305 .*codec")
        call.ackRefusal()
        self.assertEqual(len(self.desk), apps)
        self.assertNotIn("180 INVITE", self.alice.labels()[-2:])
        self.assertStillWell()

    def test_offeranswer_003_eventsOfTheCodecsClock(self) -> None:
        """telephone-event/16000 stands first, that of 8000 is taken (RFC 4733 2.1)."""
        answer = self.answerTo("0 8 100 101", EVENT_RATES)
        self.assertRegex(answer, r"m=audio \d+ RTP/AVP 0 101\r\n")
        self.assertStillWell()

    def test_offeranswer_006_multipart(self) -> None:
        """The part that is a session description is the offer, wherever it stands (RFC 5621 3)."""
        body = (
            b"text before the first part, to be ignored\r\n--b 1\r\n"
            b"Content-Type: application/pidf+xml\r\nContent-ID: <target@example.net>\r\n\r\n"
            b'<?xml version="1.0"?><presence entity="pres:alice@example.net"/>\r\n--b 1\r\n'
            b"Content-Type: application/sdp\r\n"
            b"Content-Disposition: session;handling=required\r\n\r\n"
            + self.alice.offer
            + b"\r\n--b 1--\r\ntext after the last part, to be ignored"
        )
        call = self.ringing(body, with_={"Content-Type": 'multipart/mixed;boundary="b 1"'})
        answer = self.accept(call)
        self.assertRegex(answer.body.decode(), r"m=audio \d+ RTP/AVP 0")
        self.hangUp(call)
        call = self.alice.invite(b"xyz", with_={"Content-Type": "application/x-unknown"})
        refusal = self.alice.response("415 INVITE")
        self.assertIn("application/sdp", refusal.header("Accept") or "")
        call.ackRefusal()
        self.assertEqual(len(self.desk), 1)
        self.assertStillWell()

    def test_offeranswer_007_contentTypesOfSDP(self) -> None:
        """Case and parameters of the media type do not matter (RFC 3261 7.3.1, 20.15)."""
        for kind in (
            "application/sdp;charset=ISO-10646",
            "Application/SDP",
            "application/sdp ; a=b",
        ):
            call = self.ringing(with_={"Content-Type": kind})
            self.accept(call)
            self.hangUp(call)
        call = self.alice.invite(with_={"Content-Type": "application/sdpx"})
        self.alice.response("415 INVITE")
        call.ackRefusal()
        self.assertStillWell()

    def test_offeranswer_008_anINVITEWithoutAnOffer(self) -> None:
        """A full offer in the 200, the answer in the ACK, then sound both ways (13.2.1)."""
        call = self.ringing(b"")
        offer = self.accept(call, ack=self.alice.answer).body.decode()
        self.assertRegex(offer, r"m=audio \d+ RTP/AVP (\d+ )*0 ")
        self.assertRegex(offer, r"a=rtpmap:\d+ telephone-event/8000")
        self.assertEqual(len(self.app.got(CallAnsweredEvent)), 1)
        ear = self.listen()
        self.app.leg.mediaPlay(self.soundFile(2.0))
        self.alice.media.say(call.media, ssrc=7)
        self.lab.advance(0.1)
        packets = self.alice.media.during(1.0)
        assertGapless(packets)
        self.assertEqual({packet.rtp.payloadType for packet in packets}, {0})
        self.assertGreater(int(abs(ear.heard[-4000:]).max()), 5000)
        self.hangUp(call)
        self.assertStillWell()

    def test_offeranswer_008_anACKWithoutTheAnswer(self) -> None:
        """The call is left by BYE; the application hears of its end, not of an answer."""
        call = self.ringing(b"")
        self.app.leg.answerCall(self.app)
        self.alice.response("200 INVITE")
        call.ack()
        self.alice.reply(self.alice.request("BYE"), 200)
        self.assertEqual(self.app.names, ["CallEndedEvent"])
        self.assertIn("no answer", self.app.events[-1].reason)  # type: ignore[attr-defined]
        self.assertStillWell()


class OfferCases(FieldCase):
    """Answers to our offers."""

    def test_offeranswer_004_aCodecThatWasNotOffered(self) -> None:
        """ACK, BYE with a Reason, CallRejectedEvent that names both codecs (RFC 3264 6.1)."""
        app = self.dial()
        call = self.trunk.takes(self.trunk.request("INVITE"))
        call.says(200, body=sdp(self.trunk.host, 5000, "112", rtpmap="112 dpeex/8000"))
        self.trunk.request("ACK")
        bye = self.trunk.request("BYE", within=1)
        self.assertRegex(bye.header("Reason") or "", "488|codec|media")
        self.trunk.reply(bye, 200)
        self.lab.advance(0.0)
        self.assertOneEnd(app, CallRejectedEvent)
        (end,) = app.got(CallRejectedEvent)
        self.assertRegex(end.reason, "dpeex.*PCMU")
        self.assertStillWell()

    def test_offeranswer_005_aLineMoreThanOffered(self) -> None:
        """Its audio is used, the video line ignored with a word (lenient: RFC 3264 6)."""
        app = self.dial()
        call = self.trunk.takes(self.trunk.request("INVITE"))
        video = b"m=video 20001 RTP/AVP 105\r\na=rtpmap:105 H264/90000\r\n"
        call.says(200, body=self.trunk.answer + video)
        self.trunk.request("ACK")
        self.lab.advance(0.0)
        self.assertEqual(len(app.got(CallAnsweredEvent)), 1)
        app.leg.mediaPlay(self.soundFile(1.0))
        self.lab.advance(0.1)
        assertGapless(self.trunk.media.during(0.5))
        self.hangUp(call)
        self.assertOneEnd(app)
        self.assertLogged("more media lines than offered")
        self.assertStillWell()
