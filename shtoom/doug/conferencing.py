"""Old import path of doug.conferencing."""

from doug.conferencing import (
    ConferenceClosedError,
    ConferenceError,
    ConferenceMemberNotFoundError,
    ConfSource,
    Room,
    newConferenceMember,
)

__all__ = [
    "ConfSource",
    "ConferenceClosedError",
    "ConferenceError",
    "ConferenceMemberNotFoundError",
    "Room",
    "newConferenceMember",
]
