"""Valid messages made invalid, in the ways of broken and of hostile senders.

Lives here: changes to bytes, to the lines of a SIP message, to a session description; all of them
by a seeded Random, so that a seed says everything. Not here: the valid messages (peers.py), who
they are sent to (sipfuzz.py).
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random

Mutator = Callable[[Random, bytes], bytes]

METHODS = (
    *("INVITE", "ACK", "BYE", "CANCEL", "OPTIONS", "INFO", "UPDATE", "REGISTER", "NOTIFY", "REFER"),
    *(
        "MESSAGE",
        "SUBSCRIBE",
        "PUBLISH",
        "PRACK",
        "invite",
        "FOO",
        "B\xc3\xa9",
        "x" * 70,
        "I(V",
        "",
    ),
)
NUMBERS = (
    *(b"0", b"-1", b"1", b"00000070", b"255", b"256", b"65535", b"65536", b"99999"),
    *(b"2147483647", b"2147483648", b"4294967295", b"4294967296", b"18446744073709551616"),
    *(b"9" * 40, b"9" * 5000, b"1e9", b"0x10", b"+7", b"7.5", b"\xd9\xa3", b"", b" 8"),
)
PIECES = (
    *(b"\0", b"\r", b"\n", b"\r\n", b"\r\n\r\n", b"\r\n ", b"\t", b" ", b'"', b"\\", b"\\\0", b"<"),
    *(
        b">",
        b";",
        b";;",
        b",",
        b",,",
        b":",
        b"=",
        b"?",
        b"&",
        b"%",
        b"%0d%0a",
        b"%00",
        b"%zz",
        b"@",
    ),
    *(b"[", b"]", b"(", b")", b"(((", b"/", b"\xff", b"\xc3", b"\xc3\xa9", b"\xed\xa0\x80"),
    *("\u202e\u2028\U0001f600".encode(), b"\xef\xbb\xbf", b"\x1b[31m", b"%s%n{0}{x}", b"A" * 300),
    *(b"A" * 9000, b"," * 500, b";" * 500, b'"' * 501, b"<" * 500, b"\\" * 501, b"\t" * 3000),
)
URIS = (
    *(
        "",
        "sip:",
        "sips:",
        "sip:@",
        "sip:a@",
        "sip:a@b@c",
        "sip::@x",
        "sip:a:b:c@x",
        "tel:",
        "tel:+",
    ),
    *("tel:+1;phone-context=x", "http://x/", "mailto:a@b", "urn:service:sos", "*", "<sip:a@b>"),
    *("sip:%00@x", "sip:%0d%0aVia: x@x", "sip:a%", "sip:a@[::1", "sip:a@[::1]:99999", "sip:a@[]"),
    *("sip:a@[fe80::1%25eth0]", "sip:a@1.2.3.4.5", "sip:a@999.1.1.1", "sip:a@x:0", "sip:a@x:-1"),
    *(
        "sip:a@x:65536",
        "sip:a@x;;;",
        "sip:a@x;=1",
        "sip:a@x;lr;lr",
        "sip:a@x;transport=",
        "sip:a@-",
    ),
    *(
        "sip:a@x;maddr=224.0.0.1;ttl=255",
        "sip:a@x?",
        "sip:a@x?=",
        "sip:a@x?Route=%3csip:y%3e",
        "a@b",
    ),
    *("sip:a@127.0.0.1", "sip:a@0.0.0.0", "sip:a@255.255.255.255", "sip:a@224.0.0.1", "sip:a@::1"),
    *("sip:a@x;transport=tcp", "sip:a@x;transport=foo", "SIP:a@x", "sip:a b@x", "sip:\xe9@x"),
    *(
        "sip:" + "a" * 9000 + "@x",
        "sip:a@" + "x." * 4000 + "y",
        "sip:a@x" + ";p=1" * 2000,
        "sip:a@..",
    ),
    *("sip:a@192.0.2.10", "sip:a@192.0.2.10:5060;lr", "sip:192.0.2.10", "sip:a@doug;user=phone"),
)
ADDRESSES = (
    *(
        "",
        "*",
        "**",
        "<>",
        "<sip:a@b",
        "sip:a@b>",
        '"a <sip:a@b>',
        '"a\\" <sip:a@b>',
        "a b <sip:a@b>",
    ),
    *(
        "<sip:a@b>;tag",
        "<sip:a@b>;tag=",
        "<sip:a@b>;tag=x;tag=y",
        '<sip:a@b>;tag="q"',
        "<sip:a@b>tag=x",
    ),
    *(
        "sip:a@b;tag=x",
        "sip:a@b?x=y",
        "<sip:a@b>, <sip:c@d>",
        ",",
        ",,,",
        "<<sip:a@b>>",
        '""<sip:a@b>',
    ),
    *("<sip:a@b>;q=2", "<sip:a@b>;expires=-1", "\xff <sip:a@b>", "<sip:a@b>;tag=" + "t" * 8000),
    *(
        "anonymous <sip:anonymous@anonymous.invalid>;tag=1",
        "<sip:a@b>;=",
        "<sip:a@b>;;",
        "<sip:a@b>;",
    ),
)
VALUES: dict[str, tuple[str, ...]] = {
    "Via": (
        *("", "SIP/2.0/UDP", "SIP/2.0/UDP ", "SIP/2.0/UDP x", "SIP/2.0/FOO x;branch=z9hG4bK1"),
        *("SIP/2.0/UDP x:0;branch=z9hG4bK", "SIP/2.0/UDP x;branch=", "SIP/2.0/UDP x;branch", ","),
        *("SIP/2.0/UDP [::1;branch=z9hG4bK2", "SIP/2.0/UDP 1.2.3.4:99999;branch=z9hG4bK3"),
        *("SIP/1.0/UDP x;branch=z9hG4bK4", "SIP / 2.0 / UDP  x : 5 ;branch=z9hG4bK5", "HTTP/1.1 x"),
        *(
            "SIP/2.0/UDP x;rport=5;received=9.9.9.9;branch=z9hG4bK6",
            "SIP/2.0/UDP x;maddr=224.2.2.2",
        ),
        *("SIP/2.0/UDP x;maddr=;ttl=999;branch=z9hG4bK7", "SIP/2.0/UDP x;rport=;branch=z9hG4bK8"),
        *("SIP/2.0/TCP x;branch=z9hG4bK9", "SIP/2.0/UDP x;branch=z9hG4bKa, SIP/2.0/UDP y;branch="),
        *('SIP/2.0/UDP x;branch="z9hG4bKb', "SIP/2.0/UDP " + "x" * 8000, "SIP/2.0/UDP \0;branch=1"),
    ),
    "CSeq": (
        *("", "1", "INVITE", "1INVITE", "1 INVITE x", "-1 INVITE", "0 INVITE", "2147483648 INVITE"),
        *(
            "4294967296 INVITE",
            "1 ACK",
            "1 BYE",
            "1 CANCEL",
            "1 \xe9",
            "9" * 60 + " INVITE",
            "1  INVITE",
        ),
    ),
    "Call-ID": (
        "",
        " ",
        "a b",
        "\x01",
        "\xff\xfe",
        "<>",
        "a@b@c",
        "x" * 8000,
        "{0}",
        "\u202e",
        "same",
    ),
    "Content-Length": (
        *(
            "",
            "-1",
            "0",
            "1",
            "+5",
            "5 5",
            "5,5",
            "0x5",
            "99999999",
            "4294967296",
            "9" * 30,
            "\u0663",
        ),
    ),
    "Content-Type": (
        *(
            "",
            "application",
            "application/",
            "/sdp",
            "application/sdp;",
            "application/sdp;a",
            "*/*",
        ),
        *(
            "APPLICATION/SDP ; charset=utf-8",
            "text/plain",
            "multipart/mixed",
            "multipart/mixed;boundary=",
        ),
        *(
            'multipart/mixed;boundary="x',
            "multipart/mixed;boundary=v",
            "multipart/mixed;boundary=--",
        ),
        *("message/sipfrag", "application/dtmf-relay", "application/dtmf", "application/x\0y"),
    ),
    "Content-Encoding": ("gzip", "identity", "identity, gzip", "", "\xff"),
    "Content-Disposition": (
        "session",
        "render;handling=required",
        ";handling=optional",
        "",
        "x;;=",
    ),
    "Max-Forwards": ("", "0", "1", "-1", "255", "256", "99999999999", "7 0", "seventy"),
    "Require": ("100rel", "foo", "", ",", "timer", "replaces, foo", "\xff", "a\0b", "x" * 8000),
    "Proxy-Require": ("foo", "privacy", ""),
    "Supported": ("100rel, timer", ",,,", "", "\xe9"),
    "Session-Expires": ("", "0", "1", "60;refresher=uac", "9" * 30, "90;refresher=x", "-5"),
    "Min-SE": ("", "0", "9" * 30, "x"),
    "Expires": ("", "0", "-1", "9" * 30, "1 2", "x"),
    "Replaces": ("", "x", "a;to-tag=b;from-tag=c", "a;to-tag=b", "a;from-tag=c;early-only", ";;"),
    "Refer-To": (*URIS[:20], "<sip:a@b?Replaces=x%3Bto-tag%3Dy>"),
    "Event": ("", "refer", "presence", "talk", "hold", "check-sync;reboot=true", "\xff", "a b"),
    "Subscription-State": ("active", "terminated;reason=", "", "x"),
    "Authorization": (
        *(
            "",
            "Basic eDp5",
            "Digest",
            'Digest username="x',
            "Digest realm=,nonce=,response=",
            "Digest ,",
        ),
        *('Digest username="a", realm="b", nonce="c", uri="d", response="e", nc=zz, qop=auth',),
    ),
    "WWW-Authenticate": (
        *(
            "",
            "Digest",
            'Digest realm="x"',
            'Digest realm="x", nonce="',
            'Digest realm="x",nonce="y"',
        ),
        *('Digest realm="x", nonce="y", algorithm=FOO, qop="auth-int,x"', "Basic realm=x", "NTLM"),
    ),
    "Warning": ("", "399", '399 x "', "1 2 3"),
    "Retry-After": ("", "-1", "9" * 30, "18 (x", "5;duration=x"),
    "RAck": ("", "1 1 INVITE", "x", "9" * 30 + " 1 INVITE"),
    "RSeq": ("", "0", "9" * 30, "1"),
    "Reason": ("", "SIP", "SIP;cause=x", 'Q.850;cause=16;text="'),
    "Identity": ("", '"' + "a" * 3000),
    "Timestamp": ("", "x", "9" * 40, "1.2.3"),
    "Date": ("", "x", "Sat, 32 Foo 2026 99:99:99 GMT"),
    "Alert-Info": ("", "<", "x"),
    "P-Asserted-Identity": ADDRESSES[:12],
    "Diversion": ADDRESSES[:12],
    "Privacy": ("id", "none;", "\xff"),
    "X-" + "y" * 200: ("z",),
}
for _name in ("From", "To", "Contact", "Route", "Record-Route", "Referred-By", "Path"):
    VALUES[_name] = ADDRESSES + tuple(f"<{uri}>" for uri in URIS)
COMPACT = {
    "Via": "v",
    "From": "f",
    "To": "t",
    "Call-ID": "i",
    "Contact": "m",
    "Content-Length": "l",
}


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

SDP_LINES = (
    *(
        "v=1",
        "v=",
        "o=",
        "o=- 1",
        "o=- -1 9999999999999999999999 IN IP4 x",
        "s=",
        "t=",
        "t=x y",
        "m=",
    ),
    *(
        "c=IN IP4 0.0.0.0",
        "c=IN IP4 224.1.1.1/127",
        "c=IN IP6 ::1",
        "c=IN IP4 127.0.0.1",
        "c=IN IP4",
    ),
    *(
        "c=IN IP4 255.255.255.255",
        "c=IN IP4 host.example",
        "c=IN IP4 192.0.2.10",
        "c=IN IP6 fe80::1%1",
    ),
    *("c=IN IP4 1.2.3.4/x/y/z", "c=IN ATM x", "c=IN IP4 1.2.3", "m=audio 0 RTP/AVP 0", "m=audio"),
    *(
        "m=audio 65536 RTP/AVP 0",
        "m=audio 4000 RTP/AVP",
        "m=audio 4000 RTP/AVP 4294967296 0",
        "m=x",
    ),
    *(
        "m=audio 4000/9999 RTP/AVP 0",
        "m=audio 4000 RTP/SAVP 0",
        "m=video 4000 RTP/AVP 31",
        "m=audio 1",
    ),
    *(
        "m=audio -1 RTP/AVP 0",
        "m=audio 4000 udp t38",
        "m=image 4000 udptl t38",
        "m=audio 4000 RTP/AVP *",
    ),
    *(
        "a=rtpmap:0",
        "a=rtpmap:0 PCMU/0",
        "a=rtpmap:0 PCMU/8000/0",
        "a=rtpmap:999 X/8000",
        "a=rtpmap: /",
    ),
    *("a=rtpmap:101 telephone-event/0", "a=rtpmap:101 telephone-event/999999999999", "a=fmtp:101"),
    *(
        "a=fmtp:101 0-4294967296",
        "a=ptime:0",
        "a=ptime:-20",
        "a=ptime:99999",
        "a=ptime:1.5",
        "a=ptime:x",
    ),
    *(
        "a=maxptime:0",
        "a=maxptime:1",
        "a=sendonly",
        "a=recvonly",
        "a=inactive",
        "a=SENDRECV",
        "a=",
        "=",
    ),
    *(
        "a=rtcp:1",
        "a=rtcp:0",
        "a=rtcp-mux",
        "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:x",
        "a=group:X",
    ),
    *(
        "a=candidate:",
        "a=fingerprint:x y",
        "a=ice-ufrag:" + "u" * 5000,
        "b=AS:",
        "b=AS:x",
        "k=clear:x",
    ),
    *(
        "z=1 -1h",
        "r=7d 1h 0",
        "xx",
        "x=",
        "\0=\0",
        "a=\xff\xfe",
        "a=" + "b" * 9000,
        " a=x",
        "m=\xe9 1 2 3",
    ),
)


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
