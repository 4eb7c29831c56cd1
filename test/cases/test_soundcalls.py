"""What is said of calls with which nothing is wrong, odd as they may look: nothing.

Lives here: whole calls. Not here: those with which something is wrong (test_verdicts.py,
test/doug/test_appverdicts.py).
"""

from __future__ import annotations

from random import Random
from struct import pack

from doug.events import CallEndedEvent
from test.cases.actor import Dialogue, sdp
from test.cases.test_verdicts import VerdictCase

NOWHERE = "0.0.0.0"
MUSIC = "198.51.100.77"  # a machine of the far end's that may play music


class SoundCase(VerdictCase):
    """Ends a call, and finds nothing."""

    def assertSound(self, call: Dialogue) -> None:
        """The far end hangs up; event and log say that nothing was wrong."""
        self.hangUp(call)
        (event,) = self.app.got(CallEndedEvent)
        self.assertEqual(event.verdict, [])
        [line] = [each for each in self.logged if f"call {call.callID} ended after" in each]
        self.assertIn("nothing was wrong", line)


class HoldAndTransfer(SoundCase):
    """The media goes, comes back, or moves."""

    def test_held(self) -> None:
        """To the end, by each of its forms; who holds need not send, music or not."""
        for host, more in (
            (NOWHERE, ""),
            (self.alice.host, "a=inactive"),
            (self.alice.host, "a=sendonly"),
            (MUSIC, "a=sendonly"),
        ):
            with self.subTest(f"{host} {more}"):
                call = self.speaking(3.0)
                call.reoffer(sdp(host, 40000, version=2, more=more))
                self.lab.advance(30.0)
                self.assertSound(call)
        call = self.speaking(3.0)
        call.reoffer(sdp(MUSIC, 40000, version=2, more="a=inactive"))
        self.alice.media.say(call.media, count=200, seq=151, ts=24000)  # nobody hears it
        self.lab.advance(5.0)
        self.assertSound(call)
        self.assertStillWell()

    def test_heldFromTheStart(self) -> None:
        """By 0.0.0.0, as controllers of other people's calls do it (RFC 3725), for ever or not."""
        for host, more in ((NOWHERE, ""), (self.alice.host, "a=inactive")):
            call = self.answered(sdp(host, 40000, more=more))
            self.lab.advance(10.0)
            self.assertSound(call)
        call = self.answered(sdp(NOWHERE, 40000))
        self.lab.advance(3.0)
        call.reoffer(sdp(self.alice.host, 40000, version=2))
        self.alice.media.say(call.media, count=150)
        self.lab.advance(3.0)
        self.assertSound(call)
        self.assertStillWell()

    def test_resumed(self) -> None:
        """The phone has counted on meanwhile: nothing of that was lost."""
        call = self.speaking(3.0)
        call.reoffer(sdp(NOWHERE, 40000, version=2))
        self.lab.advance(15.0)
        call.reoffer(sdp(self.alice.host, 40000, version=3))
        self.alice.media.say(call.media, count=150, seq=900, ts=900 * 160)
        self.lab.advance(3.0)
        self.assertSound(call)
        self.assertStillWell()

    def test_moved(self) -> None:
        """A re-INVITE names another machine; the end comes at once, or that one speaks."""
        call = self.answered()
        self.alice.media.say(call.media, count=200)  # goes on for a second
        self.lab.advance(3.0)
        call.reoffer(sdp(self.bob.host, 41000, version=2))
        self.lab.advance(1.5)
        self.assertSound(call)
        call = self.speaking(3.0)
        call.reoffer(sdp(self.bob.host, 41000, version=2))
        self.bob.media.say(call.media, count=200, ssrc=2, after=0.1)
        self.lab.advance(5.0)
        self.assertSound(call)
        self.assertStillWell()

    def test_earlyMediaFromElsewhere(self) -> None:
        """One phone rings, with a voice, another answers; it speaks, or hangs up at once."""
        for speaks in (True, False):
            self.dial(earlyMedia=True)
            call = self.trunk.takes(self.trunk.request("INVITE"))
            call.says(183, "a", body=sdp("203.0.113.31", 31000, "0"))
            self.lab.advance(0.1)
            self.actors["trunk2"].media.say(call.media, count=130)  # 0.6 s too many
            self.lab.advance(2.0)
            call.says(200, "a", body=sdp("203.0.113.32", 32000, "0"))
            self.trunk.request("ACK")
            self.lab.advance(0.5)
            if speaks:
                self.actors["trunk3"].media.say(call.media, count=150, ssrc=2)
                self.lab.advance(3.0)
            self.assertSound(call)
        self.assertStillWell()


class SilenceAndStrays(SoundCase):
    """Less comes than there might, or more."""

    def test_overAtOnce(self) -> None:
        """Before anything could come."""
        call = self.answered()
        self.lab.advance(0.3)
        self.assertSound(call)
        self.assertStillWell()

    def test_oneWayByWish(self) -> None:
        """Who only listens sends nothing, who only speaks gets nothing."""
        call = self.answered(sdp(self.alice.host, 40000, more="a=recvonly"))
        self.app.leg.mediaPlay(self.soundFile(15.0))
        self.lab.advance(20.0)
        self.assertSound(call)
        call = self.speaking(3.0, sdp(self.alice.host, 40000, more="a=sendonly"))
        self.assertSound(call)
        self.assertStillWell()

    def test_silenceThatIsAnnounced(self) -> None:
        """By comfort noise, or by the marker of what came after an earlier one (RFC 3551 4.1)."""
        call = self.speaking(3.0)
        noise = pack("!BBHII", 0x80, 13, 151, 24000, 1) + b"@"
        self.alice.media.send(noise, call.media)
        self.lab.advance(30.0)
        self.assertSound(call)
        call = self.answered()
        for n in range(2):
            self.alice.media.say(call.media, count=50, seq=1 + 50 * n, ts=24000 * n, after=3.0 * n,
                                 marker=True)  # fmt: skip
        self.lab.advance(30.0)
        self.assertSound(call)
        self.assertStillWell()

    def test_theLastPacketsOfAnotherCall(self) -> None:
        """Whose port this one has now."""
        call = self.answered()
        self.mallory.media.say(call.media, count=20, ssrc=2)
        self.alice.media.say(call.media, count=150)
        self.lab.advance(3.0)
        self.assertSound(call)
        self.assertStillWell()

    def test_behindAProxyThatRecordsItsRoute(self) -> None:
        """A private Contact is nothing to us: requests go to the proxy."""
        private = {"Contact": "<sip:alice@10.0.0.7>", "Record-Route": "<sip:198.51.100.20;lr>"}
        call = self.ringing(with_=private)
        self.accept(call)
        self.alice.media.say(call.media, count=150)
        self.lab.advance(3.0)
        self.assertSound(call)
        self.assertStillWell()

    def test_anotherStreamOfTheSamePhone(self) -> None:
        """Another SSRC, then the same with other numbers: nothing was lost between."""
        call = self.answered()
        say = self.alice.media.say
        say(call.media, count=50)
        say(call.media, count=50, seq=9000, ts=999, ssrc=2, after=1.0)
        say(call.media, count=50, seq=40000, ts=99999, ssrc=2, after=2.0)
        self.lab.advance(3.1)
        self.assertSound(call)
        self.assertStillWell()

    def test_fewPacketsOfAnyOrder(self) -> None:
        """Jitter of 60 ms is what the buffer is for."""
        call = self.answered()
        self.listen()
        chance = Random(3)
        for n in range(300):
            after = n * 0.02 + 0.06 * chance.random()
            self.alice.media.say(call.media, count=1, seq=n, ts=n * 160, after=after)
        self.lab.advance(6.6)
        self.assertSound(call)
        self.assertStillWell()
