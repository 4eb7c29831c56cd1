"""Connected calls, one of which is put through (REFER)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from doug.events import CallTransferredEvent, CallTransferRequestedEvent
from doug.testing import hostile
from doug.testing.hostile.courses import HangsUpBehindItsREFER
from test.doug.bridged import BridgeTestCase


class BridgeTests(BridgeTestCase):
    """Alice and Bob are connected, and Bob puts her through to Carol."""

    def begin(self, **options: Any) -> None:
        """Whoever it is may be called."""
        super().begin(**options)
        self.app.hooks["CallTransferRequestedEvent"] = self.accept
        self.carols = self.lab.phone("carol")

    def accept(self, event: CallTransferRequestedEvent) -> None:
        """As an application does that connects whomever it is asked to."""
        event.accept(anyHost=True)

    def assertTalking(self) -> None:
        """Alice and Carol hear each other."""
        [carol] = self.carols.calls
        self.call.sayTone(440, 1.0)
        carol.sayTone(620, 1.0)
        self.lab.advance(1.0)
        carol.assertHearsTone(440, 0.5)
        self.call.assertHearsTone(620, 0.5)

    def test_bothSidesOfABridge(self) -> None:
        """Alice talks with Carol; Bob is hung up, the bridge has the same sides as before."""
        self.beginBridge(relayKeys=False)
        self.bob.transfer(self.carols.uri)
        self.lab.advance(0.2)
        self.assertTrue(self.bridge.closed)
        done = next(e for e in self.app.events if isinstance(e, CallTransferredEvent))
        assert done.bridge is not None
        self.assertEqual(done.bridge.legs, (self.leg, done.newLeg))
        self.assertFalse(done.bridge.relayKeys)
        self.assertTalking()
        self.assertEqual(self.bob.state, "answered")
        self.lab.advance(5.0)
        self.assertEqual(self.bob.state, "ended")
        self.assertFalse(done.bridge.closed)
        self.finish()

    def test_theFirstLegAsks(self) -> None:
        """Alice puts Bob through."""
        self.beginBridge()
        self.call.transfer(self.carols.uri)
        self.lab.advance(0.2)
        done = next(e for e in self.app.events if isinstance(e, CallTransferredEvent))
        assert done.bridge is not None
        self.assertEqual(done.bridge.legs, (done.newLeg, self.other))
        self.finish()

    def test_hostile_51_heHangsUpAtOnce(self) -> None:
        """Alice waits in silence until Carol answers."""
        self.beginBridge()
        self.carols.answerAfter = 3.0
        self.bob.transfer(self.carols.uri)
        self.bob.hangUp()
        self.lab.advance(2.0)
        self.assertEqual((self.bob.state, self.call.state), ("ended", "answered"))
        self.assertNotIn("CallEnded", self.app.names())
        self.lab.advance(1.5)
        self.assertTalking()
        self.assertEqual(self.app.names()[-2:], ["CallTransferred", "CallEnded"])
        self.finish()

    def test_carolDoesNotAnswer(self) -> None:
        """Alice and Bob go on talking, as if nothing had been."""
        self.beginBridge()
        self.carols.onCall = "busy"
        self.bob.transfer(self.carols.uri)
        self.lab.advance(0.2)
        self.assertFalse(self.bridge.closed)
        self.talk()
        self.bob.assertHearsTone(440, 0.5)
        self.call.assertHearsTone(620, 0.5)
        self.lab.advance(10.0)
        self.assertEqual(self.bob.state, "answered")
        self.finish()

    def test_whatTheApplicationHasDoneMeanwhile(self) -> None:
        """Alice, connected with somebody else since, stays so."""
        self.reconnect()

    def test_whatTheApplicationHasDoneSinceHeHungUp(self) -> None:
        """So she does if Bob was no longer there."""
        self.reconnect(self.bobLeaves)

    def reconnect(self, leaves: Callable[[], None] = lambda: None) -> None:
        """The application connects Alice with Dave before Carol answers."""
        self.beginBridge()
        self.carols.answerAfter = 3.0
        dave = self.lab.phone("dave")
        leg = self.app.placeCall(dave.uri)
        self.lab.advance(0.5)
        self.bob.transfer(self.carols.uri)
        leaves()
        self.lab.advance(0.5)
        other = self.app.connectLegs(self.leg, leg)
        self.lab.advance(4.0)
        done = next(e for e in self.app.events if isinstance(e, CallTransferredEvent))
        self.assertIsNone(done.bridge)
        self.assertFalse(other.closed)
        self.finish()

    def test_aliceHasHungUp(self) -> None:
        """Bob's transfer comes about all the same, with nobody to connect."""
        self.aloneWithCarol()

    def test_bothHaveHungUp(self) -> None:
        """So it does if Bob was the first to go."""
        self.aloneWithCarol(self.bobLeaves)

    def bobLeaves(self) -> None:
        """At once."""
        self.bob.hangUp()

    def aloneWithCarol(self, leaves: Callable[[], None] = lambda: None) -> None:
        """Alice hangs up before Carol answers."""
        self.beginBridge()
        self.carols.answerAfter = 3.0
        self.bob.transfer(self.carols.uri)
        leaves()
        self.lab.advance(0.5)
        self.call.hangUp()
        self.lab.advance(4.0)
        done = next(e for e in self.app.events if isinstance(e, CallTransferredEvent))
        self.assertIsNone(done.bridge)
        self.finish()

    def test_hostile_51_thePhoneOfTheCatalogue(self) -> None:
        """202 to its REFER, nothing after it; Alice talks with Carol."""
        kind = hostile.HOSTILE_PHONES[51]
        self.beginBridge(bob={"kind": kind, "stays": 2.0})
        bob = self.phoneOfBob
        assert isinstance(bob, HangsUpBehindItsREFER)
        bob.referTo = self.carols.uri
        self.lab.advance(2.0)
        self.assertEqual((bob.answered, self.bob.state), ([202], "ended"))
        self.assertTalking()
        self.assertEqual(bob.complaints, [])
        self.finish()
