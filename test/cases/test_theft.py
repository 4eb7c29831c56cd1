"""RTP theft and injection: who sprays a call's port hears nothing, says nothing, presses nothing.

A sprayer sends 200 packets a second of a tone of its own from the moment of the answer, and presses
a key each half second; a patient one keeps the pace of a phone. Counted: packets of the call that
it got (stolen), milliseconds of its tone in what the application heard, its keys among the
application's events.
"""

from __future__ import annotations

import numpy as np

from doug.events import DTMFReceivedEvent
from test.cases.actor import Dialogue, With, sdp
from test.cases.case import Ear, FieldCase
from test.cases.media import Address, MediaEnd, Samples, assertGapless

EVERY = 0.005  # seconds between its packets
PATIENT = 0.02  # the same, of one that would pass for a phone
OURS, THEIRS = 440.0, 660.0  # Hz
SSRC, FOREIGN = 0x1234ABCD, 0x66666666
NATTED = "10.1.33.103"


def audible(samples: Samples, hz: float) -> float:
    """Milliseconds in which the tone of `hz`, of two, can be heard: the share of each in 10 ms."""
    angles = 2 * np.pi * np.outer((OURS, THEIRS), np.arange(80)) / 8000
    waves = np.vstack((np.cos(angles), np.sin(angles))).T  # [80, 4]: two cosines, two sines
    pieces = samples[: len(samples) // 80 * 80].reshape(-1, 80).astype(np.float64)
    shares, *_ = np.linalg.lstsq(waves, pieces.T, rcond=None)
    which = (OURS, THEIRS).index(hz)
    return 10.0 * float(np.sum(np.hypot(shares[which], shares[which + 2]) > 300))


class Sprayer:
    """One attacker. end: where it sends from, and what it got."""

    def __init__(self, end: MediaEnd) -> None:
        self.end = end

    def spray(
        self,
        to: Address,
        seconds: float,
        *,
        ssrc: int = FOREIGN,
        seq: int = 5000,
        ts: int = 900000,
        after: float = 0.0,
        every: float = EVERY,
    ) -> None:
        """Sound and keys, as if they were the phone's."""
        count = round(seconds / every)
        self.end.say(to, count=count, seq=seq, ts=ts, ssrc=ssrc, hz=THEIRS, every=every,
                     after=after)  # fmt: skip
        for n in range(round(seconds / 0.5)):
            number = seq + round(0.5 * n / every)
            self.end.press(to, "9", ts=ts + 4000 * n, seq=number, ssrc=ssrc, after=after + 0.5 * n)

    @property
    def stolen(self) -> int:
        """Packets of the call that it got."""
        return len(self.end.packets)


class TheftCase(FieldCase):
    """A call from alice in which the application plays and listens, and somebody sprays."""

    def setUp(self) -> None:
        super().setUp()
        self.sprayer = Sprayer(self.mallory.media)

    def sprayFrom(self, host: str, port: int) -> None:
        """The sprayer has another place."""
        end = MediaEnd(self.lab, host, port)
        self.addCleanup(end.close)
        self.sprayer = Sprayer(end)

    def begin(self, offer: bytes | None = None) -> tuple[Dialogue, Ear]:
        """The call; a long prompt plays."""
        call = self.answered(offer)
        self.app.leg.mediaPlay(self.soundFile(14.0))
        return call, self.listen()

    def speak(self, call: Dialogue, seconds: float, seq: int = 1, after: float = 0.0) -> None:
        """Alice does, with a key of hers in the middle."""
        count = round(seconds / 0.02)
        self.alice.media.say(
            call.media, count=count, seq=seq, ts=seq * 160, ssrc=SSRC, hz=OURS, after=after
        )

    def sprayed(
        self, described: str, every: float, after: float | None, with_: With | None = None
    ) -> Ear:
        """Five seconds of a sprayer, while the phone says nothing for so long, or ever."""
        self.sprayFrom(self.mallory.host, 50002)
        call = self.ringing(sdp(described, 40000), with_=with_)
        self.accept(call)
        ear = self.listen()
        self.app.leg.mediaPlay(self.soundFile(14.0))
        self.sprayer.spray(call.media, 5.0, every=every)
        if after is not None:
            self.speak(call, 2.0, after=after)
        self.lab.advance(6.0)
        self.hangUp(call)
        self.sprayer.end.close()
        return ear

    def assertNothingTaken(self, ear: Ear, stolen: int = 0) -> None:
        """stolen: so many packets and no more; not a millisecond heard, not a key pressed."""
        self.assertEqual(self.sprayer.stolen, stolen)
        self.assertInjectedNothing(ear)

    def assertInjectedNothing(self, ear: Ear) -> None:
        """Neither sound nor keys."""
        self.assertEqual(audible(ear.heard, THEIRS), 0.0)
        self.assertEqual([event.digits for event in self.app.got(DTMFReceivedEvent)], [])

    def assertHeard(self, ear: Ear, seconds: float) -> None:
        """Alice was, for so long."""
        self.assertNear(audible(ear.heard, OURS) / 1000, seconds, 0.03)

    def finish(self, call: Dialogue) -> None:
        """The server is still well."""
        self.hangUp(call)
        self.sprayer.end.close()
        self.assertStillWell()


class RightDescriptionTests(TheftCase):
    """The SDP says where the phone is: nothing at all is stolen."""

    def test_fromAnotherAddressBeforeThePhoneSpeaks(self) -> None:
        """The phone takes nearly a second to say anything: 0 packets, 0 ms, 0 keys."""
        call, ear = self.begin()
        self.sprayer.spray(call.media, 3.0)
        self.speak(call, 2.0, after=0.9)
        self.lab.advance(3.5)
        self.assertNothingTaken(ear)
        self.assertHeard(ear, 2.0)
        assertGapless(self.alice.media.packets)
        self.finish(call)

    def test_howeverLongThePhoneSaysNothing(self) -> None:
        """For 1.1 s, 2 s, or to the end of the call: 0 packets, 0 ms, 0 keys."""
        for after in (1.1, 2.0, None):
            with self.subTest(after):
                ear = self.sprayed(self.alice.host, EVERY, after)
                self.assertNothingTaken(ear)
                self.assertHeard(ear, 2.0 if after else 0.0)
        self.finish(self.answered())

    def test_whoPassesForAPhone(self) -> None:
        """Never gets sound; is heard in place of a phone that says nothing for two seconds.

        That is how carriers send that do not name their address. No key of it counts in five.
        """
        for after, heard in ((1.1, 0.0), (2.0, 0.0), (3.0, 0.9), (None, 2.9)):
            with self.subTest(after):
                ear = self.sprayed(self.alice.host, PATIENT, after)
                self.assertEqual(self.sprayer.stolen, 0)
                self.assertNear(audible(ear.heard, THEIRS) / 1000, heard, 0.1 if heard else 0.0)
                self.assertEqual(self.app.got(DTMFReceivedEvent), [])
                self.assertHeard(ear, 2.0 if after else 0.0)
        self.finish(self.answered())

    def test_aCarrierThatSendsFromElsewhere(self) -> None:
        """Is heard, and its keys count, from a machine that is not in its SDP; ours go to that."""
        carrier = MediaEnd(self.lab, "203.0.113.78", 40000)
        self.addCleanup(carrier.close)
        call, ear = self.begin()
        carrier.say(call.media, count=400, ssrc=SSRC, hz=OURS)
        carrier.press(call.media, "4", ts=64000, seq=401, ssrc=SSRC, after=8.0)
        self.lab.advance(9.0)
        self.assertHeard(ear, 5.9)
        self.assertEqual([event.digits for event in self.app.got(DTMFReceivedEvent)], ["4"])
        self.assertEqual(carrier.packets, [])
        assertGapless(self.alice.media.packets)
        carrier.close()
        self.finish(call)

    def test_nobodyElsesSoundShowsThatThePhoneIsThere(self) -> None:
        """Who forges an INVITE of alice's, and speaks, has us send her a second of sound."""
        call = self.ringing()
        self.app.leg.answerCall(self.app)
        self.app.leg.mediaPlay(self.soundFile(14.0))
        self.alice.response("200 INVITE")
        self.sprayer.spray(call.media, 5.0, every=PATIENT)
        self.lab.advance(6.0)
        self.assertEqual(self.sprayer.stolen, 0)
        self.assertTrue(45 <= len(self.alice.media.packets) <= 50, len(self.alice.media.packets))
        call.ack()
        self.finish(call)

    def test_fromAnotherAddressAfterThePhoneSpoke(self) -> None:
        """In the middle of a call: 0 packets, 0 ms, 0 keys."""
        call, ear = self.begin()
        self.speak(call, 3.0)
        self.sprayer.spray(call.media, 2.0, after=0.5)
        self.lab.advance(3.5)
        self.assertNothingTaken(ear)
        self.assertHeard(ear, 3.0)
        self.finish(call)

    def test_withTheRightSSRCAndNumbers(self) -> None:
        """Guessed, or overheard: payload type, SSRC, sequence and timestamp are the phone's."""
        call, ear = self.begin()
        self.speak(call, 3.0)
        self.sprayer.spray(call.media, 2.0, ssrc=SSRC, seq=26, ts=26 * 160, after=0.5)
        self.lab.advance(3.5)
        self.assertNothingTaken(ear)
        self.assertHeard(ear, 3.0)
        self.finish(call)

    def test_fromThePhonesHostAfterItSpoke(self) -> None:
        """Another port of its address, as behind the same NAT: 0 packets, 0 ms, 0 keys."""
        self.sprayFrom(self.alice.host, 45555)
        call, ear = self.begin()
        self.speak(call, 3.0)
        self.sprayer.spray(call.media, 2.0, after=0.1)
        self.lab.advance(3.5)
        self.assertNothingTaken(ear)
        self.assertHeard(ear, 3.0)
        self.finish(call)

    def test_fromThePhonesHostBeforeItSpeaks(self) -> None:
        """The port of the SDP wins at its first packet: fewer than 5 until then, 0 ms, 0 keys."""
        self.sprayFrom(self.alice.host, 45555)
        call, ear = self.begin()
        self.sprayer.spray(call.media, 3.0)
        self.speak(call, 3.0, after=0.06)
        self.lab.advance(3.5)
        self.assertLess(self.sprayer.stolen, 5)
        self.assertInjectedNothing(ear)
        self.assertHeard(ear, 3.0)
        self.finish(call)

    def test_afterAReINVITE(self) -> None:
        """It opens the latch, for the places that it names: 0 packets, 0 ms, 0 keys."""
        call, ear = self.begin()
        self.speak(call, 1.0)
        self.sprayer.spray(call.media, 5.0, after=0.5)
        self.lab.advance(1.0)
        call.reoffer(sdp(self.alice.host, 40000, version=2))
        self.speak(call, 1.0, seq=200, after=2.0)  # quiet meanwhile
        self.lab.advance(4.0)
        self.assertNothingTaken(ear)
        self.assertHeard(ear, 2.0)
        self.finish(call)

    def test_onHoldAndAfterIt(self) -> None:
        """Ten seconds of hold in which the phone says nothing: 0 packets, 0 ms, 0 keys."""
        for direction in ("inactive", "sendonly", "recvonly"):
            with self.subTest(direction):
                self.alice.media.packets.clear()
                call, ear = self.begin()
                self.speak(call, 1.0)
                self.sprayer.spray(call.media, 9.0, after=0.5)
                self.lab.advance(1.2)
                call.reoffer(sdp(self.alice.host, 40000, version=2, more=f"a={direction}"))
                self.lab.advance(5.0)
                call.reoffer(sdp(self.alice.host, 40000, version=3))
                self.speak(call, 1.0, seq=200, after=0.3)
                self.lab.advance(3.0)
                self.assertNothingTaken(ear)
                self.assertHeard(ear, 2.0)
                self.hangUp(call)
        self.finish(self.answered())

    def test_onHoldByNoAddress(self) -> None:
        """c=0.0.0.0 (RFC 3264 8.4): the latch keeps who was expected."""
        call, ear = self.begin()
        self.speak(call, 1.0)
        self.sprayer.spray(call.media, 6.0, after=0.5)
        self.lab.advance(1.2)
        call.reoffer(sdp("0.0.0.0", 40000, version=2))
        self.lab.advance(3.0)
        call.reoffer(sdp(self.alice.host, 40000, version=3))
        self.speak(call, 1.0, seq=200, after=0.3)
        self.lab.advance(3.0)
        self.assertNothingTaken(ear)
        self.assertHeard(ear, 2.0)
        self.finish(call)

    def test_whileThePhoneIsSilent(self) -> None:
        """After two seconds without RTP the same stream may come from elsewhere, no other."""
        call, ear = self.begin()
        self.speak(call, 1.0)
        self.sprayer.spray(call.media, 7.0, after=0.5)
        self.speak(call, 1.0, seq=300, after=6.0)
        self.lab.advance(8.0)
        self.assertNothingTaken(ear)
        self.assertHeard(ear, 2.0)
        self.finish(call)

    def test_whileThePhoneIsSilentWithItsSSRC(self) -> None:
        """It would have to go on with the phone's numbers, too."""
        call, ear = self.begin()
        self.speak(call, 1.0)
        self.sprayer.spray(call.media, 7.0, ssrc=SSRC, seq=5000, after=0.5)
        self.speak(call, 1.0, seq=300, after=6.0)
        self.lab.advance(8.0)
        self.assertNothingTaken(ear)
        self.assertHeard(ear, 2.0)
        self.finish(call)


class BehindNATTests(TheftCase):
    """The SDP has a private address, the phone comes from where its signalling does."""

    def test_fromAnotherAddressBeforeThePhoneSpeaks(self) -> None:
        """Fewer than five packets, 0 ms, 0 keys."""
        call, ear = self.begin(sdp(NATTED, 40000))
        self.sprayer.spray(call.media, 3.0)
        self.speak(call, 2.0, after=0.15)
        self.lab.advance(3.5)
        self.assertNothingTaken(ear)
        self.assertHeard(ear, 2.0)
        self.finish(call)

    def test_howeverLongThePhoneSaysNothing(self) -> None:
        """For 1.1 s, 2 s, or to the end of the call: 0 packets, 0 ms, 0 keys."""
        for after in (1.1, 2.0, None):
            with self.subTest(after):
                ear = self.sprayed(NATTED, EVERY, after)
                self.assertNothingTaken(ear)
                self.assertHeard(ear, 2.0 if after else 0.0)
        self.finish(self.answered())

    def test_whoPassesForAPhone(self) -> None:
        """The phone has two seconds, as its signalling says where it is: 0 packets, 0 ms, 0 keys.

        If it says nothing for longer, they may be its packets: from a NAT of many addresses.
        """
        for after, most in ((1.1, 0), (2.0, 0), (2.05, 3)):
            with self.subTest(after):
                ear = self.sprayed(NATTED, PATIENT, after)
                self.assertLessEqual(self.sprayer.stolen, most)
                self.assertInjectedNothing(ear)
                self.assertHeard(ear, 2.0)
        self.finish(self.answered())

    def test_whoPassesForAPhoneBehindAProxy(self) -> None:
        """Nobody knows where the phone is: who passes for it gets sound, and presses no keys.

        Until its first packet, whose the stream is then.
        """
        proxy = {"Record-Route": f"<sip:{self.alice.host};lr>"}
        for after, stolen in ((0.15, 0), (0.26, 3), (2.0, 90)):
            with self.subTest(after):
                ear = self.sprayed(NATTED, PATIENT, after, proxy)
                self.assertNear(self.sprayer.stolen, stolen, 0.02 * stolen + (1 if stolen else 0))
                self.assertEqual(self.app.got(DTMFReceivedEvent), [])
                self.assertHeard(ear, 2.0)
        self.finish(self.answered())

    def test_fromAnotherAddressAfterThePhoneSpoke(self) -> None:
        """Nothing."""
        call, ear = self.begin(sdp(NATTED, 40000))
        self.speak(call, 3.0)
        self.sprayer.spray(call.media, 2.0, after=0.5)
        self.lab.advance(3.5)
        self.assertNothingTaken(ear)
        self.assertHeard(ear, 3.0)
        self.finish(call)

    def test_afterAReINVITE(self) -> None:
        """With the private address again, and seconds of silence."""
        call, ear = self.begin(sdp(NATTED, 40000))
        self.speak(call, 1.0)
        self.sprayer.spray(call.media, 5.0, after=0.5)
        self.lab.advance(1.0)
        call.reoffer(sdp(NATTED, 40000, version=2))
        self.speak(call, 1.0, seq=200, after=2.0)
        self.lab.advance(4.0)
        self.assertNothingTaken(ear)
        self.assertHeard(ear, 2.0)
        self.finish(call)


class ReplayTests(TheftCase):
    """Keys that were captured."""

    def test_aPressReplayedAHundredTimes(self) -> None:
        """The same packets from the phone's own address: one event."""
        call, _ = self.begin()
        for n in range(100):
            self.alice.media.press(call.media, "5", ts=8000, seq=50, ssrc=SSRC, after=0.06 * n)
        self.lab.advance(7.0)
        self.assertEqual([event.digits for event in self.app.got(DTMFReceivedEvent)], ["5"])
        self.finish(call)

    def test_aPressReplayedFromElsewhere(self) -> None:
        """A hundred times, after the phone pressed it: still one event."""
        call, _ = self.begin()
        self.speak(call, 1.0)
        self.alice.media.press(call.media, "5", ts=8000, seq=51, ssrc=SSRC, after=1.0)
        for n in range(100):
            self.mallory.media.press(
                call.media, "5", ts=8000, seq=51, ssrc=SSRC, after=1.2 + 0.06 * n
            )
        self.lab.advance(8.0)
        self.assertEqual([event.digits for event in self.app.got(DTMFReceivedEvent)], ["5"])
        self.finish(call)

    def test_noMoreThanTwentyEventsASecond(self) -> None:
        """A hundred presses a second for three seconds: 20 events in any second, 60 in all."""
        call, _ = self.begin()
        for n in range(300):
            self.alice.media.press(
                call.media, "1", ts=1000 + 80 * n, seq=2 * n, durations=(40,), ends=1, end=80,
                ssrc=SSRC, after=0.01 * n,
            )  # fmt: skip
        self.lab.advance(3.5)
        times = [event.evidence[0].at for event in self.app.got(DTMFReceivedEvent)]
        self.assertEqual(len(times), 60)
        for first, later in zip(times, times[20:], strict=False):
            self.assertGreaterEqual(later - first, 1.0 - 1e-6)
        self.finish(call)

    def test_noMoreThanTwentyOfThemAsINFO(self) -> None:
        """Each is answered; twenty are events, those of the next second too."""
        call, _ = self.begin()
        for second in range(2):
            for _ in range(50):
                call.ask("INFO", body=b"Signal=1\r\nDuration=40\r\n",
                         with_={"Content-Type": "application/dtmf-relay"})  # fmt: skip
            self.lab.advance(1.1)
            self.assertEqual(len(self.app.got(DTMFReceivedEvent)), 20 * (second + 1))
        self.assertEqual(len(self.alice.labels("200 INFO")), 100)
        self.finish(call)
