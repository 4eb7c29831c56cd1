"""How much is sent to a far end that has shown by nothing that it is there.

Whoever forges the source of an INVITE has us send its sound to somebody else, who asked for none.
An ACK can only come from who has read our answer, a packet of sound only from who has its port.

Lives here: the limit until then. Not here: who says that it is over (media.session's owner).
"""

from __future__ import annotations

from collections.abc import Callable

ALLOWANCE = 50 * 172  # bytes of RTP: a second of G.711, in which an ACK and its repeat have come


class Doubt:
    """Lets ALLOWANCE bytes pass, then what is sent is lost until the far end is heard.

    isHeard: has a packet of it been taken?
    """

    __slots__ = ("_isHeard", "_left")

    def __init__(self, isHeard: Callable[[], bool]) -> None:
        self._isHeard = isHeard
        self._left = ALLOWANCE

    def limited(self, send: Callable[[bytes], object]) -> Callable[[bytes], object]:
        """What sends a packet, as far as it may be sent."""

        def sendLimited(packet: bytes) -> None:
            if self._left >= len(packet) or self._isHeard():
                self._left -= len(packet)
                send(packet)

        return sendLimited
