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
from shtoom.media.stream import Idle, IFeed, StreamParameters
from shtoom.media.translate import translated
from shtoom.rtp.telephoneevent import TelephoneEventSender

OPENING = 1.0  # seconds of silence at the start: they open NATs and let the far end latch
TAIL = 0.2  # seconds of silence after sound, so that its end is not concealed as a loss
SPARSE = 1.0  # seconds between two packets of Idle.SPARSE
KEEPALIVE = 15.0  # seconds between empty datagrams while held (RFC 6263 4.1, 5)
RELAY_PAUSE = 0.2  # seconds for which a forwarded stream may pause before silence takes over

_pack = Struct("!BBHII").pack  # the fixed header of RFC 3550 5.1
_PLAIN = 0x80  # its first byte: version 2, no padding, extension or CSRCs
_MARKER = 0x80
_MASK32 = 0xFFFFFFFF
_HALF32 = 0x80000000

_log = Logger()


class Outgoing:
    """The sending half of a session: tick() is called once a packet time.

    One SSRC, one sequence and one timestamp line last for the session's life, whatever is played
    or forwarded; the timestamp goes on while nothing is sent, and the marker tells the packet
    after such a gap (RFC 3551 4.1).

    feed: who is asked for sound. address: (host, port) to send to, or None. ticks: since the
    start. packetsSent, refusals (datagrams that the system did not take): counts. label: names
    the call in log lines. period: seconds between two ticks.
    """

    __slots__ = (
        "_codec", "_event", "_eventTimestamp", "_eventType", "_events", "_gap", "_idle",
        "_keepaliveTicks", "_payloadType", "_relayEnd", "_relayLeft", "_relayOffset", "_relayTicks",
        "_relayedSSRC", "_send", "_sending", "_sequence", "_silence", "_silenceLeft", "_size",
        "_sparseTicks", "_speaking", "_ssrc", "_step", "_tailTicks", "_timestamp", "_untilNext",
        "address", "feed", "label", "packetsSent", "period", "refusals",
    )  # fmt: skip

    def __init__(self, socket: IMediaSocket, rng: Random, idle: Idle) -> None:
        self._send = socket.send
        self._idle = idle
        self._ssrc = rng.getrandbits(32)
        self._sequence = rng.getrandbits(15)  # of the last packet sent
        self._timestamp = rng.getrandbits(31)  # of the last tick
        self._codec: Codec | None = None
        self._gap = True  # nothing was sent at the last tick
        self._speaking = self._sending = False
        self._silenceLeft = self._untilNext = 0  # ticks
        self._eventType: int | None = None
        self._events: deque[tuple[TelephoneEventSender, Deferred[None]]] = deque()
        self._event: TelephoneEventSender | None = None
        self._eventTimestamp = 0
        self._relayedSSRC: int | None = None
        self._relayOffset = (0, 0)  # what to add to a forwarded packet's sequence and timestamp
        self._relayEnd = 0  # the timestamp behind the latest forwarded packet
        self._relayLeft = 0  # ticks
        self.feed: IFeed | None = None
        self.address: Address | None = None
        self.packetsSent = self.refusals = 0
        self.label = ""
        self.period = 0.0

    @property
    def ssrc(self) -> int:
        """The source identifier in all packets sent."""
        return self._ssrc

    def configure(self, stream: StreamParameters, ptime: int) -> None:
        """From now on by these parameters, with ptime milliseconds of sound a packet."""
        first = self._codec is None
        codec = self._codec = stream.codec
        self._payloadType, self._eventType = stream.payloadType, stream.eventType
        self._sending = stream.send
        self.period = ptime / 1000
        self._size = codec.rate * ptime // 1000
        self._step = codec.clock * ptime // 1000
        self._silence = (codec.silence * (ptime // 20 + 1))[: self._size]
        self._tailTicks = round(TAIL / self.period)
        self._sparseTicks = round(SPARSE / self.period)
        self._keepaliveTicks = round(KEEPALIVE / self.period)
        self._relayTicks = round(RELAY_PAUSE / self.period)
        self._relayedSSRC = None
        if first:
            self._silenceLeft = round(OPENING / self.period)
        if stream.eventType is None:
            self._dropEvents()

    # --- one packet time ----------------------------------------------------------------------

    def tick(self) -> None:
        """Sends what is to be said in this packet time, if anything."""
        self._timestamp = (self._timestamp + self._step) & _MASK32
        address = self.address
        if address is None:
            self._gap = True
        elif not self._sending:
            self._gap = True
            self._keepAlive(address)
        elif self._event is None or not self._tickEvent(address):
            feed = self.feed
            if feed is not None:
                try:
                    payload = feed.nextPayload(self._size)
                except Exception:
                    self._feedFailed()
                    payload = None
                if payload:
                    if len(payload) != self._size:
                        payload = (payload + self._silence)[: self._size]
                    self._speaking = True
                    self._silenceLeft = self._tailTicks
                    self._sendPacket(payload, address)
                    return
            self._speaking = False
            self._tickIdle(address)

    def _tickIdle(self, address: Address) -> None:
        if self._relayLeft:
            self._relayLeft -= 1
        elif self._silenceLeft:
            self._silenceLeft -= 1
            self._untilNext = self._sparseTicks
            self._sendPacket(self._silence, address)
        elif self._idle is Idle.SILENCE or (self._idle is Idle.SPARSE and self._untilNext <= 1):
            self._untilNext = self._sparseTicks
            self._sendPacket(self._silence, address)
        else:
            self._untilNext -= 1
            self._gap = True

    def _feedFailed(self) -> None:
        _log.failure("{label}: what was to be played failed and is taken off", label=self.label)
        self.feed = None

    def skip(self, ticks: int) -> None:
        """So many ticks were missed: their time has passed, but nothing was said."""
        self._timestamp = (self._timestamp + ticks * self._step) & _MASK32
        self._gap = True
        self._untilNext -= ticks

    def _sendPacket(self, payload: bytes, address: Address) -> None:
        """One packet of this tick's sound."""
        if self._relayedSSRC is not None:
            self._endRelay()
        second = self._payloadType
        if self._gap:
            second |= _MARKER
            self._gap = False
        sequence = self._sequence = (self._sequence + 1) & 0xFFFF
        try:
            self._send(
                _pack(_PLAIN, second, sequence, self._timestamp, self._ssrc) + payload, address
            )
        except OSError as e:
            self._refused(e)
        else:
            self.packetsSent += 1

    def _refused(self, error: OSError) -> None:
        """A datagram that the system did not take is lost, like one that the network loses."""
        self.refusals += 1
        if self.refusals == 1:
            _log.warn(
                "{label}: cannot send RTP to {address}: {error}",
                label=self.label,
                address=self.address,
                error=error,
            )

    def _keepAlive(self, address: Address) -> None:
        """While held: an empty datagram now and then keeps the way through NATs open."""
        self._untilNext -= 1
        if self._untilNext <= 0:
            self._untilNext = self._keepaliveTicks
            try:
                self._send(b"", address)
            except OSError as e:
                self._refused(e)

    # --- forwarded packets --------------------------------------------------------------------

    def relay(  # noqa: PLR0917 - the fields of a header, fifty times a second
        self, payload: bytes, codec: Codec, marker: int, sequence: int, timestamp: int, ssrc: int
    ) -> None:
        """A packet of another session goes out at once, its sound untouched.

        The header is this session's own; sequence and timestamp keep the steps of the incoming
        ones, losses and pauses too. Nothing is forwarded while the feed speaks, a key is sent, or
        the call is held. marker: 0x80 or 0.
        """
        address = self.address
        if address is None or self._speaking or not self._sending or self._event is not None:
            return
        if codec is not self._codec:
            converted = None if self._codec is None else translated(payload, codec, self._codec)
            if converted is None:
                return
            payload = converted
        if ssrc != self._relayedSSRC:
            self._beginRelay(sequence, timestamp, ssrc)
        if self._gap:
            marker = _MARKER
            self._gap = False
        addSequence, addTimestamp = self._relayOffset
        sequence = (sequence + addSequence) & 0xFFFF
        timestamp = (timestamp + addTimestamp) & _MASK32
        if (sequence - self._sequence) & 0xFFFF < 0x8000:
            self._sequence = sequence
            self._relayEnd = timestamp + len(payload)
        self._relayLeft = self._relayTicks
        try:
            self._send(
                _pack(_PLAIN, self._payloadType | marker, sequence, timestamp, self._ssrc)
                + payload,
                address,
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

    def _beginRelay(self, sequence: int, timestamp: int, ssrc: int) -> None:
        """The forwarded stream goes on behind what was sent before."""
        start = (self._timestamp + self._step) & _MASK32
        if self._relayedSSRC is not None and 0 < (self._relayEnd - start) & _MASK32 < _HALF32:
            start = self._relayEnd & _MASK32
        self._relayedSSRC = ssrc
        self._relayOffset = self._sequence + 1 - sequence, start - timestamp

    def _endRelay(self) -> None:
        """The session's own sound goes on behind what was forwarded."""
        self._relayedSSRC = None
        self._relayLeft = 0
        if 0 < (self._relayEnd - self._timestamp) & _MASK32 < _HALF32:
            self._timestamp = self._relayEnd & _MASK32

    # --- keys ---------------------------------------------------------------------------------

    def sendEvent(self, digit: str, duration: float) -> Deferred[None]:
        """Presses a key for so many seconds (RFC 4733); keys wait for those before them.

        The Deferred fires with None after the last packet, or when the session ends. Sound is
        held back meanwhile; its timestamps go on behind the key. ValueError: no such key, or the
        far end does not take telephone-events.
        """
        if self._eventType is None or self._codec is None:
            raise ValueError("sendEvent: telephone-events were not agreed on with the far end")
        packetTime = round(self.period * 1000)
        event = TelephoneEventSender(
            digit, duration, clock=self._codec.clock, packetTime=packetTime
        )
        done: Deferred[None] = Deferred()
        self._events.append((event, done))
        if self._event is None:
            self._event = event
        return done

    def _tickEvent(self, address: Address) -> bool:
        """The packet of the key that is down; False when no key is down any more."""
        event, eventType = self._event, self._eventType
        packet = None if event is None else event.nextPacket()
        if packet is None or eventType is None:
            self._eventDone()
            return self._event is not None and self._tickEvent(address)
        if packet.marker:
            if self._relayedSSRC is not None:
                self._endRelay()
            self._eventTimestamp = self._timestamp
            eventType |= _MARKER
        self._gap = True  # in the sound
        timestamp = (self._eventTimestamp + packet.timestampOffset) & _MASK32
        sequence = self._sequence = (self._sequence + 1) & 0xFFFF
        header = _pack(_PLAIN, eventType, sequence, timestamp, self._ssrc)
        try:
            self._send(header + packet.payload, address)
        except OSError as e:
            self._refused(e)
        else:
            self.packetsSent += 1
        return True

    def _eventDone(self) -> None:
        _, done = self._events.popleft()
        self._event = self._events[0][0] if self._events else None
        done.callback(None)

    def _dropEvents(self) -> None:
        events, self._event = list(self._events), None
        self._events.clear()
        for _, done in events:
            done.callback(None)

    def close(self) -> None:
        """Sends nothing any more; keys under way are over."""
        self._sending = False
        self.address = self.feed = None
        self._dropEvents()
