"""Text of applications on its way to the wire: refused by name, or harmless in its place.

Lives here: every entry point that takes text, each with whatever hypothesis thinks of, on a whole
server. Not here: text from the wire (test.agent.test_answers, test.cases.test_security).
"""

from __future__ import annotations

from collections.abc import Callable

import hypothesis
from hypothesis import given
from hypothesis import strategies as st

from doug.conferencing import newConferenceMember
from doug.events import CallRejectedEvent
from doug.settings import Settings
from shtoom.exceptions import CallFailed, MalformedMessage, UserBusy
from shtoom.sip.message import Request
from shtoom.sip.parser import parse
from test.cases.actor import Dialogue
from test.cases.case import FieldCase, Scripted

PIECES = (
    *(
        "\r",
        "\n",
        "\0",
        "\r\n",
        "\r\nX-Evil: 1",
        "\n\nBYE sip:a@b SIP/2.0",
        "\r\n ",
        "\x0b",
        "\x1b[",
    ),
    *(
        "\x85",
        "\u2028",
        "\ud800",
        "\udc0d",
        "\udcff",
        "\u202e",
        "Ä",
        "名",
        "%0d%0aX: y",
        "%00",
        "%",
        "%4",
    ),
    *(
        '"',
        "\\",
        ";",
        "?Route=%3Csip:evil.example%3E",
        "@evil.example",
        "@203.0.113.99",
        ",",
        "<",
        ">",
    ),
    *(":", "=", "&", "a", "1", " ", "\t", ";maddr=203.0.113.99", ";transport=tcp", "sip:", "#"),
)
TEXTS = st.lists(st.sampled_from(PIECES), max_size=5).map("".join)
TRUNK = "sip:200@203.0.113.30"

ADDRESSES = ("placeCall toURI",)
"""Entry points whose text says where to."""

HARMLESS = {"placeCall fromURI": "sip:a@example.com", "placeCall toURI": ";x=1"}
"""What an entry point takes, if that is not any text."""

Message = tuple[str, tuple[str, ...]]
"""What it is ("486 INVITE"), and the names of its headers."""


class EntryPointTests(FieldCase):
    """Each entry point, with harmless text and with other: the same messages, header for header."""

    settings = Settings(infoKeys=True, rtpTimeout=0.0, maxCallDuration=0.0)

    def setUp(self) -> None:
        super().setUp()
        self.sent: list[tuple[bytes, str]] = []
        self.usual: dict[str, list[Message]] = {}
        self.lab.network.observers.append(self.observe)
        self.caller: Scripted = self.calling()

    def observe(self, data: bytes, source: tuple[str, int], destination: tuple[str, int]) -> None:
        """What the server says in SIP."""
        if source == self.server:
            self.sent.append((data, destination[0]))

    def calling(self) -> Scripted:
        """An application with a call that is up, so that it goes on whatever it dials."""
        self.dialled()
        self.trunk.forget()
        return self.app

    # --- what is said where -------------------------------------------------------------------

    def dials(self, uri: str = TRUNK, fromURI: str | None = None, **wishes: object) -> None:
        """The call is asked for a password once, and then refused."""
        rejected = len(self.caller.got(CallRejectedEvent))
        self.caller.placeCall(uri, fromURI, **wishes)  # type: ignore[arg-type]
        self.lab.advance(0.05)
        if self.trunk.labels() == ["INVITE"]:
            call = self.trunk.takes(self.trunk.request("INVITE"))
            challenge = {"WWW-Authenticate": 'Digest realm="r", nonce="n", qop="auth"'}
            call.says(401, with_=challenge)
            self.lab.advance(0.05)
            if "INVITE" in self.trunk.labels()[2:]:
                again = self.trunk.takes(self.trunk.request("INVITE"))
                again.says(486)
                self.lab.advance(0.05)
        elif self.mallory.labels() == ["INVITE"]:
            self.mallory.takes(self.mallory.request("INVITE")).says(486)
        self.lab.advance(0.05)
        events = self.caller.got(CallRejectedEvent)[rejected:]
        self.assertEqual(len(events), 1)
        self.assertTrue(events[0].reason.isprintable(), ascii(events[0].reason))

    def gives(self, way: Callable[[Scripted, Dialogue], object], answered: bool = False) -> None:
        """A call from alice; `way` has something to say to it, and then it ends."""
        call = self.answered() if answered else self.ringing()
        try:
            way(self.app, call)
        except ValueError:
            self.assertFalse(self.app.leg.ended)
            raise
        finally:
            self.lab.advance(0.05)
            self.app.returnResult("done")
            self.lab.advance(0.05)
            self.finishes(call)

    def finishes(self, call: Dialogue) -> None:
        """Alice acknowledges and confirms whatever she has heard."""
        for label in self.alice.labels():
            if label == "200 INVITE":
                call.ack()
            elif label[0] in "3456":
                call.ackRefusal()
        self.lab.advance(0.05)
        for heard in self.alice.heard:
            if isinstance(heard.message, Request):
                self.alice.reply(heard.message, 200)
        self.lab.advance(0.05)

    def places(self, toURI: str, fromURI: str | None = None) -> None:
        """By the server's own method."""
        self.dial(toURI, fromURI)
        self.lab.advance(0.05)
        if "INVITE" in self.trunk.labels():
            self.trunk.takes(self.trunk.request("INVITE")).says(486)
            self.lab.advance(0.05)

    def cancels(self, value: str) -> None:
        """A call that rings there and is given up."""
        leg = self.caller.placeCall(TRUNK)
        self.lab.advance(0.05)
        call = self.trunk.takes(self.trunk.request("INVITE"))
        call.says(180)
        self.lab.advance(0.05)
        try:
            leg.hangupCall({"Reason": value})
        finally:
            self.lab.advance(0.05)
            leg.hangupCall()
            self.lab.advance(0.05)
            self.trunk.reply(self.trunk.request("CANCEL"), 200)
            call.says(487)
            self.lab.advance(0.05)

    def entryPoints(self) -> dict[str, Callable[[str], None]]:
        """Name of an argument -> says a text there."""
        return {
            "placeCall user": lambda t: self.dials(f"sip:{t}@203.0.113.30"),
            "placeCall toURI": lambda t: self.dials(f"{TRUNK}{t}"),
            "placeCall fromURI": lambda t: self.dials(fromURI=t),
            "placeCall fromURI user": lambda t: self.dials(fromURI=f"sip:{t}@example.com"),
            "placeCall fromURI name": lambda t: self.dials(fromURI=f'"{t}" <sip:a@example.com>'),
            "placeCall header": lambda t: self.dials(headers={"X-A": t}),
            "placeCall header name": lambda t: self.dials(headers={f"X{t}": "a"}),
            "placeCall auth user": lambda t: self.dials(auth=(t or "u", "p")),
            "placeCall auth password": lambda t: self.dials(auth=("u", t)),
            "DougApplication.placeCall toURI": lambda t: self.places(f"sip:{t}@203.0.113.30"),
            "DougApplication.placeCall fromURI": lambda t: self.places(TRUNK, f"sip:{t}@a.example"),
            "answerCall header": lambda t: self.gives(
                lambda app, _: app.leg.answerCall(app, {"X-A": t})
            ),
            "answerCall header name": lambda t: self.gives(
                lambda app, _: app.leg.answerCall(app, {f"X{t}": "a"})
            ),
            "rejectCall header": lambda t: self.gives(
                lambda app, _: app.leg.rejectCall(UserBusy(), {"X-A": t})
            ),
            "rejectCall reason": lambda t: self.gives(
                lambda app, _: app.leg.rejectCall(CallFailed(t, 486))
            ),
            "rejectCall warning": lambda t: self.gives(
                lambda app, _: app.leg.rejectCall(CallFailed("no", 486, warning=t))
            ),
            "rejectCall reason set": lambda t: self.gives(
                lambda app, _: app.leg.rejectCall(reasoned(t))
            ),
            "hangupCall header": lambda t: self.gives(
                lambda app, _: app.leg.hangupCall({"X-A": t}), answered=True
            ),
            "hangupCall header, ringing": lambda t: self.gives(
                lambda app, _: app.leg.hangupCall({"X-A": t})
            ),
            "hangupCall header, dialling": self.cancels,
            "mediaPlay path": lambda t: self.gives(
                lambda app, _: app.leg.mediaPlay(f"{t}.wav"), answered=True
            ),
            "mediaRecord path": lambda t: self.gives(
                lambda app, _: app.leg.mediaRecord(f"{self.mktemp()}{t}.wav"), answered=True
            ),
            "newConferenceMember": lambda t: self.gives(
                lambda app, _: app.leg.mediaPlay(newConferenceMember(t, app.leg)), answered=True
            ),
            "sendDTMF": lambda t: self.gives(lambda app, _: app.leg.sendDTMF(t), answered=True),
        }

    def assertAllOver(self) -> None:
        """The call of the application that dialled ends, too, and nothing is left."""
        self.trunk.forget()
        self.caller.returnResult("done")
        self.trunk.reply(self.trunk.request("BYE"), 200)
        self.assertNothingLeft()

    # --- tests --------------------------------------------------------------------------------

    def saying(self, entry: str, text: str) -> list[Message]:
        """The messages that come of it."""
        self.alice.forget()
        self.trunk.forget()
        self.mallory.forget()
        self.sent.clear()
        self.logged.clear()
        self.entryPoints()[entry](text)
        found = []
        for data, host in self.sent:
            if host != self.mallory.host or entry not in ADDRESSES:
                self.assertIn(host, (self.alice.host, self.trunk.host), entry)
            found.append(self.named(data))
        for line in self.logged:
            self.assertTrue(line.isprintable(), ascii(line))
        return found

    def named(self, data: bytes) -> Message:
        """What a datagram is, line for line; each line is a header to the parser, too."""
        start, *lines = data.partition(b"\r\n\r\n")[0].split(b"\r\n")
        for line in (start, *lines):
            self.assertNotRegex(line, rb"[\r\n\0]")
        names = tuple(line.partition(b":")[0].decode().lower() for line in lines)
        try:
            message = parse(data)
        except MalformedMessage as error:
            raise AssertionError(f"{data!r}: {error}") from error
        self.assertEqual(len(message.headers), len(names))
        if isinstance(message, Request):
            return message.method, names
        return f"{message.code} {message.cseq.method}", names

    @given(st.data())
    @hypothesis.settings(max_examples=100, deadline=None, report_multiple_bugs=False)
    def test_whateverIsSaid(self, data: st.DataObject) -> None:
        """The messages of harmless text, or none; ValueError in one line that can be printed."""
        entry = data.draw(st.sampled_from(sorted(self.entryPoints())))
        self.assertHarmless(entry, data.draw(TEXTS))

    def assertHarmless(self, entry: str, text: str) -> None:
        """Of the messages that a text leads to none has more headers, or fewer, than it should."""
        if entry not in self.usual:
            self.usual[entry] = self.saying(entry, HARMLESS.get(entry, "1"))
            self.assertNotEqual(self.usual[entry], [])
        try:
            found = self.saying(entry, text)
        except ValueError as error:
            self.assertTrue(str(error).isprintable(), ascii(str(error)))
            return
        for label, names in found:
            wanted = [each for kind, each in self.usual[entry] if kind == label]
            if entry.endswith("header name"):  # it is as given
                names = tuple("x1" if name.startswith("x") else name for name in names)
            self.assertIn(names, wanted, f"{entry}: {text!r}")

    def test_eachEntryPointRefusesLineEnds(self) -> None:
        """CR, LF, NUL: nothing that is sent has more lines, wherever they are said."""
        for entry in self.entryPoints():
            for text in ("a\r\nX-Evil: 1", "a\nX-Evil: 1", "a\rb", "a\0b", "\ud800"):
                self.assertHarmless(entry, text)
        self.assertAllOver()

    def test_theArgumentIsNamed(self) -> None:
        """Whoever made the mistake finds it."""
        for entry, name in (
            ("placeCall header", "header X-A"),
            ("placeCall header name", "header name"),
            ("placeCall auth user", "auth"),
            ("placeCall auth password", "auth"),
            ("answerCall header", "header X-A"),
            ("answerCall header name", "header name"),
            ("rejectCall header", "header X-A"),
            ("rejectCall reason", "reason"),
            ("rejectCall warning", "warning"),
            ("rejectCall reason set", "reason"),
            ("hangupCall header", "header X-A"),
            ("hangupCall header, ringing", "header X-A"),
            ("hangupCall header, dialling", "header Reason"),
            ("sendDTMF", "digits"),
        ):
            for text in ("a\r\nX-Evil: 1", "\0", "\ud800"):
                error = self.assertRaises(ValueError, self.saying, entry, text)
                self.assertIn(name, str(error), entry)

    def test_aLegThatIsNotAnsweredChangesNoHands(self) -> None:
        """answerCall for another application, with a header that cannot be sent."""
        call = self.ringing()
        app, leg = self.app, self.app.leg
        self.assertRaises(ValueError, leg.answerCall, self.caller, {"X-A": "1\r\n"})
        self.assertIs(leg.getVoiceApp(), app)
        app.returnResult("done")
        self.alice.response("480 INVITE")
        call.ackRefusal()
        self.assertAllOver()

    def test_headersThatAreOurs(self) -> None:
        """Two of them would break the message: refused, whatever the message is."""
        for name in ("Via", "f", "CSeq", "call-id", "Content-Length", "c", "Record-Route", "To"):
            headers = {name: "1"}
            for attempt in (
                lambda: self.dials(headers=headers),  # noqa: B023
                lambda: self.gives(lambda app, _: app.leg.answerCall(app, headers)),  # noqa: B023
                lambda: self.gives(lambda app, _: app.leg.rejectCall(UserBusy(), headers)),  # noqa: B023
                lambda: self.gives(lambda app, _: app.leg.hangupCall(headers), answered=True),  # noqa: B023
            ):
                self.alice.forget()
                error = self.assertRaises(ValueError, attempt)
                self.assertIn("written by the user agent", str(error))
        self.assertAllOver()


def reasoned(text: str) -> CallFailed:
    """A refusal whose reason was changed after it was made."""
    failure = UserBusy()
    failure.reason = text
    return failure
