"""Messages as they come over a connection."""

from __future__ import annotations


def message(length: str = "Content-Length: 0\r\n", body: bytes = b"", more: str = "") -> bytes:
    return (
        f"OPTIONS sip:a@example.net SIP/2.0\r\nVia: SIP/2.0/TCP 198.51.100.20;branch=z9hG4bK1\r\n"
        f"From: <sip:b@example.net>;tag=1\r\nTo: <sip:a@example.net>\r\nCall-ID: c\r\n"
        f"CSeq: 1 OPTIONS\r\n{more}{length}\r\n"
    ).encode() + body


PLAIN = message()
BODY = b"\r\n\r\nOPTIONS sip:x SIP/2.0\r\n\r\n"
WITH_BODY = message(f"l : {len(BODY)}\r\n", BODY)
NO_LENGTH = message("")
