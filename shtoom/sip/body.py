"""Bodies: the session description in a message, wherever it stands.

Lives here: application/sdp alone or as a part of multipart (RFC 5621, RFC 2046 5.1). Not here:
reading the description (shtoom.sdp).
"""

from __future__ import annotations

import re
from typing import NamedTuple

from shtoom.exceptions import MalformedMessage
from shtoom.sip.fields import findParam, parseMediaType, parseParams
from shtoom.sip.message import Message

SDP = "application/sdp"
MOST_PARTS = 32
MOST_LEVELS = 4

_FOLD = re.compile(rb"(?<![ \t])[ \t]*+(?:\r\n[ \t]++)++")


class BodyPart(NamedTuple):
    """One part. contentType: "type/subtype" in lower case.

    required: Content-Disposition says handling=required: who cannot read it refuses the message.
    """

    contentType: str
    content: bytes
    required: bool = False


def sdpBody(message: Message) -> bytes | None:
    """The first session description, None if the message has none.

    Raises MalformedMessage for a multipart body whose parts cannot be told apart.
    """
    for part in bodyParts(message):
        if part.contentType == SDP:
            return part.content
    return None


def bodyParts(message: Message) -> list[BodyPart]:
    """The parts of a multipart body, those of parts that are multipart in their place.

    A body of another type is one part, a body without Content-Type or of no octets none. Raises
    MalformedMessage as sdpBody does, and beyond MOST_PARTS parts or MOST_LEVELS levels.
    """
    contentType = message.header("content-type")
    if not message.body or contentType is None:
        return []
    disposition = message.header("content-disposition") or ""
    parts = _parts(contentType, disposition, message.body, MOST_LEVELS)
    if len(parts) > MOST_PARTS:
        raise MalformedMessage("multipart body", f"at most {MOST_PARTS} parts", str(len(parts)))
    return parts


def _parts(contentType: str, disposition: str, content: bytes, levels: int) -> list[BodyPart]:
    kind, params = parseMediaType(contentType)
    if not kind.startswith("multipart/"):
        return [BodyPart(kind, content, handling(disposition) == "required")]
    if levels == 0:
        wanted = f"at most {MOST_LEVELS} levels of parts in parts"
        raise MalformedMessage("multipart body", wanted, content)
    boundary = params.get("boundary")
    if not boundary:
        raise MalformedMessage("Content-Type header", "a boundary for multipart", contentType)
    parts: list[BodyPart] = []
    for piece in _pieces(content, boundary):
        headers, inner = _split(piece)
        parts += _parts(
            headers.get("content-type") or headers.get("c") or "text/plain",
            headers.get("content-disposition", ""),
            inner,
            levels - 1,
        )
    return parts


def _pieces(body: bytes, boundary: str) -> list[bytes]:
    """What stands between the delimiter lines, each piece from its first line end on."""
    mark = re.escape(boundary.encode("utf-8", "surrogateescape"))
    delimiter = re.compile(rb"\r\n--" + mark + rb"(--)?[ \t]*+(?=\r\n|\Z)")
    _, *pieces = delimiter.split(b"\r\n" + body, MOST_PARTS + 1)
    if not pieces:
        raise MalformedMessage("multipart body", f"the boundary {boundary!r}", body)
    found = []
    for closing, piece in zip(pieces[::2], pieces[1::2], strict=True):
        if closing:  # "--" behind the boundary: what follows is not for us
            break
        found.append(piece)
    return found


def _split(piece: bytes) -> tuple[dict[str, str], bytes]:
    """Header names in lower case to values, and the content behind the empty line."""
    head, _, content = piece.partition(b"\r\n\r\n")
    headers = {}
    for line in _FOLD.sub(b" ", head).split(b"\r\n"):
        name, _, value = line.decode("utf-8", "surrogateescape").partition(":")
        headers[name.strip().lower()] = value.strip()
    return headers, content


def handling(disposition: str) -> str:
    """That parameter of a Content-Disposition (20.11) in lower case, "" if it is absent."""
    _, semicolon, tail = disposition.partition(";")
    params = parseParams(tail, "Content-Disposition header") if semicolon else ()
    return (findParam(params, "handling") or "").lower()
