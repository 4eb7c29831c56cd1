"""The session timer of a call at work (RFC 4028): refreshes by UPDATE or re-INVITE, the BYE.

Lives here: what a call says of its session, and does when its time comes. Not here: what is agreed
on, and when something is due (sessiontimer.py), how a re-INVITE travels (reinvite.py).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from twisted.python.failure import Failure

from shtoom.agent.calluser import CallEnding
from shtoom.agent.hangup import CallState, Happening
from shtoom.agent.options import ALLOW, SUPPORTED
from shtoom.agent.sessiontimer import (
    LEAST,
    MOST_RAISES,
    Due,
    SessionTimer,
    Terms,
    asked,
    leastOf,
    supportsTimer,
    termsAsCallee,
    termsAsCaller,
)
from shtoom.exceptions import CallFailed, TransactionTimeout
from shtoom.sip.shown import shown

if TYPE_CHECKING:
    from twisted.internet.interfaces import IDelayedCall

    from shtoom.agent.call import Call, HeaderLines
    from shtoom.sip.message import Request, Response

__all__ = ["Refreshing"]

GONE = (408, 481)
"""Responses to a refresh that mean that the far end has no such call (10)."""

NOT_KNOWN = (405, 501)
"""Responses of who does not know UPDATE, whatever its Allow says."""

_CODE = 408
_BYE = (("Reason", f'SIP;cause={_CODE};text="Session timer expired"'),)


class Refreshing:
    """The session of one call; there is none to refresh before both sides have agreed to that."""

    __slots__ = ("_asks", "_call", "_due", "_least", "_raises", "_timer", "_updates")

    def __init__(self, call: Call) -> None:
        self._call = call
        self._timer: SessionTimer | None = None
        self._due: IDelayedCall | None = None
        self._least = max(LEAST, call.agent.sessionPolicy.least)
        self._raises = 0
        self._updates = True  # until the far end says that it does not know UPDATE
        self._asks = False  # is a refresh under way?

    # What the call says

    def accept(self, request: Request) -> HeaderLines:
        """For the 2xx to an INVITE or UPDATE of the far end; the session begins anew with it."""
        terms = termsAsCallee(request, self._terms, self._call.agent.sessionPolicy)
        self._least = max(self._least, leastOf(request))
        self._agree(terms)
        if terms is None:
            return ()
        refresher = "uas" if terms.refreshing else "uac"
        line = ("Session-Expires", f"{terms.interval};refresher={refresher}")
        return (line, ("Require", "timer")) if supportsTimer(request) else (line,)

    def lines(self) -> HeaderLines:
        """For an INVITE or UPDATE of ours inside the call."""
        terms = self._terms
        if terms is None:
            return ()
        refresher = "uac" if terms.refreshing else "uas"
        line = ("Session-Expires", f"{terms.interval};refresher={refresher}")
        return (line, ("Min-SE", str(self._least))) if self._least > LEAST else (line,)

    def accepted(self, response: Response) -> None:
        """A 2xx to an INVITE or UPDATE of ours: the session begins anew."""
        said, least = asked(response), self._call.agent.sessionPolicy.least
        if said is not None and said.interval < least:
            self._found(
                f"the far end wants its session refreshed each {said.interval} s, below the "
                f"{least} s that are asked for; it should obey Min-SE (RFC 4028 9)"
            )
        self._raises = 0
        self._agree(termsAsCaller(response, self._terms))

    def raised(self, response: Response) -> bool:
        """422 to an INVITE or UPDATE of ours: is it to be sent again, with what it asks for?"""
        terms, least = self._terms, leastOf(response)
        if terms is None or self._raises >= MOST_RAISES or least <= terms.interval:
            return False
        self._raises += 1
        self._least = max(self._least, least)
        if self._timer is not None:
            self._timer.terms = terms._replace(interval=least)
        return True

    def stop(self) -> None:
        """The call is left."""
        self._timer = None
        due, self._due = self._due, None
        if due is not None and due.active():
            due.cancel()

    # What it does

    @property
    def _terms(self) -> Terms | None:
        return None if self._timer is None else self._timer.terms

    def _agree(self, terms: Terms | None) -> None:
        if terms is None:
            self.stop()
            return
        now = self._call.agent.reactor.seconds()
        if self._timer is None:
            self._timer = SessionTimer(terms, now)
        else:
            self._timer.renew(terms, now)
        self._arm()

    def _arm(self) -> None:
        """At the deadline, or at one before it that was put off since."""
        if self._timer is None:
            return
        reactor, deadline = self._call.agent.reactor, self._timer.deadline
        delay = max(0.0, deadline - reactor.seconds())
        if self._due is None or not self._due.active():
            self._due = reactor.callLater(delay, self._look)
        elif deadline < self._due.getTime():
            self._due.reset(delay)

    def _look(self) -> None:
        self._due = None
        if self._timer is None:
            return
        interval, ours = self._timer.terms
        due = self._timer.timeReached(self._call.agent.reactor.seconds())
        if due is Due.OVER:
            self._over(
                f"no refresh of ours was accepted within {interval} s"
                if ours
                else f"the far end did not refresh the call, which it said to do each {interval} s"
            )
            return
        self._arm()
        if due is Due.REFRESH:
            self._refresh()

    def _refresh(self) -> None:
        """By UPDATE where the far end has said that it takes it, else by the offer in force."""
        call = self._call
        if self._asks or call.state is not CallState.CONFIRMED:
            self._again()
        elif self._updates and call.allows("UPDATE", unsaid=False):
            self._update()
        elif call.localSDP is not None:
            self._asks = True
            words = "session timer: the far end does not answer"
            answer = call.reoffer(call.localSDP, words)
            answer.addCallbacks(
                self._answered, self._refused, callbackArgs=(call.remoteSDP,)
            ).addErrback(call.crashed)

    def _update(self) -> None:
        call = self._call
        if call.dialog is None or call.peer is None:
            return
        self._asks = True
        update = call.dialog.request("UPDATE", call.contact, (ALLOW, SUPPORTED, *self.lines()))
        response = call.agent.ask(call.dialog, update, call.peer, call.findings, call.account)
        response.addCallbacks(self._responded, self._failed).addErrback(call.crashed)

    def _responded(self, response: Response) -> None:
        """To our UPDATE."""
        self._asks = False
        call, code = self._call, response.code
        if self._timer is None:
            return
        if code < 300:
            call.refreshTarget(response)
            self.accepted(response)
        elif code in GONE:
            self._over(f"the far end knows no such call any more ({code})")
        elif code in NOT_KNOWN:
            self._updates = False
            self._refresh()
        elif code == 422 and self.raised(response):
            self._refresh()
        else:
            self._found(f"a refresh of the session was refused: {code} {shown(response.reason)}")
            self._again()

    def _failed(self, failure: Failure) -> None:
        """Our UPDATE had no answer, or found no way."""
        failure.trap(CallFailed)
        self._asks = False
        if failure.check(TransactionTimeout) is not None:
            self._over(f"the far end does not answer: {failure.getErrorMessage()}")
        else:
            self._again()

    def _answered(self, sdp: bytes, before: bytes | None) -> None:
        """To our re-INVITE; its session was begun anew already. The sound is as it was, mostly."""
        self._asks = False
        call = self._call
        if sdp != before and call.user is not None:
            call.tell(call.user.answerReceived, sdp)

    def _refused(self, failure: Failure) -> None:
        """Our re-INVITE; if the far end does not know the call it is over already."""
        failure.trap(CallFailed)
        self._asks = False
        if self._timer is not None:
            refusal = failure.getErrorMessage()
            if not (isinstance(failure.value, CallFailed) and failure.value.sipCode == 491):
                self._found(f"a refresh of the session was refused: {shown(refusal)}")
            self._again()

    def _again(self) -> None:
        """Later, if there is time."""
        if self._timer is not None:
            self._timer.refreshFailed(self._call.agent.reactor.seconds())
            self._arm()

    def _over(self, why: str) -> None:
        """The far end is gone: as if it had hung up, and a BYE in case that it is not (10)."""
        ending = CallEnding(f"session timer: {why}", _CODE, False)
        self._call.leave(Happening.HANGUP, ending, headers=_BYE)

    def _found(self, finding: str) -> None:
        if finding not in self._call.findings:
            self._call.findings.append(finding)
