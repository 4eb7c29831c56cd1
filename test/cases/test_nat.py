"""Phones behind NAT, and IPv6 (cases nat-001 to 003, ipv6-002), on the whole server."""

from __future__ import annotations

from doug.events import CallEndedEvent
from doug.testing.hearing import toneShare
from test.cases.actor import sdp
from test.cases.case import FieldCase
from test.cases.media import Address, MediaEnd, assertGapless, loud

ROUTES = (  # Via, source port, where the response goes, what its Via must have
    (
        "10.0.0.5:5062;branch=z9hG4bK1;rport",
        6000,
        6000,
        "(?=.*;received=203.0.113.30)(?=.*;rport=6000)",
    ),
    ("10.0.0.5:5062;branch=z9hG4bK2", 6000, 5062, "received=203.0.113.30"),
    ("203.0.113.30;branch=z9hG4bK3", 6000, 5060, "^Via: "),
    ("host.example.net:5062;branch=z9hG4bK4", 5062, 5062, "received=203.0.113.30"),
    ("203.0.113.30;maddr=203.0.113.99;branch=z9hG4bK5", 5060, 5060, "^Via: "),
)


class NATCases(FieldCase):
    """Addresses that are not what they say."""

    def test_nat_001_aPrivateAddressInTheOffer(self) -> None:
        """Sound follows the first packets to where they come from; the log says so once."""
        call = self.answered(sdp("10.1.33.103", 40000))
        self.app.leg.mediaPlay(self.soundFile(3.0))
        self.lab.advance(0.5)
        self.assertEqual(self.alice.media.packets, [])
        self.alice.media.say(call.media, count=100)
        began = self.lab.reactor.seconds()
        packets = self.alice.media.during(1.0)
        assertGapless(packets)
        self.assertLess(packets[0].at - began, 0.06)
        told = [text for text in self.logged if "SDP said" in text]
        self.assertEqual(len(told), 1)
        self.assertRegex(told[0], r"SDP said 10\.1\.33\.103 .*came from 198\.51\.100\.20 ")
        self.hangUp(call)
        self.assertStillWell()

    def test_nat_002_sameAddressAnotherPort(self) -> None:
        """It is followed; another address is not, once the right one was heard (RFC 4961 4)."""
        call = self.answered()
        mapped = MediaEnd(self.lab, self.alice.host, 47777)
        self.addCleanup(mapped.close)
        self.app.leg.mediaPlay(self.soundFile(4.0))
        ear = self.listen()
        mapped.say(call.media, count=150)
        self.lab.advance(0.1)
        before = len(self.alice.media.packets)
        assertGapless(mapped.during(1.0))
        self.assertEqual(len(self.alice.media.packets), before)
        self.mallory.media.say(call.media, seq=9, ssrc=2, hz=660)
        packets = mapped.during(1.0)
        assertGapless(packets)
        self.assertEqual(len(packets), 50)
        self.assertEqual(self.mallory.media.packets, [])
        self.assertLess(toneShare(ear.heard[-8000:], 660), 0.01)
        self.hangUp(call)
        mapped.close()
        self.assertStillWell()

    def test_nat_002_aSprayerFromTheStart(self) -> None:
        """200 packets a second from a stranger before the phone speaks: nothing goes there."""
        call = self.answered()
        self.app.leg.mediaPlay(self.soundFile(3.0))
        ear = self.listen()
        self.mallory.media.say(call.media, count=400, every=0.005, ssrc=666, hz=660)
        self.alice.media.say(call.media, count=90, after=0.2)
        self.lab.advance(2.2)
        self.assertEqual(self.mallory.media.packets, [])
        self.assertLess(toneShare(ear.heard, 660), 0.01)
        self.assertGreater(toneShare(ear.heard, 440), 0.5)
        self.hangUp(call)
        self.assertStillWell()

    def test_nat_003_whereResponsesGo(self) -> None:
        """By received and rport, never to a third party (RFC 3261 18.2.1, 18.2.2, RFC 3581 4)."""
        sent: list[tuple[bytes, Address]] = []

        def watch(data: bytes, source: Address, destination: Address) -> None:
            if source == self.server:
                sent.append((data, destination))

        self.lab.network.observers.append(watch)
        for number, (via, port, wanted, marked) in enumerate(ROUTES):
            sent.clear()
            self.trunk.raw(
                f"OPTIONS sip:192.0.2.10 SIP/2.0\r\nVia: SIP/2.0/UDP {via}\r\n"
                f"From: <sip:a@example.net>;tag=1\r\nTo: <sip:192.0.2.10>\r\n"
                f"Call-ID: nat{number}\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n",
                sourcePort=port,
            )
            self.lab.advance(0.01)
            ((data, destination),) = sent
            self.assertEqual(destination, ("203.0.113.30", wanted), via)
            self.assertRegex(data.decode().split("\r\n")[1], marked)
        self.assertStillWell()

    def test_ipv6_002_anOfferOfTheOtherFamily(self) -> None:
        """c=IN IP6 for a server that has IPv4 alone: 488 with a Warning 300 (RFC 8866 5.7)."""
        call = self.alice.invite(sdp("2001:db8::9", 40000))
        refusal = self.alice.response("488 INVITE")
        self.assertRegex(refusal.header("Warning") or "", "^30[01] ")
        call.ackRefusal()
        self.assertEqual(self.desk, [])
        self.assertStillWell()


class IPv6Cases(FieldCase):
    """A server with an IPv6 address."""

    server = ("2001:db8::10", 5060)
    people = {
        "alice": ("2001:db8::20", 40000),
        "bob": ("2001:db8::21", 41000),
        "trunk": ("2001:db8::30", 30000),
        "mallory": ("2001:db8::99", 50000),
    }
    visitor = "2001:db8::1:99"

    def test_ipv6_002_noBracketsInSDP(self) -> None:
        """Brackets in URIs and Via, none in c= and o= (RFC 8866 5.7, 9)."""
        call = self.ringing()
        answer = self.accept(call)
        text = answer.body.decode()
        self.assertIn("\r\nc=IN IP6 2001:db8::10\r\n", text)
        self.assertRegex(text, r"\r\no=- \d+ \d+ IN IP6 2001:db8::10\r\n")
        self.assertRegex(answer.header("Contact") or "", r"^<sip:.*@\[2001:db8::10\]")
        self.app.leg.mediaPlay(self.soundFile(1.0))
        self.lab.advance(0.1)
        assertGapless(self.alice.media.during(0.5))
        self.app.leg.hangupCall()
        bye = self.alice.request("BYE")
        self.assertRegex(bye.header("Via") or "", r"^SIP/2.0/UDP \[2001:db8::10\]")
        self.alice.reply(bye, 200)
        self.assertStillWell()

    def test_ipv6_002_anAddressInLongForm(self) -> None:
        """2001:DB8:0:0::21 is 2001:db8::21: its RTP is the far end's, from the first packet on."""
        call = self.answered(sdp("2001:DB8:0:0::21", 41000))
        ear = self.listen()
        self.bob.media.say(call.media, count=150)
        self.lab.advance(3.2)
        self.assertNear(len(loud(ear.heard)) / 8000, 3.0, 0.002)
        self.hangUp(call)
        self.assertEqual([event.verdict for event in self.app.got(CallEndedEvent)], [[]])
        self.assertStillWell()

    def test_ipv6_001_dialled(self) -> None:
        """An address in brackets is dialled, and From has ours in brackets."""
        app = self.dial("sip:200@[2001:db8::30]")
        invite = self.trunk.request("INVITE")
        self.assertEqual(str(invite.uri), "sip:200@[2001:db8::30]")
        self.assertIn("[2001:db8::10]", invite.header("From") or "")
        self.assertIn("c=IN IP6 2001:db8::10\r\n", invite.body.decode())
        call = self.trunk.takes(invite)
        call.says(200, body=self.trunk.answer)
        self.trunk.request("ACK")
        self.lab.advance(0.01)
        self.hangUp(call)
        self.assertOneEnd(app)
        self.assertStillWell()
