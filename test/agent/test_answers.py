"""Requests that are not served, and what a whole server says to them (RFC 3261 8.2, 12.2.2, 21).

Lives here: a test for each refusal, by name, and for what is served although it looks odd. Not
here: recorded messages (test_corpus.py), what the user agent alone decides (test_agent.py).
"""

from __future__ import annotations

import re

from shtoom.sip.message import Response
from shtoom.sip.parser import MAX_BYTES, MAX_CALL_ID, MAX_HEADERS, MAX_LINE
from test.cases.case import FieldCase

SERVED = "INVITE, ACK, CANCEL, BYE, OPTIONS, INFO, UPDATE, REFER"
TEXT = {"Content-Type": "text/plain"}


class AnswerCase(FieldCase):
    """A server, and alice who asks for what it does not do."""

    def asked(
        self,
        method: str,
        with_: dict[str, str] | None = None,
        *,
        uri: str = "",
        body: bytes = b"",
        drop: tuple[str, ...] = (),
    ) -> Response:
        """The final response to a request outside dialogs; nothing is left of a call."""
        call = self.alice.ask(method, body=body, uri=uri, with_=with_, drop=drop)
        answer = self.alice.response(f"[2-6].. {re.escape(method)}")
        if method == "INVITE":
            call.ackRefusal()
        return answer

    def raw(self, *lines: str, start: str = "OPTIONS sip:app@192.0.2.10 SIP/2.0") -> list[str]:
        """What comes of a message of these lines: statuses, or what is heard instead."""
        self.alice.forget()
        text = "\r\n".join((start, *lines, "", ""))
        self.alice.raw(text.encode("utf-8", "surrogateescape"))
        self.lab.advance(0.2)
        broken = [data.split(b" ")[1].decode() for data in self.alice.unreadable]
        self.alice.unreadable.clear()
        return [heard.label[:3] for heard in self.alice.heard] + broken


def lines(number: int, method: str = "OPTIONS", **changed: str) -> list[str]:
    """Headers of a request. changed: others in their place, "" for none (Call_ID for Call-ID)."""
    headers = {
        "Via": f"SIP/2.0/UDP 198.51.100.20:5060;branch=z9hG4bKraw{number}",
        "Max-Forwards": "70",
        "From": "<sip:alice@example.net>;tag=1",
        "To": "<sip:app@192.0.2.10>",
        "Call-ID": f"raw{number}@198.51.100.20",
        "CSeq": f"{number} {method}",
        "Content-Length": "0",
    }
    headers |= {name.replace("_", "-"): value for name, value in changed.items()}
    return [f"{name}: {value}" for name, value in headers.items() if value]


class RefusalTests(AnswerCase):
    """What the first look at a request finds."""

    def test_405ForAMethodThatIsKnown(self) -> None:
        """With Allow: RFCs define it, nobody serves it here (8.2.1, 21.4.6)."""
        for method in ("REGISTER", "SUBSCRIBE", "NOTIFY", "PUBLISH", "MESSAGE", "PRACK"):
            answer = self.asked(method)
            self.assertEqual((answer.code, answer.header("Allow")), (405, SERVED), method)
        self.assertEqual(self.desk, [])
        self.assertNothingLeft()

    def test_501ForAMethodThatIsNot(self) -> None:
        """A word that no RFC has; case counts (7.1, 21.5.2)."""
        for method in ("FOOBAR", "invite", "Options", "X!%*_+`'~.1"):
            answer = self.asked(method)
            self.assertEqual((answer.code, answer.header("Allow")), (501, SERVED), method)
        self.assertNothingLeft()

    def test_416ForASchemeThatLeadsNowhere(self) -> None:
        """Of the Request-URI alone (8.2.2.1); sip, sips and tel lead to us."""
        for uri in ("http://192.0.2.10/", "urn:service:sos", "mailto:a@b", "x" * 500 + ":y"):
            answer = self.asked("INVITE", uri=uri, body=self.alice.offer)
            self.assertEqual(answer.code, 416, uri)
            self.assertLess(len(answer.reason), 100)
        for uri in ("sip:192.0.2.10", "sips:app@192.0.2.10", "tel:+15550100"):
            self.assertEqual(self.asked("OPTIONS", uri=uri).code, 200, uri)
        parties = {"From": "<urn:a:b>;tag=1", "To": "<http://x/>"}
        self.assertEqual(self.asked("OPTIONS", parties).code, 200)
        self.assertNothingLeft()

    def test_420ForAnExtensionThatIsRequired(self) -> None:
        """Unsupported has what is not known, all of it, in order (8.2.2.3)."""
        for required in ("100rel", "outbound, replaces", "x.y.z,100rel , a"):
            answer = self.asked("INVITE", {"Require": required}, body=self.alice.offer)
            wanted = [tag.strip() for tag in required.split(",")]
            self.assertEqual((answer.code, answer.headerValues("Unsupported")), (420, wanted))
        self.assertEqual(self.asked("BYE", {"Require": "a"}).code, 420)
        self.assertEqual(self.desk, [])
        self.assertNothingLeft()

    def test_whatProxiesAreToKnowIsNoConcernOfOurs(self) -> None:
        """Proxy-Require is none (20.29); Require says nothing in ACK and CANCEL (8.2.2.3)."""
        self.assertEqual(self.asked("OPTIONS", {"Proxy-Require": "x", "Require": ""}).code, 200)
        call = self.ringing()
        known, call.remoteTag = call.remoteTag, None
        cancelling = {"uri": call.uri, "branch": call.branch, "cseq": 1}
        call.ask("CANCEL", with_={"Require": "x"}, **cancelling)  # type: ignore[arg-type]
        self.alice.response("200 CANCEL")
        self.alice.response("487 INVITE")
        call.remoteTag = known
        call.ackRefusal()
        call = self.ringing()
        self.app.leg.answerCall(self.app)
        self.alice.response("200 INVITE")
        call.ask("ACK", cseq=1, with_={"Require": "x"})
        self.lab.advance(0.1)
        self.assertIn("CallAnsweredEvent", self.app.names)
        self.hangUp(call)
        self.assertNothingLeft()

    def test_415ForABodyThatCannotBeRead(self) -> None:
        """Accept says what can be (21.4.13); for one of INFO another than for INVITE."""
        answer = self.asked("INVITE", TEXT, body=b"hello")
        self.assertEqual(
            (answer.code, answer.header("Accept")), (415, "application/sdp, multipart/mixed")
        )
        call = self.answered()
        for method, accept in (("UPDATE", "application/sdp"), ("INFO", "application/dtmf-relay")):
            call.ask(method, body=b"hello", with_=TEXT)
            answer = self.alice.response(f"415 {method}")
            self.assertIn(accept, answer.header("Accept") or "")
        self.hangUp(call)
        self.assertNothingLeft()

    def test_415ForACoding(self) -> None:
        """Accept-Encoding says which there is: none. All that a body has gone through count."""
        for coding in ("gzip", "identity, gzip", "GZIP", "identity\r\nContent-Encoding: gzip"):
            answer = self.asked("INVITE", {"Content-Encoding": coding}, body=self.alice.offer)
            wanted = (415, "identity")
            self.assertEqual((answer.code, answer.header("Accept-Encoding")), wanted, coding)
        for coding in ("identity", "Identity", ""):
            call = self.ringing(with_={"Content-Encoding": coding})
            self.app.leg.hangupCall()
            self.alice.response("480 INVITE")
            call.ackRefusal()
        self.assertNothingLeft()

    def test_aBodyThatMayBeIgnoredIs(self) -> None:
        """handling=optional, as a parameter and in no other place (20.11, RFC 3204 6)."""
        place = "Content-Disposition"
        for value in ("render;handling=optional", 'x; a="b;c" ;Handling = OPTIONAL'):
            call = self.alice.invite(b"hello", with_={**TEXT, place: value})
            self.alice.response("180 INVITE")
            self.app.leg.hangupCall()
            self.alice.response("480 INVITE")
            call.ackRefusal()
        for value in (
            "render",
            'x;a="handling=optional"',
            "handling=optional",
            "x;handling=required",
        ):
            answer = self.asked("INVITE", {**TEXT, place: value}, body=b"hello")
            self.assertEqual(answer.code, 415, value)
        answer = self.asked("INVITE", {**TEXT, place: 'x;a="'}, body=b"hello")
        self.assertEqual(answer.code, 400)
        self.assertNothingLeft()

    def test_noHopsLeftIsNoReason(self) -> None:
        """Max-Forwards 0 stops who forwards (483); we are who was meant (RFC 4475 3.3.11)."""
        self.assertEqual(self.asked("OPTIONS", {"Max-Forwards": "0"}).code, 200)
        call = self.ringing(with_={"Max-Forwards": "0"})
        self.app.leg.hangupCall()
        self.alice.response("480 INVITE")
        call.ackRefusal()
        for value in ("-1", "256", "x", "1 1", ""):
            self.assertEqual(self.asked("OPTIONS", {"Max-Forwards": value}).code, 400, value)
        self.assertEqual(self.asked("OPTIONS", drop=("Max-Forwards",)).code, 200)
        self.assertNothingLeft()

    def test_482ForARequestThatCameOnTwoWays(self) -> None:
        """The same From tag, Call-ID and CSeq, another branch: merged (8.2.2.2)."""
        call = self.ringing()
        known, call.remoteTag = call.remoteTag, None
        call.ask("INVITE", cseq=1, uri=call.uri, body=self.alice.offer)
        self.assertTrue(self.alice.response("482 INVITE").toAddress.tag)
        self.assertEqual(len(self.desk), 1)
        call.remoteTag = known
        call.bye()
        self.alice.response("200 BYE")
        self.alice.response("487 INVITE")
        self.alice.ask("OPTIONS", with_={"Call-ID": "two", "From": "<sip:a@b>;tag=1"})
        self.alice.response("200 OPTIONS")
        self.alice.ask("OPTIONS", with_={"Call-ID": "two", "From": "<sip:a@b>;tag=1"})
        self.alice.response("482 OPTIONS")
        self.alice.ask("OPTIONS", with_={"Call-ID": "two", "From": "<sip:a@b>;tag=2"})
        self.alice.response("200 OPTIONS")
        self.assertNothingLeft()

    def test_481ForADialogThatIsNot(self) -> None:
        """Whatever asks with a To tag; and what makes sense within a call alone (12.2.2, 9.2)."""
        gone = {"To": "<sip:app@192.0.2.10>;tag=gone"}
        for method in ("BYE", "INVITE", "UPDATE", "INFO", "OPTIONS", "NOTIFY", "REFER", "PRACK"):
            answer = self.asked(method, gone, body=b"x" if method == "INFO" else b"")
            self.assertEqual(answer.code, 481, method)
            self.assertEqual(answer.toAddress.tag, "gone")
        for method in ("BYE", "UPDATE", "CANCEL", "REFER"):
            self.assertEqual(self.asked(method).code, 481, method)
        self.alice.ask("ACK", with_=gone)
        self.alice.ask("ACK")
        self.alice.nothing(".*", during=5)
        self.assertEqual(self.desk, [])
        self.assertNothingLeft()

    def test_505ForAnotherVersion(self) -> None:
        """21.5.6; the letter case of our own is no other one (7.1)."""
        for number, version in enumerate(("SIP/7.0", "SIP/2.1", "sip/3.0", "SIP/10.20")):
            start = f"OPTIONS sip:app@192.0.2.10 {version}"
            self.assertEqual(self.raw(*lines(number), start=start), ["505"], version)
        for number, version in enumerate(("HTTP/1.1", "SIP/2", "SIP/2.0.1", "SIP/2.0 "), 10):
            start = f"OPTIONS sip:app@192.0.2.10 {version}"
            self.assertEqual(self.raw(*lines(number), start=start), ["400"], version)
        start = "OPTIONS sip:app@192.0.2.10 sip/2.0"
        self.assertEqual(self.raw(*lines(20), start=start), ["200"])
        self.assertNothingLeft()

    def test_513ForWhatIsTooLarge(self) -> None:
        """Headers too many, one too long, a message beyond 64 KiB; 414 for the URI (21.5.7)."""
        for number, more in enumerate(
            (
                [f"X-{n}: y" for n in range(MAX_HEADERS)],
                [f"X: {'y' * MAX_LINE}"],
                ["X: y" + "\r\n z" * MAX_LINE],
                [f"X-{n}: {'y' * 8000}" for n in range(MAX_BYTES // 8000 + 1)],
            )
        ):
            self.assertEqual(self.raw(*lines(number), *more), ["513"])
        self.assertEqual(self.raw(*lines(10), "", "b" * MAX_BYTES), ["513"])
        start = f"OPTIONS sip:{'a' * MAX_LINE}@192.0.2.10 SIP/2.0"
        self.assertEqual(self.raw(*lines(11), start=start), ["414"])
        within = [f"X-{n}: y" for n in range(MAX_HEADERS - 10)]
        self.assertEqual(self.raw(*lines(12), *within, f"X: {'y' * (MAX_LINE - 10)}"), ["200"])
        self.assertNothingLeft()

    def test_anEndlessCallIDIsNotRepeated(self) -> None:
        """It would stand in each line of the log, and in memory for half a minute."""
        self.assertEqual(self.raw(*lines(1, Call_ID="c" * (MAX_CALL_ID + 1))), ["400"])
        self.assertEqual(self.raw(*lines(2, Call_ID="c" * MAX_CALL_ID)), ["200"])
        self.assertNothingLeft()


class SilenceTests(AnswerCase):
    """What cannot be answered, or must not be, is not (8.2.6, 17.1.1.3, 18.3)."""

    def test_requestsThatDoNotSayWhoseTheyAre(self) -> None:
        """Without Via, From, To, Call-ID or CSeq there is nothing that an answer could repeat."""
        number = 0
        for name in ("Via", "From", "To", "Call-ID", "CSeq"):
            for value in ("", " "):
                number += 1
                kept = lines(number, **{name.replace("-", "_"): value})
                self.assertEqual(self.raw(*kept), [], name)
        for via in ("x", "SIP/2.0/UDP", "HTTP/1.1/UDP h", "SIP/2.0/UDP h;branch=a\0b", ";branch=z"):
            number += 1
            self.assertEqual(self.raw(*lines(number, Via=via)), [], via)
        for callID in ("a\0b", "a\x1b[31m", "\udcff"):
            number += 1
            self.assertEqual(self.raw(*lines(number, Call_ID=callID)), [], ascii(callID))
        self.assertNothingLeft()

    def test_noACKIsAnswered(self) -> None:
        """Whatever is wrong with it."""
        for number, more in enumerate(("X", "Content-Length: 9", "Max-Forwards: x", "CSeq: 1 BYE")):
            start = "ACK sip:app@192.0.2.10 SIP/2.0"
            self.assertEqual(self.raw(*lines(number, "ACK"), more, start=start), [], more)
            start = "ACK http://192.0.2.10 SIP/7.0"
            self.assertEqual(self.raw(*lines(number, "ACK"), "Require: x", start=start), [])
        self.assertNothingLeft()

    def test_noResponseIsAnswered(self) -> None:
        """Those that nobody waits for, broken ones, those for somebody else (8.1.3.3)."""
        for number, start in enumerate(
            (
                *("SIP/2.0 200 OK", "SIP/2.0 100", "SIP/2.0 99 x", "SIP/2.0 999 x", "SIP/2.0 x y"),
                *(
                    "SIP/3.0 200 OK",
                    "SIP/2.0 200 \0",
                    "SIP/2.0",
                    "SIP/2.0 -20 x",
                    "SIP/2.0 \u0662\u0660\u0660 x",
                ),
            )
        ):
            self.assertEqual(self.raw(*lines(number, "INVITE"), start=start), [], ascii(start))
            self.assertEqual(self.raw("X", *lines(number, "INVITE"), start=start), [])
            via = "Via: SIP/2.0/UDP other.example.com;branch=z9hG4bKx"
            self.assertEqual(self.raw(*lines(number, "INVITE"), via, start=start), [])
        self.assertNothingLeft()

    def test_whatIsNoSIP(self) -> None:
        """Other protocols, halves of messages, rubbish."""
        for data in (
            *(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", b"\x16\x03\x01\x02\x00", b"\xff" * 1200, b"x"),
            *(b"INVITE", b"INVITE sip:a@b SIP/2.0", b"INVITE sip:a@b SIP/2.0\r\n\r\n", b"\0" * 500),
            *(b" INVITE sip:a@b SIP/2.0\r\nVia: SIP/2.0/UDP h\r\n\r\n", b"\r\n" * 400, b"{}"),
        ):
            self.alice.raw(data)
        self.alice.nothing(".*", during=2)
        self.assertEqual(self.alice.unreadable, [])
        self.assertEqual(self.desk, [])
        self.assertNothingLeft()


class SmugglingTests(AnswerCase):
    """Headers that two readers would read in two ways."""

    def test_aHeaderThatMayStandOnceStandsTwice(self) -> None:
        """400 in every spelling and order; the answer has the first (RFC 4475 3.3.8)."""
        number = 0
        for name, compact, values in (
            ("Call-ID", "i", ("raw@x", "other@x")),
            ("From", "f", ("<sip:a@x>;tag=1", "<sip:b@x>;tag=2")),
            ("To", "t", ("<sip:a@x>", "<sip:b@x>")),
            ("CSeq", "CSEQ", ("1 OPTIONS", "2 OPTIONS")),
            ("Max-Forwards", "max-forwards", ("70", "70")),
            ("Content-Length", "l", ("0", "0")),
            ("Content-Type", "c", ("application/sdp", "text/plain")),
            ("Content-Disposition", "content-disposition", ("session", "render;handling=optional")),
            ("Expires", "EXPIRES", ("1", "2")),
            ("Event", "o", ("refer", "refer")),
            ("Replaces", "replaces", ("a;to-tag=1;from-tag=2", "b;to-tag=1;from-tag=2")),
            ("Session-Expires", "x", ("90", "1800")),
            ("Min-SE", "MIN-SE", ("90", "90")),
        ):
            for second in (name, compact, f"{name} ", f"{compact}\t"):
                number += 1
                kept = lines(number, **{name.replace("-", "_"): ""})
                heard = self.raw(*kept, f"{name}: {values[0]}", f"{second}: {values[1]}")
                self.assertEqual(heard, ["400"], (name, second))
        self.assertEqual(self.desk, [])
        self.assertNothingLeft()

    def test_spaceBeforeTheColon(self) -> None:
        """It belongs to no name (25.1 HCOLON): "To : x" counts as a To (CVE-2020-28361)."""
        for number, gap in enumerate((" ", "\t", " \t ")):
            kept = lines(number, To="")
            self.assertEqual(self.raw(*kept, f"To{gap}:<sip:app@192.0.2.10>"), ["200"])
            self.assertEqual(self.raw(*lines(10 + number), f"To{gap}: <sip:b@x>"), ["400"])
            asks = self.raw(*lines(20 + number), f"Require{gap}: x")
            self.assertEqual(asks, ["420"])
        self.assertNothingLeft()

    def test_namesThatAreNone(self) -> None:
        """White space in a name, or what only looks like a name: the message is refused whole."""
        for number, line in enumerate(
            (
                *("To x: <sip:b@x>", "T\to: <sip:b@x>", "To\x0b: y", "To\xa0: y", "To\u200b: y"),
                *("To\0: y", '"To": y', "To;x: y", ": y", "To", "To <sip:b@x>", "(To): y"),
                *("Require\x0c: x", "T\u00f6: y", "Via\x85: z", "\ufeffTo: y"),
            )
        ):
            self.assertEqual(self.raw(*lines(number), line), ["400"], ascii(line))
        self.assertNothingLeft()

    def test_lineEndsThatOthersWouldTake(self) -> None:
        """A lone CR or LF ends a line for some readers: refused, and nothing behind it is read."""
        for number, line in enumerate(
            (
                *("X: y\nRequire: z", "X: y\rRequire: z", "X: y\r\r\nRequire: z", "X: y\n\r\nX: z"),
                *("X: y\n\nBYE sip:a@b SIP/2.0", "X: y\n Require: z", "\nX: y"),
            )
        ):
            self.assertEqual(self.raw(*lines(number), line), ["400"], ascii(line))
        for number, start in enumerate(
            (
                "OPTIONS sip:a@192.0.2.10\nX: SIP/2.0",
                "OPTIONS sip:a@192.0.2.10 SIP/2.0\nX: y",
                "OPTIONS sip:a@192.0.2.10\r SIP/2.0",
            ),
            20,
        ):
            self.assertEqual(self.raw(*lines(number), start=start), ["400"], ascii(start))
        self.assertNothingLeft()

    def test_foldsThatHideAHeader(self) -> None:
        """A folded line is the value of the one before, whatever it looks like (7.3.1)."""
        hidden = (
            "Subject: a\r\n Require: x",
            "Subject:\r\n\tTo: <sip:b@x>",
            "Subject: a\r\n  \r\n b",
        )
        for number, line in enumerate(hidden):
            self.assertEqual(self.raw(*lines(number), line), ["200"], ascii(line))
        self.assertEqual(self.raw(" Require: x", *lines(9)), ["400"])
        self.assertNothingLeft()

    def test_lengthsThatCutABodyElsewhere(self) -> None:
        """Digits and nothing else (20.14, 25.1): no sign, space, comma, other alphabet."""
        for number, length in enumerate(
            ("+1", "-1", "1 1", "1,1", "0x1", "1e0", "\u0661", "1;x", "99999999999", '"1"', "1.0")
        ):
            kept = lines(number, Content_Length=length)
            self.assertEqual(self.raw(*kept, "", "x"), ["400"], ascii(length))
        self.assertEqual(self.raw(*lines(20, Content_Length="00000")), ["200"])
        self.assertNothingLeft()

    def test_numbersThatAreNone(self) -> None:
        """CSeq: digits below 2**31, one method, which is the request's (8.1.1.5)."""
        for number, cseq in enumerate(
            (
                *("-1 OPTIONS", "2147483648 OPTIONS", "x OPTIONS", "1OPTIONS", "1", "OPTIONS"),
                *("1 OPTIONS x", "1 options", "1 BYE", "\u0661 OPTIONS", "1,2 OPTIONS"),
            )
        ):
            self.assertEqual(self.raw(*lines(number, CSeq=cseq)), ["400"], ascii(cseq))
        self.assertNothingLeft()
