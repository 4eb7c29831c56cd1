"""Odd and broken messages, answered and dialled by the whole server (cases parse-001 to 011).

Lives here: what is sent back, and what the application sees. Not here: the parser's own tables
(test.sip).
"""

from __future__ import annotations

from test.cases.case import FieldCase

MANDATORY = ("To", "From", "Call-ID", "CSeq", "Via")
VIAS = (  # what must come back as it is, but for received and rport
    "SIP / 2.0 / UDP 198.51.100.20 ;\r\n  BRanch=z9hG4bKv1;Param1=Foo;paRAM2;param3=Bar",
    "SIP/2.0/UDP 198.51.100.20;branch=z9hG4bKv2;ttl=1",
    "SIP/2.0/UDP 198.51.100.20;branch=z9hG4bKv3;xyz=7;flag",
    "SIP/2.0/UDP 198.51.100.20:5060;branch=z9hG4bKv4, SIP/2.0/TCP b.example.com:5070;branch=z9hG4b",
    "SIP/2.0/UDP 198.51.100.20;rport;branch=z9hG4bKv5",
    "SIP/2.0/UDP 198.51.100.20:5060",  # RFC 2543: no branch
)
CALLERS = (  # From without tag, display name, user, host
    ('"Asha K"<sip:7002@198.51.100.20>', "Asha K", "7002", "198.51.100.20"),
    ("Asha<sip:7002@198.51.100.20>", "Asha", "7002", "198.51.100.20"),
    ('"" <sip:222@example.net>;epid=a22e', "", "222", "example.net"),
    ('"K, J; x=1 <y>" <sip:222@example.net>', "K, J; x=1 <y>", "222", "example.net"),
    ("sip:7002@198.51.100.20", "", "7002", "198.51.100.20"),
    ('"COVER J & M" <sip:+15550100@203.0.113.30;otg=1>', "COVER J & M", "+15550100", None),
    ('"Zoë \\"Z\\" \\\\ Ä" <sip:z@example.net>', 'Zoë "Z" \\ Ä', "z", "example.net"),
    ("<sip:@198.51.100.20>", "", "", "198.51.100.20"),
    ("<tel:+15550100>", "", "+15550100", ""),
    ("Anonymous <sip:anonymous@anonymous.invalid>", "Anonymous", "anonymous", None),
)


class MalformedCases(FieldCase):
    """What is refused, or dropped."""

    def test_parse_005_aMandatoryHeaderIsMissing(self) -> None:
        """400 that names it, or nothing; no application, one log line each (RFC 3261 8.1.1)."""
        for name in MANDATORY:
            self.logged.clear()
            before = len(self.alice.heard)
            self.alice.invite(drop=[name])
            self.lab.advance(1.1)  # of one kind of fault one line a second is logged
            for heard in self.alice.heard[before:]:
                self.assertEqual(heard.label[:4], "400 ", name)
                self.assertIn(name, heard.message.reason)  # type: ignore[union-attr]
            self.assertEqual(len([text for text in self.logged if name in text]), 1, self.logged)
        self.assertEqual(self.desk, [])
        self.assertStillWell()

    def test_parse_008_aStarForAContact(self) -> None:
        """400 to an INVITE, since a dialog needs a target; the usual answer to others (8.1.1.8)."""
        call = self.alice.invite(with_={"Contact": "*"})
        self.alice.response("400 INVITE")
        call.ackRefusal()
        self.alice.ask("MESSAGE", with_={"Contact": "*"})
        self.alice.response("405 MESSAGE")
        self.alice.ask("OPTIONS", with_={"Contact": "*"})
        self.alice.response("200 OPTIONS")
        self.assertEqual(self.desk, [])
        self.assertStillWell()

    def test_parse_009_aMethodThatIsNotTheCSeqs(self) -> None:
        """400, whatever its length and without a branch (RFC 3261 17.2.3)."""
        headers = {"Via": "SIP/2.0/UDP 198.51.100.20:5060", "CSeq": f"0 {'A' * 900}"}
        self.alice.ask("OPTIONS", with_=headers)
        self.lab.advance(0.5)
        self.assertNotIn("200 OPTIONS", self.alice.labels())
        for each in self.alice.labels():
            self.assertEqual(each[:4], "400 ")
        self.assertStillWell()

    def test_parse_009_matchingByTheOldRules(self) -> None:
        """Without a branch an INVITE, its repeat, ACK and CANCEL find each other (17.2.3)."""
        via = {"Via": "SIP/2.0/UDP 198.51.100.20:5060"}
        call = self.alice.invite(with_=via)
        self.alice.response("180 INVITE")
        call.remoteTag = None
        call.ask("INVITE", cseq=1, uri=call.uri, body=self.alice.offer, with_=via)
        self.lab.advance(0.1)
        self.assertEqual(len(self.desk), 1)
        call.ask("CANCEL", cseq=1, uri=call.uri, with_=via, drop=["Contact"])
        self.alice.response("200 CANCEL")
        refusal = self.alice.response("487 INVITE")
        call.remoteTag = refusal.toAddress.tag
        call.ask("ACK", cseq=1, uri=call.uri, with_=via)
        self.alice.nothing("487 INVITE", during=5)
        self.assertOneEnd(self.app)
        self.assertStillWell()

    def test_parse_010_emptyHeadersThatMayNotBe(self) -> None:
        """An empty Call-ID, CSeq, Via, From or To: 400 or nothing, never a call."""
        for name in MANDATORY:
            self.alice.invite(with_={name: ""})
            self.lab.advance(0.5)
        self.assertEqual(set(self.alice.labels()) - {"400 INVITE"}, set())
        self.assertEqual(self.desk, [])
        self.assertStillWell()


class OddCases(FieldCase):
    """What is unusual and right, or tolerated."""

    def test_parse_001_calledWithoutBrackets(self) -> None:
        """To with and without <>, user and port; a tag behind it is the header's (20.10)."""
        for to, name, user, port in (
            ("sip:192.0.2.10", "", "", None),
            ("sip:app@192.0.2.10", "", "app", None),
            ("<sip:app@192.0.2.10;transport=udp>", "", "app", None),
            ("App <sip:app@192.0.2.10:5060>", "App", "app", 5060),
        ):
            call = self.alice.invite(with_={"To": to})
            call.remote = to
            self.alice.response("180 INVITE")
            callee = self.app.leg.getDialog().getCallee()
            self.assertEqual(callee.getDisplayName(), name)
            self.assertEqual((callee.username or "", callee.host), (user, "192.0.2.10"))
            self.assertEqual(callee.port, port)
            self.accept(call)
            self.hangUp(call)
        for to in ("sip:app@192.0.2.10;tag=9", "<sip:app@192.0.2.10;transport=udp>;tag=9"):
            self.alice.ask("BYE", with_={"To": to})
            self.assertEqual(self.alice.response("481 BYE").toAddress.tag, "9", to)
        self.assertStillWell()

    def test_parse_002_compactAnswers(self) -> None:
        """The far end answers in one-letter names: the call comes about, and ends."""
        app = self.dial()
        invite = self.trunk.request("INVITE")
        body = self.trunk.answer
        short = {"Via": "v", "From": "f", "To": "t", "Call-ID": "i", "CSeq": "cSEQ"}
        lines = [f"{short[name]}: {invite.header(name)}" for name in short]
        lines[2] += ";tag=c1"
        lines += [f"m: <{self.trunk.contact}>", "c: application/sdp", f"L: {len(body)}"]
        self.trunk.raw("\r\n".join(("SIP/2.0 200 OK", *lines, "", body.decode())))
        self.trunk.request("ACK")
        self.assertIn("CallAnsweredEvent", app.names)
        app.leg.hangupCall()
        self.trunk.reply(self.trunk.request("BYE"), 200)
        self.assertStillWell()

    def test_parse_003_aFoldedChallenge(self) -> None:
        """A WWW-Authenticate over five lines is one header; what it says comes back (7.3.1)."""
        self.dial(auth=("u1", "secret"))
        invite = self.trunk.request("INVITE")
        challenge = (
            'Digest realm="example.com",\r\n   nonce="abc=",\r\n\topaque="OP_1",\r\n'
            '   algorithm=MD5,\r\n \t qop="auth"'
        )
        self.trunk.takes(invite).says(401, with_={"WWW-Authenticate": challenge})
        self.trunk.request("ACK")
        again = self.trunk.request("INVITE")
        answer = again.header("Authorization") or ""
        self.assertRegex(answer, 'nonce="abc=".*opaque="OP_1".*qop=auth')
        self.trunk.takes(again).says(486)
        self.trunk.request("ACK")
        self.assertStillWell()

    def test_parse_007_aFlagIsNotAValueOfOne(self) -> None:
        """;ttl=1 comes back as ;ttl=1, ;flag as ;flag, what nobody knows as it is (20.42)."""
        for params in (";ttl=1", ";ttl=2", ";flag", ";xyz=7", ";a;b=1;c", ';x="y z"'):
            via = f"SIP/2.0/UDP 198.51.100.20;branch={self.alice.newBranch()}{params}"
            self.alice.ask("OPTIONS", with_={"Via": via})
            self.alice.response("200 OPTIONS")
            self.assertIn(f"{params}\r\n".encode(), self.alice.heard[-1].data, params)
        self.assertStillWell()

    def test_parse_002_compactHeaders(self) -> None:
        """One-letter names are the same headers; a whole call in them (RFC 3261 7.3.3)."""
        offer = self.alice.offer
        self.alice.raw(
            b"INVITE sip:app@192.0.2.10 SIP/2.0\r\n"
            b"v: SIP/2.0/UDP 198.51.100.20:5060;branch=z9hG4bKc1\r\n"
            b"f: <sip:a@example.net>;tag=1\r\nt: <sip:app@192.0.2.10>\r\n"
            b"i: c1@198.51.100.20\r\nCSeq: 1 INVITE\r\n"
            b"m: <sip:a@198.51.100.20>\r\nk: replaces\r\ns: hello\r\nc: application/sdp\r\n"
            b"l: %d\r\n\r\n%s" % (len(offer), offer)
        )
        self.assertEqual(self.alice.response("180 INVITE").callID, "c1@198.51.100.20")
        self.assertEqual(self.app.leg.getDialog().getHeader("Subject"), "hello")
        self.app.leg.answerCall(self.app)
        tag = self.alice.response("200 INVITE").toAddress.tag
        for method, number in (("ACK", 1), ("BYE", 2)):
            self.alice.raw(
                f"{method} sip:app@192.0.2.10 SIP/2.0\r\n"
                f"v: SIP/2.0/UDP 198.51.100.20:5060;branch=z9hG4bKc{method}\r\n"
                f"f: <sip:a@example.net>;tag=1\r\nt: <sip:app@192.0.2.10>;tag={tag}\r\n"
                f"i: c1@198.51.100.20\r\nCSeq: {number} {method}\r\nl: 0\r\n\r\n"
            )
        self.alice.response("200 BYE")
        self.assertEqual(self.app.names, ["CallAnsweredEvent", "CallEndedEvent"])
        self.assertStillWell()

    def test_parse_003_foldedHeaders(self) -> None:
        """A line that begins with white space goes on with the one before (RFC 3261 7.3.1)."""
        call = self.ringing(
            with_={
                "X-Long": "one,\r\n\ttwo,\r\n   three",
                "From": "Alice\r\n <sip:alice@example.net>\r\n ;tag=f1",
            }
        )
        call.local, call.tag = "Alice <sip:alice@example.net>", "f1"
        self.accept(call)
        dialog = self.app.leg.getDialog()
        self.assertEqual(dialog.getHeader("X-Long"), "one, two, three")
        self.assertEqual(dialog.getCaller().getDisplayName(), "Alice")
        self.hangUp(call)
        self.assertNotIn(b"\r\n ", b"".join(heard.data for heard in self.alice.heard))
        self.assertStillWell()

    def test_parse_006_viasComeBack(self) -> None:
        """Spaces, unknown parameters, several in a line, a ttl of 1 (case 007): kept (18.2.1)."""
        for number, via in enumerate(VIAS):
            self.alice.ask("OPTIONS", with_={"Via": via})
            response = self.alice.response("200 OPTIONS")
            self.assertEqual(len(response.vias), via.count("SIP"), number)
            top = response.vias[0]
            for name, value in (("Param1", "Foo"), ("ttl", "1"), ("xyz", "7")):
                if f"{name}=" in via:
                    self.assertIn(f"{name}={value}", str(top))
            if "flag" in via:
                self.assertRegex(str(top), "flag(;|$)")
            self.assertEqual((top.host, top.transport), ("198.51.100.20", "UDP"))
        self.assertStillWell()

    def test_parse_004_callers(self) -> None:
        """Names and addresses in all their forms are what the application sees (also 001, 011)."""
        for text, name, user, host in CALLERS:
            call = self.alice.invite(with_={"From": f"{text};tag=c1"})
            call.local, call.tag = text, "c1"
            self.alice.response("180 INVITE")
            caller = self.app.leg.getDialog().getCaller()
            self.assertEqual((caller.getDisplayName(), caller.username or ""), (name, user), text)
            if host is not None:
                self.assertEqual(caller.host, host)
            self.accept(call)
            self.hangUp(call)
            self.assertOneEnd(self.app)
        self.assertStillWell()

    def test_parse_011_aNameThatIsNotUTF8(self) -> None:
        """It never raises, and its bytes come back as they are in From (18.2.1)."""
        name = b'"\xff\xfe" <sip:z@example.net>'.decode("utf-8", "surrogateescape")
        call = self.ringing(with_={"From": f"{name};tag=c1"})
        call.local, call.tag = name, "c1"
        self.assertEqual(self.app.leg.getDialog().getCaller().username, "z")
        self.assertIn(b'"\xff\xfe"', self.alice.heard[-1].data)
        repr(self.app.leg.getDialog())
        self.accept(call)
        self.hangUp(call)
        self.assertStillWell()

    def test_parse_011_namesOfOurs(self) -> None:
        """Only quotes and backslashes get a backslash, nothing is percent-encoded (25.1)."""
        for name in ('Zo\u00eb "Z" \\', "COVER J & M 100%", "a, b; c <d>", "\u540d\u524d"):
            quoted = name.replace("\\", "\\\\").replace('"', '\\"')
            self.dial(fromURI=f'"{quoted}" <sip:z@example.net>')
            invite = self.trunk.request("INVITE")
            self.assertEqual(invite.fromAddress.display, name)
            wanted = f'\r\nFrom: "{quoted}" <sip:z@example.net>;tag='.encode()
            self.assertIn(wanted, self.trunk.heard[-1].data)
            self.trunk.takes(invite).says(486)
            self.trunk.request("ACK")
        self.assertStillWell()

    def test_parse_010_emptyValues(self) -> None:
        """An empty user part, empty headers that may be: a call like any other (lenient)."""
        headers = {"From": "<sip:@198.51.100.20>;tag=0fa1", "Warning": "", "Subject": ""}
        call = self.ringing(with_={**headers, "X-Empty": ""})
        call.local, call.tag = "<sip:@198.51.100.20>", "0fa1"
        self.accept(call)
        self.assertFalse(self.app.leg.getDialog().getCaller().username)
        self.hangUp(call)
        self.assertOneEnd(self.app)
        self.assertStillWell()
