"""The messages of RFC 4475 and 5118 from nobody that a server with phones, or trunks, knows.

Lives here: what changes of the answers when not everybody may call. Not here: what is right where
everybody may (test_corpus.py).
"""

from __future__ import annotations

from functools import cache

from twisted.trial.unittest import SynchronousTestCase

from doug.settings import Settings
from doug.testing import Lab
from doug.trunks import Trunk
from shtoom.agent.registrar import Phone
from test.agent.corpusworld import Taker, World, asRead
from test.support import corpusCases

OFFICE = {"office": Trunk("office", "203.0.113.40", user="doug", password="s3cr3t")}
BY_PASSWORD = {
    "office": Trunk("office", "203.0.113.40", user="doug", password="s3cr3t", inbound="password")
}


class StrangerTests(SynchronousTestCase):
    """Each message comes to a server of its own. calls: of its application."""

    def setUp(self) -> None:
        self.calls: list[object] = []

    def assertRefused(self, settings: Settings, refusals: dict[str, int]) -> None:
        """What was refused before is refused as before, or by who it is from; nobody is served.

        refusals: by method, with what the others are refused. OPTIONS is for everybody.
        """
        anybody, calls = toAnybody()
        self.assertGreaterEqual(len(anybody), 65)
        self.assertGreaterEqual(calls, 5)
        found = answers(settings, self.calls)
        counts = dict.fromkeys(refusals, 0)
        for identity, data, _ in corpusCases("torture"):
            assert data is not None
            before, now = anybody[identity], found[identity]
            if before == now and not any(code < 300 for code in now):
                continue
            method = asRead(data).method
            if method == "OPTIONS":
                self.assertEqual(now, before, identity)
            else:
                self.assertEqual(now, {refusals.get(method)}, f"{identity}: {before}")
                counts[method] += 1
        self.assertEqual(self.calls, [])
        self.assertTrue(all(counts.values()), counts)

    def assertLeavesNothing(self, settings: Settings) -> None:
        """All of them at one server, one after the other."""
        lab = Lab(Taker, settings=settings, calls=self.calls)
        world = World(lab)
        for _, data, _ in corpusCases("torture"):
            assert data is not None
            world.send(data)
            lab.reactor.advance(3.5)  # from so many users a minute no scanner comes
        heard = {answer.cseq.method for answer, _ in world.forget() if answer.code < 300}
        self.assertLessEqual(heard, {"OPTIONS"})
        self.assertEqual(self.calls, [])
        lab.assertNothingLeft()

    def holds(self, settings: Settings, refusals: dict[str, int]) -> None:
        """Both."""
        self.assertRefused(settings, refusals)
        self.assertLeavesNothing(settings)

    def test_phones(self) -> None:
        """Everybody is asked for a password, whatever name it says: none is told."""
        phones = {"alice": Phone("wonderland"), "bob": Phone("builder")}
        self.holds(Settings(phones=phones), {"INVITE": 401, "REGISTER": 401})

    def test_aTrunk(self) -> None:
        """Nobody registers at a server without phones."""
        self.holds(Settings(trunks=OFFICE), {"INVITE": 403})

    def test_aTrunkThatIsToldByItsPassword(self) -> None:
        """Its calls may come from anywhere, so everybody is asked."""
        self.holds(Settings(trunks=BY_PASSWORD), {"INVITE": 401})


@cache
def toAnybody() -> tuple[dict[str, set[int]], int]:
    """The same of servers that everybody may call, and how many did."""
    calls: list[object] = []
    return answers(Settings(), calls), len(calls)


def answers(settings: Settings, calls: list[object]) -> dict[str, set[int]]:
    """Case -> codes of the final answers, each by a server of its own. calls: that it took."""
    found = {}
    for identity, data, _ in corpusCases("torture"):
        assert data is not None
        lab = Lab(Taker, settings=settings, calls=calls)
        world = World(lab)
        world.send(data)
        lab.reactor.advance(0.5)
        found[identity] = {answer.code for answer, _ in world.forget()}
    return found
