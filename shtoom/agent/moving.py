"""A call whose far end is told an address of ours that this machine has no more.

Lives here: which address a call's far end was told, and telling it another one (RFC 3261 12.2.1.1,
14.1: Contact and session description). Not here: who notices (the owner of the user agent).
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from twisted.logger import Logger

from shtoom.agent.hangup import CallState
from shtoom.exceptions import CallFailed, TransportFailed
from shtoom.sip.fields import parseNameAddress

if TYPE_CHECKING:
    from twisted.python.failure import Failure

    from shtoom.agent.call import Call

log = Logger()


def addressTold(call: Call) -> str:
    """The address in our Contact of that call, without brackets; "" before there is one."""
    return _hostOf(call.contact) if call.contact else ""


@lru_cache(maxsize=1024)  # a thousand calls are looked at in one turn of the reactor
def _hostOf(contact: str) -> str:
    return parseNameAddress(contact).uri.host.strip("[]")


def move(call: Call) -> bool:
    """Tells the far end where we are now, if the call is up; was there anything to tell?

    Nothing as long as no address of ours leads there, or an offer is under way: ask again.
    """
    offers, peer, user = call.reoffers, call.peer, call.user
    if call.state is not CallState.CONFIRMED or offers is None or peer is None or user is None:
        return False
    told, before = call.contact, addressTold(call)
    try:
        contact = call.agent.contactFor(peer, parseNameAddress(call.contact).uri.user)
    except TransportFailed:
        return False
    if contact == call.contact or offers.ours is not None or offers.theirs:
        return False
    call.contact = contact
    now = addressTold(call)
    log.warn(
        "call {callID}: our address is {now}, no longer {before}; the far end is told (re-INVITE)",
        callID=call.callID,
        now=now,
        before=before,
    )
    answer = call.reoffer(lambda: user.moved(call, now))
    answer.addCallbacks(_answered, _refused, callbackArgs=(call,), errbackArgs=(call, told))
    answer.addErrback(call.crashed)
    return True


def _answered(sdp: bytes, call: Call) -> None:
    if call.user is not None:
        call.tell(call.user.answerReceived, sdp)


def _refused(failure: Failure, call: Call, told: str) -> None:
    failure.trap(CallFailed)
    refusal = failure.value
    busy = isinstance(refusal, CallFailed) and refusal.sipCode == 491
    if busy:  # with an offer of its own: to be told later
        call.contact = told
        return
    call.findings.append(
        "our address changed in the call, and the far end did not take the new one "
        f"({failure.getErrorMessage()}): it may have gone on sending to the old one"
    )
