"""Messages of real devices and of RFC 4475, through the whole user agent."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from shtoom.exceptions import MalformedMessage
from shtoom.sip.message import Request, Response
from shtoom.sip.parser import parse
from shtoom.sip.transport import Peer, markReceived
from test.agent.support import TRUNK, AgentTestCase
from test.support import corpusCases


class CorpusTests(AgentTestCase):
    """Each message arrives alone, and what it is answered with is compared."""

    def reaction(self, message: Request | Response) -> int | None:
        """The status of the first answer above 100, None for silence."""
        before = len(self.wire.sent)
        if isinstance(message, Request):
            message = markReceived(message, TRUNK)
        self.agent.layer.messageReceived(message, Peer(self.wire, TRUNK))
        self.run_(0.5)
        for _, answer, _ in self.wire.sent[before:]:
            response = parse(answer)
            if isinstance(response, Response) and response.code > 100:
                return response.code
        return None

    def assertAnsweredAsExpected(self, name: str) -> None:
        """Each message that the parser takes; after each an OPTIONS is still answered."""
        count = 0
        for identity, data, case in corpusCases(name):
            assert data is not None
            try:
                message = parse(data)
            except MalformedMessage:
                continue  # answered by the layer below, if at all
            got, expect = self.reaction(message), case["expect"]
            right = reactions(expect)
            self.assertTrue(right(got), f"{identity}: answered {got}, wanted {expect}")
            self.alice.ask("OPTIONS")
            self.assertEqual(self.alice.labels(), ["200 OPTIONS"], identity)
            self.alice.heard.clear()
            if self.agent.calls:
                self.inbound().hangup()
            self.run_(70.0)  # many have the branch or the Call-ID of another one
            count += 1
        self.assertGreater(count, 40)

    def test_torture(self) -> None:
        """RFC 4475 and RFC 5118."""
        self.assertAnsweredAsExpected("torture")

    def test_devices(self) -> None:
        """Messages of named devices."""
        self.assertAnsweredAsExpected("sip")


def reactions(expect: dict[str, Any]) -> Callable[[int | None], bool]:
    """What may come of a message. 488 is the business of those who read descriptions: 180 here."""
    if expect["action"] in ("drop", "response"):
        return lambda got: got is None
    statuses = expect.get("status")
    if statuses is None:
        return lambda got: got is not None
    either = expect["action"] == "process-or-reject"
    silence = expect.get("may_drop", False)
    return lambda got: (
        got in statuses
        or (got is None and silence)
        or (got in (180, 405) and (either or 488 in statuses))
        or (got == 200 and either)
    )
