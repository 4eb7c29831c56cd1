"""What a session sends: one packet a packet time, with the rules of RFC 3550 for its header.

Lives here: SSRC, sequence, timestamp and marker; silence while idle; packets forwarded from
another session; keys as telephone-events. Not here: when a packet time has passed (media.clock),
where packets go (media.latch decides, media.incoming tells).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from functools import partial
from random import Random
from struct import Struct

from twisted.internet.defer import Deferred
from twisted.logger import Logger

from shtoom.codecs import Codec
from shtoom.media.coding import Voice, voiceOf
from shtoom.media.doubt import Doubt
from shtoom.media.headers import LENGTH, NO_ROW, header, packetsBetween, rowEnd, step
from shtoom.media.io import Address, IMediaSocket
from shtoom.media.schedule import NEVER, Schedule
from shtoom.media.stream import Idle, IFeed, Lent, StreamParameters
from shtoom.media.translate import Translator
from shtoom.rtp.packet import RTPPacket
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

_NO_PACKETS: Iterator[bytes] = iter(())

_log = Logger()


class _Row:
    """What each packet needs, side by side in memory: that is what its time goes into."""

    __slots__ = (
        "_ask", "_lender", "_next", "_outbox", "_ownEnd", "_relayEnd", "_relayFrom", "_rowStep",
        "_size", "packets", "send", "wakeAt",
    )  # fmt: skip


class Outgoing(_Row):
    """The sending half of a session: tick() is called once a packet time.

    One SSRC, one sequence and one line of timestamps last for the session's life, whatever is
    played or forwarded. The timestamp follows the slots of the schedule, so it goes on while
    nothing is sent; the packet after such a gap has the marker (RFC 3551 4.1).

    Packets in a row have their headers from one sum (media.headers): own ones as long as each
    packet time has its packet, forwarded ones as long as they come in sequence. Whatever breaks
    the row takes the long way. What is to be sent is left in the schedule's outbox.

    packets: own ones that are known; tick() is called when there is none. send: what takes a packet
    to the far end. ssrc: in all packets sent. wakeAt: the first slot to look at it. packetTime:
    milliseconds of sound a packet. refusals: datagrams that the system did not take. label: names
    the call in log lines. phase, group, alarm: the schedule's.
    """

    __slots__ = (
        "_base", "_codec", "_doubt", "_end", "_event", "_eventClock", "_eventTimestamp",
        "_eventType", "_events", "_feed", "_idle", "_idleAt", "_open", "_payloadType", "_perSlot",
        "_relayAdd", "_relayLowest", "_relaySSRC", "_relayable", "_rowFirst", "_rowSamples",
        "_samples", "_schedule", "_sendTo", "_sending", "_sent", "_sentAtLook", "_sequence",
        "_silence", "_silenceUntil", "_speaking", "_to", "_translator", "_voice", "alarm",
        "group", "label", "packetTime", "phase", "refusals", "ssrc",
    )  # fmt: skip

    def __init__(self, socket: IMediaSocket, rng: Random, idle: Idle, schedule: Schedule) -> None:
        self._sendTo = socket.send
        self._outbox = schedule.outbox
        self._idle, self._schedule = idle, schedule
        self.ssrc = rng.getrandbits(32)
        # The packet before the row: its sequence (the highest sent), and the timestamp behind it.
        self._sequence = rng.getrandbits(15)  # the first ones far from the wrap
        self._base = self._end = rng.getrandbits(32)  # _base: the timestamp of slot 0
        self._perSlot = 0  # ticks of the RTP clock
        self._rowFirst = self._next = NO_ROW  # headers: of the row's first packet, and the next one
        self._rowStep = self._rowSamples = 0
        self._ownEnd = self._relayEnd = NO_ROW  # behind the row's last header; one is NO_ROW
        self.packets: Iterator[bytes] = _NO_PACKETS
        self._relayFrom: object = None  # who it is that the row is in step with
        self._relaySSRC = 0
        self._relayAdd = (0, 0)  # to a forwarded packet's sequence and timestamp
        self._relayLowest = 0  # sequence that a forwarded packet can have
        self._codec: Codec | None = None
        self._voice: Voice | None = None  # through which all is said, if the codec has state
        self._feed: IFeed | None = None
        self._ask: Callable[[int], bytes | None] | None = None  # the feed, if it may speak
        self._lender: IFeed | None = None  # the feed, if it may speak, and in its own words
        self._to = _NOWHERE
        self._doubt: Doubt | None = None
        self.direct(None)
        self._sending = self._speaking = False
        self._open = self._relayable = False  # sums of the above and of _event: see _changed
        self._silenceUntil = self._idleAt = 0  # slots
        self._eventType: int | None = None
        self._eventClock = 8000
        self._events: deque[tuple[TelephoneEventSender, Deferred[None]]] = deque()
        self._event: TelephoneEventSender | None = None
        self._eventTimestamp = 0
        self._sent = self._sentAtLook = 0  # before the row
        self.packetTime = 20
        self.refusals = 0
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
        if self._codec is not codec:
            self._voice = voiceOf(codec)
        self._codec, self._payloadType = codec, stream.payloadType
        self._sending, self._eventType = stream.send, stream.eventType
        self._eventClock = stream.eventClock
        perSlot = round(codec.clock * schedule.length)
        self._base += schedule.slot * (self._perSlot - perSlot)  # no jump if the clock changes
        self._perSlot = perSlot
        self.packetTime = packetTime
        self._size = codec.byteRate * packetTime // 1000
        self._samples = codec.clock * packetTime // 1000
        self._silence = (codec.silence * (packetTime // 20 + 1))[: self._size]
        self._relayFrom = None
        if stream.eventType is None:
            self._dropEvents()
        elif self._event is not None:
            self._event.release(0.0)  # the far end may be another one from now on
        self._changed()

    @property
    def feed(self) -> IFeed | None:
        """Who is asked for sound."""
        return self._feed

    @feed.setter
    def feed(self, feed: IFeed | None) -> None:
        self._feed = feed
        self.packets = _NO_PACKETS
        self._ask = self._lender = None
        if feed is not None and self._open:
            if self._voice is None:
                self._ask, self._lender = feed.nextPayload, feed
            else:
                self._ask = partial(self._voice.ask, feed.nextPayload)
        self.wakeAt = 0
        self._schedule.wake(self)

    @property
    def address(self) -> Address | None:
        """(host, port) that packets go to; None for nowhere."""
        return None if self._to is _NOWHERE else self._to

    @address.setter
    def address(self, address: Address | None) -> None:
        self._to = _NOWHERE if address is None else address
        self.direct(None)
        self._changed()

    def direct(self, send: Callable[[bytes], object] | None) -> None:
        """A shorter way to the address, until this is called again; None: there is none."""
        self.send: Callable[[bytes], object]
        if send is None:
            sendTo, to = self._sendTo, self._to

            def send(packet: bytes) -> None:
                sendTo(packet, to)

            if self._doubt is not None:
                send = self._doubt.limited(send)
        self.send = send

    @property
    def doubt(self) -> Doubt | None:
        """What limits packets to who has not shown to be there; None for no limit."""
        return self._doubt

    @doubt.setter
    def doubt(self, doubt: Doubt | None) -> None:
        self._doubt = doubt
        self.direct(None)

    @property
    def packetsSent(self) -> int:
        """Sound, silence, keys, forwarded packets."""
        return self._sent + packetsBetween(self._rowFirst, self._next)

    def _changed(self) -> None:
        """What decides over sending is not what it was."""
        self.endRow()
        self._open = self._sending and self._to is not _NOWHERE and self._event is None
        self._relayable = self._open and not self._speaking
        self.feed = self._feed
        self._idleAt = 0

    # --- one packet time ----------------------------------------------------------------------

    def tick(self, slot: int) -> None:
        """Sends what is to be said in this packet time, if anything."""
        ask = self._ask
        if ask is not None:
            try:
                payload = ask(self._size)
            except Exception:
                _log.failure("{label}: what is to be played failed, it is off", label=self.label)
                self.feed = payload = None
            if payload:
                header = self._next
                if header < self._ownEnd and len(payload) == self._size:
                    self._next = header + self._rowStep
                    self._outbox.append((self.send, header.to_bytes(LENGTH) + payload, self))
                else:
                    self._speak(payload, slot)
                lender = self._lender
                if lender is not None and lender.lent is not None:
                    self.packets = self._packetsOf(lender.lent)
                return
        self._tickQuiet(slot)

    def _packetsOf(self, lent: Lent) -> Iterator[bytes]:
        """What was lent, as far as the row goes on. Local names, since it runs for each packet."""
        data, at, size = lent.data, lent.at, self._size
        header, rowStep, rowEnd = self._next, self._rowStep, self._ownEnd
        end = at + size
        while end <= lent.end and header < rowEnd:
            packet = header.to_bytes(LENGTH) + data[at:end]
            self._next = header = header + rowStep
            lent.at = at = end
            end += size
            yield packet

    def _speak(self, payload: bytes, slot: int) -> None:
        """A packet from the feed that is short, or the first one, or behind a wrap."""
        self._speaking, self._relayable = True, False
        if len(payload) != self._size:
            payload = (payload + self._silence)[: self._size]
        self._sendSound(payload, slot)

    def _tickQuiet(self, slot: int) -> None:
        """A packet time in which the feed says nothing."""
        if self._event is not None:
            if self._tickEvent(slot):
                return
            if self._ask is not None:
                self.tick(slot)
                return
        if self._speaking:
            self._speaking, self._relayable = False, self._open
            self._silenceUntil = slot + self._schedule.slots(TAIL)
            self._idleAt = 0
        if slot >= self._idleAt:
            self._tickIdle(slot)
        elif self._ownEnd != NO_ROW:
            self.endRow()
        if self._feed is None:
            self.wakeAt = self._idleAt

    def _tickIdle(self, slot: int) -> None:
        """Nothing to say: silence, or what keeps the way open, and when to look again."""
        schedule = self._schedule
        if self._to is _NOWHERE:
            self._idleAt = NEVER
        elif not self._sending:
            self._idleAt = slot + schedule.slots(KEEPALIVE)
            self._outbox.append((self.send, b"", self))
        elif self._relayFrom is not None and self.packetsSent != self._sentAtLook:
            self._sentAtLook = self.packetsSent
            self._idleAt = slot + schedule.slots(RELAY_PAUSE)
        elif slot < self._silenceUntil or self._idle is Idle.SILENCE:
            self._idleAt = 0
            self._sendSound(self._nothing(), slot)
        else:
            if self._idle is Idle.SPARSE:
                self._idleAt = slot + schedule.slots(SPARSE)
                self._sendSound(self._nothing(), slot)
            else:
                self._idleAt = NEVER
            self.endRow()

    def _nothing(self) -> bytes:
        """A packet of silence."""
        return self._silence if self._voice is None else self._voice.silence(self._size)

    def _sendSound(self, payload: bytes, slot: int) -> None:
        """The packet of this slot, which goes on a row or begins one."""
        follows = self._ownEnd != NO_ROW  # a packet was sent in the packet time before
        self.endRow()
        self._relayFrom = None
        timestamp = (self._base + slot * self._perSlot) & _MASK32
        ahead = (self._end - timestamp) & _MASK32
        if ahead < _HALF32:  # what was forwarded ran ahead of our own clock
            self._base += ahead
            timestamp += ahead
        self._sequence = (self._sequence + 1) & 0xFFFF
        self._end = timestamp + self._samples
        self._sendPacket(payload, 0 if follows else _MARKER, self._sequence, timestamp)
        self._ownEnd = self._beginRow(self._samples)

    def _sendPacket(self, payload: bytes, marker: int, sequence: int, timestamp: int) -> None:
        second = self._payloadType | marker
        head = _pack(_PLAIN, second, sequence, timestamp & _MASK32, self.ssrc)
        self._outbox.append((self.send, head + payload, self))
        self._sent += 1

    def _beginRow(self, samples: int) -> int:
        """Headers from one sum from here on; returns where that ends."""
        first = header(self._payloadType, self._sequence + 1, self._end, self.ssrc)
        self._rowFirst = self._next = first
        self._rowStep, self._rowSamples = step(samples), samples
        return rowEnd(first, samples)

    def endRow(self) -> None:
        """The next packet takes the long way."""
        count = packetsBetween(self._rowFirst, self._next)
        self._rowFirst = self._next = self._ownEnd = self._relayEnd = NO_ROW
        self.packets = _NO_PACKETS
        if count:
            self._sent += count
            self._sequence = (self._sequence + count) & 0xFFFF
            self._end += count * self._rowSamples

    def refused(self, error: OSError) -> None:
        """A datagram that the system did not take is lost, like one that the network loses.

        That nobody listens there is told on the direct way alone, so it does not count.
        """
        if isinstance(error, ConnectionRefusedError):
            return
        self.refusals += 1
        if self.refusals == 1:
            _log.warn(
                "{label}: cannot send RTP to {host} port {port}: {error}",
                label=self.label,
                host=self._to[0],
                port=self._to[1],
                error=error,
            )

    # --- forwarded packets --------------------------------------------------------------------

    def relayNext(self, source: object, payload: bytes) -> bool:
        """A packet of `source` that follows its last one in every respect goes out at once.

        False: something has come between, and relay() has to be asked.
        """
        header = self._next
        if header < self._relayEnd and source is self._relayFrom:
            self._next = header + self._rowStep
            self._outbox.append((self.send, header.to_bytes(LENGTH) + payload, self))
            return True
        return False

    def relay(self, source: object, packet: RTPPacket, codec: Codec) -> None:
        """A packet of another session goes out at once, its sound untouched.

        The header is this session's own; sequence and timestamp keep the steps of the incoming
        ones, losses and pauses too. Nothing is forwarded while the feed speaks, a key is sent, or
        the call is held. source: who forwards it.
        """
        if not self._relayable or self._codec is None:
            return
        self.endRow()
        marker = _MARKER if packet.marker else 0
        if source is not self._relayFrom or packet.ssrc != self._relaySSRC:
            self._beginRelay(source, packet)
            marker = _MARKER
        sequence = (packet.sequence + self._relayAdd[0]) & 0xFFFF
        timestamp = packet.timestamp + self._relayAdd[1]
        follows = (sequence - self._sequence) & 0xFFFF < 0x8000
        if not follows and (sequence - self._relayLowest) & 0xFFFF >= 0x8000:
            return  # so late that its number is taken
        payload = packet.payload
        if codec is not self._codec:
            payload = self._translated(payload, codec, self._codec)
        if follows:
            self._sequence, self._end = sequence, timestamp + len(payload)
            if codec is self._codec and payload:
                self._relayEnd = self._beginRow(len(payload))
        self._sendPacket(payload, marker, sequence, timestamp)

    def _translated(self, payload: bytes, codec: Codec, ours: Codec) -> bytes:
        """A forwarded payload of another codec in ours."""
        payload = self._translator.translate(payload, codec, ours.uncoded)
        return payload if self._voice is None else self._voice.encode(payload)

    def relayLacks(self, source: object, sequence: int) -> None:
        """A packet of the forwarded stream is not passed on (it is a key, not sound).

        What follows it closes up, or the far end would take it for a loss.
        """
        if source is self._relayFrom:
            self.endRow()
            addSequence, addTimestamp = self._relayAdd
            if 0 < (sequence + addSequence - self._sequence) & 0xFFFF < 0x8000:
                self._relayAdd = addSequence - 1, addTimestamp
                self._relayLowest = self._sequence + 1

    def _beginRelay(self, source: object, packet: RTPPacket) -> None:
        """The forwarded stream goes on behind what was sent before."""
        start = self._base + self._schedule.slot * self._perSlot
        ahead = (self._end - start) & _MASK32
        if ahead < _HALF32:
            start = self._end
        self._relayFrom, self._relaySSRC = source, packet.ssrc
        self._translator = Translator()  # of that stream
        self._relayLowest = self._sequence + 1
        self._relayAdd = self._relayLowest - packet.sequence, start - packet.timestamp

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
            digit, duration, clock=self._eventClock, packetTime=self.packetTime
        )
        return self._queueEvent(event)

    def pressKey(self, digit: str) -> TelephoneEventSender | None:
        """A key goes down until release() of what is returned; else as sendEvent().

        None if nothing can be sent now (hold): by its end the key would be an old one.
        """
        if self._eventType is None or self._codec is None:
            raise ValueError("pressKey: telephone-events were not agreed on with the far end")
        event = TelephoneEventSender(
            digit, None, clock=self._eventClock, packetTime=self.packetTime
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
        self.endRow()
        self._relayFrom = None
        if packet.marker:
            self._eventTimestamp = self._base + slot * self._perSlot
            eventType |= _MARKER
        timestamp = (self._eventTimestamp + packet.timestampOffset) & _MASK32
        sequence = self._sequence = (self._sequence + 1) & 0xFFFF
        head = _pack(_PLAIN, eventType, sequence, timestamp, self.ssrc)
        self._outbox.append((self.send, head + packet.payload, self))
        self._sent += 1
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
        self._feed = self._doubt = None
        self.address = None
        self._dropEvents()
        self._relayFrom = None
