"""SIP in WebSocket messages (RFC 7118), the server's side.

Lives here: the handshake with its subprotocol and its origin, messages of one frame or several,
pings. Framing is wsproto's, which the extra `websocket` brings. Not here: connections and their
limits in time (connection.py), what is in a message (parser.py).
"""

from __future__ import annotations

from collections.abc import Collection

from shtoom.exceptions import MalformedMessage
from shtoom.sip.framing import Broken, Over, Piece, Ping, Say, Whole
from shtoom.sip.parser import MAX_BYTES

try:
    import wsproto
    from wsproto import events
    from wsproto.utilities import LocalProtocolError, RemoteProtocolError
except ImportError as error:  # pragma: no cover - where the extra is not installed
    _missing: str | None = str(error)
else:
    _missing = None

SUBPROTOCOL = "sip"

LONGEST_HANDSHAKE = 16_384
"""Bytes of the HTTP request that asks for WebSocket."""

MOST_FRAMES = 1000
"""Frames of one message: empty ones are a fault that no length would end."""

TOO_BIG, NOT_VALID = 1009, 1002
"""Why a connection is closed (RFC 6455 7.4.1)."""


def missing() -> str | None:
    """What has to be installed for WebSocket, None if it is there."""
    if _missing is None:
        return None
    return f"WebSocket needs an extra: pip install '.[websocket]' in Doug's folder ({_missing})"


class WebSocketFramer:
    """What comes on one connection that a browser has opened, or a proxy (shtoom.sip.framing).

    origins: whose pages may connect, such as "https://phone.example.com"; () for all. Who sends no
    Origin is no browser, and may. longest: bytes of a message.
    """

    pings = True

    def __init__(self, origins: Collection[str] = (), longest: int = MAX_BYTES) -> None:
        self.begun = False  # is the handshake done?
        self._origins = {origin.lower() for origin in origins}
        self._longest = longest
        self._connection = wsproto.WSConnection(wsproto.ConnectionType.SERVER)
        self._head = bytearray()
        self._parts = bytearray()  # of a message, and how many frames they were
        self._count = 0
        self._began = False  # has a frame begun that is not complete?
        self._over = False

    @property
    def within(self) -> bool:
        """As IFramer has it."""
        return not self.begun or self._began or self._count > 0 or bool(self._parts)

    def received(self, data: bytes) -> list[Piece]:
        """As IFramer has it."""
        if self._over:
            return []
        if not self.begun:
            return self._handshake(data)
        return self._frames(data)

    def wrap(self, message: bytes) -> bytes:
        """One message: text, as browsers have it, unless it cannot be (RFC 7118 5)."""
        if not self._mayWrite:
            return b""
        try:
            return self._connection.send(events.TextMessage(data=message.decode()))
        except UnicodeDecodeError:
            return self._connection.send(events.BytesMessage(data=message))

    def ping(self) -> bytes:
        """A ping of WebSocket's, which browsers answer by themselves."""
        return self._connection.send(events.Ping()) if self._mayWrite else b""

    @property
    def _mayWrite(self) -> bool:
        return self.begun and self._connection.state is wsproto.connection.ConnectionState.OPEN

    def _handshake(self, data: bytes) -> list[Piece]:
        self._head += data
        end = self._head.find(b"\r\n\r\n") + 4
        if end < 4:
            if len(self._head) > LONGEST_HANDSHAKE:
                return self._end("its handshake has no end")
            return []
        head, rest = bytes(self._head[:end]), bytes(self._head[end:])
        self._head.clear()
        try:
            self._connection.receive_data(head)
            asked = next(iter(self._connection.events()), None)
        except RemoteProtocolError as error:
            hint = error.event_hint
            refusal = hint if isinstance(hint, events.RejectConnection) else None
            return self._refuse(str(error), refusal)
        except ValueError as error:  # a Host that is none
            return self._refuse(str(error))
        if not isinstance(asked, events.Request):
            return self._refuse("it asks for something else")
        if SUBPROTOCOL not in asked.subprotocols:
            return self._refuse("it does not ask for the subprotocol sip (RFC 7118)")
        origin = _origin(asked)
        if origin is not None and self._origins and origin.lower() not in self._origins:
            reason = f"pages of {origin} may not connect (--ws-origin)"
            return self._refuse(reason, events.RejectConnection(status_code=403))
        self.begun = True
        accepted = self._connection.send(events.AcceptConnection(subprotocol=SUBPROTOCOL))
        return [Say(accepted), *(self._frames(rest) if rest else ())]

    def _refuse(self, reason: str, refusal: events.RejectConnection | None = None) -> list[Piece]:
        """Refused over HTTP."""
        refusal = refusal if refusal is not None else events.RejectConnection(status_code=400)
        try:
            said = self._connection.send(refusal)
        except LocalProtocolError:  # it was no HTTP at all
            said = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
        return [Say(said), *self._end(reason)]

    def _frames(self, data: bytes) -> list[Piece]:
        pieces: list[Piece] = []
        self._began = True
        try:
            self._connection.receive_data(data)
            for event in self._connection.events():
                self._began = False
                pieces += self._take(event)
                if self._over:
                    break
        except RemoteProtocolError as error:
            hint = error.event_hint
            code = hint.code if isinstance(hint, events.CloseConnection) else NOT_VALID
            pieces += self._close(code, f"no WebSocket: {error}")
        return pieces

    def _take(self, event: events.Event) -> list[Piece]:
        if isinstance(event, events.Ping):
            return [Say(self._connection.send(event.response()))]
        if isinstance(event, events.CloseConnection):
            if self._mayWrite:  # wsproto's word for what is no frame
                return self._close(event.code, f"no WebSocket: {event.reason}")
            said: list[Piece] = []
            if self._connection.state is wsproto.connection.ConnectionState.REMOTE_CLOSING:
                said.append(Say(self._connection.send(event.response())))
            return [*said, *self._end("closed by the far end")]
        if isinstance(event, events.TextMessage | events.BytesMessage):
            data = event.data
            self._parts += data.encode() if isinstance(data, str) else data
            self._count += event.frame_finished
            if len(self._parts) > self._longest or self._count > MOST_FRAMES:
                return self._tooBig()
            if event.message_finished:
                whole = bytes(self._parts)
                self._forget()
                return [Whole(whole) if whole.strip(b"\r\n\0") else Ping()]
        return []  # a pong, or the beginning of a message

    def _tooBig(self) -> list[Piece]:
        fault = MalformedMessage("message", f"at most {self._longest} bytes", "more")
        fault.code = 513
        return [Broken(fault), *self._close(TOO_BIG, "a message is too long")]

    def _close(self, code: int, reason: str) -> list[Piece]:
        try:
            said = self._connection.send(events.CloseConnection(code=code))
        except LocalProtocolError:  # it is closing already
            said = b""
        return [Say(said), *self._end(reason)]

    def _end(self, reason: str) -> list[Piece]:
        self._over, self._began = True, False
        self._forget()
        return [Over(reason)]

    def _forget(self) -> None:
        """The next frame begins a message."""
        self._parts.clear()
        self._count = 0


def _origin(asked: events.Request) -> str | None:
    """The page that connects, as browsers say it (RFC 6454 7)."""
    for name, value in asked.extra_headers:
        if name.lower() == b"origin":
            return value.decode("latin-1")
    return None
