"""Offers of named devices, each in a whole call; skipped without DOUG_CORPUS."""

from __future__ import annotations

from typing import Any

from shtoom.sdp.description import parseSDP
from shtoom.sip.message import Response
from test.cases.case import FieldCase
from test.cases.media import Address
from test.support import corpusCases

SERVED = {"pcmu", "pcma"}
OTHER_FAMILY = ("ipv6-full",)  # for a server with an IPv6 address


def wanted(case: dict[str, Any]) -> tuple[set[int], dict[str, Any]]:
    """The final answers that are right from a server with SERVED, and the answer of a 200."""
    expect = case["answer"]
    expect = expect.get("otherwise", expect) if "requires" in expect else expect
    codecs = {
        name.lower()
        for medium in expect.get("media", ())
        for name, _ in medium.get("codecs_ok", ())
    }
    statuses = {expect["status"], *expect.get("status_ok", ())}
    if expect["status"] == 200 and not codecs & SERVED:
        statuses = {488}
    return statuses, expect


class OfferCases(FieldCase):
    """A server that speaks G.711 is called with each offer of the corpus."""

    def test_everyOfferIsAnsweredAsItShould(self) -> None:
        """200 with what the set says, its RTP to the place it says; else 488 with a Warning."""
        sent: list[tuple[bytes, Address]] = []

        def watch(data: bytes, source: Address, destination: Address) -> None:
            if source[0] == self.server[0] and source != self.server and data:
                sent.append((data, destination))

        self.lab.network.observers.append(watch)
        for identity, data, case in corpusCases("sdp"):
            if data is None or case["role"] != "offer" or identity in OTHER_FAMILY:
                continue
            sent.clear()
            with self.subTest(identity):
                self.callWith(data, *wanted(case), sent)
        self.assertStillWell()

    def callWith(
        self,
        offer: bytes,
        statuses: set[int],
        expect: dict[str, Any],
        sent: list[tuple[bytes, Address]],
    ) -> None:
        """One call to its end."""
        calls = len(self.desk)
        call = self.alice.invite(offer)
        self.lab.advance(0.02)
        if len(self.desk) > calls:
            self.app.leg.answerCall(self.app)
        response = self.alice.response("[2-6].. INVITE")
        self.assertIn(response.code, statuses)
        if response.code != 200:
            call.ackRefusal()
            if response.code == 488:
                self.assertRegex(response.header("Warning") or "", r'^3\d\d doug "')
            return
        call.ack(b"" if offer else self.alice.answer)
        self.checkAnswer(response, expect)
        self.lab.advance(0.2)
        for medium in expect.get("media", ()):
            if not medium["port_zero"] and medium["direction"] in ("sendrecv", "sendonly"):
                self.checkSound(medium, sent)
        self.hangUp(call)

    def checkAnswer(self, response: Response, expect: dict[str, Any]) -> None:
        """Line by line."""
        if "media" not in expect:
            return
        for medium, line in zip(parseSDP(response.body).media, expect["media"], strict=True):
            self.assertEqual(medium.port == 0, line["port_zero"])
            if not line["port_zero"]:
                self.assertIn(medium.direction, line.get("direction_ok", [line["direction"]]))
                chosen = medium.formats[0]
                self.assertIn([chosen.name, chosen.payloadType], line["codecs_ok"])

    def checkSound(self, medium: dict[str, Any], sent: list[tuple[bytes, Address]]) -> None:
        """Where it goes, and under which payload type."""
        if medium.get("send_media") is False:
            self.assertEqual(sent, [])
            return
        self.assertEqual({to for _, to in sent}, {tuple(medium["send_to"])})
        kinds = {data[1] & 0x7F for data, _ in sent}
        self.assertEqual(len(kinds), 1)
        self.assertLessEqual(kinds, {number for _, number in medium["codecs_ok"]})
