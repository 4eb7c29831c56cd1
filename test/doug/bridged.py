"""Two phones that an application connects: what tests of bridges share.

Lives here: the two calls and their bridge, RTP as it travels. Not here: the laboratory
(doug.testing), the application (test.doug.puppet).
"""

from __future__ import annotations

from typing import Any, NamedTuple

from doug.bridge import Bridge
from doug.leg import Leg
from doug.testing import PhoneCall
from shtoom.exceptions import MalformedMessage
from shtoom.rtp.packet import RTPPacket, parseRTP
from shtoom.sdp.offeranswer import Capabilities, makeOffer
from shtoom.sip.message import Response
from test.doug.puppet import LegTestCase


class Sent(NamedTuple):
    """One RTP packet. at: seconds; source, to: (host, port)."""

    at: float
    source: tuple[str, int]
    to: tuple[str, int]
    packet: RTPPacket


class BridgeTestCase(LegTestCase):
    """Alice has called a Puppet, which has called Bob. self.leg, self.call: Alice's; self.other,
    self.bob: Bob's."""

    bridge: Bridge
    version = 1  # of the phones' descriptions

    def beginBoth(self, *, bob: dict[str, Any] | None = None, **options: Any) -> None:
        """Both are up, nothing is connected. options: of Alice's phone, bob: of his."""
        self.begin(**options)
        self.phoneOfBob = self.lab.phone("bob", **(bob or {}))
        self.other: Leg = self.app.placeCall(self.phoneOfBob.uri)
        self.lab.advance(0.5)
        [self.bob] = self.phoneOfBob.calls
        self.app.events.clear()

    def beginBridge(self, **options: Any) -> None:
        """Both are up and connected, Alice's leg first."""
        relayKeys = options.pop("relayKeys", True)
        self.beginBoth(**options)
        self.bridge = self.app.connectLegs(self.leg, self.other, relayKeys=relayKeys)
        self.rtp = Wire(self.lab)

    def talk(self, seconds: float = 1.0) -> None:
        """Alice says 440 Hz and Bob 620 Hz."""
        self.call.sayTone(440, seconds)
        self.bob.sayTone(620, seconds)
        self.lab.advance(seconds)

    def hold(self, mine: PhoneCall, direction: str) -> None:
        """The phone of that call offers another direction: "inactive", "sendonly", "sendrecv"."""
        call, phone = mine.call, mine.phone
        assert call is not None
        assert call.dialog is not None
        assert call.peer is not None
        self.version += 1
        ours = Capabilities(
            codecs=phone.codecs,
            events=phone.events,
            address=phone.host.address,
            port=mine.session.port,
            sessionID=1000,
            version=self.version,
        )
        request = call.dialog.request(
            "INVITE", call.contact, (), makeOffer(ours, direction).toBytes(), "application/sdp"
        )
        responses: list[Response] = []
        phone.agent.ask(call.dialog, request, call.peer, []).addCallback(responses.append)
        self.lab.advance(0.2)
        self.assertEqual([response.code for response in responses], [200])
        phone.agent.layer.sendStateless(call.dialog.ack(request.cseq.number), call.peer)
        self.lab.advance(0.2)

    def assertConnected(self) -> None:
        """That each hears the other's tone, and nobody else's."""
        self.talk()
        self.call.assertHearsTone(620)
        self.bob.assertHearsTone(440)

    def assertApart(self, *calls: PhoneCall) -> None:
        """That what the two say is heard by nobody."""
        for call, hz in ((self.call, 440), (self.bob, 620)):
            if not call.closed:
                call.sayTone(hz, 1.0)
        self.lab.advance(1.0)
        for call in calls:
            call.assertSilent()


class Wire:
    """The RTP that travels from now on."""

    def __init__(self, lab: Any) -> None:
        self.lab = lab
        self.sent: list[Sent] = []
        lab.network.observers.append(self._seen)

    def _seen(self, data: bytes, source: tuple[str, int], to: tuple[str, int]) -> None:
        if data[:1] == b"\x80":
            try:
                packet = parseRTP(data)
            except MalformedMessage:
                return
            self.sent.append(Sent(self.lab.reactor.seconds(), source, to, packet))

    def fromPhone(self, call: PhoneCall) -> list[Sent]:
        """What a phone has sent."""
        address = call.session.host, call.session.port
        return [s for s in self.sent if s.source == address]

    def toPhone(self, call: PhoneCall) -> list[Sent]:
        """What was sent to a phone."""
        address = call.session.host, call.session.port
        return [s for s in self.sent if s.to == address]

    def presses(self, sent: list[Sent], kind: int = 101) -> dict[int, list[RTPPacket]]:
        """Packets of telephone-events by their timestamp: one entry a press."""
        found: dict[int, list[RTPPacket]] = {}
        for _, _, _, packet in sent:
            if packet.payloadType == kind:
                found.setdefault(packet.timestamp, []).append(packet)
        return found
