"""Answers before the answer (cases early-001, 002, 003, 005, rtp-005)."""

from __future__ import annotations

import numpy as np

from doug.events import CallEndedEvent, CallProgressEvent, CallRejectedEvent
from doug.testing.hearing import toneShare
from test.cases.actor import sdp
from test.cases.case import FieldCase
from test.cases.media import assertGapless


class EarlyCases(FieldCase):
    """Descriptions in 18x responses, forks, required extensions."""

    def test_early_001_theConfirmedDialogsDescriptionCounts(self) -> None:
        """183 of tag a, 200 of tag b with another description: sound goes to b (13.2.2.4)."""
        app = self.dial()
        second, third = self.actors["trunk2"], self.actors["trunk3"]
        call = self.trunk.takes(self.trunk.request("INVITE"))
        call.says(183, "a", body=sdp(second.host, second.media.port, "0"))
        self.lab.advance(0.1)
        call.says(200, "b", body=sdp(third.host, third.media.port, "8"))
        self.assertEqual(self.trunk.request("ACK").toAddress.tag, "b")
        app.leg.mediaPlay(self.soundFile(2.0))
        self.lab.advance(0.1)
        packets = third.media.during(1.0)
        assertGapless(packets)
        self.assertEqual({packet.rtp.payloadType for packet in packets}, {8})
        self.assertEqual(second.media.packets, [])
        self.hangUp(call)
        self.assertStillWell()

    def test_early_001_a200WithoutDescription(self) -> None:
        """That of its own tag's earlier response counts (RFC 3261 13.2.1)."""
        app = self.dial()
        call = self.trunk.takes(self.trunk.request("INVITE"))
        call.says(183, "a", body=self.trunk.answer)
        call.says(200, "a")
        self.trunk.request("ACK")
        app.leg.mediaPlay(self.soundFile(1.0))
        self.lab.advance(0.1)
        assertGapless(self.trunk.media.during(0.5))
        self.hangUp(call)
        self.assertStillWell()

    def test_early_001_a200WithoutDescriptionOfAnotherTag(self) -> None:
        """If that tag had none before: ACK and BYE, CallRejectedEvent says why (RFC 3264 4)."""
        app = self.dial()
        call = self.trunk.takes(self.trunk.request("INVITE"))
        call.says(183, "a", body=self.trunk.answer)
        call.says(200, "b")
        self.assertEqual(self.trunk.request("ACK").toAddress.tag, "b")
        bye = self.trunk.request("BYE")
        self.assertEqual(bye.toAddress.tag, "b")
        self.trunk.reply(bye, 200)
        self.assertOneEnd(app, CallRejectedEvent)
        self.assertIn("session description", app.got(CallRejectedEvent)[0].reason)
        self.assertStillWell()

    def test_early_002_theLatestDescriptionIsHeard(self) -> None:
        """183 of tag a, then 180 of tag b with another codec: b is heard (RFC 3960 3.1)."""
        app = self.dial(earlyMedia=True)
        second, third = self.actors["trunk2"], self.actors["trunk3"]
        call = self.trunk.takes(self.trunk.request("INVITE"))
        ear = self.listen()
        call.says(183, "a", body=sdp(second.host, second.media.port, "0"))
        self.lab.advance(0.1)
        second.media.say(call.media, count=50, pt=0, ssrc=1, hz=440)
        self.lab.advance(1.2)
        self.assertGreater(toneShare(ear.heard[-4800:-1600], 440), 0.9)
        call.says(180, "b", body=sdp(third.host, third.media.port, "8"))
        self.lab.advance(0.1)
        third.media.say(call.media, count=50, pt=8, seq=900, ts=5000, ssrc=2, hz=660)
        self.lab.advance(0.9)
        self.assertGreater(toneShare(ear.heard[-4000:], 660), 0.9)
        self.assertEqual([event.earlyMedia for event in app.got(CallProgressEvent)], [True, True])
        call.says(200, "b")
        self.trunk.request("ACK")
        self.hangUp(call)
        self.assertOneEnd(app)
        self.assertStillWell()

    def test_early_003_whatIsHeardGoesOn(self) -> None:
        """180 after 183 with SDP leaves the sound as it is; so does the answer of that tag."""
        app = self.dial(earlyMedia=True)
        call = self.trunk.takes(self.trunk.request("INVITE"))
        ear = self.listen()
        call.says(183, body=self.trunk.answer)
        self.lab.advance(0.1)
        self.trunk.media.say(call.media, count=100)
        self.lab.advance(0.5)
        call.says(180)
        self.lab.advance(0.5)
        call.says(200, body=self.trunk.answer)
        self.trunk.request("ACK")
        self.lab.advance(0.9)
        loud = np.abs(ear.heard[-12000:].astype(int)).reshape(-1, 160).max(axis=1)
        self.assertGreater(int(loud.min()), 5000)
        self.assertEqual([event.earlyMedia for event in app.got(CallProgressEvent)], [True, False])
        self.assertEqual(app.names.count("CallHeldEvent"), 0)
        self.hangUp(call)
        self.assertStillWell()

    def test_early_aDescriptionThatCannotBeUsed(self) -> None:
        """It is passed over with a finding; the call goes on to its answer."""
        app = self.dial(earlyMedia=True)
        call = self.trunk.takes(self.trunk.request("INVITE"))
        for body in (sdp(self.trunk.host, 31000, "9"), b"v=1"):
            call.says(183, body=body)
        call.says(200, body=self.trunk.answer)
        self.trunk.request("ACK")
        self.lab.advance(0.1)
        self.assertIn("CallAnsweredEvent", app.names)
        self.hangUp(call)
        (end,) = app.got(CallEndedEvent)
        self.assertIn("before it answered was not heard", str(end.verdict))
        self.assertStillWell()

    def test_rtp_005_earlyMediaFromThePortOfOurSDP(self) -> None:
        """Whatever 183 and 200 say, sound leaves from the port that was offered (RFC 4961 3)."""
        app = self.dial(earlyMedia=True)
        second, third = self.actors["trunk2"], self.actors["trunk3"]
        call = self.trunk.takes(self.trunk.request("INVITE"))
        app.leg.mediaPlay(self.soundFile(3.0))
        call.says(183, "a", body=sdp(second.host, second.media.port, "0"))
        self.lab.advance(0.1)
        packets = second.media.during(1.0)
        assertGapless(packets)
        call.says(200, "a", body=sdp(third.host, third.media.port, "0"))
        self.trunk.request("ACK")
        self.lab.advance(0.1)
        packets += third.media.during(1.0)
        self.assertEqual({packet.source for packet in packets}, {call.media})
        self.assertEqual(len({packet.rtp.ssrc for packet in packets}), 1)
        self.hangUp(call)
        self.assertStillWell()

    def test_early_003_theBodyDecidesNotTheNumber(self) -> None:
        """180 and 183, with and without SDP: progress for the application, then the answer."""
        for codes in ((180,), (183,), (183, 180), (180, 183), (199,)):
            for body in (b"", self.trunk.answer):
                app = self.dial()
                call = self.trunk.takes(self.trunk.request("INVITE"))
                for code in codes:
                    call.says(code, body=body)
                    self.lab.advance(0.01)
                progress = [event.sipCode for event in app.got(CallProgressEvent)]
                self.assertEqual(progress, list(codes))
                call.says(200, body=b"" if body else self.trunk.answer)
                self.trunk.request("ACK")
                self.lab.advance(0.01)
                self.hangUp(call)
                self.assertOneEnd(app)
        self.assertStillWell()

    def test_early_005_aRequiredExtensionThatIsUnknown(self) -> None:
        """Require: 100rel gets 420 and Unsupported; Supported: 100rel is a wish (8.2.2.3)."""
        call = self.alice.invite(with_={"Require": "100rel"})
        refusal = self.alice.response("420 INVITE")
        self.assertEqual(refusal.header("Unsupported"), "100rel")
        call.ackRefusal()
        self.assertEqual(self.desk, [])
        call = self.ringing(with_={"Supported": "100rel, timer"})
        self.assertEqual(self.accept(call).header("Require"), "timer")
        self.hangUp(call)
        self.assertStillWell()
