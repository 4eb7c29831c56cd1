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
from shtoom.sip.digest import parseAnswer
from shtoom.sip.framing import Framer, Whole
from shtoom.sip.keyinfo import parseKeyInfo
from shtoom.sip.message import Message, Request, Response
from shtoom.sip.parser import parse
from shtoom.sip.uri import parseURI
from test.sip.support import touchAll
from test.support import corpusCases, corpusRoot

CUTS = 11
"""Bytes from one cut to the next; where the first is differs from message to message."""
ELSEWHERE = {
    "unsupported",  # of the answer: test.agent.test_corpus
    "sipfrag_status",  # of transfers: not yet
    *("missing", "version"),  # of what is refused: misread()
}
LENGTHS = {"content_length", "body_length", "trailing_octets"}
"""What a refusal does not look into."""
OF_THE_WIRE = {"header_count", "content_length", "trailing_octets"}
"""Fields that another way to write the same message has otherwise."""


class CorpusTests(SynchronousTestCase):
    """Each case is what its file says it is."""

    def test_torture(self) -> None:
        """RFC 4475 and RFC 5118."""
        self.assertEqual(list(faults("torture")), [])

    def test_messagesOfTheField(self) -> None:
        """What named phones, exchanges and trunks send."""
        self.assertEqual(list(faults("sip")), [])

    def test_cutsOfAStream(self) -> None:
        """On a connection each message comes out whole, wherever the reads end."""
        count = 0
        for name in ("torture", "sip"):
            for identity, data, case in corpusCases(name):
                assert data is not None
                wanted = case.get("fields", {})
                right = wanted.get("content_length") == wanted.get("body_length") is not None
                if not right or wanted.get("trailing_octets"):
                    continue
                count += 1
                whole = [Whole(data)]
                framer = Framer()
                one = [
                    piece for at in range(len(data)) for piece in framer.received(data[at : at + 1])
                ]
                self.assertEqual(one, whole, identity)
                for at in range(count % CUTS, len(data), CUTS):
                    framer = Framer()
                    two = framer.received(data[:at]) + framer.received(data[at:])
                    self.assertEqual(two, whole, f"{identity} at {at}")
        self.assertGreater(count, 80)

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
        assert data is not None
        expect = case["expect"]
        wanted = case.get("fields") or case.get("fields_if_accepted") or {}
        try:
            message = parse(data)
        except MalformedMessage as error:
            for fault in (*unanswered(error, expect), *misread(error, data, case.get("fields"))):
                yield identity, *fault
            continue
        if expect["parse"] == "reject":
            yield identity, "parse", "ok", "reject"
            continue
        again = parse(message.toBytes())
        if expect["parse"] == "either" and refusedOnUse(message):
            continue
        for round_, parsed in enumerate((message, again)):
            for key, value in fields(parsed, wanted, data).items():
                if round_ and key in OF_THE_WIRE:
                    continue
                if value != wanted[key]:
                    yield identity, key, value, wanted[key]
        if again.toBytes() != message.toBytes():
            yield identity, "round trip", again.toBytes(), message.toBytes()


def refusedOnUse(message: Message) -> bool:
    """Has it a Contact that cannot be read? Who needs it answers 400."""
    try:
        message.contacts  # noqa: B018
    except MalformedMessage:
        return True
    return False


def misread(
    error: MalformedMessage, data: bytes, wanted: dict[str, Any] | None
) -> Iterator[tuple[object, object, object]]:
    """Where the request of a refusal is not what stands on the wire: the answer repeats it."""
    if wanted is None:
        return
    missing = wanted.get("missing", ())
    if missing and not any(error.where.lower() == f"{name} header" for name in missing):
        yield "missing", error.where, missing
    if wanted.get("version", "") not in str(error):
        yield "version", str(error), wanted["version"]
    if isinstance(error.request, Request):
        read = {key: value for key, value in wanted.items() if key not in LENGTHS}
        for key, value in fields(error.request, read, data).items():
            if value != wanted[key]:
                yield key, value, wanted[key]


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


def fields(message: Message, wanted: dict[str, Any], data: bytes) -> dict[str, Any]:
    """The fields of a message that are wanted, in the corpus' own shapes. KeyError: not known."""
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
        "server": lambda: message.header("Server"),
        "event": lambda: message.header("Event"),
        "expires": lambda: int(message.header("Expires") or -1),
        "supported": lambda: message.headerValues("Supported"),
        "require": lambda: message.headerValues("Require"),
        "content_length": lambda: message.contentLength,
        "trailing_octets": lambda: trailing(message, data),
        "contact_params": lambda: [dict(contact.params) for contact in message.contacts],
        "credentials": lambda: credentials(message, wanted["credentials"]),
        "dtmf": lambda: keyOf(message),
    }
    return {key: shapes[key]() for key in wanted if key not in ELSEWHERE}


def trailing(message: Message, data: bytes) -> int:
    """The octets of the datagram behind the body: those that were not taken."""
    behind = data.lstrip(b"\r\n").partition(b"\r\n\r\n")[2]
    assert behind.startswith(message.body)
    return len(behind) - len(message.body)


def credentials(message: Message, wanted: dict[str, Any]) -> dict[str, Any]:
    """Of Authorization, as the digest's own parser reads them."""
    answer = parseAnswer(message.header("Authorization") or "")
    return {key: getattr(answer, key) for key in wanted}


def keyOf(message: Message) -> dict[str, Any]:
    """The key in an INFO."""
    key = parseKeyInfo(message.contentType, message.body)
    assert key is not None
    duration = key.duration
    return {"digit": key.digit, "duration_ms": None if duration is None else duration * 1000}


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
