"""Redirections of calls that go out: RFC 3261 8.1.3.4, 21.3."""

from __future__ import annotations

from shtoom.exceptions import CallFailed, CallRejected, HostNotKnown, UserBusy
from shtoom.sip.uri import URI
from test.agent.support import ANSWER, AgentTestCase, FarEnd, Listener


class RedirectTests(AgentTestCase):
    """The trunk sends the caller elsewhere: to bob, to carol."""

    def setUp(self) -> None:
        super().setUp()
        self.bob = FarEnd(self.wire, ("198.51.100.21", 5060), "bob")
        self.carol = FarEnd(self.wire, ("198.51.100.22", 5060), "carol")

    def moved(self, *contacts: str, code: int = 302) -> Listener:
        """A call to the trunk, which names these contacts."""
        _, listener = self.dial()
        self.trunk.answers().says(code, headers=[("Contact", contact) for contact in contacts])
        return listener

    def rejection(self, listener: Listener) -> CallFailed:
        """What the user has heard as the one and only end."""
        (failure,) = listener.ends
        assert isinstance(failure, CallFailed)
        return failure

    def test_theCallGoesOnElsewhere(self) -> None:
        """The same To, From and Call-ID, the next CSeq, another branch (8.1.3.4)."""
        listener = self.moved("<sip:bob@198.51.100.21>")
        first, second = self.trunk.request("INVITE"), self.bob.request("INVITE")
        self.assertEqual(self.trunk.labels(), ["INVITE", "ACK"])
        for name in ("To", "From", "Call-ID", "Max-Forwards", "Content-Type"):
            self.assertEqual(second.header(name), first.header(name))
        self.assertEqual(str(second.uri), "sip:bob@198.51.100.21")
        self.assertEqual((first.cseq.number, second.cseq.number), (1, 2))
        self.assertEqual(second.body, first.body)
        self.assertNotEqual(second.via.branch, first.via.branch)
        self.bob.answers().says(200, body=ANSWER)
        self.assertEqual(self.bob.request("ACK").cseq.number, 2)
        self.assertEqual(listener.named("answered"), [ANSWER])

    def test_contactsByTheirQ(self) -> None:
        """The greatest q first, 1 without; the next one when that refuses."""
        listener = self.moved(
            "<sip:alice@198.51.100.20>;q=0.1, <sip:bob@198.51.100.21>;q=0.7", "sip:c@198.51.100.22"
        )
        self.carol.answers().says(486)
        self.bob.answers().says(404)
        self.alice.answers().says(486)
        self.assertIsInstance(self.rejection(listener), UserBusy)
        numbers = [end.request("INVITE").cseq.number for end in (self.carol, self.bob, self.alice)]
        self.assertEqual(numbers, [2, 3, 4])

    def test_a6xxEndsTheSearch(self) -> None:
        """Who declines for all places is not looked for in the next one (21.6)."""
        listener = self.moved("<sip:bob@198.51.100.21>", "<sip:carol@198.51.100.22>")
        self.bob.answers().says(603)
        self.assertIsInstance(self.rejection(listener), CallRejected)
        self.assertEqual(self.carol.labels(), [])

    def test_noRoundTrips(self) -> None:
        """Each URI is tried once; who sends us back gets no second INVITE."""
        listener = self.moved("<sip:bob@198.51.100.21>")
        contacts = "<sip:200@203.0.113.30>, <sip:bob@198.51.100.21:5060>;q=0.5"
        self.bob.answers().says(302, headers=[("Contact", contacts)])
        self.bob.answers().says(302, headers=[("Contact", "<sip:bob@198.51.100.21:5060>")])
        failure = self.rejection(listener)
        self.assertEqual(failure.sipCode, 302)
        self.assertIn("where the call was already", failure.reason)
        self.assertEqual(len(self.trunk.requests("INVITE")), 1)

    def test_notForEver(self) -> None:
        """After five redirections the call has failed, however new the places are."""
        listener = self.moved("<sip:0@198.51.100.21>")
        number = 0
        while not listener.ends:
            number += 1
            contact = f"<sip:{number}@198.51.100.21>"
            self.bob.answers().says(301, headers=[("Contact", contact)])
        self.assertEqual(number, 5)
        self.assertIn("after 5 others", self.rejection(listener).reason)

    def test_otherSchemesAndHeadersAreNotFollowed(self) -> None:
        """sip alone; headers in a Contact do not reach the INVITE (19.1.5)."""
        for contact in ("<sips:bob@198.51.100.21>", "<tel:+4930123>", "<http://198.51.100.21/>"):
            failure = self.rejection(self.moved(contact))
            self.assertIn("where no sip: address is", failure.reason)
        self.assertIn("nowhere", self.rejection(self.moved()).reason)
        self.moved("<sip:bob@198.51.100.21;method=BYE?Route=%3Csip:x@203.0.113.99%3E&X-Y=1>")
        invite = self.bob.request("INVITE")
        self.assertEqual(str(invite.uri), "sip:bob@198.51.100.21")
        self.assertIsNone(invite.header("Route"))
        self.assertIsNone(invite.header("X-Y"))
        self.bob.answers().says(486)

    def test_aBrokenContactIsPassedOver(self) -> None:
        """The one that can be read is taken."""
        self.moved("<sip:bob@>, <sip:bob@198.51.100.21>;q=x")
        self.bob.answers().says(486)

    def test_aContactWithoutAnAddress(self) -> None:
        """The next one is tried; the last failure is what the user hears."""
        listener = self.moved("<sip:a@nowhere.invalid>", "<sip:b@198.51.100.21>;q=0.1")
        self.bob.answers().says(404)
        self.assertEqual(self.rejection(listener).sipCode, 404)
        self.assertIsInstance(self.rejection(self.moved("<sip:a@nowhere.invalid>")), HostNotKnown)

    def test_whatMayNotBeDialledIsNotFollowed(self) -> None:
        """mayDial is asked for each target, the first included."""
        asked: list[str] = []

        def mayDial(uri: URI) -> CallFailed | None:
            asked.append(str(uri))
            return CallFailed("not there", 403) if uri.host == "198.51.100.21" else None

        self.agent.mayDial = mayDial
        failure = self.rejection(self.moved("<sip:bob@198.51.100.21>"))
        self.assertEqual((failure.sipCode, failure.reason), (403, "not there"))
        self.assertEqual(asked, ["sip:200@203.0.113.30", "sip:bob@198.51.100.21"])
        self.assertEqual(self.bob.labels(), [])

    def test_hangupMeansNoMoreTargets(self) -> None:
        """A 302 that crosses the CANCEL ends the call."""
        call, listener = self.dial()
        callee = self.trunk.answers()
        callee.says(180)
        call.hangup()
        callee.says(302, headers=[("Contact", "<sip:bob@198.51.100.21>")])
        self.trunk.confirm("CANCEL")
        self.assertEqual(self.bob.labels(), [])
        self.assertEqual(len(listener.named("ended")), 1)
        self.assertNothingLeft()

    def test_hangupWhileTheNextPlaceIsLookedUp(self) -> None:
        """Nothing is sent any more, nothing is left."""
        self.names.slow["slow.example.com"] = []
        call, listener = self.dial()
        contact = [("Contact", "<sip:x@slow.example.com>")]
        self.trunk.answers().says(302, headers=contact)
        call.hangup()
        self.assertEqual(len(listener.named("ended")), 1)
        self.assertNothingLeft()

    def test_oneTimeForAll(self) -> None:
        """The time to answer runs from the first INVITE on."""
        _, listener = self.dial(timeout=20.0)
        callee = self.trunk.answers()
        callee.says(180)
        self.run_(15.0)
        callee.says(302, headers=[("Contact", "<sip:bob@198.51.100.21>")])
        self.bob.answers().says(180)
        self.run_(5.1)
        self.assertEqual(self.rejection(listener).reason, "no answer within 20 s")
        cancel = self.bob.request("CANCEL")
        self.assertEqual(cancel.cseq.number, 2)
        self.bob.confirm("CANCEL")
        self.bob.answers().says(487)
        self.assertNothingLeft()

    def test_anEarlyDialogOfTheFirstPlaceIsOver(self) -> None:
        """Its 183 is no answer to the second INVITE: a 200 without description is none either."""
        _, listener = self.dial()
        callee = self.trunk.answers()
        callee.says(183, body=ANSWER)
        callee.says(302, headers=[("Contact", "<sip:bob@198.51.100.21>")])
        self.bob.answers().says(200, tag="t1")
        self.assertIn("no session description", self.rejection(listener).reason)
        self.bob.confirm("BYE")

    def test_anotherAddressOnA503(self) -> None:
        """A host with two addresses: the second one is tried (RFC 3263 4.3)."""
        self.names.known["pbx.example.com"] = ["203.0.113.30", "198.51.100.21"]
        _, listener = self.dial("sip:200@pbx.example.com")
        self.trunk.answers().says(503)
        self.bob.answers().says(200, body=ANSWER)
        self.assertEqual(listener.named("answered"), [ANSWER])
