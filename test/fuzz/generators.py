"""Messages with something wrong in them, by a seed: all that the fuzz of SIP sends.

Lives here: how valid messages (peers.py) and their faults (mutation.py) come together, messages of
the corpus. Not here: who hears them (sipfuzz.py: a server in virtual time).
"""

from __future__ import annotations

import base64
import json
import os
import re
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from random import Random

from test.fuzz.mutation import SDP, SIP, mutated
from test.fuzz.peers import Address, Peers

LARGEST = 65507  # bytes of a datagram over IPv4
SEEDS = 0.06  # share of messages of the corpus, where there is one
WRONG = 0.6  # share of messages that something is wrong with

_LENGTH = re.compile(rb"^Content-Length:[^\r]*", re.MULTILINE | re.IGNORECASE)


class Generator:
    """Makes messages. heard() is to be told what the server says, so that they fit its calls.

    hosts: where some of those who call are.
    """

    def __init__(self, seed: int, hosts: tuple[str, ...] = ()) -> None:
        self._rng = Random(f"messages {seed}")
        self._corpus = corpusMessages()
        self.peers = Peers(Random(f"peers {seed}"), hosts)

    def heard(self, data: bytes, destination: Address) -> None:
        """A message of the server's."""
        self.peers.heard(data, destination)

    def next(self) -> tuple[bytes, Address]:
        """One message, and where it comes from."""
        rng = self._rng
        data, source = self.peers.next()
        if self._corpus and rng.random() < SEEDS:
            data = rng.choice(self._corpus)
        if rng.random() < WRONG:
            data = wronged(rng, data)
        return data[:LARGEST], source


def datagrams(seed: int, count: int) -> Iterator[bytes]:
    """So many messages as they come from somebody who does not hear what is answered."""
    generator = Generator(seed)
    for _ in range(count):
        yield generator.next()[0]


def wronged(rng: Random, data: bytes) -> bytes:
    """A message with something wrong in it, be it in the body alone."""
    head, end, body = data.partition(b"\r\n\r\n")
    if not body or rng.random() < 0.6:
        return mutated(rng, data, SIP)
    body = mutated(rng, body, SDP)
    if rng.random() < 0.9:
        head = _LENGTH.sub(lambda _: b"Content-Length: %d" % len(body), head)
    return head + end + body


@lru_cache(maxsize=1)
def corpusMessages() -> tuple[bytes, ...]:
    """Messages of the corpus (DOUG_CORPUS); none without it."""
    folder = os.environ.get("DOUG_CORPUS")
    if not folder:
        return ()
    root = Path(folder)
    found = fuzzSeeds("sip")
    for pattern in ("torture/*/*.dat", "sip/**/*.sip"):
        found += [path.read_bytes() for path in sorted(root.glob(pattern))]
    return tuple(found)


def fuzzSeeds(name: str) -> list[bytes]:
    """The seeds of the corpus for one of the parsers: sip, sdp, rtp, rtcp; none without it."""
    path = Path(os.environ.get("DOUG_CORPUS", "")) / "fuzz" / f"{name}.jsonl"
    if not path.is_file():
        return []
    return [base64.b64decode(json.loads(line)["b64"]) for line in path.read_text().splitlines()]
