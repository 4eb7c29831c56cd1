"""A WebSocket client for tests: bytes to messages and back. Needs the extra `websocket`."""

from __future__ import annotations

from wsproto import ConnectionType, WSConnection
from wsproto.events import (
    AcceptConnection,
    CloseConnection,
    Message,
    Ping,
    Pong,
    RejectConnection,
    Request,
    TextMessage,
)


class WebClient:
    """The client's side of one connection.

    accepted: the server's answer, with its subprotocol, None before. rejected: the code of a
    refusal. messages, pings, pongs: what came. closed: the code of the server's close.
    """

    def __init__(self, subprotocols: tuple[str, ...] = ("sip",), origin: str | None = None) -> None:
        self._connection = WSConnection(ConnectionType.CLIENT)
        more = [(b"Origin", origin.encode())] if origin is not None else []
        self.hello = self._connection.send(
            Request(
                host="192.0.2.10", target="/", subprotocols=list(subprotocols), extra_headers=more
            )
        )
        self.accepted: AcceptConnection | None = None
        self.rejected: int | None = None
        self.closed: int | None = None
        self.messages: list[bytes] = []
        self.pings = self.pongs = 0
        self._part = b""

    def received(self, data: bytes) -> bytes:
        """What came; returns what is to be answered."""
        self._connection.receive_data(data)
        said = b""
        for event in self._connection.events():
            match event:
                case AcceptConnection():
                    self.accepted = event
                case RejectConnection():
                    self.rejected = event.status_code
                case Ping():
                    self.pings += 1
                    said += self._connection.send(event.response())
                case Pong():
                    self.pongs += 1
                case CloseConnection():
                    self.closed = event.code
                case Message():
                    data_ = event.data
                    self._part += data_.encode() if isinstance(data_, str) else bytes(data_)
                    if event.message_finished:
                        self.messages.append(self._part)
                        self._part = b""
        return said

    def say(self, text: str, parts: int = 1) -> bytes:
        """A message, in so many frames."""
        size = -(-len(text) // parts) or 1
        return b"".join(
            self._connection.send(
                TextMessage(data=text[at : at + size], message_finished=at + size >= len(text))
            )
            for at in range(0, len(text), size)
        )

    def ping(self) -> bytes:
        """A ping."""
        return self._connection.send(Ping(b"x"))

    def close(self) -> bytes:
        """Says that it closes."""
        return self._connection.send(CloseConnection(code=1000))
