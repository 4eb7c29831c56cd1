"""The corpus set sdp and its fuzz seeds; skipped without DOUG_CORPUS."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from shtoom import codecs
from shtoom.exceptions import MalformedMessage, NotAcceptable
from shtoom.sdp.description import MediaDescription, SessionDescription, parseSDP
from shtoom.sdp.offeranswer import Capabilities, Negotiated, makeOffer, negotiate, readAnswer
from test.support import corpusCases, corpusRoot
from test.support.bodytime import secondsOf

OURS = Capabilities(("PCMU", "PCMA"), True, "192.0.2.250", 10000, 1, 1)
SERVERS = [OURS, replace(OURS, codecs=("PCMA", "PCMU"))]
if "G722" in codecs.names():
    SERVERS += [replace(OURS, codecs=names) for names in (("G722", "PCMU", "PCMA"), ("G722",))]
"""What a server may be set to; the set expects opus besides."""

LEFT_OUT = {
    "freeswitch-opus-recvonly": "opus",
    "opus-stereo": "opus",
    "spa303-savp-ptime30": "sdes-srtp",
    "twilio-savp": "sdes-srtp",
    "chrome-webrtc": "dtls-srtp, ice",
}
"""Offers that get 488 where the set has an answer, and what is missing for it here."""

READ = {
    "type", "port_zero", "profile", "codec", "codecs_ok", "telephone_event", "telephone_event_ok",
    "direction", "direction_ok", "send_to", "send_media", "ptime",
}  # fmt: skip
UNREAD = {"rtcp_mux", "crypto_ok"}  # of answers: what they allow is nothing that Doug writes


def bandwidthOf(lines: tuple[tuple[str, str], ...]) -> dict[str, int]:
    """The b= lines as the set writes them."""
    pairs = (value.split(":") for letter, value in lines if letter == "b")
    return {name: int(number) for name, number in pairs}


def acceptable(expect: dict[str, Any]) -> set[str]:
    """The codecs that an answer may have, in small letters."""
    return {name.lower() for each in expect["media"] for name, _ in each.get("codecs_ok", ())}


class SDPCorpusTests(SynchronousTestCase):
    def checkMedium(self, identity: str, medium: MediaDescription, expect: dict[str, Any]) -> None:
        got: dict[str, Any] = {
            "type": medium.type,
            "port": medium.port,
            "proto": medium.proto,
            "address": medium.address,
            "direction": medium.direction,
            "ptime": medium.ptime,
            "maxptime": medium.maxptime,
            "bandwidth": bandwidthOf(medium.lines),
            "rtcp_port": int((medium.attribute("rtcp") or "0").split()[0]),
            "rtcp_mux": medium.attribute("rtcp-mux") is not None,
            "candidates": len(medium.attributes("candidate")),
            "fingerprint": (medium.attribute("fingerprint") or "").split(" ")[0],
            "mid": medium.attribute("mid"),
            "setup": medium.attribute("setup"),
            "ice_ufrag": medium.attribute("ice-ufrag"),
            "formats_raw": list(medium.formatNames),
            "crypto": [
                {"tag": int(value.split()[0]), "suite": value.split()[1]}
                for value in medium.attributes("crypto")
            ],
            "formats": [
                {
                    "pt": each.payloadType,
                    "name": each.name,
                    "rate": each.rate or None,
                    "channels": each.channels or None,
                }
                | ({"fmtp": each.fmtp} if each.fmtp is not None else {})
                for each in medium.formats
            ],
        }
        for name, value in expect.items():
            self.assertEqual(got[name], value, f"{identity} {name}")

    def checkParse(self, identity: str, parsed: SessionDescription, case: dict[str, Any]) -> None:
        session = case["session"]
        self.assertEqual(parsed.address, session["address"], identity)
        self.assertEqual(parsed.origin, session["origin"], identity)
        if "\ufffd" not in (session["name"] or ""):
            self.assertEqual(parsed.name, session["name"], identity)
        self.assertEqual(bandwidthOf(parsed.lines), session.get("bandwidth", {}), identity)
        for medium, expect in zip(parsed.media, case["media"], strict=True):
            self.checkMedium(identity, medium, expect)
        self.assertEqual(parseSDP(parsed.toBytes()), parsed, identity)

    def checkAnswer(
        self, identity: str, offer: SessionDescription, expect: dict[str, Any], ours: Capabilities
    ) -> bool:
        """True if it was answered with 200."""
        if "requires" in expect:
            expect = expect["otherwise"]
        served = {name.lower() for name in ours.codecs}
        statuses = {expect["status"], *expect.get("status_ok", ())}
        if expect["status"] == 200 and not served & acceptable(expect):
            statuses = {488}  # what may be chosen is not served
        if offer.media and ":" in (offer.media[0].address or ""):
            ours = replace(ours, address="2001:db8::250")
        try:
            agreed = negotiate(offer, ours)
        except NotAcceptable as failure:
            self.assertIn(failure.sipCode, statuses, identity)
            self.assertRegex(failure.warning or "", r'^3\d\d doug "[ -~]+"$', identity)
            return False
        self.assertIn(200, statuses, identity)
        for i, wanted in enumerate(expect["media"]):
            self.checkAnswered(identity, agreed, i, offer.media[i], wanted)
        self.assertEqual(len(agreed.answer.media), len(expect["media"]), identity)
        return True

    def checkAnswered(
        self,
        identity: str,
        agreed: Negotiated,
        place: int,
        offered: MediaDescription,
        expect: dict[str, Any],
    ) -> None:
        medium = agreed.answer.media[place]
        self.assertEqual(medium.proto, expect["profile"], identity)
        self.assertEqual(medium.port == 0, expect["port_zero"], identity)
        if expect["port_zero"]:
            self.assertEqual(medium.formatNames, offered.formatNames, identity)
            return
        stream = agreed.stream
        chosen = medium.formats[0]
        self.assertIn([chosen.name, chosen.payloadType], expect["codecs_ok"], identity)
        self.assertEqual((stream.payloadType, stream.rate), (chosen.payloadType, chosen.rate))
        events = [each for each in medium.formats if each.isCalled("telephone-event")]
        if expect["telephone_event"] is None:
            self.assertEqual((events, stream.eventType), ([], None), identity)
        else:
            allowed = [expect["telephone_event"]["pt"], *expect.get("telephone_event_ok", ())]
            (event,) = events
            self.assertIn(event.payloadType, allowed, identity)
            self.assertEqual(stream.eventType, event.payloadType, identity)
            self.assertEqual(event.rate, chosen.rate, identity)
        directions = expect.get("direction_ok", [expect["direction"]])
        self.assertIn(medium.direction, directions, identity)
        self.assertEqual([stream.remoteHost, stream.remotePort], expect["send_to"], identity)
        if expect.get("send_media") is False:
            self.assertFalse(stream.send, identity)
        if "ptime" in expect:
            self.assertEqual((medium.ptime, stream.ptime), (expect["ptime"],) * 2, identity)
        unread = expect.keys() - READ - UNREAD
        self.assertEqual(unread, set(), identity)

    def checkUse(self, identity: str, answer: SessionDescription, expect: dict[str, Any]) -> None:
        offer = makeOffer(replace(OURS, codecs=("G722", "PCMU", "PCMA")))
        if expect["use"] is None:
            self.assertRaises(NotAcceptable, readAnswer, offer, answer, OURS)
            return
        stream = readAnswer(offer, answer, OURS)
        use = expect["use"]
        self.assertEqual(stream.codec, use["codec"]["name"], identity)
        self.assertEqual(stream.payloadType, use["codec"]["pt"], identity)
        self.assertEqual(stream.eventType, use["telephone_event"]["pt"], identity)
        self.assertEqual([stream.remoteHost, stream.remotePort], use["send_to"], identity)

    def test_everyCaseHolds(self) -> None:
        """What is parsed, and what is answered, is as the set says."""
        for identity, data, case in corpusCases("sdp"):
            if data is None:
                continue
            wanted = case["expect"]["parse"]
            try:
                parsed = parseSDP(data)
            except MalformedMessage:
                self.assertIn(wanted, ("reject", "either"), identity)
                continue
            self.assertIn(wanted, ("ok", "either"), identity)
            self.checkParse(identity, parsed, case)
            if case["role"] != "offer":
                self.checkUse(identity, parsed, case["answer"])
                continue
            for ours in SERVERS:
                self.checkAnswer(f"{identity} {ours.codecs}", parsed, case["answer"], ours)

    def test_whatIsLeftOut(self) -> None:
        """By a server with all codecs there are: these cases, each for its reason, and no other."""
        everything = replace(OURS, codecs=tuple(codecs.names()))
        left: dict[str, str] = {}
        for identity, data, case in corpusCases("sdp"):
            expect = case["answer"]
            if data is None or case["role"] != "offer" or expect["status"] != 200:
                continue
            if 488 in expect.get("status_ok", ()):
                continue
            if not self.checkAnswer(identity, parseSDP(data), expect, everything):
                left[identity] = ", ".join(expect.get("requires") or sorted(acceptable(expect)))
        self.assertEqual(left, LEFT_OUT)


ORDINARY = (
    b"v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n"
    b"m=audio 4000 RTP/AVP 0 8 101\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\n"
    b"a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\na=ptime:20\r\na=sendrecv\r\n"
)
MOST = 100  # times as much as an ordinary offer: 5 ms where that takes 0.05 ms
ROUNDS = 8  # of which one has to be undisturbed
PART = 4


class SeedTests(SynchronousTestCase):
    """What a body costs is told in that of another one, measured at the same time."""

    def assertCosts(
        self, most: float, body: bytes, other: bytes, ours: Capabilities = OURS, name: str = ""
    ) -> None:
        """At most so many times as much as the other one."""
        ratios: list[float] = []
        while len(ratios) < ROUNDS and min(ratios, default=most + 1) > most:
            ratios.append(secondsOf(body, ours) / secondsOf(other, ours))
        self.assertLessEqual(min(ratios), most, name)

    def test_seeds(self) -> None:
        """Each seed is answered or refused in the two ways there are, at the cost of a hundred
        ordinary offers at most.
        """
        for line in (corpusRoot() / "fuzz" / "sdp.jsonl").read_text().splitlines():
            seed = json.loads(line)
            body = base64.b64decode(seed["b64"])
            try:
                negotiate(parseSDP(body), OURS)
            except MalformedMessage:
                self.assertNotEqual(seed.get("parse"), "ok", seed["id"])
            except NotAcceptable as failure:
                self.assertTrue(str(failure).isprintable(), seed["id"])
            self.assertCosts(MOST, body, ORDINARY, name=seed["id"])

    def test_timeIsLinear(self) -> None:
        """The largest descriptions allowed cost as much as a hundred ordinary ones at most, and
        four times as long takes at most eight times as long; answered, and refused at the end.
        """
        head = b"v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n"
        types = b" ".join(b"%d" % n for n in range(128))
        line = b"m=audio 4000 RTP/AVP " + types + b"\r\n"
        maps = b"".join(b"a=rtpmap:%d x/8000\r\n" % (n % 128) for n in range(1500))
        each = b"m=audio 4000 RTP/AVP 96 97 98 99 100 101 102 103 104 105 106 107 108 109 110\r\n"
        whole = {
            "formats and maps": head + line * 8 + maps,
            "many media": head + (each + b"a=rtpmap:96 x/8000\r\n" * 24) * 64,
            "attributes": head + b"a=x\r\n" * 1990 + line,
            "maps": head + line + maps,
        }
        others = replace(OURS, codecs=("opus",))
        for name, data in whole.items():
            data = data[:65536].rpartition(b"\r\n")[0]
            part = data[: len(data) // PART].rpartition(b"\r\n")[0]
            self.assertRaises(NotAcceptable, negotiate, parseSDP(data), others)
            for ours in (OURS, others):
                self.assertCosts(MOST, data, ORDINARY, ours, name)
                self.assertCosts(2 * PART, data, part, ours, name)
