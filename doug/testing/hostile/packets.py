"""Phones whose RTP is odd (catalogue 35 to 46, 60, 62, 63).

Lives here: packets. Not here: what was agreed on for them (messages.py, courses.py).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from doug.testing.hostile.base import EVENT_TYPE, SIP_PORT, HostilePhone
from doug.testing.hostile.raw import RawMessage, RawPacket
from doug.testing.phonecall import PhoneCall
from shtoom.exceptions import MalformedMessage
from shtoom.sdp.description import parseSDP

CHANGE = 25  # packets: where those that change do so, half a second
PAUSE = 20  # packets before a silence, and in it
COMFORT_NOISE = 13
FRAME = 160


class Packets(HostilePhone):
    """Counts its packets of sound from the answer on."""

    spoken = 0

    def callUp(self, call: PhoneCall) -> None:
        self.spoken = 0
        super().callUp(call)

    def rtpOut(self, packet: RawPacket) -> Iterable[RawPacket | bytes]:
        if packet.payloadType == EVENT_TYPE:
            yield from self.key(packet)
        else:
            self.spoken += 1
            yield from self.sound(packet, self.spoken)

    def sound(self, packet: RawPacket, number: int) -> Iterable[RawPacket | bytes]:
        """What leaves in place of a packet of sound, the number-th."""
        return (packet,)

    def key(self, packet: RawPacket) -> Iterable[RawPacket | bytes]:
        """What leaves in place of a packet of a key."""
        return (packet,)


class FromAnotherPort(HostilePhone):
    """Its RTP comes from another port than its SDP says. Right: follows it on the same host."""

    number = 35

    def portOutside(self, port: int) -> int:
        return port if port == SIP_PORT else port + 2000


class AnotherSource(Packets):
    """Goes on with another SSRC, far away in sequence. Right: is heard at once."""

    number = 36

    def sound(self, packet: RawPacket, number: int) -> Iterable[RawPacket | bytes]:
        if number >= CHANGE:
            packet.ssrc ^= 0x55555555
            packet.sequence += 20000
            packet.timestamp += 1234567
        yield packet

    def key(self, packet: RawPacket) -> Iterable[RawPacket | bytes]:
        return self.sound(packet, self.spoken)


class SequenceBeginsAnew(Packets):
    """The same SSRC goes on at another sequence and timestamp. Right: after two packets."""

    number = 37

    def sound(self, packet: RawPacket, number: int) -> Iterable[RawPacket | bytes]:
        if number >= CHANGE:
            packet.sequence += 20000
            packet.timestamp += 1234567
        yield packet

    def key(self, packet: RawPacket) -> Iterable[RawPacket | bytes]:
        return self.sound(packet, self.spoken)


class LongerPackets(Packets):
    """Goes over to packets of 40 ms without a word. Right: plays them by their timestamp."""

    number = 38
    _first: RawPacket | None = None

    def sound(self, packet: RawPacket, number: int) -> Iterable[RawPacket | bytes]:
        packet.sequence -= max(0, number - CHANGE) // 2
        if number < CHANGE:
            yield packet
        elif self._first is None:
            self._first = packet
        else:
            first, self._first = self._first, None
            first.payload += packet.payload
            yield first

    def key(self, packet: RawPacket) -> Iterable[RawPacket | bytes]:
        packet.sequence -= max(0, self.spoken - CHANGE + 1) // 2
        yield packet


class FullHeaders(Packets):
    """Its packets have padding, an extension and CSRCs. Right: passes over them."""

    number = 39

    def sound(self, packet: RawPacket, number: int) -> Iterable[RawPacket | bytes]:
        extension = b"\xbe\xde\x00\x01\x10\xff\x00\x00"
        yield packet.toBytes(extension=extension, csrcs=(1, 2), pad=4)


class Discontinuous(Packets):
    """Sends nothing while its user is silent, but for comfort noise. Right: silence, no end."""

    number = 40

    def sound(self, packet: RawPacket, number: int) -> Iterable[RawPacket | bytes]:
        packet.sequence -= min(max(0, number - PAUSE), PAUSE)
        if number == PAUSE:
            packet.payloadType, packet.payload = COMFORT_NOISE, b"\x40"
        if not PAUSE < number <= 2 * PAUSE:
            yield packet

    def key(self, packet: RawPacket) -> Iterable[RawPacket | bytes]:
        packet.sequence -= min(max(0, self.spoken - PAUSE), PAUSE)
        yield packet


class FastAndInBursts(Packets):
    """Sends 4 % too much, five packets at a time. Right: a bounded buffer, little is lost."""

    number = 41

    def __init__(self, *args: Any, **options: Any) -> None:
        self._kept: list[RawPacket] = []
        self._more = 0
        super().__init__(*args, **options)

    def sound(self, packet: RawPacket, number: int) -> Iterable[RawPacket | bytes]:
        self._keep(packet)
        if number % CHANGE == 0:
            self._more += 1
            self._keep(packet)
        if len(self._kept) >= 5:
            kept, self._kept = self._kept, []
            yield from kept

    def key(self, packet: RawPacket) -> Iterable[RawPacket | bytes]:
        packet.sequence += self._more
        yield packet

    def _keep(self, packet: RawPacket) -> None:
        sequence = packet.sequence + self._more
        timestamp = packet.timestamp + self._more * FRAME
        self._kept.append(
            RawPacket(packet.payloadType, False, sequence, timestamp, packet.ssrc, packet.payload)
        )


class KeysWithoutMarker(Packets):
    """No packet of a key has the marker. Right: a new timestamp is a new key."""

    number = 42

    def key(self, packet: RawPacket) -> Iterable[RawPacket | bytes]:
        packet.marker = False
        yield packet


class KeysWithoutEnd(Packets):
    """The end of each key is lost. Right: it is one key, which ends by time or the next one."""

    number = 43

    def key(self, packet: RawPacket) -> Iterable[RawPacket | bytes]:
        if not packet.payload[1] & 0x80:
            yield packet


class LongKeyWithGap(Packets):
    """Presses a second long, and half of that is lost in one piece. Right: one key."""

    number = 44
    _sent = 0

    def press(self, call: PhoneCall) -> None:
        if call.state == "answered" and call.stream is not None and call.stream.eventType:
            call.press(self.keys, duration=1.0)

    def key(self, packet: RawPacket) -> Iterable[RawPacket | bytes]:
        self._sent = 0 if packet.marker else self._sent + 1
        if not 10 <= self._sent < 35:
            yield packet


class KeysOfRunningTime(Packets):
    """The timestamp of a key runs on while it is held. Right: one key."""

    number = 45

    def key(self, packet: RawPacket) -> Iterable[RawPacket | bytes]:
        packet.timestamp += int.from_bytes(packet.payload[2:4], "big")
        yield packet


class KeysTwice(HostilePhone):
    """Presses each key as event and as tone. Right: one key."""

    number = 46

    def callUp(self, call: PhoneCall) -> None:
        """Its user says nothing else: words would be in the way of the tones."""
        self.later(self.firstKey, self.press, call)
        self.later(self.stays, call.hangUp)

    def press(self, call: PhoneCall) -> None:
        super().press(call)
        if call.state == "answered":
            call.sayKeys(self.keys)


class BadLine(Packets):
    """15 % of its packets are lost, 10 % come twice, 10 % late. Right: what is there is heard."""

    number = 60
    _late: RawPacket | None = None

    def sound(self, packet: RawPacket, number: int) -> Iterable[RawPacket | bytes]:
        fate = self.rng.random()
        late, self._late = self._late, None
        if 0.15 <= fate < 0.25:
            self._late = packet
        elif fate >= 0.25:
            yield from (packet,) * (2 if fate > 0.9 else 1)
        if late is not None:
            yield late


class Silent(HostilePhone):
    """Sends no RTP at all. Right: the call goes on; its inactivity is noticed after a minute."""

    number = 62

    def rtpOut(self, packet: RawPacket) -> Iterable[RawPacket | bytes]:
        return ()


class SpeaksBeforeItsACK(HostilePhone):
    """Sends RTP when it has the 200, before its ACK. Right: it is heard from the answer on."""

    number = 63
    answers = False

    def sipIn(self, message: RawMessage) -> Iterable[RawMessage]:
        call = self.callOf(message)
        if call is not None and message.label == "200 INVITE":
            try:
                audio = parseSDP(message.body).media[0]
            except MalformedMessage as error:
                self.complain(f"the 200's description: {error}")
            else:
                if audio.connection is not None:
                    to = audio.connection.address, audio.port
                    for number in range(10):
                        packet = RawPacket(0, False, number, number * FRAME, 63, bytes(FRAME))
                        self.transmit(packet.toBytes(), call.session.port, to)
        yield message
