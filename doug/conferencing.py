"""Conferences: rooms in which everybody hears the loudest others and never themselves.

Lives here: Room, its members' Sources, the rooms of a server by name. Not here: when frames are
written and read (the players and recorders of the members' legs).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from doug.source import Source
from shtoom.audio.frames import FRAME, FRAME_BYTES

if TYPE_CHECKING:
    from doug.leg import Leg

__all__ = [
    "ConfSource",
    "ConferenceClosedError",
    "ConferenceError",
    "ConferenceMemberNotFoundError",
    "Room",
    "newConferenceMember",
]

MAX_SPEAKERS = 4
FIRST_ROWS = 4
FADE = 0.8  # share of its loudness that a speaker keeps from frame to frame: words do not chop
LOUDEST, SOFTEST = 32767, -32768


class ConferenceError(Exception):
    """What went wrong in a conference; the text names the room."""


class ConferenceClosedError(ConferenceError):
    """The room is closed: its last member has left, or it was shut down."""


class ConferenceMemberNotFoundError(ConferenceError):
    """Whoever it was is not a member of this room."""


class Room:
    """A conference. name: as the applications call it. maxSpeakers: how many are mixed at most.

    All members' frames are rows of one array; what is heard is summed once for all who listen at
    the same moment. A room closes with its last member.
    """

    def __init__(self, name: str, maxSpeakers: int = MAX_SPEAKERS) -> None:
        if maxSpeakers < 1:
            raise ValueError(f"maxSpeakers: wanted 1 or more, got {maxSpeakers}")
        self.name, self.maxSpeakers = name, maxSpeakers
        self._open = True
        self._members: list[ConfSource] = []  # by row
        self._frames: NDArray[np.int16] = np.zeros((FIRST_ROWS, FRAME), np.int16)
        self._loudness: NDArray[np.float64] = np.zeros(FIRST_ROWS)
        self._changed = True
        self._mixed = b""  # for those who do not speak
        self._forSpeakers: dict[int, bytes] = {}  # by row

    def getName(self) -> str:
        """Its name."""
        return self.name

    def isOpen(self) -> bool:
        """May somebody enter?"""
        return self._open

    def memberCount(self) -> int:
        """How many are in it."""
        return len(self._members)

    def isMember(self, member: ConfSource) -> bool:
        """Is this one of its members?"""
        return member in self._members

    def addMember(self, member: ConfSource) -> None:
        """Somebody enters. ConferenceClosedError if the room is closed; ConferenceError twice."""
        self._mustBeOpen()
        if member in self._members:
            raise ConferenceError(f"room {self.name!r}: {member!r} is a member already")
        row = len(self._members)
        if row == len(self._frames):
            self._frames = np.concatenate((self._frames, np.zeros_like(self._frames)))
            self._loudness = np.concatenate((self._loudness, np.zeros_like(self._loudness)))
        self._members.append(member)
        member.row = row
        self._clear(row)

    def removeMember(self, member: ConfSource) -> None:
        """Somebody leaves; the room closes behind the last.

        ConferenceMemberNotFoundError for a stranger, ConferenceClosedError if it is closed.
        """
        self._mustBeOpen()
        self._mustBeMember(member)
        last = self._members.pop()
        if last is not member:  # the last row moves to the free place
            row = member.row
            self._members[row] = last
            self._frames[row] = self._frames[last.row]
            self._loudness[row] = self._loudness[last.row]
            last.row = row
        self._clear(len(self._members))
        if not self._members:
            self._open = False

    def shutdown(self) -> None:
        """Closes the room; those who are in it hear silence from now on. Again: nothing."""
        self._open = False
        self._members.clear()

    def write(self, member: ConfSource, frame: bytes) -> None:
        """What a member says. frame: 320 bytes. Errors as in removeMember."""
        self._mustBeOpen()
        self._mustBeMember(member)
        row = self._frames[member.row]
        row[:] = np.frombuffer(frame, np.int16)
        now = float(np.abs(row.astype(np.int32)).sum())
        self._loudness[member.row] = max(now, FADE * self._loudness[member.row])
        self._changed = True

    def read(self, member: ConfSource) -> bytes:
        """What a member hears: 320 bytes, the loudest others. Errors as in removeMember."""
        self._mustBeOpen()
        self._mustBeMember(member)
        if self._changed:
            self._mix()
        return self._forSpeakers.get(member.row, self._mixed)

    def _mix(self) -> None:
        """The sum of the loudest, and for each of these the sum of the loudest others."""
        count = len(self._members)
        loudness = self._loudness[:count]
        wanted = min(count, self.maxSpeakers + 1)  # one more: who speaks hears the next loudest
        if wanted < count:
            rows = np.argpartition(loudness, count - wanted)[count - wanted :]
            rows = rows[np.argsort(loudness[rows])]
        else:
            rows = np.argsort(loudness)
        spoken = self._frames[rows].astype(np.int32)
        total = spoken.sum(axis=0)
        others = np.clip(total - spoken, SOFTEST, LOUDEST).astype(np.int16)
        self._forSpeakers = {int(r): others[i].tobytes() for i, r in enumerate(rows)}
        if count > self.maxSpeakers:
            total -= spoken[0]  # the softest of them, only in for the sake of the speakers
        self._mixed = np.clip(total, SOFTEST, LOUDEST).astype(np.int16).tobytes()
        self._changed = False

    def _clear(self, row: int) -> None:
        self._frames[row] = 0
        self._loudness[row] = 0
        self._changed = True

    def _mustBeOpen(self) -> None:
        if not self._open:
            raise ConferenceClosedError(f"room {self.name!r} is closed")

    def _mustBeMember(self, member: ConfSource) -> None:
        if member.row >= len(self._members) or self._members[member.row] is not member:
            raise ConferenceMemberNotFoundError(f"room {self.name!r}: {member!r} is not a member")

    def __repr__(self) -> str:
        state = "open" if self._open else "closed"
        return f"<Room {self.name!r}, {len(self._members)} members, {state}>"


class ConfSource(Source):
    """A member's seat: played, it is what the member hears; recorded to, what the member says.

    It leaves the room when the leg uses it no more, or ends.
    """

    endless = True
    row = 0  # the room's

    def __init__(self, room: Room, leg: Leg) -> None:
        self.room, self.leg = room, leg
        self._gone = False
        room.addMember(self)
        self._seat = leg.scope.add(f"seat in room {room.name!r}", self.leave)

    def read(self) -> bytes:
        """What the others say."""
        return self.room.read(self) if self.room.isOpen() else b""

    def write(self, frame: bytes) -> None:
        """What this member says."""
        if self.room.isOpen():
            self.room.write(self, frame[:FRAME_BYTES])

    def close(self) -> None:
        """The leg uses it no more."""
        self.leave()

    def leave(self) -> None:
        """Leaves the room. Again: nothing."""
        if not self._gone:
            self._gone = True
            self._seat.closed()
            if self.room.isOpen():
                self.room.removeMember(self)


def newConferenceMember(roomname: str, leg: Leg) -> ConfSource:
    """Seats a leg in the room of that name, which is made if there is none that is open.

    Rooms are shared by all applications of a server. To be played and recorded to:
    `leg.mediaPlay([member]); leg.mediaRecord(member)`. ConferenceError for a leg that has ended.
    """
    app = leg.getVoiceApp()
    if app is None or leg.ended:
        raise ConferenceError(f"room {roomname!r}: the leg has ended")
    rooms = app.va_application.rooms
    room = rooms.get(roomname)
    if room is None or not room.isOpen():
        for name in [name for name, each in rooms.items() if not each.isOpen()]:
            del rooms[name]
        room = rooms[roomname] = Room(roomname)
    return ConfSource(room, leg)
