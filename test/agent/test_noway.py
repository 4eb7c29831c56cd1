"""No address of ours leads to the far end any more: a machine whose network is gone."""

from __future__ import annotations

from shtoom.agent.hangup import CallState
from shtoom.exceptions import TransportFailed
from test.agent.support import ANSWER, Address, AgentTestCase, Wire


class NoWayTests(AgentTestCase):
    """At each moment of a call; none of it is an error of ours, which trial would find logged."""

    def cut(self) -> None:
        """From now on."""

        def nowhere(remoteHost: str) -> Address:
            raise TransportFailed(f"no way to {remoteHost}: Network is unreachable")

        self.wire.sentBy = nowhere  # type: ignore[method-assign]

    def test_aCallOfOurs(self) -> None:
        """It is rejected with the system's words, be it to an address or to a name."""
        self.cut()
        self.names.known["pbx.example.net"] = ["203.0.113.30"]
        for uri in ("sip:200@203.0.113.30", "sip:200@pbx.example.net"):
            _, listener = self.dial(uri)
            self.run_(1.0)
            (failure,) = listener.named("rejected")
            self.assertIsInstance(failure, TransportFailed)
            self.assertIn("no way to 203.0.113.30: Network is unreachable", str(failure))
        self.assertNothingLeft()

    def test_itsACK(self) -> None:
        """It is lost, as any packet may be; the call can be left."""
        call, listener = self.dial()
        self.cut()
        self.trunk.answers().says(200, body=ANSWER)
        self.assertEqual(len(listener.named("answered")), 1)
        call.hangup()
        self.assertNothingLeft()
        self.assertEqual(len(listener.ends), 1)

    def test_aCallThatComesIn(self) -> None:
        """There is no address for its Contact: refused, and nobody is asked to take it."""
        self.cut()
        self.alice.invites()
        self.assertEqual(self.alice.labels(), ["503 INVITE"])
        self.assertEqual(self.board.calls, [])
        self.assertNothingLeft()

    def test_aCallThatIsUp(self) -> None:
        """Our BYE has nowhere to go: the call is over."""
        _, call, listener = self.establish()
        self.cut()
        gone = call.hangup()
        self.run_(1.0)
        self.assertIsNone(self.successResultOf(gone))
        self.assertIs(call.state, CallState.ENDED)
        self.assertEqual(len(listener.ends), 1)
        self.assertNothingLeft()

    def test_anotherWayIsTaken(self) -> None:
        """Of two transports of a kind the one that leads there."""
        self.cut()
        other = Wire(self.clock, ("192.0.2.77", 5060))
        other.receiver = self.agent
        other.ends = self.wire.ends
        self.agent.addTransport(other)
        self.dial()
        self.assertEqual(self.trunk.labels(), ["INVITE"])
        self.assertIn("192.0.2.77", str(self.trunk.request("INVITE").via))
        self.assertNothingLeft()
