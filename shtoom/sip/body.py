"""Bodies: the session description in a message, wherever it stands.

Lives here: application/sdp alone or as a part of multipart (RFC 5621 3). Not here: reading the
description (shtoom.sdp).
"""

from __future__ import annotations

from shtoom.exceptions import MalformedMessage
from shtoom.sip.fields import parseMediaType
from shtoom.sip.message import Message

SDP = "application/sdp"
MOST_PARTS = 32


def sdpBody(message: Message) -> bytes | None:
    """The first session description, None if the message has none.

    Raises MalformedMessage for a multipart body whose parts cannot be told apart.
    """
    value = message.header("content-type")
    if not message.body or value is None:
        return None
    kind, params = parseMediaType(value)
    if kind == SDP:
        return message.body
    if kind.startswith("multipart/"):
        for partType, part in bodyParts(message.body, params.get("boundary", "")):
            if partType == SDP:
                return part
    return None


def bodyParts(body: bytes, boundary: str) -> list[tuple[str, bytes]]:
    """(type/subtype, content) of each part of a multipart body."""
    if not boundary:
        raise MalformedMessage("Content-Type header", "a boundary for multipart", b"none")
    mark = b"--" + boundary.encode("utf-8", "surrogateescape")
    _, *pieces = (b"\r\n" + body).split(b"\r\n" + mark, MOST_PARTS)
    if not pieces:
        raise MalformedMessage("multipart body", f"the boundary {boundary!r}", body)
    parts = []
    for piece in pieces:
        if piece.startswith(b"--"):
            break
        head, empty, content = piece.lstrip(b" \t").removeprefix(b"\r\n").partition(b"\r\n\r\n")
        if not empty and piece.startswith(b"\r\n\r\n"):
            head, content = b"", piece[4:]
        kind = "text/plain"
        for line in head.split(b"\r\n"):
            name, _, value = line.partition(b":")
            if name.strip().lower() in (b"content-type", b"c"):
                kind = parseMediaType(value.strip().decode("utf-8", "surrogateescape"))[0]
        parts.append((kind, content))
    return parts
