"""What the phones of the catalogue share: a phone whose words can be changed on their way.

Lives here: HostilePhone, its user, its stretch of the network. Not here: what is odd about each
(messages.py, courses.py, offers.py, packets.py).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from random import Random
from typing import TYPE_CHECKING, Any, ClassVar

from doug.testing.hostile.raw import RawMessage, RawPacket
from doug.testing.network import Address, MemoryHost, MemoryNetwork, Receiver
from doug.testing.phone import Phone
from shtoom.sip.framing import Framer, IFramer, Piece, Whole

if TYPE_CHECKING:
    from doug.testing.phonecall import PhoneCall
    from doug.testing.reactor import VirtualReactor

SIP_PORT = 5060
EVENT_TYPE = 101  # the payload type of keys in a virtual phone's offers


class HostilePhone(Phone):
    """A phone of the catalogue. Its user speaks a tone, presses `keys`, hangs up after `stays`.

    All this goes by itself, from the answer on, whether it has dialled or was called.

    number: in the catalogue. dials, answers: is there anything odd about it when it dials, when it
    is called? registers: is it about who registers at it? over: how it speaks SIP, "udp", "tcp" or
    "tls"; the server has to listen there. firstKey: seconds from the answer to the first key.
    complaints: what the server did wrong, as far as the phone can tell. keys: what its user
    presses. stays: seconds of a call. Everything else as Phone has it.
    """

    number: ClassVar[int]
    dials: ClassVar[bool] = True
    answers: ClassVar[bool] = True
    registers: ClassVar[bool] = False
    over: ClassVar[str] = "udp"
    firstKey: ClassVar[float] = 0.3

    def __init__(
        self,
        reactor: VirtualReactor,
        host: MemoryHost,
        rng: Random,
        *,
        keys: str = "",
        stays: float = 1.0,
        **options: Any,
    ) -> None:
        self.keys, self.stays = keys, stays
        self.complaints: list[str] = []
        self.line = Line(host.network, self)
        options.setdefault("transport", self.over)
        super().__init__(reactor, MemoryHost(self.line, host.address), rng, **options)

    # --- what a phone of the catalogue may do in another way --------------------------------------

    def sipOut(self, message: RawMessage) -> Iterable[RawMessage | bytes]:
        """What leaves in place of a message of its stack."""
        return (message,)

    def sipIn(self, message: RawMessage) -> Iterable[RawMessage]:
        """What its stack hears in place of a message of the server."""
        return (message,)

    def rtpOut(self, packet: RawPacket) -> Iterable[RawPacket | bytes]:
        """What leaves in place of a packet of its stack."""
        return (packet,)

    def rtpIn(self, packet: RawPacket) -> Iterable[RawPacket]:
        """What its stack hears in place of a packet of the server."""
        return (packet,)

    def portOutside(self, port: int) -> int:
        """From which port the others see its packets come."""
        return port

    def callUp(self, call: PhoneCall) -> None:
        """A call is answered: its user begins."""
        call.sayTone(440, self.stays)
        self.later(self.firstKey, self.press, call)
        self.later(self.stays, call.hangUp)

    def press(self, call: PhoneCall) -> None:
        """Its user presses `keys`."""
        if call.state == "answered" and call.stream is not None and call.stream.eventType:
            call.press(self.keys)

    # --- what is at hand for that -----------------------------------------------------------------

    def later(self, seconds: float, f: Callable[..., object], *args: Any) -> None:
        """Calls f then."""
        self.reactor.callLater(seconds, f, *args)

    def inCall(self, seconds: float, f: Callable[[PhoneCall], object], call: PhoneCall) -> None:
        """Calls f then, if that call is still up."""
        self.later(seconds, lambda: f(call) if call.state == "answered" else None)

    def transmit(
        self,
        data: bytes,
        port: int = SIP_PORT,
        to: Address | None = None,
        *,
        atOnce: bool = False,
    ) -> None:
        """A datagram past its stack, from that port; to: None for the server's SIP port.

        atOnce: it takes no time.
        """
        server = self.serverAddress.strip("[]"), SIP_PORT
        self.line.carry(data, (self.host.address, port), to or server, atOnce)

    def complain(self, text: str) -> None:
        """The server was wrong."""
        self.complaints.append(f"{type(self).__name__} ({self.number}): {text}")

    def callOf(self, message: RawMessage) -> PhoneCall | None:
        """Its own call that a message is about."""
        wanted = message.value("Call-ID")
        return next((each for each in self.calls if each.call and each.call.callID == wanted), None)

    # --- for its stretch of the network -----------------------------------------------------------

    def framing(self) -> IFramer:
        """As Phone has it; what is said and heard over connections passes as datagrams do."""
        return Tongue(self)

    def left(self, data: bytes, port: int) -> Iterable[bytes]:
        """What becomes of a datagram of its stack, from that port."""
        if port == SIP_PORT:
            message = RawMessage.read(data)
            said: Iterable[RawMessage | RawPacket | bytes]
            said = (data,) if message is None else self.sipOut(message)
        else:
            packet = RawPacket.read(data)
            said = (data,) if packet is None else self.rtpOut(packet)
        return [each if isinstance(each, bytes) else each.toBytes() for each in said]

    def arrived(self, data: bytes, port: int) -> Iterable[bytes]:
        """What its stack hears of a datagram, at that port."""
        if port == SIP_PORT:
            message = RawMessage.read(data)
            return (data,) if message is None else [m.toBytes() for m in self.sipIn(message)]
        packet = RawPacket.read(data)
        return (data,) if packet is None else [p.toBytes() for p in self.rtpIn(packet)]


class Tongue(Framer):
    """One end of a connection of a phone, whose messages pass its mouth and its ear."""

    def __init__(self, phone: HostilePhone) -> None:
        super().__init__()
        self._phone = phone

    def received(self, data: bytes) -> list[Piece]:
        """As IFramer has it."""
        pieces: list[Piece] = []
        for piece in super().received(data):
            if isinstance(piece, Whole):
                pieces += map(Whole, self._phone.arrived(piece.data, SIP_PORT))
            else:
                pieces.append(piece)
        return pieces

    def wrap(self, message: bytes) -> bytes:
        """As IFramer has it: what leaves in its place, in one segment."""
        return b"".join(self._phone.left(message, SIP_PORT))


class Line(MemoryNetwork):
    """The stretch of the network before one phone."""

    def __init__(self, network: MemoryNetwork, phone: HostilePhone) -> None:
        super().__init__(network.reactor, network.rng)
        self._network, self._phone = network, phone
        self.bound, self.listening = network.bound, network.listening
        self.connections, self.hosts = network.connections, network.hosts

    def travel(self, again: float = 0.0) -> float:
        """As the network does."""
        return self._network.travel(again)

    def segments(self, data: bytes) -> list[bytes]:
        """As the network does."""
        return self._network.segments(data)

    def glues(self) -> bool:
        """As the network does."""
        return self._network.glues()

    def bind(self, address: Address, receiver: Receiver) -> None:
        """As the network does; what arrives there passes the phone's ear."""
        for each in self._outside(address):
            self._network.bind(each, partial(self._arrived, address, receiver))

    def unbind(self, address: Address) -> None:
        """As the network does."""
        for each in self._outside(address):
            self._network.unbind(each)

    def connect(self, address: Address, far: Address, refused: Callable[[], None]) -> None:
        """As the network does."""
        self._network.connect(address, far, refused)

    def send(self, data: bytes, source: Address, destination: Address) -> None:
        """What leaves passes the phone's mouth."""
        for said in self._phone.left(data, source[1]):
            self._network.send(said, self._seen(source), destination)

    def carry(self, data: bytes, source: Address, destination: Address, atOnce: bool) -> None:
        """A datagram as it is."""
        receiver = self._network.bound.get(destination)
        if atOnce and receiver is not None:
            self.reactor.callLater(0, receiver, data, source)
        else:
            self._network.send(data, source, destination)

    def _outside(self, address: Address) -> set[Address]:
        """The address itself, and the one that the others see."""
        return {address, self._seen(address)}

    def _seen(self, address: Address) -> Address:
        return address[0], self._phone.portOutside(address[1])

    def _arrived(self, address: Address, receiver: Receiver, data: bytes, source: Address) -> None:
        for heard in self._phone.arrived(data, address[1]):
            receiver(heard, source)
