"""How a call comes to its end: one table for every race between the two sides.

Lives here: the states of a call, what can happen to it that bears on its end, and what is to be
done then. Pure values; Call (call.py) looks things up here and does them.
Not here: words and codes for the user (call.py), retransmission of a 200 (accepted.py).

The rules behind the rows:

- A call that is not answered is refused by a final response (callee, RFC 3261 13.3.1) or ended by
  CANCEL (caller, 9.1), and a CANCEL waits for the first provisional response.
- A callee sends no BYE before the ACK of its 200 or the end of its patience, 64*T1 (15, 13.3.1.4).
- A 2xx that crosses a CANCEL makes a call, which is acknowledged and left by BYE (9.1, 13.2.2.4).
- After 64*T1 without a final response to a cancelled INVITE it is given up (9.1).
- The caller may send BYE in an early dialog; the INVITE then gets 487 (15.1.2). The callee may not
  (15): its BYE tells that its 2xx was lost or overtaken; what rings elsewhere is cancelled.

A pair without a row changes nothing: a second hangup(), a CANCEL after the final response, a BYE
that crosses ours (it is answered, our own BYE's answer is still waited for).
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum, auto
from typing import NamedTuple


class CallState(Enum):
    """Where a call is; the first eight are a call that goes on, the next four one that is left."""

    TRYING = auto()  # inbound: 100 sent
    RINGING = auto()  # inbound: 101..199 sent
    ANSWERED = auto()  # inbound: 200 sent, no ACK yet
    RESOLVING = auto()  # outbound: INVITE not sent yet
    CALLING = auto()  # outbound: INVITE sent, nothing came back
    PROCEEDING = auto()  # outbound: a provisional response came
    CONFIRMED = auto()  # both: answered and acknowledged
    AWAITING_PROVISIONAL = auto()  # outbound: to be cancelled as soon as that is allowed
    CANCELLING = auto()  # outbound: CANCEL sent, the INVITE has no final response yet
    AWAITING_ACK = auto()  # inbound: BYE to be sent when the ACK comes, or never will
    LEAVING = auto()  # both: BYE sent
    ENDED = auto()


class Happening(Enum):
    """What bears on the end of a call."""

    HANGUP = auto()  # this side wants out: hangup(), reject(), an error, no answer in time
    CANCEL = auto()  # the caller's CANCEL
    BYE = auto()  # the far end's BYE
    ACK = auto()  # the ACK to our 200
    NO_ACK = auto()  # 64*T1 passed without it
    PROVISIONAL = auto()  # 100..199 to our INVITE
    SUCCESS = auto()  # 2xx to our INVITE; in a call that goes on: one that cannot be used
    REFUSED = auto()  # 300..699 to our INVITE, or its transaction failed; 64*T1 after a CANCEL
    DONE = auto()  # our BYE was answered or given up


class Action(Enum):
    """What is to be done."""

    REFUSE = auto()  # final response to the caller's INVITE: 480, 487 after CANCEL and BYE ...
    WAIT = auto()
    CANCEL = auto()
    BYE = auto()
    ACK_AND_BYE = auto()
    STOP = auto()  # nothing is sent any more, and what is repeated stops


class Step(NamedTuple):
    """What to do, and where the call is then."""

    action: Action
    state: CallState


_S, _H, _A = CallState, Happening, Action

TABLE: Mapping[tuple[CallState, Happening], Step] = {
    # This side wants out.
    (_S.TRYING, _H.HANGUP): Step(_A.REFUSE, _S.ENDED),
    (_S.RINGING, _H.HANGUP): Step(_A.REFUSE, _S.ENDED),
    (_S.ANSWERED, _H.HANGUP): Step(_A.WAIT, _S.AWAITING_ACK),
    (_S.RESOLVING, _H.HANGUP): Step(_A.STOP, _S.ENDED),
    (_S.CALLING, _H.HANGUP): Step(_A.WAIT, _S.AWAITING_PROVISIONAL),
    (_S.PROCEEDING, _H.HANGUP): Step(_A.CANCEL, _S.CANCELLING),
    (_S.CONFIRMED, _H.HANGUP): Step(_A.BYE, _S.LEAVING),
    # The caller gives up while it rings.
    (_S.TRYING, _H.CANCEL): Step(_A.REFUSE, _S.ENDED),
    (_S.RINGING, _H.CANCEL): Step(_A.REFUSE, _S.ENDED),
    # The far end hangs up; in TRYING it knows no tag of ours yet.
    (_S.RINGING, _H.BYE): Step(_A.REFUSE, _S.ENDED),
    (_S.ANSWERED, _H.BYE): Step(_A.STOP, _S.ENDED),
    (_S.AWAITING_ACK, _H.BYE): Step(_A.STOP, _S.ENDED),
    (_S.CONFIRMED, _H.BYE): Step(_A.STOP, _S.ENDED),
    (_S.PROCEEDING, _H.BYE): Step(_A.CANCEL, _S.CANCELLING),
    # The ACK of our 200 comes, or never does; CONFIRMED: that of a re-INVITE.
    (_S.AWAITING_ACK, _H.ACK): Step(_A.BYE, _S.LEAVING),
    (_S.AWAITING_ACK, _H.NO_ACK): Step(_A.BYE, _S.LEAVING),
    (_S.ANSWERED, _H.NO_ACK): Step(_A.BYE, _S.LEAVING),
    (_S.CONFIRMED, _H.NO_ACK): Step(_A.BYE, _S.LEAVING),
    # Responses to our INVITE.
    (_S.AWAITING_PROVISIONAL, _H.PROVISIONAL): Step(_A.CANCEL, _S.CANCELLING),
    (_S.AWAITING_PROVISIONAL, _H.SUCCESS): Step(_A.ACK_AND_BYE, _S.LEAVING),
    (_S.CANCELLING, _H.SUCCESS): Step(_A.ACK_AND_BYE, _S.LEAVING),
    (_S.CALLING, _H.SUCCESS): Step(_A.ACK_AND_BYE, _S.LEAVING),
    (_S.PROCEEDING, _H.SUCCESS): Step(_A.ACK_AND_BYE, _S.LEAVING),
    (_S.AWAITING_PROVISIONAL, _H.REFUSED): Step(_A.STOP, _S.ENDED),
    (_S.CANCELLING, _H.REFUSED): Step(_A.STOP, _S.ENDED),
    (_S.RESOLVING, _H.REFUSED): Step(_A.STOP, _S.ENDED),
    (_S.CALLING, _H.REFUSED): Step(_A.STOP, _S.ENDED),
    (_S.PROCEEDING, _H.REFUSED): Step(_A.STOP, _S.ENDED),
    # Our BYE has had its effect, or never will.
    (_S.LEAVING, _H.DONE): Step(_A.STOP, _S.ENDED),
}


def whatNow(state: CallState, happening: Happening) -> Step | None:
    """The row for that pair; None: nothing is to be done, the state stays."""
    return TABLE.get((state, happening))
