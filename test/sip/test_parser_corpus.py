"""The parser on recorded and crafted messages: RFC 4475, RFC 5118, phones, fuzz seeds."""

from __future__ import annotations

import base64
import json
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from shtoom.exceptions import MalformedMessage
from shtoom.sip.message import Message, Request, Response
from shtoom.sip.parser import parse
from shtoom.sip.uri import parseURI
from test.sip.test_parser import touchAll
from test.support import corpusCases, corpusRoot


class CorpusTests(SynchronousTestCase):
    """Each case is what its file says it is."""

    def test_torture(self) -> None:
        """RFC 4475 and RFC 5118."""
        self._cases("torture")

    def test_messagesOfTheField(self) -> None:
        """What named phones, exchanges and trunks send."""
        self._cases("sip")

    def test_fuzzSeeds(self) -> None:
        """Whatever a seed is, it parses or is refused, and as the seed says where it says."""
        for line in (corpusRoot() / "fuzz" / "sip.jsonl").read_text().splitlines():
            seed = json.loads(line)
            with self.subTest(seed["id"]):
                try:
                    touchAll(parse(base64.b64decode(seed["b64"])))
                    parsed = True
                except MalformedMessage:
                    parsed = False
                if seed.get("parse") in ("ok", "reject"):
                    self.assertEqual(parsed, seed["parse"] == "ok")

    def _cases(self, name: str) -> None:
        for identity, data, case in corpusCases(name):
            if data is not None:
                with self.subTest(identity):
                    self._check(data, case)

    def _check(self, data: bytes, case: dict[str, Any]) -> None:
        expect = case["expect"]
        try:
            message = parse(data)
        except MalformedMessage as error:
            if expect["parse"] == "ok":  # refused while parsing, with the status that is due
                self.assertEqual(expect["action"], "reject")
                if error.request is not None:
                    self.assertIn(error.code, expect["status"])
            return
        self.assertNotEqual(expect["parse"], "reject")
        fields = expect.get("fields") or expect.get("fields_if_accepted")
        fields = fields or case.get("fields") or case.get("fields_if_accepted") or {}
        lenient = expect["parse"] == "either"  # what may be refused may be refused on use, too
        self._compare(message, fields, lenient)
        again = parse(message.toBytes())
        self.assertEqual(again.toBytes(), message.toBytes())
        self._compare(again, {k: v for k, v in fields.items() if k != "header_count"}, lenient)

    def _compare(self, message: Message, fields: dict[str, Any], lenient: bool) -> None:
        if isinstance(message, Request):
            plain: dict[str, Any] = {
                "kind": "request",
                "method": message.method,
                "request_uri": message.uriText,
            }
        else:
            assert isinstance(message, Response)
            plain = {"kind": "response", "status": message.code, "reason": message.reason}
        known: dict[str, Any] = {
            **plain,
            "call_id": message.callID,
            "cseq": list(message.cseq),
            "max_forwards": message.maxForwards,
            "content_type": message.contentType,
            "body_length": len(message.body),
            "header_count": len(message.headers),
        }
        for key, value in known.items():
            if key in fields:
                self.assertEqual(
                    value,
                    fields[key] if fields[key] is not None or key != "content_type" else "",
                    key,
                )
        for key, party in (("from", message.fromAddress), ("to", message.toAddress)):
            wanted = fields.get(key, {})
            if "uri" in wanted:
                self.assertEqual(str(party.uri), str(parseURI(wanted["uri"])))
            if "tag" in wanted:
                self.assertEqual(party.tag, wanted["tag"])
            if wanted.get("display") is not None:
                self.assertEqual(party.display, wanted["display"])
        if "contacts" in fields and lenient is False:
            contacts = [str(c.uri) for c in message.contacts]
            self.assertEqual(contacts, [str(parseURI(c)) for c in fields["contacts"] if c != "*"])
        for via, wanted in zip(message.vias, fields.get("via", message.vias), strict=True):
            if isinstance(wanted, dict):
                self.assertEqual(
                    (via.transport, via.host, via.port, via.branch),
                    (
                        wanted["transport"],
                        wanted["host"].strip("[]"),
                        wanted.get("port"),
                        wanted.get("branch"),
                    ),
                )
