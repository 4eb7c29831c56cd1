"""doug.scope: what a call has opened is closed with it, and what survives is named."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from doug.scope import CallScope


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
