"""Floods and overload, against a whole server while a call goes on."""

from __future__ import annotations

import re
from collections import Counter
from ipaddress import ip_network

from doug.events import CallEndedEvent
from doug.settings import Settings
from doug.trunks import Trunk
from test.cases.actor import DOUG, sdp
from test.cases.case import FieldCase
from test.cases.media import assertGapless
from test.doug.forging import BODY, METHODS, request


class FloodCases(FieldCase):
    """2000 requests a second from one source."""

    def flood(self, seconds: float, rate: int = 2000) -> None:
        """From mallory, beginning now, of all kinds in turn."""
        for number in range(int(seconds * rate)):
            method = METHODS[number % len(METHODS)]
            data = request(
                method, number, self.mallory.host, body=BODY if method == "INVITE" else b""
            )
            self.lab.reactor.callLater(number / rate, self.mallory.raw, data)

    def test_aFlood(self) -> None:
        """The call has no gap and is served in full, another one comes about at once; the flooder
        hears a 503 a second and then nothing; the log names him once a second.
        """
        call = self.answered()
        app = self.app
        app.leg.mediaPlay(self.soundFile(5.0))
        self.lab.advance(0.5)
        self.flood(3.0)
        packets = self.alice.media.during(1.0)
        bob = self.bob.invite()
        self.bob.response("180 INVITE", within=0.1)
        packets += self.alice.media.during(1.0)
        for _ in range(10):
            call.ask("INFO")
        call.reoffer()
        self.lab.advance(1.0)
        assertGapless(packets)
        self.assertEqual(self.alice.labels("... INFO"), ["200 INFO"] * 10)
        heard = Counter(label.split()[0] for label in self.mallory.labels())
        self.assertLessEqual(heard["503"], 2 + 4)
        self.assertLessEqual(sum(heard.values()), 3 * (100 + 50 * 3) + 6)
        lines = [line for line in self.logged if "--source-rate" in line]
        self.assertTrue(2 <= len(lines) <= 4, lines)
        self.assertIn("203.0.113.99 sends more than 50 requests a second", lines[0])
        self.assertIn("more like it before", lines[-1])
        self.hangUp(call)
        self.lab.advance(40.0)  # until nobody waits for mallory's ACKs
        layer = self.lab.application.exchange.agent.layer
        self.assertLessEqual(len(layer), 50)  # what still rings
        bob.cancel()
        self.bob.response("487 INVITE")
        self.assertEqual(len(app.got(CallEndedEvent)), 1)

    def test_callsOfItsOwnAreNoWayAround(self) -> None:
        """With twenty that ring, whose Call-IDs its requests have, it is heard no more often; a To
        tag has them heard as often as all that is said in calls of one source.
        """
        answered: list[int] = []
        for calls, to in ((0, ""), (20, ""), (20, ";tag=1")):
            self.mallory.forget()
            for number in range(calls):
                self.mallory.raw(request("INVITE", number, self.mallory.host, body=BODY))
            self.lab.advance(3.0)
            self.mallory.forget()
            for number in range(2000):
                method = METHODS[number % 5]
                data = request(method, 10_000 * len(answered) + number, self.mallory.host)
                if calls:
                    theirs = f"Call-ID: {number % calls}{self.mallory.host}".encode()
                    data = re.sub(rb"Call-ID: \S+", theirs, data)
                data = data.replace(b">\r\nCall-ID", f">{to}\r\nCall-ID".encode())
                self.lab.reactor.callLater(number / 2000, self.mallory.raw, data)
            self.lab.advance(1.2)
            answered.append(len(self.mallory.labels("(2..|4..|501) .*")))
            self.lab.advance(40.0)
        self.assertEqual(answered[0], answered[1])
        self.assertTrue(145 <= answered[0] <= 155, answered)
        self.assertTrue(20 * 6 + 145 <= answered[2] <= 20 * 6 + 160, answered)

    def test_aCallOfTheFloodersNetwork(self) -> None:
        """What is said in it is served, though nothing else of that source is."""
        call = self.answered(actor=self.mallory)
        app = self.app
        self.flood(3.0)
        self.lab.advance(2.0)
        call.reoffer()
        call.ask("INFO")
        self.mallory.response("200 INFO", within=0.1)
        call.bye()
        self.mallory.response("200 BYE", within=0.1)
        self.assertEqual(app.names[-1], "CallEndedEvent")

    def test_callsThatAreNeverAcknowledged(self) -> None:
        """INVITEs alone: half of the early calls at most, so that others ring."""
        for number in range(300):
            data = request("INVITE", number, self.mallory.host, body=BODY)
            self.lab.reactor.callLater(number / 50, self.mallory.raw, data)
        self.lab.advance(6.5)
        ringing = self.mallory.labels("180 INVITE")
        self.assertEqual(len(ringing), 100)
        self.assertLogged("100 calls from one source are not answered yet")
        self.ringing(actor=self.bob)

    def test_thisMachineIsNotLimited(self) -> None:
        """Unless it is to be."""
        for number in range(300):
            data = request("OPTIONS", number, "127.0.0.1")
            self.lab.network.send(data, ("127.0.0.1", 5060), DOUG)
        answers: list[bytes] = []
        self.lab.network.observers.append(lambda data, source, to: answers.append(data))
        self.lab.advance(0.1)
        self.assertEqual(Counter(data[:11] for data in answers), {b"SIP/2.0 200": 300})


class IPv6Cases(FieldCase):
    """A source that has a network of addresses."""

    settings = Settings(maxEarlyCalls=20)
    server = ("2001:db8::10", 5060)
    people = {
        "alice": ("2001:db8::20", 40000),
        "bob": ("2001:db8::21", 41000),
        "trunk": ("2001:db8::30", 30000),
        "mallory": ("2001:db8::99", 50000),
    }
    visitor = "2001:db8::1:99"

    def test_callsOfOneNetworkThatAreNeverAcknowledged(self) -> None:
        """Each from another address: half of the early calls at most, so that others ring."""
        answers: Counter[bytes] = Counter()
        self.lab.network.observers.append(lambda data, *way: answers.update([data[:11]]))
        for number in range(30):
            host = f"2001:db8:0:1::{number:x}"
            data = request("INVITE", number, f"[{host}]", body=sdp(host, 50000))
            send = self.lab.network.send
            self.lab.reactor.callLater(number / 50, send, data, (host, 5060), self.server)
        self.lab.advance(0.7)
        self.assertEqual(answers[b"SIP/2.0 180"], 10)
        self.assertLogged("others than 2001:db8:0:1::/64")
        self.ringing(actor=self.bob)


class TrunkCases(FieldCase):
    """A gateway brings the calls of many."""

    settings = Settings(
        trunks={"gw": Trunk("gw", "203.0.113.30", networks=(ip_network("203.0.113.0/27"),))},
        sourceRate=5,
        maxEarlyCalls=20,
    )

    def test_itsNetworkHasNoLimitOfASource(self) -> None:
        """Neither of requests nor of early calls; the limits of the server hold."""
        host = "203.0.113.7"
        answers: list[bytes] = []
        self.lab.network.observers.append(lambda data, source, to: answers.append(data[:11]))
        for number in range(30):
            data = request("INVITE", number, host, body=BODY)
            self.lab.network.send(data, (host, 5060), DOUG)
        self.lab.advance(0.1)
        found = Counter(answers)
        self.assertEqual((found[b"SIP/2.0 180"], found[b"SIP/2.0 503"]), (20, 10))
        self.assertLogged("20 calls are not answered yet")


class LimitedLoopbackCases(FieldCase):
    """--limit-loopback, --source-rate, --max-transactions, --max-message: each reached once."""

    settings = Settings(limitLoopback=True, sourceRate=10, maxTransactions=3, maxMessage=2000)

    def test_sourceRate(self) -> None:
        """The same as for strangers: beyond 20 at once two hear 503, with Retry-After."""
        answers: list[bytes] = []
        for number in range(100):
            data = request("OPTIONS", number, "127.0.0.1")
            self.lab.network.send(data, ("127.0.0.1", 5060), DOUG)
        self.lab.network.observers.append(lambda data, source, to: answers.append(data))
        self.lab.advance(0.1)
        found = Counter(data[:11] for data in answers)
        self.assertEqual(found, {b"SIP/2.0 200": 20, b"SIP/2.0 503": 2})
        self.assertIn(b"503 more than 10 requests a second (--source-rate)\r\n", answers[-1])
        self.assertIn(b"\r\nRetry-After: ", answers[-1])

    def test_maxTransactions(self) -> None:
        """More requests than may wait for their answer: 503 with the value."""
        for _ in range(3):
            self.ringing()
        self.bob.invite()
        response = self.bob.response("503 INVITE")
        self.assertEqual(response.reason, "3 requests wait (--max-transactions)")
        self.assertRegex(response.header("Retry-After") or "", "^[0-9]+$")
        self.assertLogged(r"198\.51\.100\.21 is refused: 3 requests wait .*--max-transactions")

    def test_maxMessage(self) -> None:
        """513 (RFC 3261 21.5.7); one byte less is read."""
        size = len(request("OPTIONS", 1, self.mallory.host))
        for length, code in ((2000, 200), (2001, 513)):
            more = f"X: {'x' * (length - size - 5)}\r\n"
            data = request("OPTIONS", 1, self.mallory.host, more=more)
            self.assertEqual(len(data), length)
            self.mallory.raw(data)
            self.mallory.response(f"{code} OPTIONS")
            self.mallory.forget()
        self.assertLogged("no SIP message from 203.0.113.99:5060: message: wanted at most 2000")


class OverloadCases(FieldCase):
    """A reactor that is late."""

    def struggle(self, seconds: float) -> None:
        """Turns that take a tenth of a second each."""
        for _ in range(round(seconds / 0.1)):
            self.lab.reactor.stall(0.095)
            self.lab.advance(0.005)

    def test_newCallsGet503(self) -> None:
        """Before their description is read and an application is made; calls that are up are
        served, OPTIONS too; it ends by itself. Two lines of the log.
        """
        call = self.answered()
        self.struggle(2.0)
        self.bob.invite()
        response = self.bob.response("503 INVITE")
        self.assertEqual(response.reason, "Server overloaded")
        self.assertTrue(5 <= int(response.header("Retry-After") or 0) <= 30)
        self.assertEqual(len(self.desk), 1)
        self.bob.ask("OPTIONS")
        self.bob.response("200 OPTIONS")
        call.reoffer()
        self.lab.advance(1.5)
        self.ringing(actor=self.bob)
        self.assertEqual(sum("overload: the reactor was late" in line for line in self.logged), 1)
        self.assertEqual(sum("overload is over" in line for line in self.logged), 1)
        self.assertLogged("is refused by overload: Server overloaded; .* --max-calls")
        self.hangUp(call)

    def test_aStallIsNoOverload(self) -> None:
        """The machine stood still for three seconds."""
        call = self.answered()
        self.lab.reactor.stall(3.0)
        self.lab.advance(0.1)
        self.ringing(actor=self.bob)
        self.hangUp(call)
