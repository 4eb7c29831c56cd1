"""Packets of other people's making in whole calls (cases rtp-001 to 007)."""

from __future__ import annotations

from random import Random
from struct import pack

from doug.conferencing import newConferenceMember
from doug.events import CallEndedEvent
from doug.settings import Settings
from doug.testing.hearing import toneShare
from shtoom.media.session import MediaSession
from test.cases.actor import sdp
from test.cases.case import FieldCase
from test.cases.media import assertGapless, jumps, loud, quietSeconds, sound

EXTENSION = bytes.fromhex("BEDE000110FF0000")  # RFC 8285: one word


class HearingCases(FieldCase):
    """What the application hears of it."""

    def test_rtp_001_anotherSSRCInMidCall(self) -> None:
        """It is heard at once, with 100 ms lost at most (RFC 3550 8.2)."""
        call = self.answered()
        ear = self.listen()
        say = self.alice.media.say
        say(call.media, seq=30000, ts=1000, ssrc=0xAAAA, count=100)
        say(call.media, seq=12, ts=777777, ssrc=0xBBBB, count=100, marker=True, hz=660, after=2.0)
        self.lab.advance(4.2)
        heard = loud(ear.heard)
        self.assertLess(quietSeconds(heard), 0.1)
        self.assertGreater(len(heard) / 8000, 3.9)
        self.assertGreater(toneShare(heard[-12000:], 660), 0.95)
        self.hangUp(call)
        self.assertStillWell()

    def test_rtp_002_packetsOfAnotherLength(self) -> None:
        """40, 20, 30 and 10 ms without a word: nothing is lost, nothing jumps (RFC 3551 4.2)."""
        call = self.answered()
        ear = self.listen()
        say, start, number, stamp = self.alice.media.say, 0.0, 1, 0
        for samples, count in ((320, 50), (160, 100), (240, 60), (80, 100)):
            say(call.media, samples=samples, count=count, seq=number, ts=stamp, after=start)
            start, number, stamp = (
                start + samples * count / 8000,
                number + count,
                stamp + samples * count,
            )
        self.lab.advance(start + 0.3)
        heard = loud(ear.heard)
        self.assertNear(len(heard) / 8000, 6.8, 0.002)
        self.assertEqual((jumps(heard, 440), quietSeconds(heard)), (0, 0.0))
        self.hangUp(call)
        self.assertStillWell()

    def test_rtp_004_extensionPaddingAndCSRCs(self) -> None:
        """They are skipped; lengths that do not fit drop that packet alone (RFC 3550 5.1)."""
        call = self.answered()
        ear = self.listen()
        say = self.alice.media.say
        say(call.media, count=25, extension=EXTENSION)
        say(call.media, count=25, seq=26, ts=4000, pad=4, after=0.5)
        say(call.media, count=25, seq=51, ts=8000, csrcs=3, after=1.0)
        head = pack("!BBHII", 0xA0, 0, 1, 0, 1)
        bad = (
            head + bytes(160),  # no padding, says its last octet
            head + bytes(159) + b"\xff",  # more of it than there is
            pack("!BBHII", 0x90, 0, 1, 0, 1) + b"\xbe\xde\xff\xff" + bytes(160),
            pack("!BBHII", 0x8F, 0, 1, 0, 1) + bytes(10),  # 15 CSRCs
            pack("!BBHII", 0x40, 0, 1, 0, 1) + bytes(160),  # version 1
            b"\x80\x00\x00\x01",
            b"\x00" * 4,
        )
        for i, data in enumerate(bad):
            self.alice.media.send(data, call.media, after=0.1 + i * 0.1)
        self.lab.advance(1.8)
        heard = loud(ear.heard)
        self.assertNear(len(heard) / 8000, 1.5, 0.002)
        self.assertEqual((jumps(heard, 440), quietSeconds(heard)), (0, 0.0))
        self.assertEqual(sum(self.session().stats.dropped.values()), len(bad))
        self.hangUp(call)
        self.assertStillWell()

    def session(self) -> MediaSession:
        """The one that is open."""
        (session,) = self.lab.application.exchange.media.sessions
        return session


class SendingCases(FieldCase):
    """What the far end gets."""

    def test_rtp_003_thirtyMilliseconds(self) -> None:
        """a=ptime:30 gives packets of 240 samples at an even beat (RFC 8866 6.4)."""
        call = self.answered(sdp(self.alice.host, 40000, more="a=ptime:30"))
        self.app.leg.mediaPlay(self.soundFile(4.0))
        self.lab.advance(0.1)
        packets = self.alice.media.during(3.0)
        assertGapless(packets, every=0.03, step=240)
        self.assertEqual({len(packet.rtp.payload) for packet in packets}, {240})
        self.assertEqual(len(packets), 100)
        self.hangUp(call)
        self.assertStillWell()

    def test_rtp_005_fromTheAddressInOurSDP(self) -> None:
        """Wherever the media moves, it leaves from the port of our m= line (RFC 4961 3)."""
        app = self.dial()
        invite = self.trunk.request("INVITE")
        call = self.trunk.takes(invite)
        second, third = self.actors["trunk2"], self.actors["trunk3"]
        call.says(183, "a", body=sdp(second.host, second.media.port, "0"))
        self.lab.advance(0.1)
        call.says(200, "a", body=sdp(third.host, third.media.port, "0"))
        self.trunk.request("ACK")
        offered = call.media
        app.leg.mediaPlay(self.soundFile(3.0))
        self.lab.advance(0.5)
        call.reoffer(sdp(second.host, second.media.port, "0", version=2))
        self.lab.advance(0.5)
        for end in (second.media, third.media):
            self.assertGreater(len(end.packets), 20)
            self.assertEqual({packet.source for packet in end.packets}, {offered})
        self.hangUp(call)
        self.assertStillWell()

    def test_rtp_006_oneLineOfTimeAcrossPlays(self) -> None:
        """With sparse idling too: one SSRC, no number left out, timestamps as the time (5.1)."""
        call = self.answered()
        for _ in range(3):
            self.app.leg.mediaPlay(self.soundFile(0.5))
            self.lab.advance(3.0)
        packets = self.alice.media.packets
        first, last = packets[0], packets[-1]
        self.assertEqual({packet.rtp.ssrc for packet in packets}, {first.rtp.ssrc})
        for i, packet in enumerate(packets):
            self.assertEqual(packet.rtp.sequence, first.rtp.sequence + i & 0xFFFF)
            moved = packet.rtp.timestamp - first.rtp.timestamp & 0xFFFFFFFF
            self.assertNear(moved / 8000, packet.at - first.at, 0.001)
        self.assertGreater(last.at - first.at, 8.0)
        self.assertLess(len(packets), 150)
        self.hangUp(call)
        self.assertStillWell()


class MixingCases(FieldCase):
    """Members of a conference room."""

    def test_rtp_007_aMemberWithJitter(self) -> None:
        """Frames late by up to 15 ms are never a gap for the other member: 0 dropouts in 20 s."""
        calls = []
        for actor in (self.alice, self.bob):
            calls.append(self.answered(actor.offer, actor))
            member = newConferenceMember("r", self.app.leg)
            self.app.leg.mediaPlay([member])
            self.app.leg.mediaRecord(member)
        chance = Random(7)
        for n in range(1000):
            self.alice.media.say(
                calls[0].media, count=1, seq=n, ts=n * 160, hz=1000,
                after=n * 0.02 + 0.015 * chance.random(),
            )  # fmt: skip
        self.bob.media.packets.clear()
        packets = self.bob.media.during(20.5)
        assertGapless(packets)
        heard = loud(sound(packets))
        self.assertNear(len(heard) / 8000, 20.0, 0.03)
        self.assertEqual((jumps(heard, 1000), quietSeconds(heard)), (0, 0.0))
        for call in calls:
            self.hangUp(call)
        self.assertStillWell()


class SilenceCases(FieldCase):
    """A server that is told to send silence."""

    settings = Settings(idle="silence")

    def test_rtp_006_unbrokenSilence(self) -> None:
        """A packet each 20 ms from the answer on, across plays (lenient: idle=silence)."""
        call = self.answered()
        self.lab.advance(31.0)
        self.app.leg.mediaPlay(self.soundFile(0.5))
        self.lab.advance(2.0)
        packets = self.alice.media.packets
        assertGapless(packets)
        self.assertGreater(len(packets), 1640)
        self.assertEqual(self.app.got(CallEndedEvent), [])
        self.hangUp(call)
        self.assertStillWell()
