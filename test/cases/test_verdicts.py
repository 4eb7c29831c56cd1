"""What a call's end says of the way to the far end, in whole calls: addresses, ACK, RTP."""

from __future__ import annotations

from errno import ENETUNREACH
from typing import Any

from zope.interface import implementer

from doug.events import CallEndedEvent
from doug.testing.media import MemoryMediaIO, MemoryMediaSocket
from shtoom.media.io import IMediaSocket
from shtoom.media.ports import PortPool
from test.cases.actor import Dialogue, sdp
from test.cases.case import FieldCase
from test.cases.media import Address, MediaEnd

PRIVATE = "10.1.33.103"


class VerdictCase(FieldCase):
    """Ends a call, and looks at event and log."""

    def assertFound(self, rule: str, *words: str) -> None:
        """The verdict of the last call is this finding alone; event and log have its words."""
        (event,) = self.app.got(CallEndedEvent)
        self.assertEqual([finding.rule for finding in event.verdict], [rule])
        text = event.verdict[0].text
        for word in words:
            self.assertIn(word, text)
        lines = [line for line in self.logged if text in line]
        self.assertEqual(len(lines), 1, text)
        self.assertRegex(lines[0], r"^call \S+ (ended after|never came up)")

    def speaking(self, seconds: float, offer: bytes | None = None) -> Dialogue:
        """A call from alice in which she speaks for so long, then it goes on in silence."""
        call = self.answered(offer)
        self.alice.media.say(call.media, count=round(seconds * 50))
        self.lab.advance(seconds)
        return call


class SignallingVerdicts(VerdictCase):
    """ACK and Contact."""

    def unacknowledged(self, speaks: bool) -> None:
        """A call whose ACK never comes."""
        call = self.ringing()
        self.app.leg.answerCall(self.app)
        self.alice.response("200 INVITE")
        if speaks:
            self.alice.media.say(call.media, count=100)
        self.lab.advance(33.0)
        self.alice.reply(self.alice.request("BYE"), 200)
        self.lab.advance(1.0)

    def test_noACKThoughTheFarEndSpeaks(self) -> None:
        """It has our 200, then; our Contact is the place to look at."""
        self.unacknowledged(speaks=True)
        self.assertFound("no-ack", "no ACK came within 32 s", "it has our 200", "(192.0.2.10)")
        self.assertStillWell()

    def test_noACKAndNoSound(self) -> None:
        """The 200 did not get there."""
        self.unacknowledged(speaks=False)
        self.assertFound("no-ack", "our 200 did not get to 198.51.100.20", "firewall")
        self.assertStillWell()

    def test_aPrivateContact(self) -> None:
        """Which nothing was sent to yet."""
        call = self.ringing(with_={"Contact": "<sip:alice@10.0.0.7:5066>"})
        self.accept(call)
        self.alice.media.say(call.media, count=150)
        self.lab.advance(3.0)
        self.hangUp(call)
        self.assertFound("private-contact", "10.0.0.7", "198.51.100.20", "STUN")
        self.assertStillWell()

    def test_aPrivateContactThatWeShouldSendTo(self) -> None:
        """The user agent has sent the BYE to where packets come from, and says so: once."""
        call = self.ringing(with_={"Contact": "<sip:alice@10.0.0.7:5066>"})
        self.accept(call)
        self.alice.media.say(call.media, count=150)
        self.lab.advance(3.0)
        self.app.leg.hangupCall()
        self.alice.reply(self.alice.request("BYE"), 200)
        self.lab.advance(0.1)
        self.assertFound("signalling", "10.0.0.7")
        self.assertStillWell()


class PrivateServerVerdicts(VerdictCase):
    """A server behind NAT that was not told its public address."""

    server = ("10.0.0.5", 5060)

    def test_noACKBecauseOurContactIsPrivate(self) -> None:
        """The remedy is --advertise."""
        self.ringing()
        self.app.leg.answerCall(self.app)
        self.alice.response("200 INVITE")
        self.lab.advance(33.0)
        self.alice.reply(self.alice.request("BYE"), 200)
        self.lab.advance(1.0)
        self.assertFound("no-ack", "our Contact says 10.0.0.5", "--advertise")
        self.assertStillWell()


class MediaVerdicts(VerdictCase):
    """RTP."""

    def test_aSoundCall(self) -> None:
        """Nothing was wrong."""
        call = self.speaking(4.0)
        self.hangUp(call)
        (event,) = self.app.got(CallEndedEvent)
        self.assertEqual(event.verdict, [])
        self.assertLogged("ended after 4.* nothing was wrong")
        self.assertStillWell()

    def test_aPrivateAddressInSDP(self) -> None:
        """Said even though the latch has found the phone."""
        self.hangUp(self.speaking(3.0, sdp(PRIVATE, 40000)))
        self.assertFound("private-media", PRIVATE, "198.51.100.20", "STUN")
        self.assertStillWell()

    def test_aCallThatIsPlaced(self) -> None:
        """The same rules, for the answer of who is called."""
        self.dial()
        call = self.trunk.takes(self.trunk.request("INVITE"))
        call.says(200, body=sdp(PRIVATE, 30000, "0 101"))
        self.trunk.request("ACK")
        self.trunk.media.say(call.media, count=150)
        self.lab.advance(3.0)
        self.hangUp(call)
        self.assertFound("private-media", PRIVATE, "203.0.113.30")
        self.assertStillWell()

    def test_RTPFromElsewhere(self) -> None:
        """A proxy that is not in the SDP is heard after a second, and named."""
        call = self.answered(sdp("203.0.113.77", 40000))
        proxy = MediaEnd(self.lab, "203.0.113.78", 40000)
        self.addCleanup(proxy.close)
        proxy.say(call.media, count=400)
        self.lab.advance(8.0)
        self.hangUp(call)
        self.assertFound("media-elsewhere", "RTP came from 203.0.113.78, the SDP said 203.0.113.77",
                         "should name", "ours goes to 203.0.113.77")  # fmt: skip
        call = self.speaking(3.0, sdp("203.0.113.77", 40000))
        call.reoffer(sdp("203.0.113.77", 40000, version=2, more="a=inactive"))
        self.lab.advance(3.0)
        self.hangUp(call)
        self.assertFound("media-elsewhere", "RTP came from 198.51.100.20", "ours follows it")
        proxy.close()
        self.assertStillWell()

    def test_RTPOfStrangers(self) -> None:
        """How many packets, and that nothing of them was taken."""
        call = self.answered()
        self.alice.media.say(call.media, count=150)
        self.mallory.media.say(call.media, count=77, ssrc=2, after=0.5)
        self.lab.advance(3.0)
        self.hangUp(call)
        self.assertFound("foreign-media", "77 RTP packets", "were dropped")
        self.assertStillWell()

    def test_noRTP(self) -> None:
        """From a phone behind a firewall that lets only signalling through, whoever else sends."""
        call = self.answered()
        self.mallory.media.say(call.media, count=1, after=0.5)
        self.lab.advance(3.0)
        self.hangUp(call)
        self.assertFound("no-media", "--rtp-ports", "--advertise")
        call = self.answered()
        self.mallory.media.say(call.media, count=200, every=0.005)
        self.lab.advance(3.0)
        self.hangUp(call)
        (event,) = self.app.got(CallEndedEvent)
        self.assertEqual([found.rule for found in event.verdict], ["foreign-media", "no-media"])
        self.assertStillWell()

    def test_noRTPAndThenHold(self) -> None:
        """To the end of the call: who hears nothing may try that."""
        call = self.answered()
        self.lab.advance(3.0)
        for version, host in enumerate((self.alice.host, "0.0.0.0"), 2):  # held to its end
            call.reoffer(sdp(host, 40000, version=version, more="a=inactive"))
            self.lab.advance(3.0)
        self.hangUp(call)
        self.assertFound("no-media", "--rtp-ports", "--advertise")
        self.assertStillWell()

    def test_oneWayFromSomeTimeOn(self) -> None:
        """A NAT that has forgotten the call."""
        call = self.speaking(3.0)
        self.lab.advance(12.0)
        self.hangUp(call)
        self.assertFound("one-way", "in the last 12 s", "NAT")
        call = self.speaking(3.0)
        for _ in range(13):  # re-INVITEs that only keep it alive
            call.reoffer()
            self.lab.advance(1.0)
        self.hangUp(call)
        self.assertFound("one-way", "in the last 13 s", "NAT")
        self.assertStillWell()

    def test_oneWayButForHold(self) -> None:
        """Who holds the call, or has held it until just now, need not send."""
        call = self.speaking(3.0)
        call.reoffer(sdp(self.alice.host, 40000, version=2, more="a=inactive"))
        self.lab.advance(60.0)
        call.reoffer(sdp(self.alice.host, 40000, version=3))
        self.lab.advance(2.0)
        self.hangUp(call)
        (event,) = self.app.got(CallEndedEvent)
        self.assertEqual(event.verdict, [])
        self.assertStillWell()

    def test_loss(self) -> None:
        """Each fifth packet."""
        call = self.answered()
        for n in range(300):
            if n % 5 or n in (0, 299):
                self.alice.media.say(call.media, count=1, seq=n, ts=n * 160, after=n * 0.02)
        self.lab.advance(6.1)
        self.hangUp(call)
        self.assertFound("loss", "20 % of the far end's RTP packets were lost")
        self.assertStillWell()

    def test_lateness(self) -> None:
        """Each tenth packet half a second too late, where somebody listens."""
        call = self.answered()
        self.listen()
        for n in range(300):
            late = 0.5 if n % 10 == 5 else 0.0
            self.alice.media.say(call.media, count=1, seq=n, ts=n * 160, after=n * 0.02 + late)
        self.lab.advance(6.6)
        self.hangUp(call)
        self.assertFound("jitter", "10 % of the far end's RTP packets came too late")
        self.assertStillWell()


@implementer(IMediaSocket)
class Cut(MemoryMediaSocket):
    """A port of a machine without a route."""

    def send(self, data: bytes, address: Address) -> None:
        """As the system does it then."""
        raise OSError(ENETUNREACH, "Network is unreachable")


class UnreachableVerdicts(VerdictCase):
    """A server that hears the far end, but cannot send anything there."""

    def setUp(self) -> None:
        super().setUp()
        io: MemoryMediaIO = self.lab.io
        self.usual = io.open

        def open_(host: str, ports: PortPool) -> Any:
            socket = ports.take(lambda port: Cut(io, host, port))
            io.sockets.add(socket)
            return socket

        io.open = open_  # type: ignore[method-assign]

    def test_oneWayAudio(self) -> None:
        """It is this machine that does not take the packets."""
        call = self.speaking(3.0)
        self.lab.io.open = self.usual  # type: ignore[method-assign]
        self.hangUp(call)
        self.assertFound("one-way", "this machine did not take", "route")
        self.assertStillWell()
