"""Keys as telephone-events (RFC 4733): packets in, presses out; and the sender's packets.

Lives here: what makes one press of many packets, and the packets of one press.
Not here: RTP headers (rtp.packet), tones in the audio (media.inband), collecting digits (doug).
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Iterator
from struct import Struct
from typing import NamedTuple

from shtoom.exceptions import MalformedMessage

DIGITS = "0123456789*#ABCD"  # RFC 4733 3.2: the event code is the place in this string
MAX_PRESSES_A_SECOND = 20  # nobody dials faster: 40 ms of tone and 40 ms of pause make 12.5

_EVENT = Struct("!BBH")
_END = 0x80
_MAX_DURATION = 0xFFFF
_ENDLESS = 1 << 62  # ticks
_END_PACKETS = 3  # RFC 4733 2.5.1.4: the last packet is sent three times in all
_REMEMBERED = 256  # presses whose repeats are known as such


class KeyPressed(NamedTuple):
    """A key went down. timestamp: RTP timestamp of its beginning."""

    digit: str
    timestamp: int


class KeyReleased(NamedTuple):
    """A key came up. timestamp: that of its KeyPressed; duration: seconds it was down."""

    digit: str
    timestamp: int
    duration: float


class TelephoneEvent(NamedTuple):
    """One payload (RFC 4733 2.3). duration: ticks since the timestamp; volume: -dBm0, 0 to 63."""

    code: int
    end: bool
    volume: int
    duration: int

    def toBytes(self) -> bytes:
        """The payload of four bytes; struct.error for a field out of range."""
        return _EVENT.pack(self.code, (_END if self.end else 0) | self.volume, self.duration)


def parseTelephoneEvent(payload: bytes) -> TelephoneEvent:
    """Raises MalformedMessage for fewer than four bytes; what lies behind them is ignored."""
    if len(payload) < _EVENT.size:
        raise MalformedMessage("telephone-event", "4 bytes", payload)
    code, flags, duration = _EVENT.unpack_from(payload)
    return TelephoneEvent(code, flags >= _END, flags & 0x3F, duration)


class TelephoneEventReceiver:
    """Presses of keys out of event packets, whatever was lost, repeated or re-ordered.

    A press is one RTP timestamp of one SSRC and is reported at its first packet to arrive; the
    marker is not needed (many senders forget it). It ends with the end bit, with the next press,
    or at `deadline` when nothing more comes. A segment that goes on where the longest duration
    ended (RFC 4733 2.5.1.3) belongs to the same press, and so do the packets of a sender whose
    timestamp runs on within it. Events that are no digits are counted in `otherEvents`, payloads
    too short in `malformed`, presses over the limit in `refused`.

    clock: ticks a second of the timestamps. patience: seconds without a packet until a press
    whose end was lost counts as over.
    """

    __slots__ = (
        "_digit",
        "_duration",
        "_key",
        "_known",
        "_last",
        "_patience",
        "_pressedAt",
        "_segmentStart",
        "_start",
        "clock",
        "deadline",
        "malformed",
        "otherEvents",
        "refused",
    )

    def __init__(self, clock: int = 8000, patience: float = 0.2) -> None:
        self.clock = clock
        self._patience = patience
        self._known: OrderedDict[tuple[int, int], None] = OrderedDict()
        self._key: tuple[int, int] | None = None  # (ssrc, timestamp) of the segment now down
        self._digit = ""
        self._last: tuple[int, int] | None = None  # (ssrc, timestamp) of its latest packet
        self._start = 0  # timestamp of the press
        self._segmentStart = 0  # ticks from there to the segment's own timestamp
        self._duration = 0  # ticks of the segment so far
        self._pressedAt: deque[float] = deque(maxlen=MAX_PRESSES_A_SECOND)
        self.deadline: float | None = None
        self.malformed = 0
        self.otherEvents = 0
        self.refused = 0

    def packetReceived(
        self, timestamp: int, ssrc: int, payload: bytes, marker: bool, now: float
    ) -> list[KeyPressed | KeyReleased]:
        """What this packet tells, in order; mostly nothing, as most packets repeat.

        timestamp, ssrc, marker: of its RTP header. now: seconds, any origin.
        """
        if len(payload) < _EVENT.size:
            self.malformed += 1
            return []
        code, flags, duration = _EVENT.unpack_from(payload)
        if code >= len(DIGITS):
            self.otherEvents += 1
            return []
        key = (ssrc, timestamp)
        happened: list[KeyPressed | KeyReleased] = []
        if key != self._key:
            if key in self._known:
                return []  # a straggler or a replay of a press that is over
            self._remember(key)
            if self._runsOn(key, code, marker, duration):
                if self._key is None:  # another copy of its end
                    return []
            elif self._continues(key, code, marker):
                self._duration = 0
                self._segmentStart += (timestamp - self._key[1]) & 0xFFFFFFFF if self._key else 0
            else:
                happened = self._release()
                if not self._mayPress(now):
                    self.refused += 1
                    return happened
                self._digit, self._start, self._segmentStart = DIGITS[code], timestamp, 0
                self._duration = 0
                happened.append(KeyPressed(self._digit, timestamp))
            self._key = key
        self._last = key
        self._duration = max(self._duration, duration)
        self.deadline = now + self._patience
        if flags >= _END:
            happened += self._release()
        return happened

    def timeReached(self, now: float) -> list[KeyPressed | KeyReleased]:
        """The release of a key whose end packets were lost, if `deadline` is reached."""
        if self.deadline is None or now < self.deadline:
            return []
        return self._release()

    def _continues(self, key: tuple[int, int], code: int, marker: bool) -> bool:
        """Whether a new timestamp is the next segment of the key that is down."""
        if self._key is None or marker or DIGITS[code] != self._digit or key[0] != self._key[0]:
            return False
        return (key[1] - self._key[1]) & 0xFFFFFFFF == _MAX_DURATION

    def _runsOn(self, key: tuple[int, int], code: int, marker: bool, duration: int) -> bool:
        """Whether a new timestamp is of a sender that lets it run within a press.

        The duration then goes on growing, and covers the time since the packet before. After the
        end no press can begin before the time that was told is over.
        """
        if self._last is None or marker or DIGITS[code] != self._digit or key[0] != self._last[0]:
            return False
        moved = (key[1] - self._last[1]) & 0xFFFFFFFF
        if moved < self._duration:
            return duration >= self._duration
        return self._key is not None and duration > self._duration and duration >= moved

    def _release(self) -> list[KeyPressed | KeyReleased]:
        if self._key is None:
            return []
        seconds = (self._segmentStart + self._duration) / self.clock
        self._key = self.deadline = None
        return [KeyReleased(self._digit, self._start, seconds)]

    def _remember(self, key: tuple[int, int]) -> None:
        self._known[key] = None
        if len(self._known) > _REMEMBERED:
            self._known.popitem(last=False)

    def _mayPress(self, now: float) -> bool:
        """In any second no more than there may be."""
        pressedAt = self._pressedAt
        if len(pressedAt) == MAX_PRESSES_A_SECOND and now - pressedAt[0] < 1.0:
            return False
        pressedAt.append(now)
        return True


class EventPayload(NamedTuple):
    """One packet to send. timestampOffset: ticks after the press began, 0 but in long presses."""

    payload: bytes
    marker: bool
    timestampOffset: int


class TelephoneEventSender:
    """The packets of one press (RFC 4733 2.5.1), one for each packet time: iterate, or nextPacket.

    digit: one of 0-9 * # A-D. duration: seconds, at least one packet time; None for a key that is
    down until release(). clock: RTP clock in Hz;
    packetTime: ms between packets. volume: -dBm0, 0 to 63. All packets have the RTP timestamp of
    the press plus timestampOffset; sequence numbers go on as ever. ValueError for anything else.
    """

    __slots__ = (
        "_clock",
        "_code",
        "_endsLeft",
        "_offset",
        "_sent",
        "_step",
        "_total",
        "_volume",
        "digit",
    )

    def __init__(
        self,
        digit: str,
        duration: float | None,
        *,
        clock: int = 8000,
        packetTime: int = 20,
        volume: int = 10,
    ) -> None:
        if len(digit) != 1 or digit.upper() not in DIGITS:
            raise ValueError(f"digit: wanted one of {DIGITS}, got {digit!r}")
        if not 0 <= volume <= 63:
            raise ValueError(f"volume: wanted 0 to 63 (below 0 dBm0), got {volume}")
        if duration is not None and not duration > 0:
            raise ValueError(f"duration: wanted seconds above 0, got {duration}")
        self.digit = digit.upper()
        self._code = DIGITS.index(self.digit)
        self._volume = volume
        self._clock = clock
        self._step = clock * packetTime // 1000
        self._total = _ENDLESS if duration is None else max(self._step, round(duration * clock))
        self._sent = 0  # ticks of the press that were told so far
        self._offset = 0  # ticks from its start to the present segment
        self._endsLeft = _END_PACKETS

    def nextPacket(self) -> EventPayload | None:
        """The packet of this packet time; None when the press is over."""
        if self._endsLeft == 0:
            return None
        marker = self._sent == 0
        self._sent = min(self._sent + self._step, self._total)
        if self._sent - self._offset > _MAX_DURATION:
            self._offset += _MAX_DURATION
        end = self._sent == self._total
        if end:
            self._endsLeft -= 1
        event = TelephoneEvent(self._code, end, self._volume, self._sent - self._offset)
        return EventPayload(event.toBytes(), marker, self._offset)

    def release(self, duration: float) -> None:
        """The key that was down comes up after so many seconds, not before what was told already.

        It is sent for one packet time at least, even if it came up before anything was sent.
        """
        self._total = max(self._sent, self._step, round(duration * self._clock))

    def stop(self) -> None:
        """Let the key go now: only end packets follow, three in all."""
        if self._sent == 0:
            self._endsLeft = 0
        self._total = min(self._total, self._sent)

    def __iter__(self) -> Iterator[EventPayload]:
        while (packet := self.nextPacket()) is not None:
            yield packet
