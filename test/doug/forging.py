"""Requests as strangers send them, one after the other, for tests of floods and of answers."""

from __future__ import annotations

from test.cases.actor import DOUG, sdp

METHODS = ("REGISTER", "OPTIONS", "SUBSCRIBE", "MESSAGE", "PUBLISH", "INVITE")
BODY = sdp("203.0.113.99", 50000)


def request(
    method: str, number: int, host: str, *, more: str = "", body: bytes = b"", cseq: str = ""
) -> bytes:
    """One as scanners send it. cseq: for one that is malformed."""
    kind = "Content-Type: application/sdp\r\n" if body else ""
    text = (
        f"{method} sip:100@{DOUG[0]} SIP/2.0\r\n"
        f"Via: SIP/2.0/UDP {host}:5060;branch=z9hG4bK{number};rport\r\nMax-Forwards: 70\r\n"
        f'From: "100" <sip:100@{DOUG[0]}>;tag=f{number}\r\nTo: <sip:100@{DOUG[0]}>\r\n'
        f"Call-ID: {number}{host}\r\nCSeq: {cseq or f'1 {method}'}\r\n"
        f"Contact: <sip:100@{host}:5060>\r\nUser-Agent: friendly-visitor\r\n"
        f"{more}{kind}Content-Length: {len(body)}\r\n\r\n"
    )
    return text.encode() + body
