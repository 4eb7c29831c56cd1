"""Messages of real devices and of RFC 4475 and 5118, and what a whole server answers.

Lives here: each message alone, from its datagram to the final response, with an application that
answers. Not here: the fields that are read (test.sip.test_parser_corpus).
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from doug.testing import Lab
from shtoom.sip.fields import splitCommas
from shtoom.sip.message import Response
from test.agent.corpusworld import AFTERWARDS, SOURCE, Address, Taker, World, asRead
from test.support import corpusCases, corpusRoot

WITH = {405: "Allow", 415: "Accept", 420: "Unsupported"}
"""What an answer tells of what would have done (RFC 3261 8.2)."""


class CorpusTests(SynchronousTestCase):
    """Each message comes to a running server; what is answered is what the case says."""

    def setUp(self) -> None:
        self.calls: list[object] = []
        self.lab = Lab(Taker, calls=self.calls)
        self.world = World(self.lab)
        self.number = 0

    def assertAnsweredAsExpected(self, name: str, least: int) -> None:
        """All of a set; after each an OPTIONS is answered, and nothing is left of it."""
        agent = self.lab.application.exchange.agent
        count = 0
        for identity, data, case in corpusCases(name):
            assert data is not None
            self.calls.clear()
            self.world.send(data)
            self.lab.advance(0.5)
            answers = self.world.forget()
            self.assertExpected(identity, answers, case)
            if case["expect"]["action"] in ("drop", "reject", "response"):
                self.assertEqual(self.calls, [], identity)
            for answer, to in answers:
                self.assertEqual(to[0], SOURCE[0], identity)
                self.assertFitting(identity, data, answer)
            self.lab.advance(AFTERWARDS)
            self.assertEqual((len(agent.calls), len(agent.layer)), (0, 0), identity)
            self.world.forget()
            self.assertServes(identity)
            count += 1
        self.assertGreaterEqual(count, least)
        self.lab.assertNothingLeft()

    def assertExpected(
        self, identity: str, answers: list[tuple[Response, Address]], case: dict[str, Any]
    ) -> None:
        """One final response (a repeat is the same one), of a status that is right; or none."""
        codes = sorted({answer.code for answer, _ in answers})
        got = codes[0] if codes else None
        self.assertLessEqual(len(codes), 1, f"{identity}: {codes}")
        right = reactions(case["expect"])
        self.assertTrue(right(got), f"{identity}: answered {got}, wanted {case['expect']}")
        wanted = case.get("fields", {}).get("unsupported")
        if wanted is not None:
            self.assertEqual(answers[0][0].headerValues("Unsupported"), wanted)

    def assertFitting(self, identity: str, data: bytes, answer: Response) -> None:
        """The answer is that of its request (8.2.6), and says what would have done."""
        request = asRead(data)
        for name in ("Call-ID", "From", "CSeq"):
            lines = request.headers.getLines(name)
            self.assertEqual(answer.headers.getLines(name), lines[:1], f"{identity}: {name}")
        theirs = [via for line in request.headers.getLines("Via") for via in splitCommas(line)]
        ours = [via for line in answer.headers.getLines("Via") for via in splitCommas(line)]
        self.assertEqual(ours[1:], theirs[1:], f"{identity}: Via")
        to = request.headers.getLines("To")[0]
        self.assertTrue((answer.header("To") or "").startswith(to.rstrip("; ")), identity)
        if answer.code in WITH:
            self.assertTrue(answer.headerValues(WITH[answer.code]), identity)
        if answer.code == 400:
            self.assertNotEqual(answer.reason, "Bad Request", identity)  # it says what is wrong

    def assertServes(self, identity: str) -> None:
        """An ordinary OPTIONS is answered."""
        self.number += 1
        self.world.send(
            b"OPTIONS sip:app@192.0.2.10 SIP/2.0\r\n"
            b"Via: SIP/2.0/UDP 203.0.113.30;branch=z9hG4bKwell%d\r\n"
            b"From: <sip:a@example.net>;tag=1\r\nTo: <sip:app@192.0.2.10>\r\n"
            b"Call-ID: well%d\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n"
            % (self.number, self.number)
        )
        self.lab.advance(AFTERWARDS)
        self.assertEqual([answer.code for answer, _ in self.world.forget()], [200], identity)

    def test_torture(self) -> None:
        """RFC 4475 and RFC 5118."""
        self.assertAnsweredAsExpected("torture", 65)

    def test_devices(self) -> None:
        """Messages of named devices."""
        self.assertAnsweredAsExpected("sip", 55)

    def test_fuzzSeeds(self) -> None:
        """What was made to break parsers: answered as it says, or not at all; the server lives."""
        agent = self.lab.application.exchange.agent
        answered = 0
        for line in (corpusRoot() / "fuzz" / "sip.jsonl").read_text().splitlines():
            seed = json.loads(line)
            self.world.send(base64.b64decode(seed["b64"]))
            self.lab.advance(0.5)
            codes = {answer.code for answer, _ in self.world.forget()}
            self.assertLessEqual(len(codes), 1, seed["id"])
            for code in codes:
                answered += 1
                self.assertNotEqual(code, 500, seed["id"])
                if "status" in seed and seed.get("parse", "reject") == "reject":
                    self.assertIn(code, seed["status"], seed["id"])
            if seed.get("parse") == "reject":
                self.assertTrue(codes <= {400, 414, 505, 513}, f"{seed['id']}: {codes}")
            self.lab.advance(AFTERWARDS)
            self.assertEqual((len(agent.calls), len(agent.layer)), (0, 0), seed["id"])
            self.world.forget()
        self.assertServes("after all of them")
        self.assertGreater(answered, 200)
        self.lab.assertNothingLeft()


def reactions(expect: dict[str, Any]) -> Callable[[int | None], bool]:
    """What may come of a message that stands alone."""
    statuses, mayDrop = expect.get("status", ()), expect.get("may_drop", False)
    if expect["action"] in ("drop", "response"):
        return lambda got: got is None
    if expect["action"] == "reject" or (statuses and expect["action"] == "process"):
        return lambda got: got in statuses or (got is None and mayDrop)
    served = (200, 481, 405, 488)  # by who takes calls: what was served, in the words of its method
    return lambda got: got in served or got in statuses or (got is None and mayDrop)
