"""What comes to a session's port: taken, dropped, heard, reported."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from shtoom.rtp.packet import RTPPacket
from shtoom.rtp.telephoneevent import KeyPressed, KeyReleased
from test.media.support import (
    ALICE,
    EVENT_TYPE,
    HOST,
    MALLORY,
    PCMA,
    PCMU,
    Bench,
    Ear,
    Log,
    Tone,
    parameters,
    speech,
)

STUN = bytes.fromhex("000100002112a442") + bytes(12)
DTLS = bytes.fromhex("16feff0000000000000000") + bytes(30)
RTCP = bytes.fromhex("80c90001") + bytes(4)


def key(digit: int, timestamp: int, duration: int, *, end: bool = False, **more: Any) -> RTPPacket:
    """One telephone-event packet."""
    payload = bytes([digit, 0x8A if end else 0x0A]) + duration.to_bytes(2, "big")
    more.setdefault("sequence", 1)
    return RTPPacket(EVENT_TYPE, more["sequence"], timestamp, more.get("ssrc", 7), payload)


class Stamped:
    """Notes when keys are reported."""

    def __init__(self, bench: Bench, times: list[float]) -> None:
        self._bench, self._times = bench, times

    def __call__(self, reported: object) -> None:
        self._times.append(self._bench.clock.seconds())


class SourceTests(SynchronousTestCase):
    """Whose packets are taken, seen from a session."""

    def setUp(self) -> None:
        self.log = Log(self)

    def test_nat_001_aPrivateSDPIsNotBelieved(self) -> None:
        """Audio goes to where the first valid packets came from, at once; told once in the log."""
        bench = Bench()
        session = bench.session(remote=("10.1.33.103", 40000), signallingHost=ALICE[0])
        session.feed = Tone()
        bench.runFor(0.1)
        bench.forget()
        bench.talk(session, 100)
        to = bench.destinations(session)
        self.assertLessEqual(list(to[:4]).count(("10.1.33.103", 40000)), 1)
        self.assertEqual(set(to[1:]), {ALICE})
        lines = self.log.lines("SDP said 10.1.33.103")
        self.assertEqual(len(lines), 1)
        self.assertRegex(lines[0], r"SDP said 10\.1\.33\.103.*came from 198\.51\.100\.20")
        self.assertEqual(session.stats.latchedFrom, ALICE)

    def test_nat_001_evenIfTheSignallingIsNotKnown(self) -> None:
        """Then 200 ms pass until the phone is believed."""
        bench = Bench()
        session = bench.session(remote=("10.1.33.103", 40000))
        session.feed = Tone()
        bench.talk(session, 15)
        self.assertEqual(bench.destinations(session)[-1], ALICE)
        self.assertIn(session.stats.dropped["not the far end"], (10, 11))

    def test_nat_002_anotherPortIsFollowedAnotherHostIsNot(self) -> None:
        """The same address with another port is the phone; another address is not."""
        bench = Bench()
        session = bench.session()
        session.feed = Tone()
        bench.talk(session, 50, (ALICE[0], 47777))
        bench.forget()
        bench.talk(session, 50, MALLORY, ssrc=2)
        self.assertEqual(set(bench.destinations(session)), {(ALICE[0], 47777)})
        self.assertEqual(session.stats.dropped, {"not the far end": 50})

    def test_aSprayerStealsNothingIfTheSDPIsRight(self) -> None:
        """200 packets a second from the start of the call: 0 packets to it, 0 keys, 0 sound."""
        bench = Bench()
        session, ear = bench.session(), Ear()
        keys: list[object] = []
        session.feed = Tone()
        session.addListener(ear)
        session.onKey = keys.append
        for n in range(400):
            bench.arrives(session, RTPPacket(0, n, n * 40, 66, b"\x00" * 160), MALLORY)
            bench.arrives(session, key(1, n, 160, sequence=n, ssrc=66), MALLORY)
            if n % 4 == 3 and n > 100:  # alice takes her time
                bench.arrives(session, RTPPacket(0, n // 4, n // 4 * 160, 7, b"\xff" * 160))
            bench.runFor(0.005)
        self.assertEqual(set(bench.destinations(session)), {ALICE})
        self.assertEqual(keys, [])
        self.assertEqual(set(ear.frames), {bytes(320)})
        [line] = self.log.lines(MALLORY[0])
        self.assertIn(f"not the far end ({ALICE[0]} port {ALICE[1]})", line)

    def test_aSprayerStealsFewPacketsBehindNAT(self) -> None:
        """The SDP is private: fewer than five until the phone's first packet takes over."""
        bench = Bench()
        session = bench.session(remote=("10.1.33.103", 40000), signallingHost=ALICE[0])
        session.feed = Tone()
        for n in range(400):
            bench.arrives(session, RTPPacket(0, n, n * 40, 66, bytes(160)), MALLORY)
            if n % 4 == 3 and n > 20:
                bench.arrives(session, RTPPacket(0, n // 4, n // 4 * 160, 7, bytes(160)))
            bench.runFor(0.005)
        self.assertLess(bench.destinations(session).count(MALLORY), 5)
        self.assertEqual(bench.destinations(session)[-1], ALICE)

    def test_noLoopsOverPortsOfOurs(self) -> None:
        """From a session here to one: it is heard, and not forwarded. All else is."""
        for source, forwarded in (
            ("our other session", False),
            ("a phone on this machine", True),
            ("a phone with such a port", True),
        ):
            with self.subTest(source):
                bench = Bench(isLocal=lambda host: host == HOST)
                one, other, ear = bench.session(), bench.session(), Ear()
                other.start(parameters(ALICE))
                address = {
                    "our other session": (HOST, other.port),
                    "a phone on this machine": (HOST, other.port + 2),
                    "a phone with such a port": ("198.51.100.77", other.port),
                }[source]
                one.start(parameters(address))
                one.forwardTo = one
                one.addListener(ear)
                bench.talk(one, 60, address)
                self.assertEqual(one.stats.latchedFrom, address)
                self.assertGreater(sum(frame != bytes(320) for frame in ear.frames), 50)
                silence = bytes([PCMU.silence[0]])
                echoed = [p for _, p in bench.packets(one) if p.payload.strip(silence)]
                self.assertEqual(len(echoed), 60 if forwarded else 0)

    def test_theRightNumbersFromTheWrongPlaceAreNotTaken(self) -> None:
        """Who has listened to the stream knows them all, and is a stranger still."""
        bench = Bench()
        session, ear = bench.session(), Ear()
        session.addListener(ear)
        session.forwardTo = session
        bench.talk(session, 20)
        bench.forget()
        bench.talk(session, 20, MALLORY, sequence=120, timestamp=5000 + 20 * 160)
        self.assertEqual(session.stats.dropped, {"not the far end": 20})
        self.assertNotIn(MALLORY, bench.destinations(session))

    def test_strangersPressNoKeys(self) -> None:
        """Beside a call that is up (RTP injection)."""
        bench = Bench()
        session = bench.session()
        keys: list[object] = []
        session.onKey = keys.append
        bench.talk(session, 5)
        for n in range(100):
            bench.arrives(session, key(n % 10, n * 800, 160, sequence=n), MALLORY)
        self.assertEqual(keys, [])

    def test_aReINVITEWithoutNewsKeepsThePlace(self) -> None:
        """A refresh must not send audio back to a private address."""
        bench = Bench()
        session = bench.session(remote=("10.1.33.103", 40000), signallingHost=ALICE[0])
        session.feed = Tone()
        bench.talk(session, 10)
        bench.forget()
        session.start(parameters(("10.1.33.103", 40000), signallingHost=ALICE[0]))
        bench.talk(session, 10, sequence=110, timestamp=6600)
        self.assertEqual(set(bench.destinations(session)), {ALICE})

    def test_aReINVITEWithAnotherAddressIsFollowedAtOnce(self) -> None:
        """Before anything came from there."""
        bench = Bench()
        session = bench.session()
        session.feed = Tone()
        bench.talk(session, 10)
        other = ("198.51.100.77", 5000)
        session.start(parameters(other))
        bench.forget()
        bench.runFor(0.1)
        self.assertEqual(set(bench.destinations(session)), {other})

    def test_whatCameBeforeTheStartIsNotHeard(self) -> None:
        """Packets that waited in the socket belong to nothing."""
        bench = Bench()
        session = bench.media.openSession("192.0.2.10")
        for packet in speech(50):
            bench.arrives(session, packet, MALLORY)
        session.start(parameters())
        self.assertEqual(session.stats.packetsReceived, 0)
        self.assertEqual(session.stats.dropped, {"payload type": 50})


class DatagramTests(SynchronousTestCase):
    """What is no sound is dropped and counted (RFC 7983 7, RFC 5761 4)."""

    def test_allThatIsNotRTPIsCountedByWhatItIs(self) -> None:
        """STUN, DTLS, RTCP, text, cut headers, other versions, other payload types."""
        bench = Bench()
        session = bench.session()
        for datagram, reason in (
            (STUN, "STUN"),
            (DTLS, "DTLS"),
            (RTCP, "RTCP"),
            (RTCP + bytes(20), "RTCP"),
            (bytes.fromhex("81c80006") + bytes(24), "RTCP"),
            (b"INVITE sip:a@b SIP/2.0\r\n\r\n", "not RTP"),
            (b"", "keep-alive"),
            (b"\r\n\r\n", "not RTP"),
            (b"\x80\x00\x01", "short RTP"),
            (b"\x40\x00" + bytes(170), "not RTP"),
            (b"\xa0\x00" + bytes(170), "malformed RTP"),
            (RTPPacket(96, 1, 1, 1, b"x").toBytes(), "payload type"),
        ):
            before = session.stats.dropped.get(reason, 0)
            bench.arrives(session, datagram)
            self.assertEqual(session.stats.dropped.get(reason, 0), before + 1, (datagram, reason))
        self.assertEqual(session.stats.packetsReceived, 0)
        self.assertIsNone(session.stats.latchedFrom)

    def test_longHeadersAreRead(self) -> None:
        """CSRCs, extension and padding are skipped (rtp-004)."""
        bench = Bench()
        session, ear = bench.session(), Ear()
        session.addListener(ear)
        body = b"\x33" * 160
        for n in range(30):
            plain = RTPPacket(0, n, n * 160, 7, body).toBytes()
            header, form = plain[1:12], n % 3
            data = (
                b"\x82" + header + bytes(8) + body,
                b"\x90" + header + bytes.fromhex("bede000110ff0000") + body,
                b"\xa0" + header + body + b"\x00\x00\x00\x04",
            )[form]
            bench.arrives(session, data)
            bench.runFor(0.02)
        self.assertEqual(session.stats.packetsReceived, 30)
        self.assertEqual(session.stats.lost, 0)
        heard = [frame for frame in ear.frames if frame != bytes(320)]
        self.assertGreaterEqual(len(heard), 26)
        self.assertEqual(set(heard), {PCMU.decode(body).tobytes()})

    @given(st.binary(max_size=80))
    @settings(max_examples=100, deadline=None)
    def test_noDatagramDoesHarm(self, data: bytes) -> None:
        """Whatever comes is taken or counted."""
        bench = Bench()
        session = bench.session()
        session.addListener(Ear())
        session.forwardTo = session
        bench.arrives(session, data)
        bench.runFor(0.1)
        stats = session.stats
        self.assertEqual(stats.packetsReceived + sum(stats.dropped.values()), 1)
        session.close()

    def test_lossIsCountedBySequence(self) -> None:
        """Also over a change of SSRC, a wrap, and packets that are no sound."""
        bench = Bench()
        session = bench.session()
        packets = speech(100, sequence=65500)
        for n, packet in enumerate(packets):
            if n % 10 != 5:
                bench.arrives(session, packet)
        bench.arrives(session, RTPPacket(13, 65600 & 0xFFFF, 0, 7, b"\x40"))
        for packet in speech(50, ssrc=8):
            bench.arrives(session, packet)
        self.assertEqual(session.stats.lost, 10)
        self.assertEqual(session.stats.packetsReceived, 141)
        self.assertEqual(session.stats.dropped, {"comfort noise": 1})

    def test_timesAreTold(self) -> None:
        """First and last packet, in the reactor's seconds."""
        bench = Bench()
        session = bench.session()
        self.assertIsNone(session.stats.firstPacketAt)
        bench.runFor(0.25)
        bench.talk(session, 11)
        self.assertAlmostEqual(session.stats.firstPacketAt or 0, 0.25)
        self.assertAlmostEqual(session.stats.lastPacketAt or 0, 0.45)

    def test_onHoldNothingIsHeard(self) -> None:
        """Who should not send is counted; the latch stays."""
        bench = Bench()
        session, ear = bench.session(), Ear()
        keys: list[object] = []
        session.addListener(ear)
        session.onKey = keys.append
        bench.talk(session, 5)
        bench.runFor(1.0)
        session.start(parameters(receive=False))
        ear.frames.clear()
        bench.talk(session, 20, sequence=105, timestamp=5000 + 5 * 160)
        bench.arrives(session, key(1, 0, 160, sequence=125))
        self.assertEqual(set(ear.frames), {bytes(320)})
        self.assertEqual(keys, [])
        self.assertEqual(session.stats.dropped, {"held": 21})
        self.assertEqual(session.stats.latchedFrom, ALICE)


class KeyTests(SynchronousTestCase):
    """Keys of the far end (RFC 4733)."""

    def setUp(self) -> None:
        self.bench = Bench()
        self.session = self.bench.session()
        self.keys: list[KeyPressed | KeyReleased] = []
        self.session.onKey = self.keys.append

    def test_aKeyIsReportedAtItsFirstPacket(self) -> None:
        """In that moment, not in the next beat; its end later."""
        self.bench.runFor(0.0131)
        self.bench.arrives(self.session, key(5, 8000, 160))
        self.assertEqual(self.keys, [KeyPressed("5", 8000)])
        self.bench.arrives(self.session, key(5, 8000, 800, end=True, sequence=2))
        self.assertEqual(self.keys[1:], [KeyReleased("5", 8000, 0.1)])

    def test_manySessionsHearKeysWithinAPhase(self) -> None:
        """Between the beats of their own."""
        bench = Bench()
        sessions = [bench.session() for _ in range(20)]
        bench.runFor(0.1)
        for n, session in enumerate(sessions):
            keys: list[float] = []
            session.onKey = Stamped(bench, keys)
            at = bench.clock.seconds()
            bench.arrives(session, key(n % 10, 100, 160))
            bench.runFor(0.0067)
            self.assertEqual(len(keys), 1)
            self.assertLessEqual(keys[0] - at, 0.005 + 1e-6)

    def test_aKeyWhoseEndIsLostEndsByItself(self) -> None:
        """With nothing more from the far end."""
        self.bench.arrives(self.session, key(5, 8000, 160))
        self.bench.runFor(1.0)
        self.assertEqual(self.keys, [KeyPressed("5", 8000), KeyReleased("5", 8000, 0.02)])

    def test_keysUnderOtherNumbers(self) -> None:
        """Under each payload type that is named for them, and no other (RFC 3264 6.1)."""
        bench = Bench()
        session = bench.session(eventType=96, eventTypes=frozenset({EVENT_TYPE}))
        digits: list[str] = []
        session.onKey = lambda each: digits.append(each.digit)
        bench.arrives(session, key(1, 800, 160, sequence=1))
        for number, kind in ((2, 96), (3, 97)):
            packet = key(number, 1600 * number, 160, sequence=number)
            bench.arrives(session, packet._replace(payloadType=kind))
        bench.runFor(0.02)
        self.assertEqual(digits[0], "1")
        self.assertEqual(set(digits), {"1", "2"})

    def test_shortPayloadsAreCounted(self) -> None:
        """Fewer than four bytes are no telephone-event."""
        for n in range(4):
            self.bench.arrives(self.session, RTPPacket(EVENT_TYPE, n, 8000, 7, bytes(n)))
        self.assertEqual(self.keys, [])
        self.assertEqual(self.session.stats.dropped, {"malformed telephone-event": 4})

    def test_durationsAreOfTheEventsClock(self) -> None:
        """Which some phones have at another rate than the sound."""
        bench = Bench()
        session = bench.session(eventClock=48000)
        keys: list[KeyPressed | KeyReleased] = []
        session.onKey = keys.append
        bench.arrives(session, key(5, 8000, 960))
        bench.arrives(session, key(5, 8000, 4800, end=True, sequence=2))
        self.assertEqual(keys, [KeyPressed("5", 8000), KeyReleased("5", 8000, 0.1)])
        session.sendEvent("5", 0.1)
        bench.runFor(0.3)
        sent = [p for _, p in bench.packets(session) if p.payloadType == EVENT_TYPE]
        self.assertEqual(int.from_bytes(sent[-1].payload[2:], "big"), 4800)

    def test_repeatsAreOneKey(self) -> None:
        """A captured press that is sent a hundred times."""
        for n in range(100):
            self.bench.arrives(self.session, key(5, 8000, 160, sequence=n))
            self.bench.arrives(self.session, key(5, 8000, 320, end=True, sequence=n + 1))
        self.assertEqual(len(self.keys), 2)

    def test_keysAreNoSound(self) -> None:
        """A listener hears nothing of the packets, and no loss is counted."""
        ear = Ear()
        self.session.addListener(ear)
        for n in range(10):
            self.bench.arrives(self.session, key(5, 8000, 160 * n + 160, sequence=100 + n))
            self.bench.runFor(0.02)
        self.assertEqual(set(ear.frames), {bytes(320)})
        self.assertEqual(self.session.stats.lost, 0)

    def test_aReceiverOfKeysThatFailsLosesThatKeyOnly(self) -> None:
        """It is logged; the next one is tried again."""
        seen: list[object] = []

        def broken(pressed: object) -> None:
            seen.append(pressed)
            raise RuntimeError("no")

        self.session.onKey = broken
        self.bench.arrives(self.session, key(5, 8000, 160))
        self.bench.arrives(self.session, key(6, 9000, 160, sequence=2))
        self.assertEqual(len(self.flushLoggedErrors(RuntimeError)), 3)
        self.assertEqual(len(seen), 3)


class ListenTests(SynchronousTestCase):
    """PCM for listeners: one frame a beat, whatever the network does."""

    def test_oneFrameABeat(self) -> None:
        """320 bytes, silence where nothing came."""
        bench = Bench()
        session, ear = bench.session(), Ear()
        session.addListener(ear)
        bench.runFor(2.0)
        self.assertIn(len(ear.frames), (99, 100, 101))
        self.assertEqual(set(ear.frames), {bytes(320)})

    def test_soundIsDecodedInOrder(self) -> None:
        """Bit exact, one frame behind the other."""
        bench = Bench()
        session, ear = bench.session(), Ear()
        session.addListener(ear)
        bench.talk(session, 100)
        bench.runFor(0.2)
        heard = [frame for frame in ear.frames if frame != bytes(320)]
        wanted = [PCMU.decode(packet.payload).tobytes() for packet in speech(100)]
        self.assertEqual([frame for frame in wanted if frame in heard], wanted)
        self.assertEqual(heard, wanted)

    def test_packetsOfAnyLength(self) -> None:
        """10 to 60 ms, changing in mid-call (rtp-002)."""
        for samples in (80, 160, 240, 320, 480):
            bench = Bench()
            session, ear = bench.session(), Ear()
            session.addListener(ear)
            for packet in speech(4800 // samples, samples=samples):
                bench.arrives(session, packet._replace(payload=b"\x33" * samples))
                bench.runFor(samples / 8000)
            bench.runFor(0.3)
            heard = [frame for frame in ear.frames if frame != bytes(320)]
            self.assertEqual(len(heard), 30, samples)

    def test_theLawMayChangeInMidCall(self) -> None:
        """PCMA instead of PCMU from one packet to the next, both agreed on."""
        bench = Bench()
        session, ear = bench.session(), Ear()
        session.addListener(ear)
        tone = (8000 * np.sin(np.arange(160) / 4)).astype(np.int16)
        for n in range(60):
            kind, codec = (0, PCMU) if n // 20 % 2 == 0 else (8, PCMA)
            bench.arrives(session, RTPPacket(kind, n, n * 160, 7, codec.encode(tone)))
            bench.runFor(0.02)
        bench.runFor(0.2)
        heard = [frame for frame in ear.frames if frame != bytes(320)]
        self.assertEqual(len(heard), 60)
        for frame in heard:
            pcm = np.frombuffer(frame, np.int16).astype(np.int32)
            self.assertLess(int(np.abs(pcm - tone).max()), 600)
        self.assertEqual(session.stats.dropped, {})

    def test_aTypeThatWasNotAgreedOnIsNotHeard(self) -> None:
        """Only PCMU was."""
        bench = Bench()
        session = bench.session(accepts={0: PCMU})
        bench.talk(session, 5, payloadType=8)
        self.assertEqual(session.stats.dropped, {"payload type": 5})

    def test_aNewSSRCIsHeardAtOnce(self) -> None:
        """rtp-001: at most 100 ms are missing."""
        bench = Bench()
        session, ear = bench.session(), Ear()
        session.addListener(ear)
        bench.talk(session, 100, sequence=30000, timestamp=1000, ssrc=0xAAAA)
        bench.talk(session, 100, sequence=12, timestamp=777777, ssrc=0xBBBB)
        bench.runFor(0.3)
        heard = [frame for frame in ear.frames if frame != bytes(320)]
        self.assertGreaterEqual(len(heard), 195)

    def test_manySessionsEachHearTheirOwn(self) -> None:
        """Decoded together, handed out one by one; some have nothing, some are A-law."""
        bench = Bench()
        ears: list[tuple[Ear, bytes]] = []
        sessions = []
        for n in range(40):
            codec, kind = (PCMU, 0) if n % 3 else (PCMA, 8)
            session = bench.session(codec=codec, payloadType=kind)
            ear = Ear()
            session.addListener(ear)
            sessions.append((session, kind, n))
            body = bytes([n + 1]) * 160
            ears.append((ear, codec.decode(body).tobytes() if n % 5 else bytes(320)))
        for packet in range(20):
            for session, kind, n in sessions:
                if n % 5:
                    body = bytes([n + 1]) * 160
                    bench.arrives(session, RTPPacket(kind, packet, packet * 160, n, body))
            bench.runFor(0.02)
        for ear, wanted in ears:
            self.assertEqual(set(ear.frames) - {bytes(320)}, {wanted} - {bytes(320)})
            self.assertIn(len(ear.frames), (19, 20))

    def test_aListenerThatFailsIsTakenOff(self) -> None:
        """The others go on, and so does the session."""

        class Broken(Ear):
            def frameReceived(self, pcm: bytes) -> None:
                super().frameReceived(pcm)
                raise RuntimeError("disk")

        bench = Bench()
        session, broken, ear = bench.session(), Broken(), Ear()
        session.addListener(broken)
        session.addListener(ear)
        bench.runFor(1.0)
        self.assertEqual(len(broken.frames), 1)
        self.assertGreater(len(ear.frames), 45)
        self.assertEqual(len(self.flushLoggedErrors(RuntimeError)), 1)

    def test_aListenerThatLeavesHearsNothingMore(self) -> None:
        """Also one that was never there may leave."""
        bench = Bench()
        session, ear = bench.session(), Ear()
        session.addListener(ear)
        bench.runFor(0.5)
        session.removeListener(ear)
        session.removeListener(Ear())
        before = len(ear.frames)
        bench.runFor(0.5)
        self.assertEqual(len(ear.frames), before)

    def test_aListenerMayComeBeforeTheStart(self) -> None:
        """It hears from the start on."""
        bench = Bench()
        session, ear = bench.media.openSession("192.0.2.10"), Ear()
        session.addListener(ear)
        bench.runFor(0.5)
        self.assertEqual(ear.frames, [])
        session.start(parameters())
        bench.talk(session, 50)
        self.assertIn(len(ear.frames), (49, 50, 51))
