"""The dialog as an application sees it: who calls whom, and what the INVITE said.

Lives here: Party and Dialog, values that stay as they are when the call is over.
Not here: the dialog of the protocol with its sequence numbers and routes (shtoom.sip.dialog).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from shtoom.exceptions import MalformedMessage
from shtoom.sip.uri import URI, parseURI

if TYPE_CHECKING:
    from shtoom.agent.call import Call
    from shtoom.sip.fields import NameAddress
    from shtoom.sip.message import Request


class Party:
    """The URI of a caller or callee; str() is that URI, and it is equal to that string.

    username: unescaped, None if there is none (of a tel: URI the number). host: "" in a tel: URI.
    port: None if not given. params: of the URI, None for one without a value.
    An address that is no URI at all is kept as text, without username and host.
    """

    __slots__ = ("_display", "_fieldParams", "_text", "host", "params", "port", "username")

    def __init__(
        self,
        uri: URI | str,
        displayName: str = "",
        fieldParams: Iterable[tuple[str, str | None]] = (),
    ) -> None:
        parsed = _parsed(uri) if isinstance(uri, str) else uri
        self._text, self._display = str(uri), displayName
        self._fieldParams = dict(fieldParams)
        self.username = parsed.user if parsed is not None else None
        self.host = parsed.host if parsed is not None else ""
        self.port = parsed.port if parsed is not None else None
        self.params: dict[str, str | None] = dict(parsed.params) if parsed is not None else {}

    @classmethod
    def of(cls, address: NameAddress) -> Party:
        """The party that a From or To header names."""
        return cls(address.uri, address.display, address.params)

    def getURI(self, parsed: bool = False) -> Party | str:
        """The URI as a string; parsed: this object."""
        return self if parsed else self._text

    def getDisplayName(self) -> str:
        """The name that the header gives beside the URI; "" if none. A claim, like all of it."""
        return self._display

    def getParams(self) -> dict[str, str | None]:
        """The parameters of the header, among them the tag; those of the URI are in params."""
        return dict(self._fieldParams)

    def __str__(self) -> str:
        return self._text

    def __repr__(self) -> str:
        return f"<Party {self._text}>"

    def __eq__(self, other: object) -> bool:
        if isinstance(other, str | Party):
            return self._text == str(other)
        return NotImplemented

    def __hash__(self) -> int:
        return hash(self._text)


class Dialog:
    """Who calls whom on a leg. direction: "inbound" or "outbound"."""

    __slots__ = ("_callID", "_callee", "_caller", "_direction", "_request")

    def __init__(
        self, direction: str, callID: str, caller: Party, callee: Party, request: Request | None
    ) -> None:
        self._direction, self._callID = direction, callID
        self._caller, self._callee, self._request = caller, callee, request

    @classmethod
    def ofCall(cls, call: Call, fromURI: str = "", toURI: str = "") -> Dialog:
        """A view of the call as it is now.

        fromURI, toURI: what an outbound call was dialled with, for the time before its INVITE.
        """
        request, dialog = call.request, call.dialog
        if dialog is not None:
            local, remote = Party.of(dialog.local), Party.of(dialog.remote)
            inbound = call.direction == "inbound"
            caller, callee = (remote, local) if inbound else (local, remote)
        elif request is not None:
            caller, callee = Party.of(request.fromAddress), Party.of(request.toAddress)
        else:
            caller, callee = Party(fromURI), Party(toURI)
        return cls(call.direction, call.callID, caller, callee, request)

    def getCaller(self) -> Party:
        """Who calls, as the From header says."""
        return self._caller

    def getCallee(self) -> Party:
        """Who is called, as the To header says."""
        return self._callee

    def getCallID(self) -> str:
        """The Call-ID, which the log's lines about the call have too."""
        return self._callID

    def getDirection(self) -> str:
        """'inbound': they call us; 'outbound': we call them."""
        return self._direction

    def getRemoteTag(self) -> Party:
        """The address of the far end, tag included (getParams)."""
        return self._caller if self._direction == "inbound" else self._callee

    def getLocalTag(self) -> Party:
        """The address of our end, tag included (getParams)."""
        return self._callee if self._direction == "inbound" else self._caller

    def getHeader(self, name: str) -> str | None:
        """A header of the INVITE, compact forms included; None if absent or not sent yet."""
        return self._request.header(name) if self._request is not None else None

    def __repr__(self) -> str:
        return f"<Dialog {self._callID} {self._direction} {self._caller} -> {self._callee}>"


def _parsed(text: str) -> URI | None:
    try:
        return parseURI(text)
    except MalformedMessage:
        return None
