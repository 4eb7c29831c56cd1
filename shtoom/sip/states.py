"""The states of the four transaction machines, under the RFC's names."""

from __future__ import annotations

from enum import Enum, auto


class State(Enum):
    """RFC 3261 17.1.1.2, 17.1.2.2, 17.2.1, 17.2.2; ACCEPTED: RFC 6026 7."""

    CALLING = auto()  # INVITE client: nothing came back yet
    TRYING = auto()  # non-INVITE: no response yet
    PROCEEDING = auto()
    ACCEPTED = auto()  # INVITE: a 2xx went by, more of them may
    COMPLETED = auto()  # a final response went by (INVITE: not a 2xx)
    CONFIRMED = auto()  # INVITE server: the ACK came
    TERMINATED = auto()
