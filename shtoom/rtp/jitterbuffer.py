"""Packets in as they come, frames out at an even beat: the play-out buffer of one stream.

Lives here: order, repeats, latecomers, gaps, restarts and the delay of playing, for codecs whose
payload is cut by samples (G.711 and the like). It counts samples, never packets, so packets of
any length come out as frames of one.
Not here: header bytes (rtp.packet), loss for reports (rtp.sequence), concealment (audio).

Positions are samples on a line of the buffer's own, which no wrap or jump of timestamps breaks:

    given out | next ...... cells ...... end   expected: the RTP timestamp that belongs to end

A frame that is missing at its turn is concealed by the listener (pop gives None), but given up
only at the following turn. Should it come meanwhile, it is played and the delay has grown by a
frame; should it not, the line moves on by what is `owed` and the delay is as before. So the delay
follows the jitter. It shrinks again by leaving a frame out when for seconds every packet came
more than the target, and a frame, before its turn.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import NamedTuple

from shtoom.rtp.sequence import MAX_DROPOUT, MAX_MISORDER

_MASK = 0xFFFFFFFF
_NEVER = 1 << 62
_MOST_CELLS = 128  # pieces held, whatever their size

_REVIEW = 0.5  # seconds between two looks at the delay
_PATIENCE = 8  # reviews with a frame too much until one is left out; with n frames, 1/n of it
_CALM = 5.0  # seconds without a late frame until the target comes down by a frame
_IDLE = 0.5  # seconds without a packet after which the next one starts afresh
_SLACK = 0.04  # seconds that a gap in timestamps may exceed the time that went by
_LONGEST_PACKET = 0.06  # seconds: how much each lost packet may explain of a gap
_STRAGGLERS = 0.2  # seconds in which packets of the SSRC before are still on their way
_TAIL = 3  # turns that an unfinished frame waits for its rest


class JitterStats(NamedTuple):
    """Counts since the start, and times in ms.

    missing: turns without a frame while playing; late: packets after their turn; useless:
    repeats and strays; skipped: frames left out to shorten the delay;
    restarts: new SSRC, jump of timestamp or sequence; delay: what is held; target: where
    playing starts.
    """

    missing: int
    late: int
    useless: int
    skipped: int
    restarts: int
    delay: float
    target: float


class JitterBuffer:
    """The play-out buffer of one stream; put() on arrival, pop() once a frame time.

    rate: ticks of the RTP clock a second, which here are samples; frame: samples a frame;
    bytesPerSample: of the payload. minDelay, maxDelay: ms; playing starts at the turn
    nearest to minDelay after the first packet (later after jitter); more than maxDelay is never
    held. patch: a hole in a frame becomes the sample before it; else the frame is that much
    shorter, for codecs whose state a made-up byte would spoil. ValueError unless a frame time
    <= minDelay <= maxDelay less a frame time.
    """

    __slots__ = (
        "_arrival",
        "_calmSince",
        "_cells",
        "_changed",
        "_end",
        "_expected",
        "_firstArrival",
        "_followed",
        "_frame",
        "_frameBytes",
        "_givenUp",
        "_insert",
        "_late",
        "_limit",
        "_low",
        "_minimum",
        "_missing",
        "_next",
        "_owed",
        "_patch",
        "_patience",
        "_playing",
        "_previous",
        "_rate",
        "_restarts",
        "_reviewAt",
        "_room",
        "_sequence",
        "_skipped",
        "_ssrc",
        "_stray",
        "_target",
        "_unit",
        "_useless",
    )

    def __init__(
        self,
        rate: int = 8000,
        frame: int = 160,
        bytesPerSample: int = 1,
        minDelay: float = 40.0,
        maxDelay: float = 300.0,
        *,
        patch: bool = True,
    ) -> None:
        self._rate = rate
        self._frame = frame
        self._unit = bytesPerSample
        self._patch = patch
        self._frameBytes = frame * bytesPerSample
        self._minimum = self._target = round(minDelay * rate / 1000)
        self._limit = round(maxDelay * rate / 1000)
        self._room = self._limit - frame  # of positions at which a whole frame still fits
        if not frame <= self._minimum <= self._room:
            least = 1000 * frame / rate
            raise ValueError(
                f"minDelay, maxDelay: wanted {least:g} <= minDelay <= maxDelay - {least:g} ms, "
                f"got {minDelay:g} and {maxDelay:g}"
            )
        self._cells: dict[int, bytes] = {}  # position -> payload
        self._end = 0
        self._next = -self._limit
        self._expected = -1  # no timestamp is that: the first packet takes the long way
        self._sequence = self._ssrc = self._previous = self._stray = -1
        self._followed = -1  # packets taken since by putNext(); -1: there is no line to go on with
        self._playing = False
        self._owed = 0  # samples concealed since the last frame given out
        self._insert = False  # whether the next turn is left out so that the delay grows
        self._givenUp: deque[int] = deque(maxlen=8)  # positions of frames that never came
        self._low = _NEVER  # least time, in samples, that a packet came before its turn
        self._patience = 0
        self._arrival = self._firstArrival = self._changed = self._calmSince = self._reviewAt = 0.0
        self._missing = self._late = self._useless = self._skipped = self._restarts = 0

    def put(  # noqa: PLR0917 - what a header holds, without an object for it
        self, sequence: int, timestamp: int, ssrc: int, payload: bytes, marker: bool, now: float
    ) -> None:
        """Take one packet. Never raises, whatever its header says; what is of no use is counted.

        The first five are of its RTP header; payload: whole samples. now: seconds, any origin.
        """
        if self._followed > 0:
            self._catchUp()
        if timestamp == self._expected and ssrc == self._ssrc and len(payload) == self._frameBytes:
            end = self._end
            early = end - self._next
            if 0 <= early <= self._room:
                self._cells[end] = payload
                self._end = end + self._frame
                self._expected = (timestamp + self._frame) & _MASK
                self._sequence = sequence
                self._arrival = now
                if early < self._low:  # noqa: PLR1730 - four times as fast as min()
                    self._low = early
                return
        if marker and self._owed > self._target and not self._cells:
            self._pause()  # a talkspurt begins: its delay is chosen anew (RFC 3551 4.1)
        self._putAnyhow(sequence, timestamp, ssrc, payload, now)

    def putNext(self, payload: bytes, now: float) -> bool:
        """Take the packet that follows the newest one put in every respect; its header is known.

        For who keeps an eye on headers anyway, and cheaper than put(). False: taken is nothing, the
        header has to be told after all.
        """
        end = self._end
        early = end - self._next
        if self._followed < 0 or len(payload) != self._frameBytes or not 0 <= early <= self._room:
            return False
        self._cells[end] = payload
        self._end = end + self._frame
        self._followed += 1
        self._arrival = now
        if early < self._low:  # noqa: PLR1730 - four times as fast as min()
            self._low = early
        return True

    def pop(self, now: float) -> bytes | None:
        """The frame whose turn it is: `frame` samples (see `patch`). None: a loss, or nothing."""
        if self._playing:
            if now >= self._reviewAt:
                self._review(now)
            position = self._next
            payload = self._cells.pop(position, None)
            if payload is not None:
                if len(payload) == self._frameBytes and not self._insert:
                    self._next = position + self._frame
                    if self._owed:
                        self._cameLate(now)
                    return payload
                self._cells[position] = payload
        return self._popAnyhow(now)

    def recode(self, recoded: Callable[[bytes], bytes]) -> None:
        """What is held, in another codec of as many bytes a sample: recoded(payload) of each."""
        self._cells = {position: recoded(held) for position, held in self._cells.items()}

    @property
    def stats(self) -> JitterStats:
        """What happened so far; cheap, but not for every frame."""
        held = self._end - min(self._cells) if self._cells else 0
        ms = 1000 / self._rate
        return JitterStats(
            self._missing,
            self._late,
            self._useless,
            self._skipped,
            self._restarts,
            held * ms,
            self._target * ms,
        )

    # Arrival, the long way

    def _putAnyhow(
        self, sequence: int, timestamp: int, ssrc: int, payload: bytes, now: float
    ) -> None:
        samples = len(payload) // self._unit
        if samples == 0:
            return
        position: int | None
        if timestamp == self._expected and ssrc == self._ssrc:
            position = self._end
        else:
            position = self._positionOf(sequence, timestamp, ssrc, now)
            if position is None:
                return
        if position >= self._end:
            self._end = position + samples
            self._expected = (timestamp + samples) & _MASK
            self._sequence = sequence
            self._ssrc = ssrc
            self._followed = 0
            self._arrival = now
        else:
            samples = min(samples, self._end - position)  # of too long a one no more than fits
        self._place(position, payload[: samples * self._unit], samples, now)

    def _positionOf(self, sequence: int, timestamp: int, ssrc: int, now: float) -> int | None:
        """Where a packet's first sample belongs on the line; None: nowhere, and it is counted."""
        if ssrc != self._ssrc:
            if ssrc == self._previous and now - self._changed < _STRAGGLERS:
                self._late += 1
                return None
            self._previous, self._changed = self._ssrc, now
            return self._restart()
        step = ((sequence - self._sequence + 0x8000) & 0xFFFF) - 0x8000
        if step <= -MAX_MISORDER:
            if sequence != self._stray:
                self._stray = (sequence + 1) & 0xFFFF
                self._useless += 1
                return None
            return self._restart()
        if self._expected < 0:  # after a pause there is no line to go on with
            if step > 0:
                return max(self._end, self._next)
            self._late += 1
            return None
        ahead = ((timestamp - self._expected + 0x80000000) & _MASK) - 0x80000000
        if step > 0:
            lost = step - 1 if step < MAX_DROPOUT else 0
            explained = max(now - self._arrival, lost * _LONGEST_PACKET) + _SLACK
            if 0 < ahead <= explained * self._rate:
                return self._end + ahead
            return self._restart()
        if ahead > 0:  # older, and yet ahead in time: it is not of this stream
            self._useless += 1
            return None
        return self._end + ahead

    def _restart(self) -> int:
        """Where a stream goes on that has broken with its past: right behind what is held."""
        self._stray = -1
        if self._sequence >= 0:
            self._restarts += 1
        if not self._cells:
            self._pause()
        return max(self._end, self._next)

    def _pause(self) -> None:
        """Stop playing until packets come again and have waited for the target."""
        self._catchUp()
        self._playing = False
        self._expected = self._followed = -1
        self._owed = 0

    def _catchUp(self) -> None:
        """What was taken without its header counts for those to come."""
        followed, self._followed = self._followed, 0
        if followed > 0:
            self._expected = (self._expected + followed * self._frame) & _MASK
            self._sequence = (self._sequence + followed) & 0xFFFF

    def _place(self, position: int, payload: bytes, samples: int, now: float) -> None:
        """Put a piece where it belongs, less what of it is over or was there already."""
        cells = self._cells
        if not cells:
            if not self._playing:
                self._firstArrival = now
                self._next = max(self._next, position - self._target)  # an earlier one may come
            elif position > self._next:
                self._skipOwed(position - self._next)
        over = self._next - position
        if over >= samples:
            self._cameTooLate(position, samples, now)
            return
        if over > 0:
            payload = payload[over * self._unit :]
            position = self._next
        if position in cells or len(cells) >= _MOST_CELLS:
            self._useless += 1
            return
        cells[position] = payload
        self._low = min(self._low, position - self._next)
        if self._end - self._next > self._limit:
            self._leaveOut(-(-(self._end - self._target - self._next) // self._frame))

    def _cameTooLate(self, position: int, samples: int, now: float) -> None:
        """A packet after its turn: more delay would have saved it, unless it is a repeat."""
        for missed in self._givenUp:
            if position < missed + self._frame and missed < position + samples:
                self._late += 1
                # One latecomer only raises the target: a turn left out for it is a loss more.
                self._insert = self._end - self._next < self._target
                self._raiseTarget(now)
                return
        self._useless += 1

    # Turns, the long way

    def _popAnyhow(self, now: float) -> bytes | None:
        if not self._playing and not self._begin(now):
            return None
        if self._insert:
            self._insert = False
            self._missing += 1
            return None
        if self._next in self._cells:
            return self._join(now)
        if not self._cells:
            self._runDry(now)
            return None
        first = min(self._cells)
        if first < self._next:
            self._dropBefore(self._next)
            return self._popAnyhow(now)
        if first > self._next:
            self._skipOwed(first - self._next)
        gap = first - self._next
        if gap >= self._frame:
            self._givenUp.append(self._next)
            self._owed += self._frame
            self._missing += 1
            return None
        if gap > 0:  # less than a frame: start the next one where the samples do
            self._next += gap
            if 2 * gap > self._frame:
                self._missing += 1
                return None
        return self._join(now)

    def _begin(self, now: float) -> bool:
        """Start to play at the turn nearest to the target's time, or when that much is held."""
        if not self._cells:
            return False
        first = min(self._cells)
        waited = (now - self._firstArrival) * self._rate
        if max(waited, self._end - first - self._frame) < self._target - self._frame / 2:
            return False
        self._playing = True
        self._next = first
        self._owed = self._patience = 0
        self._low = _NEVER
        self._reviewAt = now + _REVIEW
        return True

    def _join(self, now: float) -> bytes | None:
        """A frame out of the pieces at its place; a hole in it is patched, or closes up."""
        cells, unit, start = self._cells, self._unit, self._next
        cursor, stop = start, start + self._frame
        joined = b""
        while cursor < stop:
            piece = cells.pop(cursor, None)
            if piece is not None:
                room = (stop - cursor) * unit
                joined += piece[:room]
                if len(piece) > room:
                    cells.setdefault(stop, piece[room:])
                cursor += min(len(piece), room) // unit
                continue
            self._dropBefore(cursor)
            if cursor in cells:
                continue
            if not cells and self._owed < _TAIL * self._frame and now - self._arrival <= _IDLE:
                cells[start] = joined
                self._runDry(now)
                return None
            until = min(min(cells, default=stop), stop)
            if self._patch:
                joined += joined[-unit:] * (until - cursor)
            cursor = until
        self._next = stop
        self._end = max(self._end, stop)  # a tail filled up: what follows goes on behind it
        self._owed = 0
        return joined

    def _runDry(self, now: float) -> None:
        """A turn with nothing left to play: late packets or the end of a talkspurt."""
        self._missing += 1
        self._owed += self._frame
        if now - self._arrival > _IDLE and not self._cells:
            self._pause()

    def _skipOwed(self, gap: int) -> None:
        """Let the line pass as much of a gap as was concealed already."""
        step = min(self._owed, gap)
        self._next += step
        self._owed -= step

    def _dropBefore(self, position: int) -> None:
        """Forget what lies before a position, and cut what reaches over it."""
        cells, unit = self._cells, self._unit
        for at in sorted(at for at in cells if at < position):
            rest = cells.pop(at)[(position - at) * unit :]
            if rest:
                cells.setdefault(position, rest)

    # The delay

    def _cameLate(self, now: float) -> None:
        """A frame was concealed and came in time for the turn after: the delay has grown."""
        self._owed = 0
        self._raiseTarget(now)

    def _raiseTarget(self, now: float) -> None:
        self._target = min(self._target + self._frame, max(self._minimum, self._limit // 2))
        self._calmSince = now

    def _review(self, now: float) -> None:
        """Shorten a delay that no packet needed for some time."""
        self._reviewAt = now + _REVIEW
        low, self._low = self._low, _NEVER
        if now - self._calmSince > _CALM:
            self._target = max(self._minimum, self._target - self._frame)
            self._calmSince = now
        if low == _NEVER:
            return
        excess = (low - self._target) // self._frame
        if excess <= 0:
            self._patience = 0
            return
        self._patience += excess
        if self._patience >= _PATIENCE:
            self._patience = 0
            self._leaveOut(1)

    def _leaveOut(self, frames: int) -> None:
        self._next += frames * self._frame
        self._skipped += frames
        self._dropBefore(self._next)
