"""What comes to a session's port: sorted, and passed on to who wants it.

Lives here: the way of a datagram from the socket to the latch, the keys, the session that it is
forwarded to, the play-out buffer. Not here: fetching datagrams (media.io), decoding and listeners
(media.listening), sending (media.outgoing).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from struct import Struct

from twisted.logger import Logger

from shtoom.codecs import Codec, Decoder
from shtoom.exceptions import MalformedMessage
from shtoom.media.coding import decoderOf
from shtoom.media.former import FormerTypes
from shtoom.media.headers import LENGTH, NO_ROW, header, packetsBetween, rowEnd, step
from shtoom.media.io import Address
from shtoom.media.latch import Latch
from shtoom.media.outgoing import Outgoing
from shtoom.media.schedule import Schedule
from shtoom.media.strange import whatItIs
from shtoom.media.stream import IListener, StreamParameters
from shtoom.media.translate import Translator, translated
from shtoom.rtp.jitterbuffer import JitterBuffer
from shtoom.rtp.packet import RTPPacket, isRTCP, unpackHeader
from shtoom.rtp.sequence import SequenceTracker
from shtoom.rtp.telephoneevent import KeyPressed, KeyReleased, TelephoneEventReceiver

Key = KeyPressed | KeyReleased

_unpack = Struct("!BBHII").unpack_from  # the fixed header of RFC 3550 5.1
_number = int.from_bytes
_PLAIN = 0x80  # its first byte: version 2, no padding, extension or CSRCs
_FIRST = bytes([_PLAIN])
REVIEW = 1.0  # seconds between two questions who is in focus
LASTING = 2.0  # seconds after a description in which what comes from elsewhere may be the old one's
PAUSE = 0.2  # seconds without a packet before one with the marker (RFC 3551 4.1)
_COMFORT_NOISE = 13  # RFC 3389

_log = Logger()


def _packet(data: bytes) -> RTPPacket:
    """A packet with a plain header."""
    _, second, sequence, timestamp, ssrc = _unpack(data)
    return RTPPacket(second & 0x7F, sequence, timestamp, ssrc, data[LENGTH:], second > 0x7F)


class _Row:
    """What each packet needs, side by side in memory: that is what its time goes into."""

    __slots__ = (
        "_next", "_rowEnd", "_rowFirst", "_rowStep", "_source", "heardAt", "jitter", "target",
    )  # fmt: skip


class Incoming(_Row):
    """The receiving half of a session: received() is called for each datagram.

    isOurs: is an address that of a session here? jitter: the play-out buffer, which exists while
    there are listeners. decoder: of what comes out of it. target: the sending half of the session
    that sound is forwarded to. onKey: told of keys as they come. dropped: counts by reason.
    firstAt, heardAt: seconds of the first and the last packet taken; describedAt: of the present
    description. pauses: of the far end, by comfort noise or marker. label: names the call in log
    lines. group: the schedule's.
    """

    __slots__ = (
        "_accepts", "_begins", "_elsewhere", "_eventClock", "_eventTypes", "_focused", "_former",
        "_fromUs", "_held", "_heldTypes", "_isOurs", "_lateBefore", "_lostBefore", "_outgoing",
        "_received", "_restless", "_schedule", "_ssrc", "_tracker", "_translator", "_unheard",
        "_waits", "codec", "decoder", "described", "describedAt", "dropped", "firstAt", "group",
        "keyIsDown", "keys", "label", "latch", "listeners", "onKey", "pauses",
    )  # fmt: skip

    def __init__(
        self, outgoing: Outgoing, schedule: Schedule, isOurs: Callable[[Address], bool]
    ) -> None:
        self._outgoing, self._schedule, self._isOurs = outgoing, schedule, isOurs
        self._fromUs = False  # what is taken comes from a session here
        self.group: dict[Incoming, None] | None = None
        self._accepts: Mapping[int, Codec] = {}
        self._eventTypes: frozenset[int | None] = frozenset()
        self._eventClock = 8000
        self._former = FormerTypes()
        self._held = False
        self._heldTypes: frozenset[int] = frozenset()
        self._ssrc = -1
        self._begins = False  # what is missing before the next packet was not lost
        self._rowFirst = self._next = NO_ROW  # headers: of the row's first packet, and the next one
        self._rowEnd = NO_ROW  # behind its last header
        self._rowStep = 0
        self._source: Address | None = None  # of the row
        self.heardAt = float("-inf")
        self._focused = self._restless = False
        self._tracker = SequenceTracker()
        self._received = self._lostBefore = 0  # packets told of to trackers; lost by earlier ones
        self._lateBefore = 0  # packets, by earlier buffers
        self._translator = Translator()
        self.codec: Codec | None = None
        self.decoder: Decoder | None = None
        self.described: Address | None = None
        self.describedAt = float("-inf")
        self._elsewhere: tuple[Address, Address] | None = None  # by descriptions before
        self.pauses = 0
        self._waits, self._unheard = False, 0.0  # for sound; how long by descriptions before
        self.latch = Latch()
        self.jitter: JitterBuffer | None = None
        self.listeners: tuple[IListener, ...] = ()
        self.target: Outgoing | None = None
        self.keys: TelephoneEventReceiver | None = None
        self.keyIsDown = False
        self.onKey: Callable[[Key], None] | None = None
        self.dropped: dict[str, int] = {}
        self.firstAt: float | None = None
        self.label = ""

    def configure(self, stream: StreamParameters, remote: Address | None, now: float) -> None:
        """From now on by these parameters; remote: where the far end said that it is."""
        self._elsewhere, self._unheard = self.elsewhere, self.unheard(now)
        self.describedAt, self._begins = now, True
        self._useCodec(stream.codec)
        if self.keys is not None and self.keys.clock != stream.eventClock:
            self.keys = None
        self._eventClock = stream.eventClock
        self._endRow()
        self._former.replaced(self._accepts, self._eventTypes, stream, now)
        self._held = not stream.receive
        self._waits = stream.receive and remote is not None
        self._accepts = {} if self._held else dict(stream.accepts)
        self._heldTypes = frozenset(stream.accepts if self._held else ())
        self._eventTypes = stream.eventTypes | {stream.eventType}
        self._focused = self._restless = False
        self.latch.heardAt = self.heardAt
        self.latch.expect(remote, stream.signallingHost, self._held, now, stream.isDirect)
        if remote is not None:
            self.described = remote

    def _useCodec(self, codec: Codec) -> None:
        """What is held of the sound goes on in another codec if it can."""
        before = self.codec
        if before is codec:
            return
        self.codec = codec
        if before is None or self.jitter is None or translated(b"", before, codec) is None:
            self._buffer()
        else:
            self.jitter.recode(lambda payload: translated(payload, before, codec) or payload)
            self.decoder = decoderOf(codec)

    def addListener(self, listener: IListener) -> None:
        """Keeps what comes for a listener, from now on."""
        self.listeners += (listener,)
        if self.jitter is None:
            self._buffer()
            self._schedule.hearingChanged(self)

    def removeListener(self, listener: IListener) -> None:
        """Without the last listener nothing is kept."""
        self.listeners = tuple(other for other in self.listeners if other is not listener)
        if not self.listeners:
            self._lateBefore, self.jitter = self.late, None
            self._schedule.hearingChanged(self)

    @property
    def needsBeat(self) -> bool:
        """Has it something to do in each beat: listeners, or a key that may end by itself?"""
        return self.jitter is not None or self.keyIsDown

    def _buffer(self) -> None:
        codec = self.codec
        if codec is not None and self.listeners:
            stateless = codec.uncoded is codec
            self._lateBefore = self.late
            self.jitter = JitterBuffer(codec.clock, codec.clock // 50, patch=stateless)
            self.decoder = decoderOf(codec)

    def focus(self, now: float) -> Address | None:
        """The source that alone is of interest, as long as the stream goes on; None for any.

        Asked for once a second. Who was silent once may come back from elsewhere, or was cut off
        by a mistake of ours: there is no focus on it again.
        """
        alive = now - self.heardAt < REVIEW
        if self._focused and not alive:
            self._restless = True
        self._focused = alive and not self._restless and self.latch.isSettled
        return self.latch.source if self._focused else None

    # --- the hot path -------------------------------------------------------------------------

    def received(self, data: bytes, source: Address, now: float) -> None:
        """One datagram. now: seconds of its fetching.

        A packet that follows the last one in every respect is known by its header alone, as
        outgoing ones are made (media.headers).
        """
        header = self._next
        if (
            _number(data[:LENGTH]) == header
            and header < self._rowEnd
            and (source is self._source or source == self._source)
        ):
            self._next = header + self._rowStep
            self.heardAt = now
            if self.target is not None and not self.target.relayNext(self, data[LENGTH:]):
                self._relay(data)
            if self.jitter is not None and not self.jitter.putNext(data[LENGTH:], now):
                _, _, sequence, timestamp, ssrc = _unpack(data)
                self.jitter.put(sequence, timestamp, ssrc, data[LENGTH:], False, now)
        else:
            self._receivedAnyhow(data, source, now)

    # --- the rest of the way ------------------------------------------------------------------

    def _receivedAnyhow(self, data: bytes, source: Address, now: float) -> None:
        if len(data) < LENGTH or data[0] != _PLAIN:
            plain = self._plain(data)
            if plain is None:
                return
            data = plain
        packet = _packet(data)
        kind = packet.payloadType
        codec = self._accepts.get(kind)
        if codec is None and not self._held:
            codec = self._former.codecOf(kind, now)
        if codec is None:
            self._receivedOther(packet, source, now)
            return
        before = self.heardAt
        if not self._isTaken(packet, source, now):
            return
        self._track(packet, now)
        if packet.marker and now - before > PAUSE and before > self.describedAt:
            self.pauses += 1
        if now < self.latch.trustedFrom:
            return
        if self.target is not None and not self._circles(self.target):
            self.target.relay(self, packet, codec)
        if self.jitter is not None:
            _, sequence, timestamp, ssrc, payload, marker = packet
            if codec is not self.codec:
                payload = self._asListened(payload, codec)
            self.jitter.put(sequence, timestamp, ssrc, payload, marker, now)
        if codec is self.codec and kind in self._accepts:
            self._beginRow(packet)

    def _relay(self, data: bytes) -> None:
        """A packet in a row which the target is not in step with."""
        target = self.target
        if target is not None and self.codec is not None and not self._circles(target):
            target.relay(self, _packet(data), self.codec)

    def _circles(self, target: Outgoing) -> bool:
        """Would what is forwarded come from a session of ours and go to one?

        Two echoes that call each other would hand a packet round for ever, as fast as they can.
        """
        return self._fromUs and target.address is not None and self._isOurs(target.address)

    def _beginRow(self, packet: RTPPacket) -> None:
        """What the next packet will be like, if all goes on as it is."""
        samples = len(packet.payload)
        if samples and packet.sequence == self._tracker.highest & 0xFFFF:
            following = packet.sequence + 1, packet.timestamp + samples, packet.ssrc
            first = header(packet.payloadType, *following)
            self._rowFirst = self._next = first
            self._rowStep, self._rowEnd = step(samples), rowEnd(first, samples)

    def _endRow(self) -> None:
        """The next packet takes the long way."""
        self._flush()
        self._rowFirst = self._next = self._rowEnd = NO_ROW

    def _flush(self) -> None:
        """Tells the tracker of the packets in the row until now."""
        run = packetsBetween(self._rowFirst, self._next)
        if run:
            self._received += run
            self._tracker.followed(run)
            self._rowFirst = self._next

    def _isTaken(self, packet: RTPPacket, source: Address, now: float) -> bool:
        """Does it come from the far end?"""
        latch = self.latch
        if source != latch.source:
            self._flush()
            latch.heardAt, latch.sequence = self.heardAt, self._tracker.highest & 0xFFFF
            if not self._admit(source, packet.ssrc, packet.sequence, now):
                return False
        self._source, self.heardAt = latch.source, now
        return True

    def _plain(self, data: bytes) -> bytes | None:
        """The packet without CSRCs, extension and padding; None if it is no good."""
        if len(data) < LENGTH or data[0] >> 6 != 2 or isRTCP(data):
            self._drop(whatItIs(data))
            return None
        try:
            *_, start, end = unpackHeader(data, len(data))
        except MalformedMessage:
            self._drop("malformed RTP")
            return None
        return _FIRST + data[1:LENGTH] + data[start:end]

    def _admit(self, source: Address, ssrc: int, sequence: int, now: float) -> bool:
        """Is the stream taken from a source that is new? (The latch is asked.)"""
        latch = self.latch
        before = latch.source
        if not latch.admits(source, ssrc, sequence, now):
            if self._drop("not the far end") == 1:
                remote = latch.source or self.described
                _log.info(
                    "{label}: RTP from {host} port {port} is dropped, it is not the far end "
                    "({remote})",
                    label=self.label,
                    host=source[0],
                    port=source[1],
                    remote="unknown" if remote is None else f"{remote[0]} port {remote[1]}",
                )
            return False
        if self.firstAt is None:
            self.firstAt = now
        if before is not None and latch.outranks(before):
            self._buffer()  # who spoke until now was not the far end
        self._fromUs = self._isOurs(source)
        if latch.isAnswered:
            self._outgoing.address = source
        if self.described is not None and source[0] != self.described[0]:
            _log.info(
                "{label}: SDP said {host} port {port}, RTP came from {source} port {sourcePort}: "
                "{what}",
                label=self.label,
                host=self.described[0],
                port=self.described[1],
                source=source[0],
                sourcePort=source[1],
                what="following it" if latch.isAnswered else "it is heard, and gets no sound",
            )
        return True

    def _track(self, packet: RTPPacket, now: float) -> None:
        """A packet that is not known to be the one after the last."""
        self._endRow()
        if packet.ssrc != self._ssrc or self._begins:
            self.latch.ssrc, self._ssrc, self._begins = packet.ssrc, packet.ssrc, False
            self._lostBefore += self._tracker.lost
            self._tracker = SequenceTracker()
        self._received += 1
        self._tracker.packetReceived(packet.sequence, packet.timestamp, now)

    def _asListened(self, payload: bytes, codec: Codec) -> bytes:
        """In the codec that is listened in."""
        return self._translator.translate(payload, codec, self.codec) if self.codec else b""

    def _receivedOther(self, packet: RTPPacket, source: Address, now: float) -> None:
        """No sound that is wanted: a key, RTCP, comfort noise, a type that was not agreed on."""
        kind, sequence, timestamp, ssrc, payload, marker = packet
        if marker and 64 <= kind < 96:  # RFC 5761 4: the second byte of RTCP
            self._drop("RTCP")
            return
        isKey = kind in self._eventTypes or self._former.hasKeys(kind, now)
        agreed = isKey or kind in self._heldTypes
        if not agreed and source != self.latch.source:
            self._drop("payload type")
            return
        if not self._isTaken(packet, source, now):
            return
        self._track(packet, now)
        if self.target is not None:
            self.target.relayLacks(self, sequence)
        if self._held:
            self._drop("held")
        elif isKey:
            if now >= self.latch.keysFrom:
                self._keyReceived(timestamp, ssrc, payload, marker, now)
        elif kind == _COMFORT_NOISE:
            self.pauses += 1
            self._drop("comfort noise")
        else:
            self._drop("payload type")

    def _keyReceived(
        self, timestamp: int, ssrc: int, payload: bytes, marker: bool, now: float
    ) -> None:
        keys = self.keys
        if keys is None:
            keys = self.keys = TelephoneEventReceiver(self._eventClock)
        malformed = keys.malformed
        for key in keys.packetReceived(timestamp, ssrc, payload, marker, now):
            self._report(key)
        if keys.malformed > malformed:
            self._drop("malformed telephone-event")
        self._keyLooked(keys)

    def timeReached(self, now: float) -> None:
        """Ends a key whose last packets were lost; called once a beat while keyIsDown."""
        keys = self.keys
        if keys is not None:
            for key in keys.timeReached(now):
                self._report(key)
            self._keyLooked(keys)

    def _keyLooked(self, keys: TelephoneEventReceiver) -> None:
        down = keys.deadline is not None
        if down is not self.keyIsDown:
            self.keyIsDown = down
            self._schedule.hearingChanged(self)

    def _report(self, key: Key) -> None:
        onKey = self.onKey
        if onKey is not None:
            try:
                onKey(key)
            except Exception:
                _log.failure("{label}: {key} could not be reported", label=self.label, key=key)

    # --- what is not taken --------------------------------------------------------------------

    def _drop(self, reason: str) -> int:
        """Counts it; how many of that reason there are now."""
        count = self.dropped[reason] = self.dropped.get(reason, 0) + 1
        return count

    @property
    def packetsReceived(self) -> int:
        """Packets taken from the far end, sound or not, repeats too."""
        return self._received + packetsBetween(self._rowFirst, self._next)

    @property
    def elsewhere(self) -> tuple[Address, Address] | None:
        """Where the far end said that it is, and where it was heard instead for LASTING seconds.

        Not what came before the description, or on hold.
        """
        said, came = self.described, self.latch.source
        if self._held or said is None or came is None or said[0] == came[0]:
            return self._elsewhere
        return (said, came) if self.heardAt - self.describedAt >= LASTING else self._elsewhere

    def unheard(self, now: float) -> float:
        """Seconds that the first packet was waited for, in vain as yet; not those on hold."""
        if self.firstAt is not None:
            return 0.0
        return self._unheard + (now - self.describedAt if self._waits else 0.0)

    @property
    def lost(self) -> int:
        """Packets that never came, by their sequence numbers."""
        self._flush()
        return self._lostBefore + self._tracker.lost

    @property
    def late(self) -> int:
        """Packets that came after their turn to be played."""
        return self._lateBefore + (self.jitter.stats.late if self.jitter is not None else 0)

    def close(self) -> None:
        """Takes nothing any more."""
        self._endRow()
        self._accepts = {}
        self._eventTypes = frozenset()
        self._former = FormerTypes()
        self.listeners = ()
        self.target = self.jitter = self.onKey = self.keys = None
