"""Registrars with their own mind (catalogue 49 and 50): the server has one as its trunk.

    trunk = Trunk("office", "198.51.100.20", user="doug", register=True)
    lab = Lab(Menu, settings=Settings(trunks={"office": trunk}))
    registrar = lab.phone(kind=hostile.HOSTILE_PHONES[49])  # the first phone is 198.51.100.20

Lives here: what a REGISTER is answered. Not here: calls; to those they are plain phones.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from doug.testing.hostile.base import HostilePhone
from doug.testing.hostile.raw import RawMessage

GRANTED = 60  # seconds of a binding
OTHER = "<sip:other@198.51.100.7>"  # another device of the same user
LEAST = 1800  # seconds for which one must register


class Registrar(HostilePhone):
    """Takes everybody. taken: when, in virtual seconds, each REGISTER came that was granted."""

    dials = answers = False
    registers = True

    def __init__(self, *args: Any, **options: Any) -> None:
        self.taken: list[float] = []
        super().__init__(*args, **options)

    def sipIn(self, message: RawMessage) -> Iterable[RawMessage]:
        if message.label != "REGISTER":
            yield message
            return
        copied = [(name, message.value(name)) for name in ("Via", "From", "Call-ID", "CSeq")]
        response = RawMessage(
            "SIP/2.0 200 OK",
            [*copied, ("To", f"{message.value('To')};tag=r"), ("Content-Length", "0")],
            b"",
        )
        seconds = int(message.value("Expires"))
        own = message.value("Contact").partition(",")[0]
        if seconds:
            self.asked(response, own, seconds)
        if response.start.startswith("SIP/2.0 200"):
            self.taken.append(self.reactor.seconds())
        self.transmit(response.toBytes())

    def asked(self, response: RawMessage, contact: str, seconds: int) -> None:
        """What becomes of a 200 for that Contact: it is taken as it is."""
        response.insert(("Contact", f"{contact};expires={seconds}"))


class OthersBindings(Registrar):
    """Names bindings of other devices before and after one's own. Right: goes by one's own time."""

    number = 49

    def asked(self, response: RawMessage, contact: str, seconds: int) -> None:
        if self.taken:
            since = self.reactor.seconds() - self.taken[-1]
            if not GRANTED / 3 < since < GRANTED:
                self.complain(f"{since:.0f} s after {GRANTED} s were granted it registers again")
        own = f"{contact};expires={GRANTED}"
        response.insert(("Contact", f"{OTHER};expires=3600, {own}, {OTHER};expires=9"))


class LongerTimes(Registrar):
    """Says 423 to all that is shorter than half an hour. Right: asks for so long from then on."""

    number = 50

    def __init__(self, *args: Any, **options: Any) -> None:
        self._refused = 0
        super().__init__(*args, **options)

    def asked(self, response: RawMessage, contact: str, seconds: int) -> None:
        if seconds < LEAST:
            self._refused += 1
            if self._refused > 1:
                self.complain(f"asks for {seconds} s after it was told that {LEAST} is the least")
            response.start = "SIP/2.0 423 Interval Too Brief"
            response.insert(("Min-Expires", str(LEAST)))
        else:
            super().asked(response, contact, seconds)
