"""Our hold of one leg: asked for by the application, agreed on with the far end.

Lives here: hold and its end, one after the other. Not here: how an offer travels (shtoom.agent),
what is heard meanwhile (doug.holdmusic), the far end's hold of us (doug.legcall).
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple, Protocol

from twisted.internet.defer import Deferred, DeferredLock, fail, succeed

from shtoom.agent.hangup import CallState
from shtoom.exceptions import CallFailed

if TYPE_CHECKING:
    from twisted.python.failure import Failure

    from doug.negotiation import Negotiation
    from shtoom.agent.call import Call

__all__ = ["Holding", "Wish"]


class Wish(NamedTuple):
    """held: is the far end to wait? music: what it hears then, a file or TUNE; None for nothing."""

    held: bool
    music: str | os.PathLike[str] | None = None

    @property
    def direction(self) -> str:
        """Of our offers (RFC 3264 8.4)."""
        if not self.held:
            return "sendrecv"
        return "inactive" if self.music is None else "sendonly"


class IHeldLeg(Protocol):
    """What our hold needs of its leg's call.

    call: None once it is over. answeredAt: None before it is up.
    """

    @property
    def call(self) -> Call | None: ...
    @property
    def answeredAt(self) -> float | None: ...
    @property
    def offers(self) -> Negotiation: ...

    def takeHold(self, wish: Wish, answer: bytes) -> None:
        """The far end has agreed: what is heard, and by whom, changes."""


class Holding:
    """The hold of one leg. held: has the far end agreed to wait?"""

    def __init__(self, leg: IHeldLeg) -> None:
        self._leg = leg
        self._lock = DeferredLock()
        self.held = False

    def set(self, wish: Wish) -> Deferred[None]:
        """After what was asked before, asks the far end; fires with None when that has agreed.

        At once if it is as wished already. It fires with None as well when the call ends meanwhile,
        and fails with CallFailed if the far end refuses: the call goes on as it was then.
        """
        return self._lock.run(self._ask, wish)

    def _ask(self, wish: Wish) -> Deferred[None]:
        call = self._leg.call
        if call is None or wish.held == self.held:
            return succeed(None)
        if self._leg.answeredAt is None:
            return fail(CallFailed("only a call that is up can be put on hold", 481))
        before = self._leg.offers.direction

        def offer() -> bytes:
            self._leg.offers.direction = wish.direction
            return self._leg.offers.offer()

        asked = call.reoffer(offer)
        asked.addCallbacks(
            self._agreed, self._refused, callbackArgs=(wish,), errbackArgs=(wish, before)
        )
        return asked  # type: ignore[return-value]  # its callbacks give None

    def _agreed(self, answer: bytes, wish: Wish) -> None:
        self.held = wish.held
        self._leg.takeHold(wish, answer)

    def _refused(self, failure: Failure, wish: Wish, before: str) -> None:
        failure.trap(CallFailed)
        call = self._leg.call
        if call is None or call.state is not CallState.CONFIRMED:
            return  # it is over, or about to be
        self._leg.offers.direction = before
        self._leg.offers.offering = False
        refusal = failure.value
        assert isinstance(refusal, CallFailed)
        done = "put on hold" if wish.held else "taken off hold"
        raise CallFailed(f"the call could not be {done}: {refusal.reason}", refusal.sipCode)
