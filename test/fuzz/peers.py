"""The far ends of the fuzz: valid messages of many phones, and what they remember of their calls.

Lives here: Peers, which says what could come next. It reads what the server sends by patterns of
its own: a fault of the parser that is tested cannot hide itself. Not here: what is wrong with the
messages (mutation.py), the server (sipfuzz.py).
"""

from __future__ import annotations

import re
from collections import deque
from random import Random

Address = tuple[str, int]

SERVER = "192.0.2.10"
TALKS = 24  # calls that are remembered; the oldest is forgotten
USERS = ("app", "200", "+4930123", "a%20b", "x;y", "plain")
INSIDE = (
    *(
        "BYE",
        "BYE",
        "INVITE",
        "INVITE",
        "INVITE",
        "ACK",
        "ACK",
        "CANCEL",
        "INFO",
        "UPDATE",
        "UPDATE",
    ),
    *("OPTIONS", "REFER", "NOTIFY", "MESSAGE", "PRACK", "SUBSCRIBE", "PUBLISH", "REGISTER"),
)
OUTSIDE = (
    *(
        "OPTIONS",
        "OPTIONS",
        "REGISTER",
        "BYE",
        "CANCEL",
        "ACK",
        "INFO",
        "UPDATE",
        "NOTIFY",
        "REFER",
    ),
    *("MESSAGE", "SUBSCRIBE", "PUBLISH", "PRACK", "FOO"),
)
CODES = (
    *(
        100,
        180,
        180,
        183,
        183,
        200,
        200,
        200,
        200,
        200,
        202,
        299,
        300,
        302,
        305,
        380,
        400,
        401,
        404,
    ),
    *(407, 408, 415, 422, 481, 481, 486, 487, 488, 491, 500, 503, 600, 603, 699),
)
PHRASES = {100: "Trying", 180: "Ringing", 200: "OK", 486: "Busy Here"}
FORMATS = ("0", "0 8 101", "8 0 101 13", "101 0", "9 0 101", "18 4", "96 97 0", "8")
MAPS = (
    *("a=rtpmap:0 PCMU/8000", "a=rtpmap:8 PCMA/8000/1", "a=rtpmap:101 telephone-event/8000"),
    *("a=fmtp:101 0-15", "a=ptime:20", "a=ptime:30", "a=maxptime:40", "a=sendrecv", "a=rtcp:4001"),
    *(
        "a=rtpmap:96 opus/48000/2",
        "a=rtpmap:97 iLBC/8000",
        "a=sendonly",
        "a=silenceSupp:off - - - -",
    ),
)
VIDEO = "m=video 4002 RTP/AVP 31\r\na=rtpmap:31 H261/90000\r\n"
BODIES = {
    "INFO": ("application/dtmf-relay", b"Signal=5\r\nDuration=160\r\n"),
    "NOTIFY": ("message/sipfrag;version=2.0", b"SIP/2.0 200 OK\r\n"),
    "MESSAGE": ("text/plain", b"hello"),
}

_START = re.compile(rb"(?:SIP/2\.0 (\d{3})|([A-Z]+) )")
_CALL_ID = re.compile(rb"^Call-ID:[ \t]*(.*?)\r?$", re.MULTILINE | re.IGNORECASE)
_TO_TAG = re.compile(rb"^To:.*;tag=([^;\s]+)", re.MULTILINE | re.IGNORECASE)
_TO = re.compile(rb"^To:[^\r]*", re.MULTILINE | re.IGNORECASE)
_CSEQ = re.compile(rb"^CSeq:[ \t]*(\d+)[ \t]+(\S+)", re.MULTILINE | re.IGNORECASE)
_COPIED = re.compile(rb"^(?:Via|From|To|Call-ID|CSeq|Record-Route):.*\r\n", re.MULTILINE)
_AUDIO = re.compile(rb"^m=audio (\d+)", re.MULTILINE)


class Talk:
    """One call of a peer. tag: its own; far: the server's, "" before. cseq: its last number.

    invite: branch and number of its last INVITE. ringing: may that be cancelled?
    """

    def __init__(self, callID: str, source: Address, tag: str) -> None:
        self.callID, self.source, self.tag = callID, source, tag
        self.far = ""
        self.user = "app"
        self.cseq = 0
        self.invite = ("z9hG4bKnone", 1)


class Peers:
    """Phones at many addresses.

    heard() is to be called with what the server sends to them; next() makes a valid message, each
    time another, that fits what was heard: requests, repeats, ACKs, responses. media: ports of the
    server that were in its descriptions, the last few. hosts: where some of them are, if any.
    """

    def __init__(self, rng: Random, hosts: tuple[str, ...] = ()) -> None:
        self._rng, self._hosts = rng, hosts
        self._talks: deque[Talk] = deque(maxlen=TALKS)
        self._byID: dict[bytes, Talk] = {}
        self._owed: deque[tuple[str, Talk | bytes, Address]] = deque(maxlen=40)
        self._asked: deque[tuple[bytes, Address]] = deque(maxlen=8)
        self._said: deque[tuple[bytes, Address]] = deque(maxlen=30)
        self._made = 0
        self.media: deque[int] = deque(maxlen=8)

    # --- what the server says -----------------------------------------------------------------

    def heard(self, data: bytes, destination: Address) -> None:
        """A message of the server's to one of the peers."""
        start = _START.match(data)
        if start is None:
            return
        if (audio := _AUDIO.search(data)) and len(audio[1]) < 6:
            self.media.append(int(audio[1]))
        if start[2] is not None:
            if start[2] != b"ACK":
                self._asked.append((data, destination))
                if self._rng.random() < 0.8:
                    self._owed.append(("answer", data, destination))
            return
        callID, tag, cseq = _CALL_ID.search(data), _TO_TAG.search(data), _CSEQ.search(data)
        talk = self._byID.get(callID[1]) if callID else None
        if talk is None or tag is None or cseq is None:
            return
        talk.far = tag[1].decode("latin-1")
        if cseq[2] == b"INVITE" and start[1][:1] == b"2" and self._rng.random() < 0.7:
            self._owed.append(("ACK", talk, talk.source))

    # --- what the peers say -------------------------------------------------------------------

    def next(self) -> tuple[bytes, Address]:
        """One message and where it comes from."""
        message = self._next()
        self._said.append(message)
        return message

    def _next(self) -> tuple[bytes, Address]:
        rng = self._rng
        if self._owed and rng.random() < 0.6:
            what, about, source = self._owed.popleft()
            if isinstance(about, Talk):
                return self._request(what, about), source
            return self.response(about), source
        choice = rng.random()
        if choice < 0.3 or not self._talks:
            talk = self._newTalk()
            return self._request("INVITE", talk), talk.source
        if choice < 0.65:
            talk = rng.choice(self._talks)
            return self._request(rng.choice(INSIDE), talk), talk.source
        if choice < 0.8 and self._asked:
            data, source = rng.choice(self._asked)
            return self.response(data), source
        if choice < 0.88 and self._said:
            return rng.choice(self._said)
        talk = Talk(self._word(), self._place(), self._word())
        talk.far = rng.choice(("", "", "nobody"))
        return self._request(rng.choice(OUTSIDE), talk), talk.source

    def response(self, request: bytes) -> bytes:
        """An answer to a request of the server's."""
        code = self._rng.choice(CODES)
        head = b"".join(_COPIED.findall(request.partition(b"\r\n\r\n")[0] + b"\r\n"))
        if code > 100 and not _TO_TAG.search(head):
            tag = self._rng.choice((b"t1", b"t2", self._word().encode()))
            # No template: Python keeps those of re.sub, and memory is looked at.
            head = _TO.sub(lambda found: found[0] + b";tag=" + tag, head)
        lines = [
            f"SIP/2.0 {code} {PHRASES.get(code, 'Whatever')}\r\n".encode() + head.rstrip(b"\r\n")
        ]
        host, port = self._place()
        lines.append(f"Contact: <sip:far@{host}:{port}>".encode())
        if code in (401, 407):
            name = "WWW" if code == 401 else "Proxy"
            lines.append(f'{name}-Authenticate: Digest realm="x", nonce="{self._word()}"'.encode())
        if code in (183, 200) and request.startswith(b"INVITE") and self._rng.random() < 0.9:
            return self._complete(lines, "application/sdp", self.description())
        return self._complete(lines, "", b"")

    def description(self) -> bytes:
        """A session description that a phone could send."""
        rng = self._rng
        host, port = self._place()
        lines = [
            *(
                "v=0",
                f"o=- {rng.getrandbits(31)} 1 IN IP4 {host}",
                "s=-",
                f"c=IN IP4 {host}",
                "t=0 0",
            ),
            f"m=audio {port & 0xFFFE} RTP/AVP {rng.choice(FORMATS)}",
            *rng.sample(MAPS, rng.randint(0, 6)),
        ]
        text = "\r\n".join(lines) + "\r\n" + (VIDEO if rng.random() < 0.1 else "")
        return text.encode()

    def _request(self, method: str, talk: Talk) -> bytes:
        rng = self._rng
        branch = "z9hG4bK" + self._word()
        number = talk.cseq
        if method in ("ACK", "CANCEL"):
            number = talk.invite[1]
            branch = talk.invite[0] if method == "CANCEL" or rng.random() < 0.3 else branch
        else:
            number = talk.cseq = talk.cseq + rng.choice((1, 1, 1, 1, 2, 0))
        if method == "INVITE":
            talk.invite = branch, number
        host, port = talk.source
        to = f";tag={talk.far}" if talk.far and method != "CANCEL" else ""
        lines = [
            f"{method} sip:{talk.user}@{SERVER} SIP/2.0",
            f"Via: SIP/2.0/UDP {host}:{port};branch={branch}{rng.choice((';rport', ';rport', ''))}",
            "Max-Forwards: 70",
            f'From: "Caller" <sip:caller@{host}>;tag={talk.tag}',
            f"To: <sip:{talk.user}@{SERVER}>{to}",
            f"Call-ID: {talk.callID}",
            f"CSeq: {number} {method}",
        ]
        if method in ("INVITE", "UPDATE", "REGISTER", "SUBSCRIBE", "OPTIONS"):
            lines.append(f"Contact: <sip:caller@{host}:{port}>")
        if rng.random() < 0.15:
            lines.append("Record-Route: <sip:proxy.invalid;lr>, <sip:198.18.0.9:5060;lr>")
        lines += rng.sample(
            ("Supported: 100rel, timer", "Session-Expires: 1800", "User-Agent: x/1"), 1
        )
        if method == "REFER":
            lines.append("Refer-To: <sip:else@198.18.0.9>")
        kind, body = BODIES.get(method, ("", b""))
        if method in ("INVITE", "UPDATE") or (method == "ACK" and rng.random() < 0.3):
            if rng.random() < 0.9:
                kind, body = "application/sdp", self.description()
        return self._complete([line.encode() for line in lines], kind, body)

    def _complete(self, lines: list[bytes], kind: str, body: bytes) -> bytes:
        if kind:
            lines.append(f"Content-Type: {kind}".encode())
        return b"\r\n".join([*lines, f"Content-Length: {len(body)}".encode()]) + b"\r\n\r\n" + body

    def _newTalk(self) -> Talk:
        talk = Talk(self._word(), self._place(), self._word())
        talk.user = self._rng.choice(USERS)
        if len(self._talks) == TALKS:
            del self._byID[self._talks[0].callID.encode()]
        self._talks.append(talk)
        self._byID[talk.callID.encode()] = talk
        return talk

    def _place(self) -> Address:
        """Of the addresses of RFC 2544; as many as keep the rate of each low."""
        rng = self._rng
        if self._hosts and rng.random() < 0.3:
            return rng.choice(self._hosts), 5060
        return f"198.18.{rng.randrange(256)}.{rng.randrange(1, 255)}", rng.randrange(1024, 60000)

    def _word(self) -> str:
        self._made += 1
        return f"{self._made:x}k{self._rng.getrandbits(32):08x}"
