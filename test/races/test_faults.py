"""What becomes of a call, in each of its states, when the far end or the way there is gone.

The states are those of shtoom.agent.hangup, as far as an application can meet them, and two more
of a call that is up: REINVITED (their re-INVITE has its 200, no ACK came), OFFERING (ours has no
answer). The application goes on as applications do: it answers a call that rings, and hangs up a
call that is up, three seconds later.
"""

from __future__ import annotations

from errno import EHOSTUNREACH, ENETUNREACH

from doug.events import BaseEvent, CallEndedEvent, CallRejectedEvent
from doug.testing import Phone
from shtoom.exceptions import CallFailed
from test.cases.actor import DOUG, Actor
from test.cases.media import Address
from test.races.case import RaceCase, label

LONGEST = 100.0
"""Seconds in which such a call is over: the time to dial, and twice 64*T1."""


class VanishedTests(RaceCase):
    """The far end is gone: nothing reaches it, and nothing comes from there."""

    def strike(self, far: Actor) -> None:
        """From now on."""
        gone = far.host
        self.lab.network.drop = lambda data, source, to: gone in (source[0], to[0])

    def assertGone(self, *ends: type[BaseEvent]) -> None:
        """The call is over in time, one end was heard of, and nothing is left."""
        self.settle(LONGEST)
        self.assertOver(*ends)

    # Calls that come in

    def test_RINGING(self) -> None:
        """The application answers, nobody acknowledges: BYE after 64*T1, given up after as long."""
        self.ringing()
        self.strike(self.alice)
        self.settle(3.0)
        self.app.leg.answerCall(self.app)
        self.assertGone()

    def test_RINGING_rejected(self) -> None:
        """The refusal is repeated (timer G), then given up (timer H); the end came at once."""
        self.ringing()
        self.strike(self.alice)
        self.app.leg.rejectCall(CallFailed("Not now", 480))
        self.settle()
        self.assertOneEnd(self.app)
        self.assertGone()

    def test_RINGING_forEver(self) -> None:
        """An application that never answers: nobody knows that the caller is gone, for an hour."""
        self.ringing()
        self.strike(self.alice)
        self.settle(3590.0)
        self.assertEqual(self.app.got(CallEndedEvent), [])
        self.settle(11.0)
        self.assertIn("not answered within 60 minutes", self.app.got(CallEndedEvent)[0].reason)
        self.assertGone()

    def test_ANSWERED(self) -> None:
        """Waits for the ACK for 64*T1."""
        self.accepted()
        self.strike(self.alice)
        self.assertGone()
        self.assertIn("no ACK", self.desk[0].got(CallEndedEvent)[0].reason)

    def test_CONFIRMED(self) -> None:
        """The application hangs up; its BYE is given up after 64*T1 (timer F)."""
        self.answered()
        self.strike(self.alice)
        self.settle(3.0)
        self.app.leg.hangupCall()
        self.assertGone()

    def test_AWAITING_ACK(self) -> None:
        """The application has left already."""
        app, _ = self.accepted()
        app.leg.hangupCall()
        self.strike(self.alice)
        self.assertGone()

    def test_LEAVING(self) -> None:
        """The BYE is out."""
        self.answered()
        self.app.leg.hangupCall()
        self.strike(self.alice)
        self.assertGone()

    def test_REINVITED(self) -> None:
        """No ACK of its re-INVITE: BYE after 64*T1 (14.2)."""
        call = self.answered()
        call.reinvite()
        self.alice.response("200 INVITE")
        self.strike(self.alice)
        self.assertGone()

    def test_OFFERING(self) -> None:
        """Our re-INVITE finds nobody: BYE (14.1)."""
        self.answered()
        (call,) = self.lab.application.exchange.agent.calls
        answer = call.reoffer(call.localSDP or b"")
        self.strike(self.alice)
        self.assertGone()
        self.failureResultOf(answer, CallFailed)

    # Calls that go out

    def test_CALLING(self) -> None:
        """Nothing comes back: the call was rejected after 64*T1 at the latest (timer B)."""
        self.unanswered()
        self.strike(self.trunk)
        self.assertGone(CallRejectedEvent)

    def test_PROCEEDING(self) -> None:
        """It rang, and nobody is there any more: the time to dial ends it, then 64*T1."""
        self.dial(timeout=20.0)
        call = self.trunk.takes(self.trunk.request("INVITE"))
        call.says(180)
        self.settle()
        self.strike(self.trunk)
        self.assertGone(CallRejectedEvent)

    def test_AWAITING_PROVISIONAL(self) -> None:
        """The application has left before anything came."""
        app, _ = self.unanswered()
        app.leg.hangupCall()
        self.strike(self.trunk)
        self.assertGone()

    def test_CANCELLING(self) -> None:
        """The CANCEL is out."""
        app, _ = self.rung()
        app.leg.hangupCall()
        self.strike(self.trunk)
        self.assertGone()

    def test_CONFIRMED_dialled(self) -> None:
        """As with a call that came in."""
        app, _ = self.dialled()
        self.strike(self.trunk)
        self.settle(3.0)
        app.leg.hangupCall()
        self.assertGone()

    def test_LEAVING_dialled(self) -> None:
        """As with a call that came in."""
        app, _ = self.dialled()
        app.leg.hangupCall()
        self.strike(self.trunk)
        self.assertGone()

    def test_aForkIsLeft(self) -> None:
        """A second phone has answered, and its BYE finds nobody: the call itself is unharmed."""
        app, call = self.dialled()
        call.says(200, "t2", body=self.trunk.answer)
        self.settle()
        self.strike(self.trunk)
        self.settle(3.0)
        app.leg.hangupCall()
        self.assertGone()


class UnreachableTests(VanishedTests):
    """The way there is gone: whatever is sent to it fails at once ("Network is unreachable")."""

    def strike(self, far: Actor) -> None:
        """From now on."""

        def fail(data: bytes, source: Address, destination: Address) -> bool:
            if source == DOUG and destination[0] == far.host:
                raise OSError(ENETUNREACH, "Network is unreachable")
            return source[0] == far.host

        self.lab.network.drop = fail

    def test_RESOLVING(self) -> None:
        """The very INVITE cannot be sent: rejected, in words."""
        self.strike(self.trunk)
        app = self.dial()
        self.settle(1.0)
        (rejected,) = app.got(CallRejectedEvent)
        self.assertIn("Network is unreachable", rejected.reason)
        self.assertOver(CallRejectedEvent)

    def test_TRYING(self) -> None:
        """No response to the INVITE can be sent: the application meets a call that ends."""
        self.alice.invite()
        self.strike(self.alice)
        self.settle(3.0)
        self.app.leg.answerCall(self.app)
        self.assertGone()


class RefusedTests(VanishedTests):
    """The host is there, the phone is not: its ports are closed (ICMP: port unreachable)."""

    def strike(self, far: Actor) -> None:
        """From now on."""
        self.lab.network.host(far.host)
        far.close()

    def test_RESOLVING(self) -> None:
        """The INVITE meets nobody: rejected within a second."""
        self.strike(self.trunk)
        app = self.dial()
        self.settle(1.0)
        (rejected,) = app.got(CallRejectedEvent)
        self.assertIn("nobody listens at 203.0.113.30:5060", rejected.reason)
        self.assertOver(CallRejectedEvent)


class OnceTests(RaceCase):
    """One message of a call cannot be sent; all others can, and the far ends are well."""

    def failing(self, number: int) -> None:
        """Our message of that number, counted from here, finds no way; self.sent counts them."""
        self.sent = 0

        def fail(data: bytes, source: Address, destination: Address) -> bool:
            if source == DOUG and label(data):
                self.sent += 1
                if self.sent == number:
                    raise OSError(EHOSTUNREACH, "No route to host")
            return False

        self.lab.network.drop = fail

    def phoneAt(self, number: int, answerAfter: float = 0.0) -> Phone:
        """A phone with an address of its own."""
        host = self.lab.network.host(f"198.51.100.{100 + number}")
        return self.lab.phone(host=host, answerAfter=answerAfter)

    def test_aCallThatComesIn(self) -> None:
        """Whichever it is, the call comes about and ends on both sides, whoever hangs up."""
        number = 0
        for weHangUp in (False, True):
            for which in (1, 2, 3, 4):  # 100, 180, 200, then the 200 of their BYE or ours
                number += 1
                self.failing(which)
                call = self.phoneAt(number).dial("sip:app@doug")
                self.settle(1.0)
                self.app.leg.answerCall(self.app)
                self.settle(1.5)
                self.assertEqual((call.state, which), ("answered", which))
                if weHangUp:
                    self.app.leg.hangupCall()
                else:
                    call.hangUp()
                self.settle(5.0)
                self.assertEqual((call.state, which), ("ended", which))
                self.assertOneEnd(self.app)
                self.assertGreaterEqual(self.sent, 4)
        self.assertOver()

    def test_aCallThatGoesOut(self) -> None:
        """An INVITE that fails has failed; ACK and BYE are sent again."""
        for which in (1, 2, 3):
            phone = self.phoneAt(which, answerAfter=0.5)
            self.failing(which)
            app = self.dial(phone.uri)
            self.settle(3.0)
            if which == 1:
                self.assertOneEnd(app, CallRejectedEvent)
                continue
            self.assertEqual(phone.calls[0].state, "answered")
            app.leg.hangupCall()
            self.settle(1.0)
            self.assertEqual((phone.calls[0].state, which), ("ended", which))
            self.assertOneEnd(app)
        self.assertOver(CallRejectedEvent, CallEndedEvent, CallEndedEvent)

    def test_aCallThatIsCancelled(self) -> None:
        """The CANCEL fails: it is sent again, or the phone would ring for ever."""
        phone = self.phoneAt(1, answerAfter=1000.0)
        self.failing(2)
        app = self.dial(phone.uri)
        self.settle(3.0)
        app.leg.hangupCall()
        self.settle(1.0)
        self.assertEqual(phone.calls[0].state, "ended")
        self.assertOver()
