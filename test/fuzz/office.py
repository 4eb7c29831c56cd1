"""Messages to a server with phones and trunks: those that register, and answers to its own.

Lives here: phones that know their passwords, a trunk that answers whatever comes to it, what both
remember. Answers to challenges are computed here, so that a fault of ours cannot hide itself.
Not here: calls (peers.py), what is wrong with messages (mutation.py), the server (officefuzz.py).
"""

from __future__ import annotations

import re
from collections import deque
from hashlib import md5
from random import Random

from test.fuzz.generators import LARGEST, WRONG, Generator, wronged
from test.fuzz.mutation import BYTES, mutated
from test.fuzz.peers import Address

TRUNK: Address = ("203.0.113.30", 5060)
PHONES = {b"u%d" % number: b"p%d" % number for number in range(80)}
"""User and password: many, since who guesses has to wait, and who is guessed at."""
PASSWORDS = PHONES | {b"pbx": b"secret"}
"""pbx: a trunk that is told by its password."""
HOSTS = tuple(f"198.18.0.{number}" for number in range(1, 21))
"""Where phones are: few, since a nonce is of use to one host only."""
STREAMED = HOSTS[:3]
"""Of these the ones that come over TCP; some who call do, too."""

_USERS = (*PASSWORDS, b"pbx", b"nobody")
_ASKED = re.compile(rb"(REGISTER|INVITE|OPTIONS|BYE|CANCEL) ")
_NONCE = re.compile(rb'nonce="([^"]*)"[^\r]*algorithm=MD5')
_COPIED = re.compile(rb"^(?:Via|From|To|Call-ID|CSeq):.*\r\n", re.MULTILINE)
_TO = re.compile(rb"^To:[^\r]*", re.MULTILINE)
_CONTACT = re.compile(rb"^Contact: ([^\r,]*)", re.MULTILINE)

CODES = (
    *(200, 200, 200, 200, 401, 401, 401, 407, 423, 403, 404, 408, 480, 494, 500, 503, 503),
    *(100, 180, 183, 302, 305, 420, 603),
)
NUMBERS = (b"0", b"1", b"60", b"120", b"3600", b"-1", b"99999999999", b"x", b"5 (later);duration=3")
ALGORITHMS = (b"MD5", b"MD5", b"SHA-256", b"MD5-sess", b"SHA-512-256", b"token")
QOPS = (b"auth", b"auth", b"auth,auth-int", b"auth-int", b"token", b"")
PATHS = (
    *(b"<sip:edge.invalid;lr>", b"<sip:198.18.9.9;lr;ob>, <sip:[2001:db8::1];lr>", b"<sips:e;lr>"),
    *(b"<tel:+1>", b"sip:e", b"<sip:e;x=\0>", b'"\xff" <sip:e;lr>'),
)
OCTETS = (b"\0", b"\xff", b"\xc3", b"\x1b", b"\xed\xa0\x80", b"\xd9\xa3", b'"', b"\\")
EXPIRES = (b"60", b"600", b"3600", b"0", b"1", b"99999999999", b"x")


class OfficeGenerator(Generator):
    """Makes messages of phones that register, of a trunk, and those of everybody else.

    registered: 200s to a REGISTER. signed: requests of the server's with an answer to a challenge.
    """

    def __init__(self, seed: int) -> None:
        super().__init__(seed, STREAMED)
        self._chance = Random(f"office {seed}")
        self._nonces: dict[str, bytes] = {}
        self._asked: deque[bytes] = deque(maxlen=6)
        self._made = 0
        self.registered = self.signed = 0

    def heard(self, data: bytes, destination: Address) -> None:
        """A message of the server's."""
        if destination[0] == TRUNK[0]:
            if _ASKED.match(data):
                self._asked.append(data)
                self.signed += b"uthorization: Digest" in data
            return
        super().heard(data, destination)
        if data.startswith(b"SIP/2.0 401"):
            nonce = _NONCE.search(data)
            if nonce is not None:
                self._nonces[destination[0]] = nonce[1]
        elif data.startswith(b"SIP/2.0 200") and b" REGISTER\r\n" in data:
            self.registered += 1

    def next(self) -> tuple[bytes, Address]:
        """One message, and where it comes from."""
        chance = self._chance
        kind = chance.random()
        if kind < 0.3 and self._asked:
            data, source = self._answer(chance.choice(self._asked)), TRUNK
        elif kind < 0.75:
            host = chance.choice(HOSTS)
            data, source = self._phone(host), (host, 5060)
        else:
            return super().next()
        if chance.random() < WRONG / 2:  # as much again is wrong before it is signed
            data = wronged(chance, data)
        return data[:LARGEST], source

    # --- a phone ------------------------------------------------------------------------------

    def _phone(self, host: str) -> bytes:
        """A request; mostly with the right answer to the last challenge of that host."""
        chance = self._chance
        user = chance.choice(_USERS)
        data = self._request(user, host.encode())
        if chance.random() < WRONG / 2:
            data = wronged(chance, data)
        nonce = self._nonces.get(host)
        if nonce is not None and chance.random() < 0.85:
            start, end, rest = data.partition(b"\r\n")
            data = start + end + self._credentials(start, user, nonce) + b"\r\n" + rest
        return data

    def _request(self, user: bytes, host: bytes) -> bytes:
        chance = self._chance
        self._made += 1
        method = chance.choice((b"REGISTER", b"REGISTER", b"REGISTER", b"INVITE", b"OPTIONS"))
        contact = chance.choice(
            (
                b"<sip:%s@%s:5060>" % (user, host),
                b"<sip:%s@%s>;expires=%s" % (user, host, chance.choice(EXPIRES)),
                b"<sip:%s@%s:5062;transport=tcp>;q=0.5" % (user, host),
                b'"A" <sip:%s@[2001:db8::2]>;+sip.instance="<urn:uuid:1>";reg-id=1' % user,
                b"*",
                b"<sips:%s@%s>, <tel:+49301>" % (user, host),
            )
        )
        lines = [
            b"%s sip:doug SIP/2.0" % method,
            b"Via: SIP/2.0/UDP %s:5060;branch=z9hG4bKoffice%d;rport" % (host, self._made),
            b"Max-Forwards: 70",
            b"From: %s<sip:%s@doug>;tag=1" % (self._name(), user),
            b"To: %s<sip:%s@doug>" % (self._name(), user),
            b"Call-ID: office%d%s" % (chance.randrange(6), host),
            b"CSeq: %d %s" % (self._made, method),
            b"Contact: " + contact,
        ]
        if chance.random() < 0.2:
            lines.append(b"Path: " + chance.choice(PATHS))
        if chance.random() < 0.3:
            lines.append(b"Expires: " + chance.choice(EXPIRES))
        body = b""
        if method == b"INVITE":
            body = self.peers.description()
            lines.append(b"Content-Type: application/sdp")
        return b"\r\n".join([*lines, b"Content-Length: %d" % len(body)]) + b"\r\n\r\n" + body

    def _name(self) -> bytes:
        """What stands before an address."""
        chance = self._chance
        return b'"%s" ' % odd(chance, b"A") if chance.random() < 0.1 else b""

    def _credentials(self, start: bytes, user: bytes, nonce: bytes) -> bytes:
        """Right ones; of some an odd value is a part, and is signed with the rest."""
        chance = self._chance
        values = {
            "username": user,
            "realm": b"doug",
            "nonce": nonce,
            "uri": start.split(b" ")[1] if start.count(b" ") > 1 else b"sip:doug",
            "cnonce": b"c%d" % self._made,
            "qop": b"auth",
            "nc": b"%08x" % self._made,
        }
        if chance.random() < 0.15:
            name = chance.choice(tuple(values))
            values[name] = odd(chance, values[name])
        ours = PASSWORDS.get(values["username"], b"?")
        first = _hash(values["username"], values["realm"], ours)
        second = _hash(start.partition(b" ")[0], values["uri"])
        rest = (values["nonce"], values["nc"], values["cnonce"], values["qop"], second)
        response = _hash(first, *rest)
        quoted = b", ".join(
            b'%s="%s"' % (name.encode(), values[name])
            for name in ("username", "realm", "nonce", "uri", "cnonce")
        )
        return b'Authorization: Digest %s, qop=%s, nc=%s, algorithm=MD5, response="%s"' % (
            quoted,
            values["qop"],
            values["nc"],
            response,
        )

    # --- the trunk ----------------------------------------------------------------------------

    def _answer(self, request: bytes) -> bytes:
        """To a REGISTER, OPTIONS or INVITE of the server's."""
        chance = self._chance
        if request.startswith(b"INVITE") and chance.random() < 0.6:
            return self.peers.response(request)
        code = chance.choice(CODES)
        copied = answerTo(request)
        if chance.random() < 0.2:  # where the server is seen
            seen = b";received=%s;rport=%s" % (odd(chance, b"192.0.2.10"), odd(chance, b"5060"))
            copied = copied.replace(b";rport", seen, 1)
        lines = [b"SIP/2.0 %d Whatever\r\n" % code, copied]
        contact = _CONTACT.search(request)
        if code == 200 and contact is not None:
            more = chance.choice((b"", b";expires=%s" % chance.choice(EXPIRES), b", <sip:a@b>"))
            lines.append(b"Contact: " + contact[1] + more + b"\r\n")
        if code == 200 and chance.random() < 0.3:
            lines.append(b"Service-Route: <sip:x;lr>\r\nPath: <sip:a;lr>\r\nExpires: 60\r\n")
        if code in (401, 407):
            name = b"WWW" if code == 401 else b"Proxy"
            lines.append(b"%s-Authenticate: %s\r\n" % (name, self._challenge()))
        if code == 423:
            lines.append(b"Min-Expires: %s\r\n" % chance.choice(NUMBERS))
        if code in (480, 503):
            lines.append(b"Retry-After: %s\r\n" % chance.choice(NUMBERS))
        if code in (302, 305):
            lines.append(b"Contact: <sip:203.0.113.31>, <sips:x@y>;q=z, <tel:1>\r\n")
        return b"".join(lines) + b"Content-Length: 0\r\n\r\n"

    def _challenge(self) -> bytes:
        """Of some an odd value is a part, which is to come back in the answer."""
        chance = self._chance
        values = {
            b"realm": b"r",
            b"nonce": b"%d" % chance.randrange(50),
            b"opaque": b"o",
            b"qop": chance.choice(QOPS),
            b"algorithm": chance.choice(ALGORITHMS),
            b"stale": chance.choice((b"true", b"false")),
        }
        if chance.random() < 0.3:
            name = chance.choice(tuple(values))
            values[name] = odd(chance, values[name])
        return b"Digest " + b", ".join(b'%s="%s"' % pair for pair in values.items())


def odd(chance: Random, value: bytes) -> bytes:
    """Something that it should not be."""
    if chance.random() < 0.5:
        return value + chance.choice(OCTETS)
    return mutated(chance, value, BYTES, 1)[:2000]


def answerTo(request: bytes) -> bytes:
    """The lines that an answer has of its request, with a To tag."""
    head = b"".join(_COPIED.findall(request.partition(b"\r\n\r\n")[0] + b"\r\n"))
    # No template: Python keeps those of re.sub, and memory is looked at.
    return _TO.sub(lambda to: to[0] if b";tag=" in to[0] else to[0] + b";tag=trunk", head)


def _hash(*parts: bytes) -> bytes:
    return md5(b":".join(parts), usedforsecurity=False).hexdigest().encode()
