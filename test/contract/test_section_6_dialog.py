"""The contract, section 6: the dialog that an application sees."""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from doug.dialog import Dialog, Party
from test.doug.puppet import LegTestCase


class PartyTests(SynchronousTestCase):
    """What getCaller() and getCallee() return."""

    def test_strIsTheURIAndItIsEqualToIt(self) -> None:
        """Also as the key of a dictionary."""
        party = Party("sip:alice@example.net:5070;transport=udp")
        self.assertEqual(str(party), "sip:alice@example.net:5070;transport=udp")
        self.assertEqual(party, "sip:alice@example.net:5070;transport=udp")
        self.assertEqual({str(party): 1}[party], 1)  # type: ignore[index]
        self.assertNotEqual(party, "sip:bob@example.net")
        self.assertNotEqual(party, None)

    def test_itsParts(self) -> None:
        """username, host, port, params."""
        party = Party("sip:al%20ice@example.net:5070;transport=udp;lr")
        self.assertEqual(
            (party.username, party.host, party.port, party.params),
            ("al ice", "example.net", 5070, {"transport": "udp", "lr": None}),
        )

    def test_telephoneNumbers(self) -> None:
        """The number is the username; there is no host."""
        party = Party("tel:+15550100;phone-context=example.net")
        self.assertEqual((party.username, party.host, party.port), ("+15550100", "", None))

    def test_whatIsNoURI(self) -> None:
        """It is kept as text: an application may have dialled anything."""
        party = Party("nonsense")
        self.assertEqual((str(party), party.username, party.host), ("nonsense", None, ""))

    def test_methodsOfTheOriginal(self) -> None:
        """getURI, getDisplayName, getParams."""
        party = Party("sip:a@b", "Alice", (("tag", "1"),))
        self.assertEqual(party.getURI(), "sip:a@b")
        self.assertIs(party.getURI(parsed=True), party)
        self.assertEqual(party.getDisplayName(), "Alice")
        self.assertEqual(party.getParams(), {"tag": "1"})


class DialogTests(LegTestCase):
    """event.getDialog() of a call."""

    def dialog(self, **dialling: Any) -> Dialog:
        """The dialog of a call that a phone dials."""
        self.begin()
        self.call.hangUp()
        phone = self.lab.phone()
        phone.dial("sip:desk%201@doug", **dialling)
        self.lab.advance(0.5)
        leg = max(self.lab.application.listVoiceapps().items())[1].getDefaultLeg()
        assert leg is not None
        return leg.getDialog()

    def finish(self) -> None:
        """All applications end."""
        for app in self.lab.application.listVoiceapps().values():
            app.returnResult()
        self.lab.assertNothingLeft()

    def test_callerAndCallee(self) -> None:
        """The URIs of the calling and the called party."""
        dialog = self.dialog(fromURI="sip:alice@example.net")
        self.assertEqual(dialog.getCaller(), "sip:alice@example.net")
        self.assertEqual(dialog.getCallee().username, "desk 1")
        self.finish()

    def test_inbound(self) -> None:
        """Direction, Call-ID; the remote address is the caller's, with its tag."""
        dialog = self.dialog(fromURI="sip:alice@example.net")
        self.assertEqual(dialog.getDirection(), "inbound")
        self.assertTrue(dialog.getCallID())
        self.assertEqual(dialog.getRemoteTag(), dialog.getCaller())
        self.assertEqual(dialog.getLocalTag(), dialog.getCallee())
        self.assertTrue(dialog.getRemoteTag().getParams()["tag"])
        self.assertTrue(dialog.getLocalTag().getParams()["tag"])
        self.finish()

    def test_headersOfTheINVITE(self) -> None:
        """D: getHeader(name), in any case or compact form; None if it is not there."""
        dialog = self.dialog(headers=(("X-Queue", "sales"), ("Subject", "a question")))
        self.assertEqual(dialog.getHeader("x-queue"), "sales")
        self.assertEqual(dialog.getHeader("s"), "a question")
        self.assertIsNone(dialog.getHeader("X-Other"))
        self.finish()

    def test_anonymousCallers(self) -> None:
        """They have a URI as well."""
        dialog = self.dialog(fromURI="sip:anonymous@anonymous.invalid")
        self.assertEqual(dialog.getCaller().username, "anonymous")
        self.finish()

    def test_outbound(self) -> None:
        """From the moment of placeCall(): the callee is who was dialled."""
        self.begin()
        phone = self.lab.phone()
        leg = self.app.placeCall(phone.uri, "sip:desk@example.net")
        before = leg.getDialog()
        self.assertEqual((before.getCallee(), before.getDirection()), (phone.uri, "outbound"))
        self.assertIsNone(before.getHeader("From"))
        self.lab.advance(0.5)
        after = leg.getDialog()
        self.assertEqual(after.getCaller(), "sip:desk@example.net")
        self.assertEqual(after.getRemoteTag(), phone.uri)
        self.assertIn("desk", after.getHeader("From") or "")
        self.assertEqual(after.getCallID(), before.getCallID())
        self.finish()

    def test_afterTheEndItStays(self) -> None:
        """A frozen view."""
        self.begin()
        caller = self.leg.getDialog().getCaller()
        self.call.hangUp()
        self.lab.advance(1.0)
        self.assertEqual(self.app.last().getDialog().getCaller(), caller)
        self.finish()
