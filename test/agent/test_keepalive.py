"""Flows of registered phones behind NAT stay open."""

from __future__ import annotations

from itertools import pairwise

from shtoom.agent.gatekeeper import Gatekeeper
from shtoom.agent.keepalive import FlowKeeper, isBehindNAT
from shtoom.agent.registrar import Binding, Phone, Registrar
from shtoom.sip.probe import KEEP_ALIVE
from test.agent.support import Address, AgentTestCase

NAT: Address = ("203.0.113.99", 40123)


def binding(contact: str, at: Address = NAT, transport: str = "UDP", path: str = "") -> Binding:
    return Binding(contact, 1000.0, "c", 1, 1.0, (path,) if path else (), transport, *at)


class BehindNATTests(AgentTestCase):
    """What a Contact says, and where it came from."""

    def test_whichAre(self) -> None:
        for found, wanted in (
            (binding("sip:alice@10.0.0.5:5060"), True),
            (binding("sip:alice@203.0.113.99:5060"), True),
            (binding("sip:alice@203.0.113.99:40123"), False),
            (binding("sip:alice@203.0.113.99", ("203.0.113.99", 5060)), False),
            (binding("sip:alice@[2001:db8::5]", ("2001:db8::5", 5060)), False),
            (binding("sip:alice@10.0.0.5", transport="TCP"), False),
            (binding("sip:alice@10.0.0.5", path="<sip:proxy.example.com;lr>"), False),
            (binding("alice"), True),
        ):
            self.assertEqual(isBehindNAT(found), wanted, found)


class FlowKeeperTests(AgentTestCase):
    """A registrar's phones."""

    def setUp(self) -> None:
        super().setUp()
        seconds = self.clock.seconds
        self.gate = Gatekeeper("doug", lambda user: None, b"s")
        self.bindings: dict[str, list[Binding]] = {}
        self.saved: dict[str, list[Binding]] = {}
        phones = {f"p{n}": Phone("x") for n in range(50)}
        self.registrar = Registrar(self.gate, phones.get, self, seconds, seconds)
        self.agent.registrar = self.registrar
        self.keeper = FlowKeeper(self.agent)
        self.addCleanup(self.keeper.stop)

    def load(self) -> dict[str, list[Binding]]:
        """What a file has (IBindingStore)."""
        return self.bindings

    def save(self, user: str, bindings: list[Binding]) -> None:
        """Kept for the test."""
        self.saved[user] = bindings

    def given(self, **bindings: Binding) -> None:
        """These are registered."""
        self.bindings = {user: [found] for user, found in bindings.items()}
        seconds = self.clock.seconds
        phones = {user: Phone("x") for user in bindings}
        self.agent.registrar = Registrar(self.gate, phones.get, self, seconds, seconds)

    def kept(self) -> list[tuple[float, Address]]:
        """What was sent, when and where."""
        return [(at, where) for at, data, where in self.wire.sent if data == KEEP_ALIVE]

    def test_everySoOften(self) -> None:
        """A packet each 25 s over the flow, until the phone is gone; then no timer is left."""
        self.given(p1=binding("sip:p1@10.0.0.5"))
        self.keeper.begin()
        self.run_(110)
        times = [at for at, where in self.kept() if where == NAT]
        self.assertEqual(len(times), 4)
        self.assertEqual({b - a for a, b in pairwise(times)}, {25.0})
        self.run_(1000)
        count = len(self.kept())
        self.assertEqual(self.keeper.timers(), [])
        self.run_(100)
        self.assertEqual(len(self.kept()), count)

    def test_manyAreSpread(self) -> None:
        """Not all at once, each as often as one alone."""
        places = {f"p{n}": ("203.0.113.99", 40000 + n) for n in range(50)}
        self.given(**{user: binding("sip:a@10.0.0.5", at) for user, at in places.items()})
        self.keeper.begin()
        self.run_(25)
        kept = self.kept()
        self.assertEqual(sorted(where for _, where in kept), sorted(places.values()))
        for second in range(26):
            self.assertLess(sum(second <= at < second + 1 for at, _ in kept), 10)

    def test_aTurnLooksAtAFewPhones(self) -> None:
        """However many there are: what it takes has to fit between two frames."""
        asked: list[str] = []
        phones = {f"p{n}": Phone("x") for n in range(500)}
        self.bindings = {user: [binding("sip:a@10.0.0.5")] for user in phones}
        seconds = self.clock.seconds

        def mayRegister(user: str) -> Phone | None:
            asked.append(user)
            return phones.get(user)

        self.agent.registrar = Registrar(self.gate, mayRegister, self, seconds, seconds)
        self.keeper.begin()
        self.run_(0.9)
        for _ in range(25):
            before = len(asked)
            self.run_(1.0)
            self.assertLess(len(asked) - before, 50)
        self.assertEqual(sorted(asked), sorted(phones))

    def test_nobodyBehindNAT(self) -> None:
        """Nothing is sent; nothing is left to do once the bindings are forgotten."""
        self.given(p1=binding("sip:p1@203.0.113.99:40123"))
        self.keeper.begin()
        self.run_(100)
        self.assertEqual(len(self.keeper.timers()), 1)
        self.run_(1000)
        self.assertEqual((self.keeper.timers(), self.kept()), ([], []))
        self.assertEqual(self.saved, {"p1": []})

    def test_nobodyMayRegister(self) -> None:
        """Nor is there anything to do."""
        self.agent.registrar = None
        self.keeper.begin()
        self.assertEqual(self.keeper.timers(), [])

    def test_noWayThere(self) -> None:
        """The next turn tries again."""
        self.given(p1=binding("sip:p1@10.0.0.5"))
        self.wire.broken.add(NAT)
        self.keeper.begin()
        self.run_(60)
        self.assertEqual(self.keeper.sent, 0)
        self.wire.broken.clear()
        self.run_(26)
        self.assertGreater(self.keeper.sent, 0)
