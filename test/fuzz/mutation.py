"""Valid messages made invalid, in the ways of broken and of hostile senders.

Lives here: changes to bytes, to the lines of a SIP message, to a session description; all of them
by a seeded Random, so that a seed says everything. Not here: what is put in (oddities.py), the
valid messages (peers.py), who they are sent to (sipfuzz.py).
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from test.fuzz.oddities import COMPACT, METHODS, NUMBERS, PIECES, SDP_LINES, URIS, VALUES

Mutator = Callable[[Random, bytes], bytes]


def mutated(rng: Random, data: bytes, kinds: tuple[Mutator, ...], most: int = 3) -> bytes:
    """With one to `most` of these changes, one after the other."""
    for _ in range(rng.randint(1, most)):
        data = rng.choice(kinds)(rng, data)
    return data


# --- bytes ------------------------------------------------------------------------------------


def flipped(rng: Random, data: bytes) -> bytes:
    """Some bits are wrong."""
    changed = bytearray(data)
    for _ in range(rng.randint(1, 8) if changed else 0):
        changed[rng.randrange(len(changed))] ^= 1 << rng.randrange(8)
    return bytes(changed)


def cut(rng: Random, data: bytes) -> bytes:
    """The end is missing, or the beginning, or some of the middle."""
    a, b = sorted((rng.randint(0, len(data)), rng.randint(0, len(data))))
    return rng.choice((data[:a], data[a:], data[:a] + data[b:]))


def stuffed(rng: Random, data: bytes) -> bytes:
    """Something that has a meaning somewhere stands where it has none."""
    at = rng.randint(0, len(data))
    return data[:at] + rng.choice(PIECES) + data[at:]


def repeated(rng: Random, data: bytes) -> bytes:
    """A part stands there twice, or often."""
    a, b = sorted((rng.randint(0, len(data)), rng.randint(0, len(data))))
    return data[:b] + data[a:b][:2000] * rng.choice((1, 1, 2, 20)) + data[b:]


def renumbered(rng: Random, data: bytes) -> bytes:
    """One of the numbers is another one."""
    places = [i for i, octet in enumerate(data) if 48 <= octet <= 57]
    if not places:
        return data
    start = end = rng.choice(places)
    while start > 0 and data[start - 1 : start].isdigit():
        start -= 1
    while data[end : end + 1].isdigit():
        end += 1
    return data[:start] + rng.choice(NUMBERS) + data[end:]


def noise(rng: Random, data: bytes) -> bytes:
    """Nothing of it is left."""
    return rng.randbytes(rng.choice((0, 1, 3, 17, 200, len(data))))


BYTES: tuple[Mutator, ...] = (flipped, flipped, cut, stuffed, stuffed, repeated, renumbered, noise)


# --- lines of a SIP message -------------------------------------------------------------------


def _split(data: bytes) -> tuple[list[bytes], bytes]:
    head, end, body = data.partition(b"\r\n\r\n")
    return head.split(b"\r\n"), end + body


def _join(lines: list[bytes], rest: bytes) -> bytes:
    return b"\r\n".join(lines) + rest


def _wire(text: str) -> bytes:
    """As octets: what is beyond ASCII now as UTF-8, now as a lone octet."""
    return text.encode("latin-1" if all(ord(c) < 256 for c in text) else "utf-8")


def _place(rng: Random, lines: list[bytes]) -> int:
    return rng.randrange(1, len(lines)) if len(lines) > 1 else 0


def lineTwice(rng: Random, data: bytes) -> bytes:
    """A header stands there twice, the second perhaps with something else in it."""
    lines, rest = _split(data)
    line = lines[_place(rng, lines)]
    again = rng.choice((line, stuffed(rng, line), renumbered(rng, line)))
    lines.insert(rng.randint(1, len(lines)), again)
    return _join(lines, rest)


def lineGone(rng: Random, data: bytes) -> bytes:
    """A header is missing."""
    lines, rest = _split(data)
    del lines[_place(rng, lines)]
    return _join(lines, rest)


def linesMixed(rng: Random, data: bytes) -> bytes:
    """The headers stand in another order."""
    lines, rest = _split(data)
    tail = lines[1:]
    rng.shuffle(tail)
    return _join([lines[0], *tail], rest)


def lineFolded(rng: Random, data: bytes) -> bytes:
    """A header goes on in the next line, or seems to."""
    lines, rest = _split(data)
    at = _place(rng, lines)
    places = [i for i, octet in enumerate(lines[at]) if octet in b" ;,:="] or [0]
    i = rng.choice(places)
    fold = rng.choice((b"\r\n ", b"\r\n\t", b" \r\n  ", b"\n ", b"\r\n", b"\r\n \r\n "))
    lines[at] = lines[at][:i] + fold + lines[at][i:]
    return _join(lines, rest)


def lineSpelled(rng: Random, data: bytes) -> bytes:
    """A header's name is written otherwise."""
    lines, rest = _split(data)
    at = _place(rng, lines)
    name, colon, value = lines[at].partition(b":")
    short = COMPACT.get(name.decode("latin-1"), name.decode("latin-1")).encode("latin-1")
    other = (
        name.upper(),
        name.lower(),
        short,
        name + b" ",
        name + b"\t ",
        b" " + name,
        name + b"\0",
    )
    lines[at] = rng.choice(other) + rng.choice((colon, colon, b"", b" :", b"::")) + value
    return _join(lines, rest)


def lineReplaced(rng: Random, data: bytes) -> bytes:
    """A header, be it there or not, has a value that some parser somewhere fell over."""
    lines, rest = _split(data)
    name = rng.choice(tuple(VALUES))
    line = _wire(f"{name}: {rng.choice(VALUES[name])}")
    places = [
        i for i, old in enumerate(lines) if old.lower().startswith(name.lower().encode() + b":")
    ]
    if places and rng.random() < 0.7:
        lines[rng.choice(places)] = line
    else:
        lines.insert(rng.randint(1, len(lines)), line)
    return _join(lines, rest)


def lineStuffed(rng: Random, data: bytes) -> bytes:
    """Something odd within one header's value."""
    lines, rest = _split(data)
    at = _place(rng, lines)
    lines[at] = rng.choice((stuffed, renumbered, flipped))(rng, lines[at])
    return _join(lines, rest)


def manyLines(rng: Random, data: bytes) -> bytes:
    """More headers than anybody needs."""
    lines, rest = _split(data)
    more = rng.choice((b"Via: SIP/2.0/UDP x;branch=z9hG4bKx", b"X: y", b"Route: <sip:a@b;lr>"))
    lines[1:1] = [more] * rng.choice((60, 250, 300))
    return _join(lines, rest)


def startLine(rng: Random, data: bytes) -> bytes:
    """Another method, Request-URI or version; or a status line where a request line was."""
    lines, rest = _split(data)
    method, _, uri = lines[0].partition(b" ")
    uri, _, version = uri.rpartition(b" ")
    what = rng.randrange(5)
    if what == 0:
        method = _wire(rng.choice(METHODS))
    elif what == 1:
        uri = _wire(rng.choice(URIS))
    elif what == 2:
        version = rng.choice(
            (b"SIP/1.0", b"SIP/3.0", b"sip/2.0", b"HTTP/1.1", b"", b"SIP/2.0 ", b"SIP/")
        )
    elif what == 3:
        code = rng.choice(
            (b"100", b"180", b"200", b"302", b"401", b"487", b"099", b"700", b"20", b"x")
        )
        method, uri, version = b"SIP/2.0", code, rng.choice((b"OK", b"", b"\xff\0"))
    else:
        return _join([stuffed(rng, lines[0]), *lines[1:]], rest)
    return _join([b" ".join((method, uri, version)), *lines[1:]], rest)


def methodSwapped(rng: Random, data: bytes) -> bytes:
    """Another method in request line and CSeq, all else as it was."""
    lines, rest = _split(data)
    old, _, tail = lines[0].partition(b" ")
    method = _wire(rng.choice(METHODS))
    if old.startswith(b"SIP/"):
        return data
    lines[0] = method + b" " + tail
    for i, line in enumerate(lines):
        if line.startswith(b"CSeq:"):
            lines[i] = line.replace(old, method)
    return _join(lines, rest)


def wrongLength(rng: Random, data: bytes) -> bytes:
    """Content-Length says something else."""
    lines, rest = _split(data)
    wanted = _wire(f"Content-Length: {rng.choice(VALUES['Content-Length'])}")
    kept = [line for line in lines if not line.lower().startswith(b"content-length")]
    return _join([*kept, wanted], rest)


def lineEnds(rng: Random, data: bytes) -> bytes:
    """Other line ends, or empty lines before the message."""
    return rng.choice(
        (
            data.replace(b"\r\n", b"\n"),
            data.replace(b"\r\n", b"\r"),
            b"\r\n\r\n\r\n" + data,
            data.replace(b"\r\n\r\n", b"\r\n", 1),
            data + b"\r\n\r\n",
            data + data,
        )
    )


SIP: tuple[Mutator, ...] = (
    *(lineTwice, lineGone, linesMixed, lineFolded, lineSpelled, lineReplaced, lineReplaced),
    *(lineReplaced, lineReplaced, lineStuffed, lineStuffed, lineStuffed, manyLines, startLine),
    *(startLine, methodSwapped, methodSwapped, wrongLength, lineEnds, *BYTES),
)


# --- session descriptions ---------------------------------------------------------------------


def sdpLine(rng: Random, body: bytes) -> bytes:
    """A line is another one, or one more."""
    lines = body.split(b"\r\n")
    line = _wire(rng.choice(SDP_LINES))
    same = [i for i, old in enumerate(lines) if old[:2] == line[:2]]
    if same and rng.random() < 0.6:
        lines[rng.choice(same)] = line
    else:
        lines.insert(rng.randint(0, len(lines)), line)
    return b"\r\n".join(lines)


def sdpGone(rng: Random, body: bytes) -> bytes:
    """A line is missing."""
    lines = body.split(b"\r\n")
    del lines[rng.randrange(len(lines))]
    return b"\r\n".join(lines)


def sdpMany(rng: Random, body: bytes) -> bytes:
    """A line stands there often."""
    lines = body.split(b"\r\n")
    at = rng.randrange(len(lines))
    lines[at:at] = [lines[at]] * rng.choice((1, 1, 1, 63, 200))
    return b"\r\n".join(lines)


def sdpMixed(rng: Random, body: bytes) -> bytes:
    """The lines stand in another order."""
    lines = body.split(b"\r\n")
    rng.shuffle(lines)
    return b"\r\n".join(lines)


SDP: tuple[Mutator, ...] = (
    *(sdpLine, sdpLine, sdpLine, sdpLine, sdpGone, sdpMany, sdpMixed),
    *(renumbered, renumbered, *BYTES),
)
