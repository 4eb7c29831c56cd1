"""Broken RTP and RTCP to the media port of a call that goes on: nothing of it is heard.

Lives here: the call and what must hold of it. Not here: the packets (packets.py), the corpus of
streams (test.rtp), who is believed to be the far end (test.media).
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from random import Random
from typing import Any

import numpy as np
from numpy.typing import NDArray
from twisted.trial.unittest import SynchronousTestCase

from doug.events import CallAnsweredEvent, CallEndedEvent, CallStartedEvent, DTMFReceivedEvent
from doug.source import Source
from doug.testing import Lab
from doug.testing.hearing import toneShare
from doug.voiceapp import VoiceApp
from shtoom.audio.tones import sine
from shtoom.exceptions import MalformedMessage
from shtoom.rtp.packet import parseRTP, unpackHeader
from shtoom.rtp.rtcp import parseRTCP
from test.cases.media import quietSeconds
from test.fuzz.packets import Packets
from test.fuzz.peers import SERVER, Address
from test.fuzz.seeds import onSeeds

FRAME = sine(700, 2.0, 0.3)
STRANGERS = tuple((f"203.0.113.{n}", 4000 + n) for n in range(1, 9))


class Tone(Source):
    """Says 700 Hz for ever; keeps what is recorded to it."""

    endless = True

    def __init__(self) -> None:
        self.at = 0
        self.frames: list[bytes] = []

    def read(self) -> bytes:
        """The next frame."""
        self.at = (self.at + 160) % len(FRAME)
        return FRAME[self.at - 160 or None : self.at or None].tobytes()

    def write(self, frame: bytes) -> None:
        """What the far end says."""
        self.frames.append(frame)

    @property
    def heard(self) -> NDArray[np.int16]:
        """All of it."""
        return np.frombuffer(b"".join(self.frames), "<i2")


class Listening(VoiceApp):
    """Speaks and listens until it is hung up. ear: the test's; keys: in the order they came."""

    ear: Tone
    keys: list[str]

    def __start__(self) -> Any:
        return [(CallStartedEvent, self.began)]

    def began(self, event: CallStartedEvent) -> Any:
        """Answers."""
        event.leg.answerCall(self)
        return [(CallAnsweredEvent, self.up)]

    def up(self, event: CallAnsweredEvent) -> Any:
        """Speaks and listens."""
        event.leg.mediaPlay(self.ear)
        event.leg.mediaRecord(self.ear)
        return [(DTMFReceivedEvent, self.key), (CallEndedEvent, self.ended)]

    def key(self, event: DTMFReceivedEvent) -> None:
        """Notes it."""
        self.keys.append(event.digits)

    def ended(self, event: CallEndedEvent) -> None:
        """The end."""
        self.returnResult(None)


class RunningCallTests(SynchronousTestCase):
    """A call in which both sides speak, and the caller presses keys."""

    def begin(self, seed: int) -> None:
        """The call is up, and its first packets have been heard."""
        self.keys: list[str] = []
        self.ear = Tone()
        self.rng = Random(seed)
        self.lab = Lab({"": Listening}, seed=seed, ear=self.ear, keys=self.keys)
        self.call = self.lab.phone().dial("sip:ear@doug")
        heard: list[bytes] = []
        self.lab.network.observers.append(lambda data, source, to: heard.append(data))
        self.lab.reactor.advance(0.1)
        self.call.sayTone(440, 3.0)
        heard.clear()
        self.lab.reactor.advance(0.3)
        self.source: Address = (self.call.phone.host.address, self.call.session.port)
        stream = next(p for p in map(parseRTP, heard[-4:]) if p.payload and p.ssrc)
        self.lab.network.observers.clear()
        described = self.call.call
        assert described is not None
        assert described.remoteSDP is not None
        self.port = int(described.remoteSDP.partition(b"m=audio ")[2].split()[0])
        self.packets = Packets(self.rng, stream.ssrc)

    def shower(
        self, seconds: float, make: Callable[[], bytes], sources: tuple[Address, ...]
    ) -> None:
        """So many seconds with 200 packets in each, to the media port and now and then the next."""
        for _ in range(round(seconds * 200)):
            port = self.port + (self.rng.random() < 0.05)
            self.lab.network.send(make(), self.rng.choice(sources), (SERVER, port))
            self.lab.reactor.advance(0.005)

    def checkSound(self, frames: int) -> None:
        """From that frame on the application heard 440 Hz and no gap, the caller 700 Hz."""
        heard = self.ear.heard[frames * 160 :]
        self.assertEqual(quietSeconds(heard), 0.0)
        self.assertGreater(toneShare(heard, 440), 0.98)
        self.call.assertHearsTone(700, 0.5)

    def end(self) -> None:
        """Nothing is left, nothing was logged as an error."""
        self.call.hangUp()
        self.lab.assertNothingLeft()
        self.assertEqual(self.flushLoggedErrors(), [])

    @onSeeds(5)
    def test_packetsOfStrangersAreNotHeard(self, seed: int) -> None:
        """Of whatever kind, with the SSRC of the stream too: no gap, no sound, no key of theirs;
        none is sent to them; the keys of the caller come once each."""
        self.begin(seed)
        sent: set[str] = set()
        self.lab.network.observers.append(lambda data, source, to: sent.add(to[0]))
        frames = len(self.ear.frames)
        self.shower(0.5, self.packets.rtp, STRANGERS)
        self.shower(0.5, self.packets.rtcp, STRANGERS)
        self.checkSound(frames)
        self.call.press("12")
        self.shower(1.0, self.packets.rtp, STRANGERS)
        self.assertEqual("".join(self.keys), "12")
        self.assertEqual(sent & {host for host, _ in STRANGERS}, set())
        self.end()

    @onSeeds(5)
    def test_rtcpOfTheFarEndChangesNothing(self, seed: int) -> None:
        """RTCP on the port of RTP (RFC 5761), broken or not, is dropped: no gap, no key, no end."""
        self.begin(seed)
        frames = len(self.ear.frames)
        self.shower(1.0, self.packets.rtcp, (self.source,))
        self.checkSound(frames)
        self.call.press("3")
        self.shower(0.5, self.packets.rtcp, (self.source,))
        self.assertEqual("".join(self.keys), "3")
        self.end()

    @onSeeds(5)
    def test_aFarEndGoneMadIsForgiven(self, seed: int) -> None:
        """What comes from the far end itself may be heard; nothing is raised, it goes on hearing
        us, and when it has come to its senses it is heard as ever, its keys too."""
        self.begin(seed)
        self.shower(1.0, self.packets.rtp, (self.source,))
        self.call.assertHearsTone(700, 0.5)
        self.lab.reactor.advance(4.0)  # whatever was pressed is over, what was said is played
        self.keys.clear()
        self.call.sayTone(440, 2.0)
        self.lab.reactor.advance(1.0)
        frames = len(self.ear.frames)
        self.lab.reactor.advance(0.8)
        self.checkSound(frames)
        self.lab.reactor.advance(1.0)
        self.call.press("45")
        self.lab.reactor.advance(1.0)
        self.assertEqual("".join(self.keys), "45")
        self.end()


class ParserTests(SynchronousTestCase):
    """The parsers of RTP and RTCP by themselves."""

    @onSeeds(20)
    def test_packetsParseOrAreRefused(self, seed: int) -> None:
        """A value or MalformedMessage; a payload lies within what it came in."""
        packets = Packets(Random(seed), 1)
        for _ in range(200):
            with contextlib.suppress(MalformedMessage):
                data = packets.rtp()
                *_, start, end = unpackHeader(data, len(data))
                self.assertTrue(12 <= start <= end <= len(data), data)
            with contextlib.suppress(MalformedMessage):
                self.assertTrue(parseRTCP(packets.rtcp()))
