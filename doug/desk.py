"""The mixing desk: all rooms of a server, mixed as one array.

Lives here: when is mixed, what each member hears of it, encoded once. Not here: the sums
(shtoom.audio.mixer), who is in which room (doug.conferencing).

A member says a frame in each beat of 20 ms and hears one, in a phase of the beat that is its own.
What was said since the last mix is mixed when the first of those who said it wants to hear, so
that each frame is in exactly one of the frames that each other member hears. Who says nothing
hears the mixes of one member's beat, the leader's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from shtoom.audio.frames import FRAME
from shtoom.audio.mixer import Group, Mixer

if TYPE_CHECKING:
    from doug.conferencing import ConfSource, Room
    from shtoom.codecs import Codec

__all__ = ["Mix", "MixingDesk"]


class Mix:
    """The frames that are heard after one mix, each by one member or many."""

    __slots__ = ("_coded", "_frames")

    def __init__(self, frames: NDArray[np.int16]) -> None:
        """frames: int16 [n, 160]."""
        self._frames = frames
        self._coded: dict[Codec, bytes] = {}

    def frame(self, number: int) -> bytes:
        """One of them as PCM."""
        frame: bytes = self._frames[number].tobytes()
        return frame

    def payload(self, number: int, codec: Codec) -> bytes:
        """One of them in a codec of a byte a sample; the first to ask has all of them encoded."""
        coded = self._coded.get(codec)
        if coded is None:
            coded = self._coded[codec] = codec.encode(self._frames.reshape(-1))
        start = number * FRAME
        return coded[start : start + FRAME]


class MixingDesk:
    """spoken: what was said since the last mix, frames of 320 bytes by member."""

    def __init__(self) -> None:
        self.spoken: dict[ConfSource, bytes] = {}
        self._mixer = Mixer()
        self._rooms: dict[Room, None] = {}  # in the order of the mixer's groups
        self._arranged = True

    def changed(self, room: Room) -> None:
        """Somebody has come or gone."""
        self._arranged = False
        if room.members:
            self._rooms[room] = None
        else:
            self._rooms.pop(room, None)

    def silence(self, member: ConfSource) -> None:
        """Nothing is said by this one any more."""
        self.spoken.pop(member, None)
        self._mixer.silence(member.row)

    def mix(self) -> None:
        """Lets everybody hear what was said since the last mix."""
        if not self._arranged:
            self._arrange()
        spoken, self.spoken = self.spoken, {}
        frames = np.frombuffer(b"".join(spoken.values()), np.int16).reshape(-1, FRAME)
        tones: list[tuple[int, NDArray[np.float32]]] = []
        listening: list[tuple[int, Room]] = []
        for number, room in enumerate(self._rooms):
            if not (room.tone or room.audience):
                continue
            beat = room.leader in spoken
            if beat and room.audience:
                listening.append((number, room))
            if beat and room.tone:
                room.tone.popleft()
            if room.tone:
                tones.append((number, room.tone[0]))
        rows = [member.row for member in spoken]
        heard, places = self._mixer.mix(rows, frames, tones)
        mix = Mix(heard)
        for member, place in zip(spoken, places, strict=True):
            member.heard.append((mix, place))
        for number, room in listening:
            for member in room.audience:
                member.heard.append((mix, number))

    def _arrange(self) -> None:
        """Rows for all members."""
        self._mixer.arrange(
            [Group([m.row for m in room.members], room.maxSpeakers) for room in self._rooms]
        )
        members = (member for room in self._rooms for member in room.members)
        for row, member in enumerate(members):
            member.row = row
        self._arranged = True
