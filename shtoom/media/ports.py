"""The RTP ports that a server may use: even ones of a range (RFC 3550 11).

Lives here: who holds which port. Not here: sockets (media.io); a port is tried by a function that
is passed in.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from errno import EADDRINUSE
from random import Random
from typing import TypeVar

from shtoom.exceptions import MediaPortsExhausted

T = TypeVar("T")

_LAST_PORT = 65534


class PortPool:
    """Even ports from first to last, both included, in an order drawn once by rng.

    A port that was given back is handed out again last, so that late packets of a call that is
    over meet a closed port and not the next call. ValueError for a range without an even port.
    """

    def __init__(self, first: int, last: int, rng: Random) -> None:
        if not 1 <= first <= last <= 65535:
            raise ValueError(
                f"--rtp-ports: wanted FIRST-LAST within 1 to 65535, got {first}-{last}"
            )
        ports = list(range(first + first % 2, min(last, _LAST_PORT) + 1, 2))
        if not ports:
            raise ValueError(f"--rtp-ports: no even port in {first}-{last}")
        self.first, self.last = first, last
        self._size = len(ports)
        rng.shuffle(ports)
        self._free = deque(ports)
        self._taken: set[int] = set()

    def __len__(self) -> int:
        """How many ports there are, taken or not."""
        return self._size

    @property
    def taken(self) -> int:
        """How many ports are in use by this pool's users."""
        return len(self._taken)

    def isTaken(self, port: int) -> bool:
        """Is it in use by one of this pool's users?"""
        return port in self._taken

    def take(self, bind: Callable[[int], T]) -> T:
        """What bind(port) returns for the first port that it can have.

        bind raises OSError (EADDRINUSE) for a port that another process holds; such a port is
        passed over and tried again later. Other errors are the caller's. Raises
        MediaPortsExhausted when no port is left.
        """
        for _ in range(len(self._free)):
            port = self._free.popleft()
            try:
                bound = bind(port)
            except OSError as e:
                self._free.append(port)
                if e.errno == EADDRINUSE:
                    continue
                raise
            except BaseException:
                self._free.append(port)
                raise
            self._taken.add(port)
            return bound
        raise MediaPortsExhausted(
            f"no RTP port left in {self.first}-{self.last}: {len(self._taken)} of {self._size} "
            f"even ports in use by calls, {len(self._free)} held by others; widen --rtp-ports"
        )

    def giveBack(self, port: int) -> None:
        """A port that take() handed out is free again. ValueError for any other."""
        if port not in self._taken:
            raise ValueError(f"port {port} was not taken from {self.first}-{self.last}")
        self._taken.remove(port)
        self._free.append(port)
