"""Hostile messages and careless applications (cases security-001 to 003, 005 to 007)."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from doug.events import CallEndedEvent, CallRejectedEvent
from doug.settings import Settings
from doug.source import EchoSource
from shtoom.exceptions import CallFailed, UserBusy
from test.cases.actor import Dialogue, sdp
from test.cases.case import FieldCase, Scripted
from test.cases.media import assertGapless

HEAD = "v=0\r\no=- 1 1 IN IP4 198.51.100.20\r\ns=-\r\nc=IN IP4 198.51.100.20\r\nt=0 0\r\n"
BODIES = {  # each is answered 400 or 488
    "payload type 2^32": HEAD + "m=audio 17002 RTP/AVP 4294967296\r\n",
    "nothing but the stream": "m=audio 17002 RTP/AVP 4294967296",
    "port 70000": HEAD + "m=audio 70000 RTP/AVP 0\r\n",
    "port 0": HEAD + "m=audio 0 RTP/AVP 0\r\n",
    "port -1": HEAD + "m=audio -1 RTP/AVP 0\r\n",
    "port of Arabic digits": HEAD + "m=audio \u0664\u0660\u0660\u0660 RTP/AVP 0\r\n",
    "2000 streams": HEAD + "m=audio 40000 RTP/AVP 0\r\n" * 2000,
    "5000 formats": HEAD + "m=audio 40000 RTP/AVP" + " 0" * 5000 + "\r\n",
    "no stream": HEAD,
    "video alone": HEAD + "m=video 40000 RTP/AVP 31\r\n",
    "SRTP alone": HEAD + "m=audio 40000 RTP/SAVP 0\r\n",
    "multicast": HEAD.replace("c=IN IP4 198.51.100.20", "c=IN IP4 224.2.1.1/127")
    + "m=audio 40000 RTP/AVP 0\r\n",
    "a name in c=": HEAD.replace("c=IN IP4 198.51.100.20", "c=IN IP4 evil.example.org")
    + "m=audio 40000 RTP/AVP 0\r\n",
    "no c=": "v=0\r\no=- 1 1 IN IP4 h\r\ns=-\r\nt=0 0\r\nm=audio 40000 RTP/AVP 0\r\n",
    "rtpmap without a rate": HEAD + "m=audio 40000 RTP/AVP 96\r\na=rtpmap:96 PCMU\r\n",
    "no line at all": "hello",
    "NULs": "\0" * 500,
    "one endless line": "v=0" + "x" * 60000,
}
TOLERATED = {
    "NUL in an attribute": "a=fmtp\0:101 0-16",
    "an endless ptime": f"a=ptime:{'9' * 400}",
    "ptime 0": "a=ptime:0",
    "maxptime 1": "a=maxptime:1",
    "ptime of no number": "a=ptime:twenty",
    "an rtpmap for nobody": "a=rtpmap:77 G729/8000",
}


class HostileCases(FieldCase):
    """What strangers send."""

    def test_security_001_descriptionsThatCannotBe(self) -> None:
        """A clear refusal each, no application, no traceback (RFC 8866 9)."""
        for name, body in BODIES.items():
            call = self.alice.invite(body.encode())
            self.alice.response("(400|488) INVITE", within=0.1)
            self.assertNotIn("180 INVITE", self.alice.labels(), name)
            call.ackRefusal()
        self.assertEqual(self.desk, [])
        self.assertStillWell()

    def test_security_001_descriptionsThatAreOdd(self) -> None:
        """Lines that mean nothing are passed over, or refused; the call that comes works."""
        for name, line in TOLERATED.items():
            call = self.alice.invite(sdp(self.alice.host, 40000, more=line))
            answer = self.alice.response("(180|400|488) INVITE")
            if answer.code > 180:
                call.ackRefusal()
                continue
            self.accept(call)
            self.app.leg.mediaPlay(self.soundFile(0.5))
            self.alice.media.packets.clear()
            self.lab.advance(0.3)
            self.assertGreater(len(self.alice.media.packets), 4, name)
            self.hangUp(call)
        self.assertStillWell()

    def test_security_001_brokenMultipart(self) -> None:
        """A boundary that is none: 400, 415 or 488 (RFC 3261 21.4.26)."""
        for kind in (
            "multipart/mixed;`boundary=++",
            "multipart/mixed",
            'multipart/mixed;boundary=""',
        ):
            call = self.alice.invite(b"--\n--++=AAA\nxxx\n--+", with_={"Content-Type": kind})
            self.alice.response("(400|415|488) INVITE")
            call.ackRefusal()
        self.assertEqual(self.desk, [])
        self.assertStillWell()

    def test_security_001_theServersOwnPorts(self) -> None:
        """Two echoes that are told each other's ports make no loop: no packet begets another."""
        first = self.echoing(self.alice.offer)
        second = self.echoing(sdp(self.server[0], first.media[1]))
        first.reoffer(sdp(self.server[0], second.media[1], version=2))
        self.lab.advance(2.0)
        before = self.lab.network.sent
        self.lab.advance(1.0)
        self.assertLess(self.lab.network.sent - before, 20)
        self.hangUp(first)
        self.hangUp(second)
        self.assertStillWell()

    def echoing(self, offer: bytes) -> Dialogue:
        """A call whose application sends back what it hears."""
        call = self.answered(offer)
        echo = EchoSource()
        self.app.leg.mediaPlay(echo)
        self.app.leg.mediaRecord(echo)
        return call

    def test_security_002_aFloodBesideACall(self) -> None:
        """Requests of all kinds at 1000 a second: the call has no gap, another one comes about.

        Twice --source-rate is answered, then what that leaves, and a 503 a second.
        """
        call = self.answered()
        self.app.leg.mediaPlay(self.soundFile(4.0))
        self.lab.advance(0.5)
        methods = ("REGISTER", "OPTIONS", "SUBSCRIBE", "MESSAGE", "PUBLISH")
        for number in range(500):
            later = self.lab.reactor.callLater
            later(number / 1000, self.mallory.ask, methods[number % len(methods)])
        packets = self.alice.media.during(0.25)
        self.bob.invite()
        self.bob.response("180 INVITE")
        began = self.lab.reactor.seconds()
        packets = self.alice.media.during(1.0)
        assertGapless(packets)
        self.assertGreater(len(packets), 48)
        self.assertTrue(100 <= len(self.mallory.heard) <= 130, len(self.mallory.heard))
        self.lab.advance(40.0 - (self.lab.reactor.seconds() - began))
        layer = self.lab.application.exchange.agent.layer
        self.assertLessEqual(len(layer), 1)  # bob's INVITE still rings
        self.hangUp(call)
        self.app.leg.hangupCall()
        self.bob.response("480 INVITE")
        self.assertStillWell()

    def test_security_003_whatIsNotImplemented(self) -> None:
        """MESSAGE, SUBSCRIBE, REGISTER ...: refused; too many or too long headers: 400 or 513."""
        for method in ("MESSAGE", "REGISTER", "PUBLISH", "SUBSCRIBE", "REFER", "PRACK"):
            self.mallory.ask(method)
            self.mallory.response(f"(403|405|481|489|501) {method}")
        accepts = {f"Accept-{n}": "x" * 200 for n in range(50)}
        self.mallory.ask("SUBSCRIBE", with_=accepts)
        self.mallory.response("(400|405|489) SUBSCRIBE")
        self.mallory.ask("OPTIONS", with_={f"X-{n}": "y" for n in range(5000)})
        self.mallory.response("(400|513) OPTIONS", within=0.1)
        self.mallory.ask("OPTIONS", with_={"X": "y" * 20000})
        self.mallory.response("(400|513) OPTIONS", within=0.1)
        self.assertEqual(self.desk, [])
        self.assertStillWell()

    def test_security_006_theWireForgesNoLogLine(self) -> None:
        """What a stranger writes is one line of what can be printed and encoded, source named."""
        evil = "x\x1b[31m"
        self.mallory.raw(b"\x1b[31m\nFAKE 2026-01-01 all is well")
        for name, value in (
            ("From", '"x\\ny 192.0.2.10" <sip:root@192.0.2.10>;tag=1'),
            ("From", '"x\ny 192.0.2.10" <sip:root@192.0.2.10>;tag=1'),
            ("From", b"<sip:\xff@192.0.2.10>;tag=1".decode("utf-8", "surrogateescape")),
            ("Call-ID", f"{evil}\b"),
            ("X-Evil", "a\nFAKE 2026-01-01 all is well"),
            ("Via", "SIP/2.0/UDP 203.0.113.99:5060;branch=\x07z9hG4bKx"),
        ):
            call = self.mallory.invite(uri="sip:1%0d%0ax@192.0.2.10", with_={name: value})
            self.lab.advance(1.1)
            if self.mallory.labels()[-1:] == ["180 INVITE"]:
                self.app.leg.rejectCall(UserBusy())
                self.mallory.response("486 INVITE")
            call.ackRefusal()
        call = self.answered()
        call.ask("BYE", with_={"Reason": f"{evil};cause=16"})
        self.dial()
        self.trunk.takes(self.trunk.request("INVITE")).says(486, with_={"Warning": evil})
        self.trunk.raw(self.refusalOf(self.dial(), f"SIP/2.0 404 {evil}"))
        self.lab.advance(1.0)
        self.assertGreater(len(self.logged), 10)
        for text in self.logged:
            self.assertTrue(text.isprintable(), ascii(text))
            if "mallory" in text or "no SIP message" in text:
                self.assertIn("203.0.113.99", text)
        self.assertStillWell()

    def test_security_006_longTextIsCut(self) -> None:
        """However much a stranger writes, a line has at most 200 characters of each text."""
        much = "x" * 7000
        for with_, body in (
            ({"From": f"<sip:{much}@192.0.2.10>;tag=1"}, None),
            ({"From": f'"{much}" <sip:{much}@{much}>;tag=1'}, None),
            ({"To": f"<sip:{much}@192.0.2.10>"}, None),
            ({"Call-ID": "c" * 256}, None),
            ({"Call-ID": much}, None),
            ({"Contact": f"<{much}>"}, None),
            ({"Via": f"SIP/2.0/UDP {much}"}, None),
            ({"CSeq": f"1 {much}"}, None),
            ({"Content-Type": f"{much}"}, b"x"),
            ({}, HEAD.encode() + f"m=audio 1 {much} 0\r\n".encode()),
            ({}, HEAD.encode() + f"m=audio 1 RTP/AVP 96\r\na=rtpmap:96 {much}/8000\r\n".encode()),
            ({}, f"c=IN IP4 {much}\r\n".encode()),
        ):
            call = self.mallory.invite(body, uri=f"sip:{much}@192.0.2.10", with_=with_)
            self.lab.advance(1.1)
            if self.mallory.labels()[-1:] == ["180 INVITE"]:
                self.app.leg.rejectCall(UserBusy())
                self.lab.advance(0.1)
            call.ackRefusal()
        call = self.answered()
        call.ask("BYE", with_={"Reason": much})
        for with_ in (
            {"Warning": much},
            {"Contact": f"<sip:{much}@198.51.100.20>"},
            {"WWW-Authenticate": f'Digest realm="{much}", nonce="n"'},
        ):
            self.dial(auth=("u", "p"))
            code = 401 if "WWW-Authenticate" in with_ else 302 if "Contact" in with_ else 404
            self.trunk.takes(self.trunk.request("INVITE")).says(code, with_=with_)
            self.trunk.request("ACK")
        self.lab.advance(1.1)
        for app in self.desk:
            app.returnResult(None)
        self.lab.advance(1.1)
        self.assertGreater(len(self.logged), 20)
        for text in self.logged:
            self.assertLess(len(text), 1000)
            for longest in re.findall(r"x+", text):
                self.assertLessEqual(len(longest), 200, text)
        self.assertStillWell()

    def refusalOf(self, app: Scripted, start: str) -> bytes:
        """A response to the INVITE of an application, with that status line."""
        invite = self.trunk.request("INVITE")
        self.assertEqual(app.names, [])
        whole: bytes = invite.respond(404, toTag="t").toBytes()
        return start.encode() + whole[whole.index(b"\r\n") :]


class SecretCases(FieldCase):
    """What nobody may read in a log, not even in a trace of whole messages."""

    settings = Settings(traceSIP=("all",), traceFull=True)

    def test_security_005_noPasswordAndNoDigest(self) -> None:
        """Neither what was given nor what is computed from it, whatever happens (RFC 7616 5.1)."""
        secret, user = "s3cr3t-pw", "u1"
        challenge = {"WWW-Authenticate": 'Digest realm="example.com", nonce="n", qop="auth"'}
        shown: list[str] = []
        for code in (486, 401, 403, 200):
            app = self.dial(auth=(user, secret))
            self.trunk.takes(self.trunk.request("INVITE")).says(401, with_=challenge)
            self.trunk.request("ACK")
            invite = self.trunk.request("INVITE")
            self.assertRegex(invite.header("Authorization") or "", 'response="[0-9a-f]{32}"')
            shown.append(repr(invite))
            self.trunk.takes(invite).says(code, body=self.trunk.answer, with_=challenge)
            self.trunk.request("ACK")
            shown += [repr(app.leg), repr(app.leg.getDialog()), *map(repr, app.events)]
            app.returnError(RuntimeError("as it were"))
            if code == 200:
                self.trunk.reply(self.trunk.request("BYE"), 200)
        error = self.assertRaises(ValueError, self.dial, auth=(user, f"{secret}\n"))
        shown += [str(error), *(failure.getTraceback() for failure in self.lab.failures)]
        self.assertEqual(len(self.flushLoggedErrors(RuntimeError)), 1)
        self.assertGreater(len(self.logged), 8)
        for text in (*self.logged, *shown):
            self.assertNotIn(secret, text)
            self.assertNotRegex(text, 'response="?[0-9a-f]{32}')
        self.assertLogged('\n    \\| Authorization: Digest .*response="\\*{3}"')
        self.desk[-1].returnResult(None)
        self.assertStillWell()


class CarelessCases(FieldCase):
    """What applications pass on from strangers."""

    def test_security_007_aRefusalIsPassedOn(self) -> None:
        """What the called side says of its refusal breaks neither application nor answer."""
        for warning in ('304 x "a\0b"', "\x1b[31m", "w" * 7000, '399 h "\u540d"', "\udcff"):
            call = self.ringing()
            app = self.app
            app.placeCall("sip:200@203.0.113.30")
            callee = self.trunk.takes(self.trunk.request("INVITE"))
            callee.says(486, with_={"Warning": warning})
            self.trunk.request("ACK")
            [event] = app.got(CallRejectedEvent)
            assert event.failure is not None
            app.leg.rejectCall(event.failure)
            answer = self.alice.response("486 INVITE")
            self.assertTrue((answer.header("Warning") or "").isprintable())
            call.ackRefusal()
        self.assertStillWell()

    def test_security_007_userPartsOfStrangers(self) -> None:
        """An application dials what its caller wrote: the trunk hears of it, or nobody does."""
        reached = 0
        for written in (
            *(
                "300&x%40evil",
                "300%40203.0.113.99",
                "300%40203.0.113.99%3Bx=",
                "x%40203.0.113.99%3F",
            ),
            *("%0d%0aX-Evil:%201", "300%00", "300%0a", "%0D", "%C2%85", "300%E2%80%A8", "%FF"),
            *(
                "300%3FRoute=%3Csip:203.0.113.99%3E",
                "300?Route=sip:203.0.113.99",
                "300;lr",
                "%2e%2e/",
            ),
            *("300%3Bmaddr=203.0.113.99", "300%3Eb", "%22%3E%3Csip:203.0.113.99%3E", "%2540x"),
            *(
                "sip:203.0.113.99",
                "203.0.113.99%3B",
                "203.0.113.99:5060%3B",
                "%20",
                "%09300",
                "300%20",
            ),
        ):
            party = f"<sip:{written}@example.net>"
            with_ = {"From": f"{party};tag=1", "To": party}
            call = self.alice.invite(uri=f"sip:{written}@192.0.2.10", with_=with_)
            self.alice.response("180 INVITE")
            app, dialog = self.app, self.app.leg.getDialog()
            for user in (dialog.getCaller().username, dialog.getCallee().username):
                self.trunk.forget()
                leg = app.placeCall(
                    f"sip:{user}@203.0.113.30", f'"{user}" <sip:{user}@doug.example>'
                )
                self.lab.advance(0.05)
                for invite in list(self.trunk.heard):
                    head = invite.data.partition(b"\r\n\r\n")[0]
                    names = [line.partition(b":")[0] for line in head.split(b"\r\n")[1:]]
                    self.assertEqual(len(set(names)), len(names), written)
                    self.assertNotIn(b"X-Evil", names)
                    self.assertNotIn(b"Route", names)
                    self.assertEqual(invite.message.toAddress.uri.host, "203.0.113.30", written)
                    self.trunk.takes(self.trunk.request("INVITE")).says(486)
                    self.lab.advance(0.05)
                    reached += 1
                self.assertTrue(leg.ended, written)
            app.returnResult(None)
            self.alice.response("480 INVITE")
            call.ackRefusal()
        self.assertEqual(self.mallory.heard, [])
        self.assertGreater(reached, 10)
        self.assertStillWell()

    def test_security_007_placeCall(self) -> None:
        """CR, LF and NUL in an address: CallRejectedEvent, nothing is sent (RFC 3261 25.1)."""
        self.ringing()
        app = self.app
        for uri, caller in (
            ("sip:200@203.0.113.30", '"A\r\nX-Evil: 1" <sip:a@example.com>'),
            ("sip:200@203.0.113.30", "sip:a@example.com\nX-Evil: 1"),
            ("sip:200@203.0.113.30\r\nRoute: <sip:203.0.113.99>", None),
            ("sip:2\r\n00@203.0.113.30", None),
            ("sip:200@203.0.113.30;x=\r\nX-Evil: 1", None),
            ("sip:200\0@203.0.113.30", None),
        ):
            before = len(app.got(CallRejectedEvent))
            app.placeCall(uri, caller)
            self.lab.advance(0.1)
            rejections = app.got(CallRejectedEvent)[before:]
            self.assertEqual(len(rejections), 1, uri)
            self.assertTrue(rejections[0].reason.isprintable(), rejections[0].reason)
        self.assertEqual(self.trunk.heard, [])
        app.returnResult("done")
        self.assertStillWell()

    def test_security_007_whatIsEscapedStaysEscaped(self) -> None:
        """%0d%0a and & in a user part reach the far end as they were dialled, or not at all."""
        self.ringing()
        app = self.app
        for uri in ("sip:300&x%40evil@203.0.113.30", "sip:a%0d%0aX-Evil:1@203.0.113.30"):
            leg = app.placeCall(uri)
            invite = self.trunk.request("INVITE")
            self.assertIsNone(invite.header("X-Evil"))
            self.assertEqual(invite.uri.host, "203.0.113.30")
            self.assertNotIn(b"\r\nX-Evil", self.trunk.heard[-1].data)
            call = self.trunk.takes(invite)
            call.says(486)
            self.trunk.request("ACK")
            self.assertTrue(leg.ended)
        leg = app.placeCall("sip:300@203.0.113.30?Route=%3Csip:203.0.113.99%3E")
        invite = self.trunk.request("INVITE")
        self.assertIsNone(invite.header("Route"))
        self.trunk.takes(invite).says(486)
        self.trunk.request("ACK")
        app.returnResult("done")
        self.assertStillWell()

    def test_security_007_headersAndReasons(self) -> None:
        """ValueError that names the culprit, and the call is as it was."""
        call = self.ringing()
        app = self.app
        bad: tuple[dict[str, str], ...] = (
            {"X-A": "1\r\nX-B: 2"},
            {"X-A\r\nX-B": "2"},
            {"X-A": "1\0"},
            {"X-A: 1\nX-B": "2"},
        )
        attempts: list[Callable[[], Any]] = []
        for headers in bad:
            attempts.append(lambda h=headers: app.placeCall("sip:200@203.0.113.30", headers=h))  # type: ignore[misc]
            attempts.append(lambda h=headers: app.leg.answerCall(app, h))  # type: ignore[misc]
        attempts.append(lambda: app.leg.rejectCall(CallFailed("a\nb", 486)))
        attempts.append(lambda: app.leg.rejectCall(UserBusy("a\r\nX-Evil: 1")))
        for attempt in attempts:
            error = self.assertRaises(ValueError, attempt)
            self.assertTrue(str(error).isprintable())
        self.lab.advance(0.1)
        self.assertEqual(self.trunk.heard, [])
        self.assertEqual(self.alice.labels(), ["100 INVITE", "180 INVITE"])
        self.accept(call)
        self.hangUp(call)
        self.assertOneEnd(app, CallEndedEvent)
        self.assertStillWell()

    def test_security_007_aLineFeedInsideQuotes(self) -> None:
        """Received, it is no fold: 400 (RFC 3261 25.1 quoted-string)."""
        call = self.alice.invite(with_={"From": '"a\nb" <sip:a@example.net>;tag=1'})
        self.alice.response("400 INVITE")
        call.ackRefusal()
        self.assertEqual(self.desk, [])
        self.assertStillWell()
