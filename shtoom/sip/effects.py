"""What a machine asks of its surroundings: it acts on nothing itself.

Lives here: the three effects of SIP's machines. Not here: who performs them (runner.py and the
owner of the machines).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from shtoom.exceptions import CallFailed
    from shtoom.sip.message import Request, Response


class Send(NamedTuple):
    """Hand this to the transport. message: its bytes where the machine keeps no more than these."""

    message: Request | Response | bytes


class Deliver(NamedTuple):
    """Hand this to the user of the machine."""

    message: Request | Response


class Ended(NamedTuple):
    """The machine is done and wants nothing any more. failure: why, or None if all went well."""

    failure: CallFailed | None


Effect = Send | Deliver | Ended
