"""What a session sends: one packet a packet time, with the rules of RFC 3550 for its header.

Lives here: SSRC, sequence, timestamp and marker; silence while idle; packets forwarded from
another session; keys as telephone-events. Not here: when a packet time has passed (media.clock),
where packets go (media.latch decides, media.incoming tells).
"""

from __future__ import annotations

from collections import deque
from random import Random
from struct import Struct

from twisted.internet.defer import Deferred
from twisted.logger import Logger

from shtoom.codecs import Codec
from shtoom.media.io import Address, IMediaSocket
from shtoom.media.schedule import NEVER, Schedule
from shtoom.media.stream import Idle, IFeed, StreamParameters
from shtoom.media.translate import translated
from shtoom.rtp.telephoneevent import TelephoneEventSender

OPENING = 1.0  # seconds of silence at the start: they open NATs and let the far end latch
TAIL = 0.2  # seconds of silence after sound, so that its end is not concealed as a loss
SPARSE = 1.0  # seconds between two packets of Idle.SPARSE
KEEPALIVE = 15.0  # seconds between empty datagrams while held (RFC 6263 4.1, 5)
RELAY_PAUSE = 0.2  # seconds without a forwarded packet, twice that at most, until silence follows

_pack = Struct("!BBHII").pack  # the fixed header of RFC 3550 5.1
_PLAIN = 0x80  # its first byte: version 2, no padding, extension or CSRCs
_MARKER = 0x80
_MASK32 = 0xFFFFFFFF
_HALF32 = 0x80000000
_NOWHERE: Address = ("", 0)

_log = Logger()


class Outgoing:
    """The sending half of a session: tick() is called once a packet time.

    One SSRC, one sequence and one line of timestamps last for the session's life, whatever is
    played or forwarded. The timestamp follows the slots of the timeline, so it goes on while
    nothing is sent; the packet after such a gap has the marker (RFC 3551 4.1).

    ssrc: in all packets sent. wakeAt: the first slot that tick() is of use in. packetTime:
    milliseconds of sound a packet. packetsSent, refusals (datagrams that the system did not
    take): counts. label: names the call in log lines. phase, group, alarm: the schedule's.
    """

    __slots__ = (
        "_base", "_codec", "_event", "_eventTimestamp", "_eventType", "_events", "_feed", "_idle",
        "_idleAt", "_nextSlot", "_open", "_payloadType", "_perSlot", "_relayEnd", "_relayFirst",
        "_relayOffset", "_relayable", "_relayed", "_relayedSSRC", "_schedule", "_send", "_sending",
        "_sequence", "_silence", "_silenceUntil", "_size", "_slots", "_speaking", "_to", "alarm",
        "group", "label", "packetTime", "packetsSent", "phase", "refusals", "ssrc", "wakeAt",
    )  # fmt: skip

    def __init__(self, socket: IMediaSocket, rng: Random, idle: Idle, schedule: Schedule) -> None:
        self._send = socket.send
        self._idle, self._schedule = idle, schedule
        self.ssrc = rng.getrandbits(32)
        self._sequence = rng.getrandbits(15)  # the highest sent; the first ones far from the wrap
        self._base = rng.getrandbits(32)  # timestamp of slot 0
        self._perSlot = 0  # ticks of the RTP clock
        self._nextSlot = -1  # where a packet would follow the last one without a gap
        self._codec: Codec | None = None
        self._feed: IFeed | None = None
        self._to = _NOWHERE
        self._sending = self._speaking = False
        self._open = self._relayable = False  # sums of the above and of _event: see _changed
        self._silenceUntil = self._idleAt = 0  # slots
        self._eventType: int | None = None
        self._events: deque[tuple[TelephoneEventSender, Deferred[None]]] = deque()
        self._event: TelephoneEventSender | None = None
        self._eventTimestamp = 0
        self._relayedSSRC: int | None = None
        self._relayOffset = (0, 0)  # what to add to a forwarded packet's sequence and timestamp
        self._relayFirst = 0  # the lowest sequence that a forwarded packet can have
        self._relayEnd = 0  # the timestamp behind the latest forwarded packet
        self._relayed = False  # something was forwarded since the last look
        self.packetTime = 20
        self.packetsSent = self.refusals = 0
        self.label = ""
        self.wakeAt = 0
        self.phase = 0
        self.group: dict[Outgoing, None] | None = None
        self.alarm = NEVER

    def configure(self, stream: StreamParameters, packetTime: int) -> None:
        """From now on by these parameters, with packetTime milliseconds of sound a packet."""
        schedule, codec = self._schedule, stream.codec
        if self._codec is None:
            self._silenceUntil = schedule.slot + schedule.slots(OPENING)
        self._codec, self._payloadType = codec, stream.payloadType
        self._sending, self._eventType = stream.send, stream.eventType
        perSlot = round(codec.clock * schedule.length)
        self._base += schedule.slot * (self._perSlot - perSlot)  # no jump if the clock changes
        self._perSlot = perSlot
        self.packetTime = packetTime
        self._slots = schedule.slots(packetTime / 1000)
        self._size = codec.rate * packetTime // 1000
        self._silence = (codec.silence * (packetTime // 20 + 1))[: self._size]
        self._relayedSSRC = None
        if stream.eventType is None:
            self._dropEvents()
        self._changed()

    @property
    def feed(self) -> IFeed | None:
        """Who is asked for sound."""
        return self._feed

    @feed.setter
    def feed(self, feed: IFeed | None) -> None:
        self._feed = feed
        self.wakeAt = 0
        self._schedule.wake(self)

    @property
    def address(self) -> Address | None:
        """(host, port) that packets go to; None for nowhere."""
        return None if self._to is _NOWHERE else self._to

    @address.setter
    def address(self, address: Address | None) -> None:
        self._to = _NOWHERE if address is None else address
        self._changed()

    def _changed(self) -> None:
        """What decides over sending is not what it was."""
        self._open = self._sending and self._to is not _NOWHERE and self._event is None
        self._relayable = self._open and not self._speaking
        self.wakeAt = self._idleAt = 0
        self._schedule.wake(self)

    # --- one packet time ----------------------------------------------------------------------

    def tick(self, slot: int) -> None:
        """Sends what is to be said in this packet time, if anything."""
        if self._event is not None and self._tickEvent(slot):
            return
        feed = self._feed
        if feed is not None and self._open:
            try:
                payload = feed.nextPayload(self._size)
            except Exception:
                _log.failure("{label}: what is to be played failed, it is off", label=self.label)
                self._feed = payload = None
            if payload:
                if len(payload) != self._size:
                    payload = (payload + self._silence)[: self._size]
                if not self._speaking:
                    self._speaking, self._relayable = True, False
                self._sendSound(payload, slot)
                return
        if self._speaking:
            self._speaking, self._relayable = False, self._open
            self._silenceUntil = slot + self._schedule.slots(TAIL)
            self._idleAt = 0
        if slot >= self._idleAt:
            self._tickIdle(slot)
        if self._feed is None:
            self.wakeAt = self._idleAt

    def _tickIdle(self, slot: int) -> None:
        """Nothing to say: silence, or what keeps the way open, and when to look again."""
        schedule = self._schedule
        if self._to is _NOWHERE:
            self._idleAt = NEVER
        elif not self._sending:
            self._idleAt = slot + schedule.slots(KEEPALIVE)
            self._sendDatagram(b"")
        elif self._relayed:
            self._relayed = False
            self._idleAt = slot + schedule.slots(RELAY_PAUSE)
        elif slot < self._silenceUntil or self._idle is Idle.SILENCE:
            self._idleAt = 0
            self._sendSound(self._silence, slot)
        elif self._idle is Idle.SPARSE:
            self._idleAt = slot + schedule.slots(SPARSE)
            self._sendSound(self._silence, slot)
        else:
            self._idleAt = NEVER

    def _sendSound(self, payload: bytes, slot: int) -> None:
        """The packet of this slot."""
        if self._relayedSSRC is not None:
            self._endRelay(slot)
        second = self._payloadType
        if slot != self._nextSlot:
            second |= _MARKER
        self._nextSlot = slot + self._slots
        sequence = self._sequence = (self._sequence + 1) & 0xFFFF
        timestamp = (self._base + slot * self._perSlot) & _MASK32
        try:
            self._send(_pack(_PLAIN, second, sequence, timestamp, self.ssrc) + payload, self._to)
        except OSError as e:
            self._refused(e)
        else:
            self.packetsSent += 1

    def _sendDatagram(self, data: bytes) -> bool:
        try:
            self._send(data, self._to)
        except OSError as e:
            self._refused(e)
            return False
        return True

    def _refused(self, error: OSError) -> None:
        """A datagram that the system did not take is lost, like one that the network loses."""
        self.refusals += 1
        if self.refusals == 1:
            _log.warn(
                "{label}: cannot send RTP to {address}: {error}",
                label=self.label,
                address=self._to,
                error=error,
            )

    # --- forwarded packets --------------------------------------------------------------------

    def relay(  # noqa: PLR0917 - the fields of a header, fifty times a second
        self, payload: bytes, codec: Codec, marker: int, sequence: int, timestamp: int, ssrc: int
    ) -> None:
        """A packet of another session goes out at once, its sound untouched.

        The header is this session's own; sequence and timestamp keep the steps of the incoming
        ones, losses and pauses too. Nothing is forwarded while the feed speaks, a key is sent, or
        the call is held. marker: 0x80 or 0.
        """
        if not self._relayable:
            return
        if codec is not self._codec:
            converted = None if self._codec is None else translated(payload, codec, self._codec)
            if converted is None:
                return
            payload = converted
        if ssrc != self._relayedSSRC:
            self._beginRelay(sequence, timestamp, ssrc)
            marker = _MARKER
        addSequence, addTimestamp = self._relayOffset
        sequence = (sequence + addSequence) & 0xFFFF
        timestamp = (timestamp + addTimestamp) & _MASK32
        if (sequence - self._sequence) & 0xFFFF < 0x8000:
            self._sequence = sequence
            self._relayEnd = timestamp + len(payload)
        elif (sequence - self._relayFirst) & 0xFFFF >= 0x8000:
            return  # so late that its number is taken
        self._relayed = True
        try:
            self._send(
                _pack(_PLAIN, self._payloadType | marker, sequence, timestamp, self.ssrc) + payload,
                self._to,
            )
        except OSError as e:
            self._refused(e)
        else:
            self.packetsSent += 1

    def relayLacks(self, sequence: int, ssrc: int) -> None:
        """A packet of the forwarded stream is not passed on (it is a key, not sound).

        What follows it closes up, or the far end would take it for a loss.
        """
        if ssrc == self._relayedSSRC:
            addSequence, addTimestamp = self._relayOffset
            if 0 < (sequence + addSequence - self._sequence) & 0xFFFF < 0x8000:
                self._relayOffset = addSequence - 1, addTimestamp
                self._relayFirst = self._sequence + 1

    def _beginRelay(self, sequence: int, timestamp: int, ssrc: int) -> None:
        """The forwarded stream goes on behind what was sent before."""
        slot = max(self._schedule.slot, self._nextSlot)
        start = (self._base + slot * self._perSlot) & _MASK32
        if self._relayedSSRC is not None and 0 < (self._relayEnd - start) & _MASK32 < _HALF32:
            start = self._relayEnd
        self._relayedSSRC = ssrc
        self._relayFirst = self._sequence + 1
        self._relayOffset = self._relayFirst - sequence, start - timestamp

    def _endRelay(self, slot: int) -> None:
        """The session's own packets go on behind what was forwarded."""
        self._relayedSSRC = None
        ahead = (self._relayEnd - self._base - slot * self._perSlot) & _MASK32
        if ahead < _HALF32:
            self._base += ahead

    # --- keys ---------------------------------------------------------------------------------

    def sendEvent(self, digit: str, duration: float) -> Deferred[None]:
        """Presses a key for so many seconds (RFC 4733); keys wait for those before them.

        The Deferred fires with None after the last packet, or when the session ends. Sound is
        held back meanwhile; its timestamps go on behind the key. ValueError: no such key, or the
        far end does not take telephone-events.
        """
        if self._eventType is None or self._codec is None:
            raise ValueError("sendEvent: telephone-events were not agreed on with the far end")
        event = TelephoneEventSender(
            digit, duration, clock=self._codec.clock, packetTime=self.packetTime
        )
        return self._queueEvent(event)

    def pressKey(self, digit: str) -> TelephoneEventSender | None:
        """A key goes down until release() of what is returned; else as sendEvent().

        None if nothing can be sent now (hold): by its end the key would be an old one.
        """
        if self._eventType is None or self._codec is None:
            raise ValueError("pressKey: telephone-events were not agreed on with the far end")
        event = TelephoneEventSender(
            digit, None, clock=self._codec.clock, packetTime=self.packetTime
        )
        if not self.sends:
            return None
        self._queueEvent(event)
        return event

    @property
    def sends(self) -> bool:
        """May anything be said now, by what was agreed on?"""
        return self._sending and self._to is not _NOWHERE

    @property
    def takesEvents(self) -> bool:
        """Were telephone-events agreed on?"""
        return self._eventType is not None

    def _queueEvent(self, event: TelephoneEventSender) -> Deferred[None]:
        done: Deferred[None] = Deferred()
        self._events.append((event, done))
        if self._event is None:
            self._event = event
            self._changed()
        return done

    def _tickEvent(self, slot: int) -> bool:
        """The packet of the key that is down; False if none can be sent now."""
        event, eventType = self._event, self._eventType
        if event is None or eventType is None or self._to is _NOWHERE or not self._sending:
            return False
        packet = event.nextPacket()
        if packet is None:
            self._eventDone()
            return self._tickEvent(slot)
        if packet.marker:
            if self._relayedSSRC is not None:
                self._endRelay(slot)
            self._eventTimestamp = self._base + slot * self._perSlot
            eventType |= _MARKER
        timestamp = (self._eventTimestamp + packet.timestampOffset) & _MASK32
        sequence = self._sequence = (self._sequence + 1) & 0xFFFF
        header = _pack(_PLAIN, eventType, sequence, timestamp, self.ssrc)
        if self._sendDatagram(header + packet.payload):
            self.packetsSent += 1
        return True

    def _eventDone(self) -> None:
        _, done = self._events.popleft()
        self._event = self._events[0][0] if self._events else None
        self._changed()
        done.callback(None)

    def _dropEvents(self) -> None:
        events, self._event = list(self._events), None
        self._events.clear()
        for _, done in events:
            done.callback(None)

    def close(self) -> None:
        """Sends nothing any more; keys under way are over."""
        self._sending = False
        self._to, self._feed = _NOWHERE, None
        self._dropEvents()
