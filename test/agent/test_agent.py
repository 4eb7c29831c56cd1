"""The user agent: what it can do, draining and shutdown, requests without a call."""

from __future__ import annotations

from typing import Any, cast

from shtoom.agent.hangup import CallState
from shtoom.sip.message import Request, Response
from shtoom.sip.transport import Peer
from test.agent.support import ALICE, ANSWER, DOUG, OFFER, AgentTestCase, FarEnd, Station, Wire


class CapabilityTests(AgentTestCase):
    """RFC 3261 8.2 and 11, out of any dialog."""

    def test_optionsTellsWhatWeCan(self) -> None:
        """200 with Allow, Accept and Supported, and a To tag (11.2)."""
        self.alice.ask(
            "OPTIONS", headers=[("User-Agent", "Phone/1.0"), ("Accept", "application/sdp")]
        )
        response = self.alice.response("200 OPTIONS")
        self.assertEqual(
            response.header("Allow"), "INVITE, ACK, CANCEL, BYE, OPTIONS, INFO, UPDATE, REFER"
        )
        self.assertIn("application/sdp", response.header("Accept") or "")
        self.assertIsNotNone(response.header("Supported"))
        self.assertTrue(response.toAddress.tag)

    def test_aRequireThatIsNoListOfTokensIs400(self) -> None:
        """What it asks for would stand in our Unsupported: never a NUL, never broken text."""
        for tags in ("a\0b", "two words", "\u00e9", '"x'):
            self.alice.ask("INVITE", headers=[("Require", tags)], contact=True)
            self.assertEqual(self.alice.labels()[-1], "400 INVITE", tags)

    def test_refusals(self) -> None:
        """405, 416, 420, 415 and 481, each with the header that says what would do."""
        self.alice.ask("SUBSCRIBE")
        self.alice.ask("INVITE", uri="urn:service:sos", body=OFFER, contact=True)
        self.alice.ask("INVITE", headers=[("Require", "100rel, Nothing")], contact=True)
        self.alice.ask("INVITE", body=b"hello", contentType="text/plain", contact=True)
        encoded = [("Content-Encoding", "gzip")]
        self.alice.ask("INVITE", body=b"\x1f\x8b", headers=encoded, contact=True)
        self.alice.ask("BYE")
        self.alice.ask("BYE", to="<sip:app@example.com>;tag=gone")
        self.assertEqual(
            self.alice.labels(),
            [
                *("405 SUBSCRIBE", "416 INVITE", "420 INVITE"),
                *("415 INVITE", "415 INVITE", "481 BYE", "481 BYE"),
            ],
        )
        self.assertIn("INVITE", self.alice.response("405 SUBSCRIBE").header("Allow") or "")
        self.assertEqual(self.alice.response("420 INVITE").header("Unsupported"), "100rel, Nothing")
        other, encoding = self.alice.got("415 INVITE")
        self.assertIn("application/sdp", other.header("Accept") or "")
        self.assertEqual(encoding.header("Accept-Encoding"), "identity")
        self.assertNothingLeft()

    def test_aBodyThatMayBeIgnored(self) -> None:
        """handling=optional: the INVITE counts as one without an offer (RFC 3204 6)."""
        headers = [("Content-Disposition", "render; handling=optional")]
        self.alice.ask("INVITE", body=b"x", contentType="text/x", headers=headers, contact=True)
        self.assertEqual(self.alice.labels()[-1], "180 INVITE")
        self.assertIsNone(self.inbound().remoteSDP)

    def test_noHopsLeftIsNoReason(self) -> None:
        """Max-Forwards 0 concerns those who forward (RFC 4475 3.3.11)."""
        self.alice.ask("OPTIONS", headers=[])
        data = self.wire.sent[-1][1]
        self.assertIn(b"200 OK", data)
        self.alice.say(
            b"OPTIONS sip:app@192.0.2.10 SIP/2.0\r\n"
            b"Via: SIP/2.0/UDP 198.51.100.20;branch=z9hG4bK0\r\nMax-Forwards: 0\r\n"
            b"From: <sip:a@example.net>;tag=1\r\nTo: <sip:app@example.com>\r\n"
            b"Call-ID: zero\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n"
        )
        self.assertEqual(self.alice.labels(), ["200 OPTIONS", "200 OPTIONS"])

    def test_aContactThatCannotBeRead(self) -> None:
        """400 in words, and no call."""
        self.alice.ask("INVITE", headers=[("Contact", "<nonsense")], body=OFFER)
        self.assertIn("Contact", self.alice.response("400 INVITE").reason)
        self.assertNothingLeft()

    def test_parse_008_aStarForAContact(self) -> None:
        """400: it names no target for a dialog (RFC 3261 8.1.1.8); other requests need none."""
        self.alice.ask("INVITE", headers=[("Contact", "*")], body=OFFER)
        self.assertIn("Contact", self.alice.response("400 INVITE").reason)
        self.alice.ask("OPTIONS", headers=[("Contact", "*")])
        self.assertEqual(self.alice.labels()[-1], "200 OPTIONS")
        self.assertEqual(self.board.calls, [])
        self.assertNothingLeft()

    def test_offeranswer_006_partsBesideTheOffer(self) -> None:
        """RFC 5621 3, 8: the offer counts wherever it stands; 415 for what must be understood."""
        for handling, label in (("optional", "180 INVITE"), ("required", "415 INVITE")):
            place = b"Content-Disposition: render;handling=" + handling.encode()
            body = (
                b"--b 1\r\nContent-Type: application/pidf+xml\r\n" + place + b"\r\n\r\n<x/>\r\n"
                b"--b 1\r\nContent-Type: application/sdp\r\n\r\n" + OFFER + b"\r\n--b 1--\r\n"
            )
            mixed = 'multipart/mixed;boundary="b 1"'
            self.alice.ask("INVITE", body=body, contentType=mixed, contact=True)
            self.assertEqual(self.alice.labels()[-1], label)
        self.assertEqual(self.inbound().remoteSDP, OFFER)

    def test_aBodyThatCannotBeTakenApart(self) -> None:
        """400 for a multipart without a boundary."""
        self.alice.ask("INVITE", body=b"x", contentType="multipart/mixed", contact=True)
        self.assertEqual(self.alice.labels()[-1], "400 INVITE")
        self.assertEqual(self.board.calls, [])


class DrainTests(AgentTestCase):
    """No new calls, while those that are up are served in full (RFC 3261 21.5.4)."""

    def test_draining(self) -> None:
        """INVITE and OPTIONS get 503 with Retry-After; the call that is up goes on to its end."""
        caller, call, _ = self.establish()
        self.agent.policy.draining = True
        self.alice.heard.clear()
        self.alice.invites()
        self.alice.ask("OPTIONS")
        self.assertEqual(self.alice.labels(), ["503 INVITE", "503 OPTIONS"])
        for label in ("503 INVITE", "503 OPTIONS"):
            after = int(self.alice.response(label).header("Retry-After") or 0)
            self.assertTrue(5 <= after <= 30, after)
        caller.reinvite()
        caller.ack()
        caller.ask("OPTIONS")
        caller.bye()
        self.assertEqual(self.alice.labels()[2:], ["200 INVITE", "200 OPTIONS", "200 BYE"])
        self.assertIs(call.state, CallState.ENDED)
        self.assertNothingLeft()

    def test_shutdown(self) -> None:
        """503 to who rings, CANCEL to who is rung, BYE with a Reason to who talks (RFC 3326)."""
        self.establish()
        self.alice.invites()
        _, listener = self.dial()
        callee = self.trunk.answers()
        callee.says(180)
        self.alice.heard.clear()
        down = self.agent.shutdown()
        self.assertEqual(set(self.alice.labels()), {"503 INVITE", "BYE"})
        self.assertIn("shutting down", self.alice.request("BYE").header("Reason") or "")
        self.assertEqual(self.trunk.labels()[-1], "CANCEL")
        self.assertNoResult(down)
        self.alice.reply(self.alice.request("BYE"), 200)
        callee.says(487)
        self.assertIsNone(self.successResultOf(down))
        self.assertEqual([len(one.ends) for one in (*self.board.listeners, listener)], [1, 1, 1])
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_shutdownOfAnIdleAgent(self) -> None:
        """It is done at once, and refuses what still comes in by silence: its layer has stopped."""
        self.assertIsNone(self.successResultOf(self.agent.shutdown()))
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_shutdownWaitsNoLongerThanItMust(self) -> None:
        """A peer that answers no BYE holds it for 64*T1."""
        self.establish()
        down = self.agent.shutdown()
        self.run_(31.9)
        self.assertNoResult(down)
        self.run_(0.2)
        self.assertIsNone(self.successResultOf(down))


class TransportTests(AgentTestCase):
    """Which transport is taken."""

    def test_theAddressFamilyDecides(self) -> None:
        """Of two transports of one name that with an address of the target's kind comes first."""

        six = Wire(self.clock, ("2001:db8::10", 5060))
        self.agent.addTransport(six)
        self.assertIs(self.agent.transportFor("UDP", "2001:db8::20"), six)
        self.assertIs(self.agent.transportFor("UDP", "198.51.100.20"), self.wire)
        self.assertIsNone(self.agent.transportFor("TCP", "198.51.100.20"))
        far = FarEnd(six, ("2001:db8::20", 5060), "six")
        self.dial("sip:bob@[2001:db8::20]")
        invite = far.request("INVITE")
        self.assertEqual(str(invite.contact), "<sip:doug@[2001:db8::10]:5060>")
        self.assertEqual(str(invite.fromAddress.uri), "sip:doug@[2001:db8::10]")

    def test_anotherPortThanSIPsIsInTheFrom(self) -> None:
        """Who calls back must find us."""
        six = Wire(self.clock, ("2001:db8::10", 5070))
        self.agent.addTransport(six)
        far = FarEnd(six, ("2001:db8::20", 5060), "six")
        self.dial("sip:bob@[2001:db8::20]")
        uri = far.request("INVITE").fromAddress.uri
        self.assertEqual(str(uri), "sip:doug@[2001:db8::10]:5070")


class LogTests(AgentTestCase):
    """Each line about a call names it."""

    def test_theCallIDIsInEachLine(self) -> None:
        """In the text, too, so that a line found in a file can be followed."""
        caller, call, _ = self.establish()
        caller.bye()
        lines = [text for text in self.texts if "call " in text]
        self.assertGreaterEqual(len(lines), 2)
        self.assertEqual([text for text in lines if call.callID not in text], [])

    def test_aRegistrationIsExplainedOnce(self) -> None:
        """Phones repeat it for ever; what their owner may do about it is one line."""
        self.alice.ask("REGISTER")
        self.alice.ask("REGISTER")
        [line] = [text for text in self.texts if "REGISTER" in text]
        self.assertIn("registration is not needed: dial without an account", line)
        self.assertEqual(self.alice.labels(), ["405 REGISTER", "405 REGISTER"])


class BackToBackTests(AgentTestCase):
    """Two user agents, one wire."""

    def test_aCallFromOneToTheOther(self) -> None:
        """INVITE to BYE, answered, re-offered by nobody, both ends told once."""
        here, there = DOUG, ("192.0.2.11", 5060)
        other = Station(self.clock, there)
        self.wire.ends[there] = lambda data: other.wire.arrive(data, here)
        other.wire.ends[here] = lambda data: self.wire.arrive(data, there)
        call, listener = self.dial("sip:app@192.0.2.11")
        self.assertEqual(listener.named("progress"), [100, 180])
        answered = other.board.calls[-1]
        answered.answer(ANSWER)
        self.assertIs(answered.state, CallState.CONFIRMED)
        self.assertIs(call.state, CallState.CONFIRMED)
        self.assertEqual((call.remoteSDP, answered.remoteSDP), (ANSWER, OFFER))
        gone = answered.hangup()
        self.assertIsNone(self.successResultOf(gone))
        self.assertIs(call.state, CallState.ENDED)
        self.assertEqual([len(one.ends) for one in (listener, other.board.listeners[-1])], [1, 1])
        self.assertNothingLeft()
        self.assertEqual((other.agent.calls, len(other.agent.layer)), (set(), 0))


class GateTests(AgentTestCase):
    """Who registers, and who is admitted."""

    def test_REGISTERGoesToTheRegistrar(self) -> None:
        """Its answer gets a To tag; without a registrar it is 405."""
        asked: list[Request] = []

        class Registers:
            def answer(self, request: Request, peer: Peer) -> Response:
                asked.append(request)
                return request.respond(401)

        self.agent.registrar = cast(Any, Registers())
        self.alice.ask("REGISTER", uri="sip:192.0.2.10")
        answer = self.alice.response("401 REGISTER")
        self.assertIsNotNone(answer.toAddress.tag)
        self.assertEqual(len(asked), 1)
        self.agent.registrar = None
        self.alice.ask("REGISTER", uri="sip:192.0.2.10")
        self.assertEqual(len(self.alice.got("405 REGISTER")), 1)

    def test_admitIsAskedBeforeThereIsACall(self) -> None:
        """Of INVITE and OPTIONS, not of what is in a call."""
        self.agent.admit = lambda request, peer: (
            request.respond(403, "Not from you") if peer.address == ALICE else None
        )
        for method in ("INVITE", "OPTIONS"):
            self.alice.ask(method)
            answer = self.alice.response(f"403 {method}")
            self.assertIsNotNone(answer.toAddress.tag)
        self.assertEqual(self.board.calls, [])
        self.trunk.ask("OPTIONS")
        self.assertEqual(len(self.trunk.got("200 OPTIONS")), 1)
        self.run_(40)
