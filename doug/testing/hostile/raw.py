"""SIP messages and RTP packets as bytes to be written in other ways than Doug writes them.

Lives here: taking apart and putting together, without any opinion. Not here: reading what strangers
send (shtoom.sip.parser, shtoom.rtp.packet), the phones.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from struct import Struct

_HEAD = Struct("!BBHII")


@dataclass
class RawMessage:
    """A SIP message of the virtual phones' own stack, or of the server: a line a header.

    start: its first line. headers: (name, value). body: as it is.
    """

    start: str
    headers: list[tuple[str, str]]
    body: bytes

    @classmethod
    def read(cls, data: bytes) -> RawMessage | None:
        """None for what is no message, such as a keep-alive."""
        head, end, body = data.partition(b"\r\n\r\n")
        start, *lines = head.decode("utf-8", "surrogateescape").split("\r\n")
        if not end or not start:
            return None
        pairs = (line.partition(":") for line in lines)
        return cls(start, [(name, value.strip()) for name, _, value in pairs], body)

    def copy(self) -> RawMessage:
        """Another one of the same words."""
        return replace(self, headers=list(self.headers))

    def toBytes(self, lines: Iterable[str] | None = None) -> bytes:
        """On the wire, Content-Length right. lines: the headers as they are to be written."""
        self.put(("Content-Length", str(len(self.body))), add=False)
        written = [f"{name}: {value}" for name, value in self.headers] if lines is None else lines
        text = "\r\n".join((self.start, *written, "", ""))
        return text.encode("utf-8", "surrogateescape") + self.body

    def value(self, name: str) -> str:
        """Of the first header of that name; "" if there is none."""
        return next((value for each, value in self.headers if each == name), "")

    def put(self, *lines: tuple[str, str], add: bool = True) -> None:
        """In the place of the header of that name. add: as the first if there is none."""
        for name, value in lines:
            names = [each for each, _ in self.headers]
            if name in names:
                self.headers[names.index(name)] = name, value
            elif add:
                self.headers.insert(0, (name, value))

    def insert(self, *lines: tuple[str, str]) -> None:
        """Before all other headers, whatever these are."""
        self.headers[:0] = lines

    def drop(self, *names: str) -> None:
        """Without the headers of those names."""
        self.headers = [(name, value) for name, value in self.headers if name not in names]

    def newBranch(self, mark: str) -> None:
        """Another transaction: `mark` is in the branch of its Via."""
        self.put(("Via", self.value("Via").replace("branch=z9hG4bK", f"branch=z9hG4bK{mark}")))

    def giveBody(self, body: bytes, contentType: str = "application/sdp") -> None:
        """Another body; b"" for none."""
        self.drop("Content-Type")
        if body:
            self.insert(("Content-Type", contentType))
        self.body = body

    @property
    def label(self) -> str:
        """ "200 INVITE" for a response, "BYE" for a request."""
        first, second, _ = self.start.split(" ", 2)
        if first == "SIP/2.0":
            return f"{second} {self.value('CSeq').split()[-1]}"
        return first

    @property
    def inDialog(self) -> bool:
        """Has To a tag?"""
        return ";tag=" in self.value("To")

    @property
    def isFirstINVITE(self) -> bool:
        """Does it begin a call?"""
        return self.label == "INVITE" and not self.inDialog

    @property
    def hasSDP(self) -> bool:
        """Is its body a session description?"""
        return bool(self.body) and self.value("Content-Type") == "application/sdp"


@dataclass
class RawPacket:
    """An RTP packet of the virtual phones' own stack, whose header has its fixed part alone."""

    payloadType: int
    marker: bool
    sequence: int
    timestamp: int
    ssrc: int
    payload: bytes

    @classmethod
    def read(cls, data: bytes) -> RawPacket | None:
        """None for what is none, such as a keep-alive."""
        if len(data) < _HEAD.size or data[0] != 0x80:
            return None
        _, second, sequence, timestamp, ssrc = _HEAD.unpack_from(data)
        payload = data[_HEAD.size :]
        return cls(second & 0x7F, second > 0x7F, sequence, timestamp, ssrc, payload)

    def toBytes(
        self, *, extension: bytes = b"", csrcs: Collection[int] = (), pad: int = 0
    ) -> bytes:
        """extension: of the header, whole. pad: octets, their own count included."""
        first = 0x80 | (0x20 if pad else 0) | (0x10 if extension else 0) | len(csrcs)
        second = self.payloadType | (0x80 if self.marker else 0)
        sequence, timestamp = self.sequence & 0xFFFF, self.timestamp & 0xFFFFFFFF
        sources = b"".join(each.to_bytes(4, "big") for each in csrcs)
        end = bytes(pad - 1) + bytes([pad]) if pad else b""
        head = _HEAD.pack(first, second, sequence, timestamp, self.ssrc)
        return head + sources + extension + self.payload + end
