"""doug.scope: what a call has opened is closed with it, and what survives is named."""

from __future__ import annotations

from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from doug.scope import CallScope, maker


class ScopeTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.scope = CallScope("call abc")
        self.closed: list[str] = []

    def test_closesTheLatestFirst(self) -> None:
        """Each once, in the reverse order of opening."""
        for name in ("socket", "file", "timer"):
            self.scope.add(name, lambda name=name: self.closed.append(name))  # type: ignore[misc]
        self.scope.close()
        self.scope.close()
        self.assertEqual(self.closed, ["timer", "file", "socket"])

    def test_whatWasClosedBeforeIsNotClosedAgain(self) -> None:
        """closed() takes it off the list."""
        opened = self.scope.add("file", lambda: self.closed.append("file"))
        opened.closed()
        opened.closed()
        self.scope.close()
        self.assertEqual((self.closed, len(self.scope), self.scope.survivors()), ([], 0, []))

    def test_survivorsAreNamedWithTheHandlerThatMadeThem(self) -> None:
        """What was told to close and has not said that it did."""
        self.scope.add("recording /x.wav", lambda: None, "greet")
        self.scope.add("socket", lambda: None)
        gone = self.scope.add("timer", lambda: None)
        self.scope.close()
        gone.closed()
        self.assertEqual(self.scope.survivors(), ["recording /x.wav (made in greet)", "socket"])
        self.assertEqual(self.scope.survivors(), [])

    def test_oneThatFailsDoesNotKeepTheOthersOpen(self) -> None:
        """Its error is logged."""

        def broken() -> None:
            raise OSError("stuck")

        self.scope.add("file", lambda: self.closed.append("file"))
        self.scope.add("broken", broken)
        self.scope.close()
        self.assertEqual(self.closed, ["file"])
        self.assertEqual(len(self.flushLoggedErrors(OSError)), 1)

    def test_whatIsSlowMayTakeItsTime(self) -> None:
        """It survives only a later look; the list says when it is empty."""
        empty: list[CallScope] = []
        self.scope.whenEmpty = empty.append
        bye = self.scope.add("dialog", None, slow=True)
        job = self.scope.add("job", None, "greet", "menu.py line 12", slow=True)
        self.scope.close()
        self.assertEqual(self.scope.survivors(), [])
        self.assertEqual(bye.closed("outcome"), "outcome")
        self.assertEqual(empty, [])
        self.assertEqual(self.scope.survivors(late=True), ["job (made in greet, menu.py line 12)"])
        self.assertEqual(empty, [self.scope])
        job.closed()
        self.assertEqual(empty, [self.scope])

    def test_makerIsTheLineOfAnApplication(self) -> None:
        """Not one of Doug's own, whoever called that."""
        line = maker()  # here
        lines = Path(__file__).read_text().splitlines()
        number = 1 + next(n for n, text in enumerate(lines) if text.endswith("# here"))
        self.assertEqual(line, f"test_scope.py line {number}")
