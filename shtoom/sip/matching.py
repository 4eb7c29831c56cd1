"""Which transaction a message belongs to (RFC 3261 17.1.3, 17.2.3, 9.2, 8.2.2.2).

Lives here: one text for each transaction, by which it is found. Text rather than tuples: it is what
stays in memory for half a minute after a call. Not here: the tables (transactions.py).
"""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

from shtoom.sip.transport import SIP_PORT

if TYPE_CHECKING:
    from shtoom.sip.message import Request, Response

COOKIE = "z9hG4bK"
"""A branch that begins so is unique (8.1.1.7)."""


def clientKey(branch: str, method: str) -> str:
    """Of a client transaction (17.1.3). method: that of the CSeq."""
    return f"{method} {branch}"


def responseKey(response: Response) -> str:
    """The client transaction that a response is for."""
    return clientKey(response.via.branch or "", response.cseq.method)


def serverKey(request: Request, method: str) -> str:
    """The server transaction of a request (17.2.3).

    method: its own; "INVITE" to find what an ACK or a CANCEL belongs to. A branch without the magic
    cookie is from a client of RFC 2543: then Request-URI, From tag, Call-ID, CSeq number and the
    top Via decide. (The To tag, which tells an ACK of a 2xx from others, is the caller's to check.)
    """
    via = request.via
    branch = via.branch
    if branch is not None and isUnique(branch):
        return f"{method} {branch} {via.host.lower()}:{via.port or SIP_PORT}"
    tag = request.fromAddress.tag or ""
    number = request.cseq.number
    return f"{method} {request.uriText} {tag} {request.callID} {number} {via}"


def isUnique(branch: str) -> bool:
    """Is that branch one of RFC 3261, with something behind the cookie?"""
    return branch.startswith(COOKIE) and len(branch) > len(COOKIE)


def mergeKey(request: Request) -> str:
    """Equal for copies of one request that reached us on two ways (8.2.2.2)."""
    number, method = request.cseq
    return f"{method} {request.fromAddress.tag or ''} {request.callID} {number}"


def statelessTag(request: Request) -> str:
    """A To tag for answers without a transaction: the same for each repeat (8.2.7).

    From the headers as they stand: what is answered so may be malformed.
    """
    parts = (request.header(name) for name in ("Call-ID", "CSeq", "From", "Via"))
    text = " ".join(part or "" for part in parts)
    return f"{zlib.crc32(text.encode('utf-8', 'surrogateescape')):08x}"
