"""The parser on recorded and crafted messages: RFC 4475, RFC 5118, phones, fuzz seeds."""

from __future__ import annotations

import base64
import json
import runpy
import time
from collections.abc import Iterator
from random import Random
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
        self.assertEqual(list(faults("torture")), [])

    def test_messagesOfTheField(self) -> None:
        """What named phones, exchanges and trunks send."""
        self.assertEqual(list(faults("sip")), [])

    def test_fuzzSeeds(self) -> None:
        """Whatever a seed is, it parses or is refused, and as the seed says where it says."""
        wrong = []
        for seed in seeds():
            try:
                touchAll(parse(base64.b64decode(seed["b64"])))
                outcome = "ok"
            except MalformedMessage as error:
                outcome = "reject"
                if isinstance(error.request, Request):
                    error.request.respond(error.code, toTag="t").toBytes()
            if seed.get("parse", "either") not in (outcome, "either"):
                wrong.append((seed["id"], outcome))
        self.assertEqual(wrong, [])

    def test_alteredMessages(self) -> None:
        """Real messages with some octets lost, doubled or others: parsed or refused."""
        rng = Random(4475)
        messages = [data for _, data, _ in corpusCases("sip") if data]
        messages += [base64.b64decode(seed["b64"]) for seed in seeds()][:20]
        for _ in range(1500):
            data = bytearray(rng.choice(messages))
            for _ in range(rng.randint(1, 4)):
                at, size = rng.randrange(len(data) + 1), rng.randint(0, 12)
                other = rng.randrange(len(data) + 1)
                put = rng.choice((b"", rng.randbytes(size), data[other : other + size], b'"', b"<"))
                data[at : at + rng.randint(0, 12)] = put
            try:
                message = parse(bytes(data))
            except MalformedMessage as error:
                if isinstance(error.request, Request):
                    error.request.respond(error.code, toTag="t").toBytes()
                continue
            touchAll(message)
            parse(message.toBytes())

    def test_hugeMessages(self) -> None:
        """What is too large is refused in time."""
        cases = runpy.run_path(str(corpusRoot() / "tools" / "gen_huge.py"))["CASES"]
        for name, (kind, limit, _, make) in cases.items():
            if kind.startswith("sip-"):
                data = make()
                begin = time.perf_counter()
                try:
                    touchAll(parse(data))
                except MalformedMessage:
                    pass
                else:
                    self.assertLess(len(data), 65537, name)
                self.assertLess(time.perf_counter() - begin, limit, name)


def seeds() -> Iterator[dict[str, Any]]:
    """The seeds for SIP."""
    for line in (corpusRoot() / "fuzz" / "sip.jsonl").read_text().splitlines():
        yield json.loads(line)


def faults(name: str) -> Iterator[tuple[str, object, object, object]]:
    """(case, field, value, what was wanted) wherever a set and the parser differ."""
    for identity, data, case in corpusCases(name):
        if data is None:
            continue
        expect = case["expect"]
        try:
            message = parse(data)
        except MalformedMessage as error:
            for fault in unanswered(error, expect):
                yield identity, *fault
            continue
        if expect["parse"] == "reject":
            yield identity, "parse", "ok", "reject"
            continue
        wanted = case.get("fields") or {}  # else it might have been refused, and may be on use
        again = parse(message.toBytes())
        for round_, parsed in enumerate((message, again)):
            for key, value in fields(parsed, wanted).items():
                if round_ and key == "header_count":  # Content-Length may have come in
                    continue
                if value != wanted[key]:
                    yield identity, key, value, wanted[key]
        if again.toBytes() != message.toBytes():
            yield identity, "round trip", again.toBytes(), message.toBytes()


def unanswered(
    error: MalformedMessage, expect: dict[str, Any]
) -> Iterator[tuple[object, object, object]]:
    """What is wrong with a refusal: a message to be served, or one to be answered otherwise."""
    if expect["parse"] == "ok" and expect["action"] != "reject":
        yield "parse", str(error), "ok"
    elif expect["action"] == "drop":
        if error.request is not None:
            yield "answer", error.code, "none"
    elif error.request is None:
        if not expect.get("may_drop"):
            yield "answer", "none", expect["status"]
    elif error.code not in expect["status"]:
        yield "answer", error.code, expect["status"]


def fields(message: Message, wanted: dict[str, Any]) -> dict[str, Any]:
    """The fields of a message that are wanted, in the corpus' own shapes."""
    shapes = {
        "kind": lambda: "request" if isinstance(message, Request) else "response",
        "method": lambda: isinstance(message, Request) and message.method,
        "request_uri": lambda: isinstance(message, Request) and message.uriText,
        "uri": lambda: isinstance(message, Request) and uriParts(message, wanted["uri"]),
        "status": lambda: isinstance(message, Response) and message.code,
        "reason": lambda: isinstance(message, Response) and message.reason,
        "via": lambda: viaParts(message, wanted["via"]),
        "from": lambda: partyParts(message, "fromAddress", wanted["from"]),
        "to": lambda: partyParts(message, "toAddress", wanted["to"]),
        "call_id": lambda: message.callID,
        "cseq": lambda: list(message.cseq),
        "contacts": lambda: (
            [str(contact.uri) for contact in message.contacts] or wantedStar(wanted)
        ),
        "route": lambda: [str(route.uri) for route in message.routes],
        "record_route": lambda: [str(route.uri) for route in message.recordRoutes],
        "max_forwards": lambda: message.maxForwards,
        "content_type": lambda: message.contentType or None,
        "body_length": lambda: len(message.body),
        "header_count": lambda: len(message.headers),
        "user_agent": lambda: message.header("User-Agent"),
    }
    return {key: shape() for key, shape in shapes.items() if key in wanted}


def wantedStar(wanted: dict[str, Any]) -> list[str]:
    """Contact: * is told as such in the corpus; here it is no contact."""
    return ["*"] if wanted["contacts"] == ["*"] else []


def uriParts(request: Request, wanted: dict[str, Any]) -> dict[str, Any]:
    """Of the Request-URI; the corpus leaves escapes as they stand."""
    uri = request.uri
    host = f"[{uri.host}]" if ":" in uri.host else uri.host
    user = parseURI(f"sip:{wanted['user']}@x").user if wanted.get("user") else None
    parts = {
        "scheme": uri.scheme,
        "user": wanted.get("user") if uri.user == user else uri.user,
        "password": uri.password,
        "host": host,
        "port": uri.port,
        "params": dict(uri.params),
    }
    return {key: parts[key] for key in wanted}


def viaParts(message: Message, wanted: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Of each Via; rport is true there if it has no value, and an IPv6 host has its brackets."""
    found = []
    for via, want in zip(message.vias, wanted, strict=True):
        parts: dict[str, Any] = {
            "transport": via.transport,
            "host": f"[{via.host}]" if ":" in via.host else via.host,
            "port": via.port,
            "branch": via.branch,
            "received": via.received,
            "rport": True if via.rport == "" else via.rport,
        }
        shown = {key: parts[key] for key in want if key in parts}
        if shown.get("received") == (want.get("received") or "").strip("[]"):
            shown["received"] = want["received"]
        if shown.get("rport") == str(want.get("rport")):
            shown["rport"] = want["rport"]
        found.append({**want, **shown})
    return found


def partyParts(message: Message, name: str, wanted: dict[str, Any]) -> dict[str, Any]:
    """Of From or To."""
    party = getattr(message, name)
    parts = {"display": party.display, "uri": str(party.uri), "tag": party.tag}
    return {**wanted, **{key: parts[key] for key in wanted if key in parts}}
