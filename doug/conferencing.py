"""Conferences: rooms in which everybody hears the loudest others and never themselves.

Lives here: Room, its members' Sources, the rooms of a server by name. Not here: how rooms are mixed
(doug.desk), when frames are written and read (the recorders and players of the members' legs).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from doug.desk import Mix, MixingDesk
from doug.scope import maker
from doug.source import Source
from shtoom.audio.frames import FRAME, FRAME_BYTES
from shtoom.audio.mixer import NEW
from shtoom.audio.tones import sine

if TYPE_CHECKING:
    from doug.leg import Leg
    from shtoom.codecs import Codec

__all__ = [
    "ConfSource",
    "ConferenceClosedError",
    "ConferenceError",
    "ConferenceMemberNotFoundError",
    "Room",
    "Rooms",
    "newConferenceMember",
]

MAX_SPEAKERS = 4


def _notes(*pitches: float) -> tuple[NDArray[np.float32], ...]:
    """Notes of 80 ms one after the other, quiet, swelling and fading, as frames."""
    swell = np.hanning(4 * FRAME)
    tune = np.concatenate([swell * sine(hz, 4 * FRAME / 8000, 0.06) for hz in pitches])
    return tuple(tune.astype(np.float32).reshape(-1, FRAME))


_NOTHING = np.zeros(FRAME, np.float32)
ENTERING, LEAVING = _notes(523.25, 784.0), _notes(784.0, 523.25)  # Hz


class ConferenceError(Exception):
    """What went wrong in a conference; the text names the room."""


class ConferenceClosedError(ConferenceError):
    """The room is closed: its last member has left, or it was shut down."""


class ConferenceMemberNotFoundError(ConferenceError):
    """Whoever it was is not a member of this room."""


class Room:
    """A conference. name: as the applications call it. maxSpeakers: how many are mixed at most.

    A room closes with its last member. desk: where it is mixed; one of its own if there is none.

    For the desk: members, in the order of their rows. audience: those of them who say nothing.
    leader: whose frames are the audience's beat. patient: those who hear several frames at a time.
    tone: frames that all hear besides, one a beat.
    """

    def __init__(
        self, name: str, maxSpeakers: int = MAX_SPEAKERS, desk: MixingDesk | None = None
    ) -> None:
        if maxSpeakers < 1:
            raise ValueError(f"maxSpeakers: wanted 1 or more, got {maxSpeakers}")
        self.name, self.maxSpeakers = name, maxSpeakers
        self.desk = desk if desk is not None else MixingDesk()
        self.members: dict[ConfSource, None] = {}
        self.audience: dict[ConfSource, None] = {}
        self.leader: ConfSource | None = None
        self.patient: set[ConfSource] = set()
        self.tone: deque[NDArray[np.float32]] = deque()
        self._open = True

    def getName(self) -> str:
        """Its name."""
        return self.name

    def isOpen(self) -> bool:
        """May somebody enter?"""
        return self._open

    def memberCount(self) -> int:
        """How many are in it."""
        return len(self.members)

    def isMember(self, member: ConfSource) -> bool:
        """Is this one of its members?"""
        return member in self.members

    def addMember(self, member: ConfSource) -> None:
        """Somebody enters; a ConfSource does so when it is made.

        ConferenceClosedError if the room is closed. ConferenceError for a member, and for a seat
        in another room.
        """
        self._mustBeOpen()
        if member in self.members:
            raise ConferenceError(f"room {self.name!r}: {member!r} is a member already")
        if member.room is not self:
            raise ConferenceError(f"room {self.name!r}: {member!r} is a seat in another room")
        if self.leader is None:
            self.tone.clear()  # it was for those who have gone, and nobody had the time to hear it
        self.members[member] = self.audience[member] = None
        self.desk.changed(self)

    def removeMember(self, member: ConfSource) -> None:
        """Somebody leaves; the room closes behind the last.

        ConferenceMemberNotFoundError for a stranger, ConferenceClosedError if it is closed.
        """
        self._mustBeMember(member)
        self.hush(member)
        self._remove(member)
        if not self.members:
            self._open = False

    def shutdown(self) -> None:
        """Closes the room; those who are in it hear silence from now on. Again: nothing."""
        self._open = False
        for member in tuple(self.members):
            self._remove(member)

    def write(self, member: ConfSource, frame: bytes) -> None:
        """What a member says. frame: 320 bytes, else ValueError. Errors as in removeMember."""
        self._mustBeMember(member)
        if len(frame) != FRAME_BYTES:
            raise ValueError(f"frame: wanted {FRAME_BYTES} bytes, 20 ms of sound, got {len(frame)}")
        desk = self.desk
        if member in self.audience:
            del self.audience[member]
        if self.leader is None:
            self.leader = member
        if member in desk.spoken and (self.patient or (member is self.leader and self.audience)):
            desk.mix()  # nobody wanted to hear the frame before yet, but they will
        desk.spoken[member] = frame

    def hush(self, member: ConfSource) -> None:
        """A member says nothing until it writes again. Errors as in removeMember."""
        self._mustBeMember(member)
        self.desk.silence(member)
        self.audience[member] = None
        if self.leader is member:
            self.leader = None
        if len(self.audience) == len(self.members):
            self.tone.clear()  # there is no beat

    def sound(self, tone: Iterable[NDArray[np.float32]]) -> None:
        """Lets all members hear a tone, in place of one that is heard now. tone: its frames."""
        self.tone.clear()
        self.tone.append(_NOTHING)  # until the next beat
        self.tone.extend(tone)

    def _remove(self, member: ConfSource) -> None:
        self.desk.spoken.pop(member, None)
        del self.members[member]
        self.audience.pop(member, None)
        self.patient.discard(member)
        member.row = NEW
        member.heard.clear()
        self.desk.changed(self)

    def _mustBeOpen(self) -> None:
        if not self._open:
            raise ConferenceClosedError(f"room {self.name!r} is closed")

    def _mustBeMember(self, member: ConfSource) -> None:
        if member not in self.members:
            self._mustBeOpen()
            raise ConferenceMemberNotFoundError(f"room {self.name!r}: {member!r} is not a member")

    def __repr__(self) -> str:
        state = "open" if self._open else "closed"
        return f"<Room {self.name!r}, {len(self.members)} members, {state}>"


class ConfSource(Source):
    """A member's seat: played, it is what the member hears; recorded to, what the member says.

    It leaves the room when the leg uses it no more, or ends. One that is only played listens; one
    that is only recorded to speaks. tones: do all in the room hear a short tone when it enters, and
    another one when it leaves?

    For room and desk: row: the member's in the mixer. heard: what it has not heard yet, the frames
    of one packet at most.
    """

    endless = True

    def __init__(self, room: Room, leg: Leg, *, tones: bool = False) -> None:
        self.room, self.leg, self.tones = room, leg, tones
        self.row = NEW
        self.heard: deque[tuple[Mix, int]] = deque(maxlen=1)
        self._gone = False
        room.addMember(self)
        self._seat = leg.scope.add(f"seat in room {room.name!r}", self.leave, line=maker())
        if tones:
            room.sound(ENTERING)

    @property
    def isPlain(self) -> bool:
        """Is what it plays what the room says, past no read() of a subclass?"""
        return type(self).read is ConfSource.read

    def read(self) -> bytes:
        """What the others say."""
        heard = self._next()
        return b"" if heard is None else heard[0].frame(heard[1])

    def payload(self, codec: Codec) -> bytes:
        """As read(), in a codec of a byte a sample: encoded once for all who hear the same."""
        heard = self._next()
        return b"" if heard is None else heard[0].payload(heard[1], codec)

    def expect(self, frames: int) -> None:
        """So many frames are asked for at once from now on."""
        if frames > (self.heard.maxlen or 0):
            self.heard = deque(self.heard, maxlen=frames)
            if self.room.isMember(self):
                self.room.patient.add(self)

    def write(self, frame: bytes) -> None:
        """What this member says."""
        if self.room.isOpen():
            self.room.write(self, frame)

    def close(self) -> None:
        """The leg uses it no more."""
        self.leave()

    def leave(self) -> None:
        """Leaves the room. Again: nothing."""
        if not self._gone:
            self._gone = True
            if self.room.isOpen():
                self.room.removeMember(self)
                if self.tones:
                    self.room.sound(LEAVING)
            self._seat.closed()

    def _next(self) -> tuple[Mix, int] | None:
        desk = self.room.desk
        if self in desk.spoken:
            desk.mix()
        return self.heard.popleft() if self.heard else None

    def _useEnded(self, what: str) -> None:
        """Nothing is recorded to it any more: its member is mute."""
        if what == "record" and self.room.isMember(self):
            self.room.hush(self)


class Rooms:
    """The rooms of a server by name, mixed on one desk."""

    def __init__(self) -> None:
        self._desk = MixingDesk()
        self._rooms: dict[str, Room] = {}

    def find(self, name: str) -> Room:
        """The room of that name, made if there is none that is open."""
        room = self._rooms.get(name)
        if room is None or not room.isOpen():
            for closed in [each for each, room in self._rooms.items() if not room.isOpen()]:
                del self._rooms[closed]
            room = self._rooms[name] = Room(name, desk=self._desk)
        return room


def newConferenceMember(roomname: str, leg: Leg, *, tones: bool = False) -> ConfSource:
    """Seats a leg in the room of that name, which is made if there is none that is open.

    Rooms are shared by all applications of a server. To be played and recorded to:
    `leg.mediaPlay([member]); leg.mediaRecord(member)`. tones: do all in the room hear a short tone
    when this member enters, and another one when it leaves? For a leg that has ended, as nobody can
    know, it is the seat of somebody who has left, in a room that is closed.
    """
    app = leg.getVoiceApp()
    if app is None or leg.ended:
        seat = ConfSource(Room(roomname), leg)
        seat.leave()
        return seat
    return ConfSource(app.va_application.rooms.find(roomname), leg, tones=tones)
