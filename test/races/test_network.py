"""A network that does to one message of a call what networks do; real phones at the far end."""

from __future__ import annotations

from collections.abc import Callable

from doug.events import CallEndedEvent
from doug.testing import Phone, PhoneCall
from test.cases.media import Address
from test.races.case import RaceCase, label

LATE = 0.8
"""Seconds that a late message takes: it is repeated meanwhile, and overtaken by what follows."""


class OneMessageTests(RaceCase):
    """Each message of a plain call in turn, by either side: INVITE, 100, 180, 200, ACK, BYE, 200.

    The call comes about and ends all the same, once on each side.
    """

    def setUp(self) -> None:
        super().setUp()
        self.phones: list[Phone] = []

    def strike(self, number: int, fault: Callable[[bytes, Address, Address], bool]) -> None:
        """The SIP message of that number meets with that; True if it is not to go its way."""
        seen = 0

        def drop(data: bytes, source: Address, destination: Address) -> bool:
            nonlocal seen
            if not label(data):
                return False
            seen += 1
            if seen != number:
                return False
            seen += 1000  # that one alone
            return fault(data, source, destination)

        self.lab.network.drop = drop

    def lost(self, data: bytes, source: Address, destination: Address) -> bool:
        """It never comes."""
        return True

    def twice(self, data: bytes, source: Address, destination: Address) -> bool:
        """It comes, and comes again."""
        self.lab.network.send(data, source, destination)
        return False

    def late(self, data: bytes, source: Address, destination: Address) -> bool:
        """It comes when others have overtaken it."""
        self.lab.reactor.callLater(LATE, self.lab.network.send, data, source, destination)
        return True

    def phone(self) -> Phone:
        """Another one, with an address of its own."""
        host = self.lab.network.host(f"198.51.100.{100 + len(self.phones)}")
        self.phones.append(self.lab.phone(host=host, answerAfter=0.1))
        return self.phones[-1]

    def comesIn(self) -> PhoneCall:
        """A phone calls, the application answers."""
        call = self.phone().dial("sip:app@doug")
        self.settle(1.2)
        self.app.leg.answerCall(self.app)
        return call

    def goesOut(self) -> PhoneCall:
        """The application dials a phone."""
        phone = self.phone()
        self.dial(phone.uri)
        self.settle(1.2)
        return phone.calls[0]

    def check(
        self,
        begin: Callable[[], PhoneCall],
        fault: Callable[[bytes, Address, Address], bool],
    ) -> None:
        """All seven messages, whoever hangs up."""
        calls = 0
        for number in range(1, 8):
            for weHangUp in (False, True):
                self.strike(number, fault)
                call = begin()
                self.settle(1.2)
                self.assertEqual((call.state, number), ("answered", number))
                if weHangUp:
                    self.app.leg.hangupCall()
                else:
                    call.hangUp()
                self.settle(1.2)
                self.assertEqual((call.state, number), ("ended", number))
                self.assertEqual(self.app.names[-2:], ["CallAnsweredEvent", "CallEndedEvent"])
                calls += 1
                self.assertEqual(len(self.desk), calls)
        self.assertOver(*[CallEndedEvent] * calls)

    def test_inboundLost(self) -> None:
        """A call that comes in, one message lost."""
        self.check(self.comesIn, self.lost)

    def test_inboundTwice(self) -> None:
        """One comes twice."""
        self.check(self.comesIn, self.twice)

    def test_inboundLate(self) -> None:
        """One is overtaken."""
        self.check(self.comesIn, self.late)

    def test_outboundLost(self) -> None:
        """A call that goes out, one message lost."""
        self.check(self.goesOut, self.lost)

    def test_outboundTwice(self) -> None:
        """One comes twice."""
        self.check(self.goesOut, self.twice)

    def test_outboundLate(self) -> None:
        """One is overtaken."""
        self.check(self.goesOut, self.late)
