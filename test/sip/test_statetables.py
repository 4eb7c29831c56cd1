"""Each state and each input of the four machines, as tables (RFC 3261 17, RFC 6026 7).

A row is a test: in that state, that input leads to that state, with these effects, and the next
deadline is then so many seconds after the state was entered ("-": there is none). An input comes
0.1 s after the state was entered; a timer, named after the RFC's letter, comes when it is due.
CANCELLED is PROCEEDING after a CANCEL, RINGING is PROCEEDING after a 180, ALONE is PROCEEDING of a
user who has said nothing yet.

Not here: whole lives of a machine (test_inviteclient.py and its three neighbours).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, NamedTuple

from twisted.trial.unittest import SynchronousTestCase

from shtoom.exceptions import TransactionTimeout, TransportFailed
from shtoom.sip.client import NonInviteClientTransaction
from shtoom.sip.effects import Deliver, Effect, Ended, Send
from shtoom.sip.inviteclient import InviteClientTransaction
from shtoom.sip.inviteserver import InviteServerTransaction
from shtoom.sip.message import Request
from shtoom.sip.parser import parse
from shtoom.sip.server import NonInviteServerTransaction
from shtoom.sip.timers import Timers
from test.sip.support import request

PAUSE = 0.1
"""Seconds between a state's beginning and an input that is no timer."""

INVITE, BYE = request(), request("BYE", toTag="t1", number=2)
FAILED = TransportFailed("Network is unreachable")

Input = tuple[str, Sequence[Any]]
"""A machine's method and its arguments before `now`."""


class Row(NamedTuple):
    """One line of a table."""

    state: str
    input: str
    then: str
    effects: str
    due: float | None


def read(table: str) -> list[Row]:
    """The lines of a table: columns are two spaces and more apart."""
    rows = []
    for line in table.strip().splitlines():
        state, given, then, effects, due = re.split(r" {2,}", line.strip())
        rows.append(Row(state, given, then, effects, None if due == "-" else float(due)))
    return rows


def shown(effects: Sequence[Effect]) -> str:
    """In the words of the tables."""
    return ", ".join(map(_shown, effects)) or "nothing"


def _shown(effect: Effect) -> str:
    match effect:
        case Send(message):
            return f"send {_name(parse(message) if isinstance(message, bytes) else message)}"
        case Deliver(message):
            return f"deliver {_name(message)}"
        case Ended(failure):
            kinds = {TransactionTimeout: "timeout", TransportFailed: "failure", type(None): "end"}
            return kinds[type(failure)]


def _name(message: Any) -> str:
    return message.method if isinstance(message, Request) else str(message.code)


class Tables(NamedTuple):
    """What there is to know of a kind of machine.

    make: (reliable) -> machine. paths: how each state is reached from start(). inputs: those that
    are no timers. unreliable, reliable: its tables.
    """

    make: Callable[[bool], Any]
    paths: dict[str, tuple[str, ...]]
    inputs: dict[str, Input]
    unreliable: str
    reliable: str


INVITE_CLIENT = Tables(
    make=lambda reliable: InviteClientTransaction(INVITE, reliable, Timers()),
    paths={
        "CALLING": (),
        "PROCEEDING": ("1xx",),
        "CANCELLED": ("1xx", "cancelled"),
        "ACCEPTED": ("2xx",),
        "COMPLETED": ("refusal",),
        "TERMINATED": ("refusal", "D 32"),
    },
    inputs={
        "1xx": ("responseReceived", [INVITE.respond(180, toTag="t1")]),
        "2xx": ("responseReceived", [INVITE.respond(200, toTag="t1")]),
        "refusal": ("responseReceived", [INVITE.respond(486, toTag="t1")]),
        "cancelled": ("cancelled", []),
        "sendFails": ("transportFailed", [FAILED]),
    },
    unreliable="""
        CALLING     1xx        PROCEEDING  deliver 180            -
        CALLING     2xx        ACCEPTED    deliver 200            32.1
        CALLING     refusal    COMPLETED   send ACK, deliver 486  32.1
        CALLING     cancelled  CALLING     nothing                0.5
        CALLING     sendFails  CALLING     nothing                0.1
        CALLING     A 0.5      CALLING     send INVITE            1.5
        CALLING     A 15.5     CALLING     send INVITE            31.5
        CALLING     A 31.5     CALLING     send INVITE            32
        CALLING     B 32       TERMINATED  timeout                -
        PROCEEDING  1xx        PROCEEDING  deliver 180            -
        PROCEEDING  2xx        ACCEPTED    deliver 200            32.1
        PROCEEDING  refusal    COMPLETED   send ACK, deliver 486  32.1
        PROCEEDING  cancelled  PROCEEDING  nothing                32.1
        PROCEEDING  sendFails  PROCEEDING  nothing                -
        CANCELLED   1xx        PROCEEDING  deliver 180            32
        CANCELLED   2xx        ACCEPTED    deliver 200            32.1
        CANCELLED   refusal    COMPLETED   send ACK, deliver 486  32.1
        CANCELLED   cancelled  PROCEEDING  nothing                32.1
        CANCELLED   sendFails  PROCEEDING  nothing                32
        CANCELLED   64T1 32    TERMINATED  timeout                -
        ACCEPTED    1xx        ACCEPTED    nothing                32
        ACCEPTED    2xx        ACCEPTED    deliver 200            32
        ACCEPTED    refusal    ACCEPTED    nothing                32
        ACCEPTED    cancelled  ACCEPTED    nothing                32
        ACCEPTED    sendFails  ACCEPTED    nothing                32
        ACCEPTED    M 32       TERMINATED  end                    -
        COMPLETED   1xx        COMPLETED   nothing                32
        COMPLETED   2xx        COMPLETED   nothing                32
        COMPLETED   refusal    COMPLETED   send ACK               32
        COMPLETED   cancelled  COMPLETED   nothing                32
        COMPLETED   sendFails  COMPLETED   nothing                32
        COMPLETED   D 32       TERMINATED  end                    -
        TERMINATED  1xx        TERMINATED  nothing                -
        TERMINATED  2xx        TERMINATED  nothing                -
        TERMINATED  refusal    TERMINATED  nothing                -
        TERMINATED  cancelled  TERMINATED  nothing                -
        TERMINATED  sendFails  TERMINATED  nothing                -
    """,
    reliable="""
        CALLING     1xx        PROCEEDING  deliver 180                 -
        CALLING     2xx        ACCEPTED    deliver 200                 32.1
        CALLING     refusal    TERMINATED  send ACK, deliver 486, end  -
        CALLING     cancelled  CALLING     nothing                     32
        CALLING     sendFails  CALLING     nothing                     0.1
        CALLING     B 32       TERMINATED  timeout                     -
        PROCEEDING  1xx        PROCEEDING  deliver 180                 -
        PROCEEDING  2xx        ACCEPTED    deliver 200                 32.1
        PROCEEDING  refusal    TERMINATED  send ACK, deliver 486, end  -
        PROCEEDING  cancelled  PROCEEDING  nothing                     32.1
        PROCEEDING  sendFails  PROCEEDING  nothing                     -
        CANCELLED   1xx        PROCEEDING  deliver 180                 32
        CANCELLED   2xx        ACCEPTED    deliver 200                 32.1
        CANCELLED   refusal    TERMINATED  send ACK, deliver 486, end  -
        CANCELLED   cancelled  PROCEEDING  nothing                     32.1
        CANCELLED   sendFails  PROCEEDING  nothing                     32
        CANCELLED   64T1 32    TERMINATED  timeout                     -
        ACCEPTED    1xx        ACCEPTED    nothing                     32
        ACCEPTED    2xx        ACCEPTED    deliver 200                 32
        ACCEPTED    refusal    ACCEPTED    nothing                     32
        ACCEPTED    cancelled  ACCEPTED    nothing                     32
        ACCEPTED    sendFails  ACCEPTED    nothing                     32
        ACCEPTED    M 32       TERMINATED  end                         -
    """,
)

CLIENT = Tables(
    make=lambda reliable: NonInviteClientTransaction(BYE, reliable, Timers()),
    paths={
        "TRYING": (),
        "PROCEEDING": ("1xx",),
        "COMPLETED": ("2xx",),
        "TERMINATED": ("2xx", "K 5"),
    },
    inputs={
        "1xx": ("responseReceived", [BYE.respond(100)]),
        "2xx": ("responseReceived", [BYE.respond(200)]),
        "refusal": ("responseReceived", [BYE.respond(481)]),
        "sendFails": ("transportFailed", [FAILED]),
    },
    unreliable="""
        TRYING      1xx        PROCEEDING  deliver 100  0.5
        TRYING      2xx        COMPLETED   deliver 200  5.1
        TRYING      refusal    COMPLETED   deliver 481  5.1
        TRYING      sendFails  TRYING      nothing      0.1
        TRYING      E 0.5      TRYING      send BYE     1.5
        TRYING      E 3.5      TRYING      send BYE     7.5
        TRYING      E 7.5      TRYING      send BYE     11.5
        TRYING      E 31.5     TRYING      send BYE     32
        TRYING      F 32       TERMINATED  timeout      -
        PROCEEDING  1xx        PROCEEDING  deliver 100  0.5
        PROCEEDING  2xx        COMPLETED   deliver 200  5.1
        PROCEEDING  refusal    COMPLETED   deliver 481  5.1
        PROCEEDING  sendFails  PROCEEDING  nothing      0.1
        PROCEEDING  E 0.5      PROCEEDING  send BYE     4.5
        PROCEEDING  E 28.5     PROCEEDING  send BYE     32
        PROCEEDING  F 32       TERMINATED  timeout      -
        COMPLETED   1xx        COMPLETED   nothing      5
        COMPLETED   2xx        COMPLETED   nothing      5
        COMPLETED   refusal    COMPLETED   nothing      5
        COMPLETED   sendFails  COMPLETED   nothing      5
        COMPLETED   K 5        TERMINATED  end          -
        TERMINATED  1xx        TERMINATED  nothing      -
        TERMINATED  2xx        TERMINATED  nothing      -
        TERMINATED  refusal    TERMINATED  nothing      -
        TERMINATED  sendFails  TERMINATED  nothing      -
    """,
    reliable="""
        TRYING      1xx        PROCEEDING  deliver 100       32
        TRYING      2xx        TERMINATED  deliver 200, end  -
        TRYING      refusal    TERMINATED  deliver 481, end  -
        TRYING      sendFails  TRYING      nothing           0.1
        TRYING      F 32       TERMINATED  timeout           -
        PROCEEDING  1xx        PROCEEDING  deliver 100       32
        PROCEEDING  2xx        TERMINATED  deliver 200, end  -
        PROCEEDING  refusal    TERMINATED  deliver 481, end  -
        PROCEEDING  sendFails  PROCEEDING  nothing           0.1
        PROCEEDING  F 32       TERMINATED  timeout           -
    """,
)

INVITE_SERVER = Tables(
    make=lambda reliable: InviteServerTransaction(INVITE, reliable, Timers()),
    paths={
        "ALONE": (),
        "RINGING": ("180",),
        "ACCEPTED": ("200",),
        "COMPLETED": ("486",),
        "CONFIRMED": ("486", "ACK"),
        "TERMINATED": ("486", "ACK", "I 5"),
    },
    inputs={
        "INVITE": ("requestReceived", [INVITE]),
        "ACK": ("ackReceived", [request("ACK", toTag="d1")]),
        "180": ("respond", [INVITE.respond(180, toTag="d1")]),
        "200": ("respond", [INVITE.respond(200, toTag="d1")]),
        "486": ("respond", [INVITE.respond(486, toTag="d1")]),
    },
    unreliable="""
        ALONE       INVITE   PROCEEDING  nothing      0.2
        ALONE       ACK      PROCEEDING  nothing      0.2
        ALONE       180      PROCEEDING  send 180     -
        ALONE       200      ACCEPTED    send 200     32.1
        ALONE       486      COMPLETED   send 486     0.6
        ALONE       100 0.2  PROCEEDING  send 100     -
        RINGING     INVITE   PROCEEDING  send 180     -
        RINGING     ACK      PROCEEDING  nothing      -
        RINGING     180      PROCEEDING  send 180     -
        RINGING     200      ACCEPTED    send 200     32.1
        RINGING     486      COMPLETED   send 486     0.6
        ACCEPTED    INVITE   ACCEPTED    nothing      32
        ACCEPTED    ACK      ACCEPTED    deliver ACK  32
        ACCEPTED    180      ACCEPTED    nothing      32
        ACCEPTED    200      ACCEPTED    send 200     32
        ACCEPTED    486      ACCEPTED    nothing      32
        ACCEPTED    L 32     TERMINATED  end          -
        COMPLETED   INVITE   COMPLETED   send 486     0.5
        COMPLETED   ACK      CONFIRMED   nothing      5.1
        COMPLETED   180      COMPLETED   nothing      0.5
        COMPLETED   200      COMPLETED   nothing      0.5
        COMPLETED   486      COMPLETED   nothing      0.5
        COMPLETED   G 0.5    COMPLETED   send 486     1.5
        COMPLETED   G 3.5    COMPLETED   send 486     7.5
        COMPLETED   G 7.5    COMPLETED   send 486     11.5
        COMPLETED   G 31.5   COMPLETED   send 486     32
        COMPLETED   H 32     TERMINATED  timeout      -
        CONFIRMED   INVITE   CONFIRMED   nothing      5
        CONFIRMED   ACK      CONFIRMED   nothing      5
        CONFIRMED   180      CONFIRMED   nothing      5
        CONFIRMED   200      CONFIRMED   nothing      5
        CONFIRMED   486      CONFIRMED   nothing      5
        CONFIRMED   I 5      TERMINATED  end          -
        TERMINATED  INVITE   TERMINATED  nothing      -
        TERMINATED  ACK      TERMINATED  nothing      -
        TERMINATED  180      TERMINATED  nothing      -
        TERMINATED  200      TERMINATED  nothing      -
        TERMINATED  486      TERMINATED  nothing      -
    """,
    reliable="""
        ALONE       INVITE   PROCEEDING  nothing      0.2
        ALONE       ACK      PROCEEDING  nothing      0.2
        ALONE       180      PROCEEDING  send 180     -
        ALONE       200      ACCEPTED    send 200     32.1
        ALONE       486      COMPLETED   send 486     32.1
        ALONE       100 0.2  PROCEEDING  send 100     -
        RINGING     INVITE   PROCEEDING  send 180     -
        RINGING     ACK      PROCEEDING  nothing      -
        RINGING     180      PROCEEDING  send 180     -
        RINGING     200      ACCEPTED    send 200     32.1
        RINGING     486      COMPLETED   send 486     32.1
        ACCEPTED    INVITE   ACCEPTED    nothing      32
        ACCEPTED    ACK      ACCEPTED    deliver ACK  32
        ACCEPTED    180      ACCEPTED    nothing      32
        ACCEPTED    200      ACCEPTED    send 200     32
        ACCEPTED    486      ACCEPTED    nothing      32
        ACCEPTED    L 32     TERMINATED  end          -
        COMPLETED   INVITE   COMPLETED   send 486     32
        COMPLETED   ACK      TERMINATED  end          -
        COMPLETED   180      COMPLETED   nothing      32
        COMPLETED   200      COMPLETED   nothing      32
        COMPLETED   486      COMPLETED   nothing      32
        COMPLETED   H 32     TERMINATED  timeout      -
    """,
)

SERVER = Tables(
    make=lambda reliable: NonInviteServerTransaction(BYE, reliable, Timers()),
    paths={
        "TRYING": (),
        "PROCEEDING": ("100",),
        "COMPLETED": ("200",),
        "TERMINATED": ("200", "J 32"),
    },
    inputs={
        "BYE": ("requestReceived", [BYE]),
        "100": ("respond", [BYE.respond(100)]),
        "200": ("respond", [BYE.respond(200)]),
        "481": ("respond", [BYE.respond(481)]),
    },
    unreliable="""
        TRYING      BYE   TRYING      nothing   -
        TRYING      100   PROCEEDING  send 100  -
        TRYING      200   COMPLETED   send 200  32.1
        TRYING      481   COMPLETED   send 481  32.1
        PROCEEDING  BYE   PROCEEDING  send 100  -
        PROCEEDING  100   PROCEEDING  send 100  -
        PROCEEDING  200   COMPLETED   send 200  32.1
        PROCEEDING  481   COMPLETED   send 481  32.1
        COMPLETED   BYE   COMPLETED   send 200  32
        COMPLETED   100   COMPLETED   nothing   32
        COMPLETED   200   COMPLETED   nothing   32
        COMPLETED   481   COMPLETED   nothing   32
        COMPLETED   J 32  TERMINATED  end       -
        TERMINATED  BYE   TERMINATED  nothing   -
        TERMINATED  100   TERMINATED  nothing   -
        TERMINATED  200   TERMINATED  nothing   -
        TERMINATED  481   TERMINATED  nothing   -
    """,
    reliable="""
        TRYING      BYE   TRYING      nothing        -
        TRYING      100   PROCEEDING  send 100       -
        TRYING      200   TERMINATED  send 200, end  -
        TRYING      481   TERMINATED  send 481, end  -
        PROCEEDING  BYE   PROCEEDING  send 100       -
        PROCEEDING  100   PROCEEDING  send 100       -
        PROCEEDING  200   TERMINATED  send 200, end  -
        PROCEEDING  481   TERMINATED  send 481, end  -
    """,
)


class Player:
    """One machine at its own time, which begins at 0 with its start()."""

    def __init__(self, tables: Tables, reliable: bool) -> None:
        self._inputs = tables.inputs
        self.machine = tables.make(reliable)
        self.now = 0.0
        self.machine.start(self.now)

    def give(self, name: str) -> list[Effect]:
        """An input, or a timer: "A 0.5" waits 0.5 s. Returns what came of it at last."""
        if name not in self._inputs:
            return self._wait(float(name.split()[1]))
        method, arguments = self._inputs[name]
        effects: list[Effect] = getattr(self.machine, method)(*arguments, self.now)
        return effects

    def _wait(self, seconds: float) -> list[Effect]:
        end, effects = self.now + seconds, []
        while (due := self.machine.deadline) is not None and due <= end:
            self.now = due
            effects = self.machine.timeReached(due)
        if self.now < end:
            raise AssertionError(f"nothing is due after {seconds} s, but after {self.now}")
        return effects


class StateTableTests(SynchronousTestCase):
    """The tables have a row for each pair; their rows are the tests of the classes below."""

    def test_complete(self) -> None:
        """Each state that can be reached over that transport has a row for each input."""
        for tables in (INVITE_CLIENT, CLIENT, INVITE_SERVER, SERVER):
            for table in (tables.unreliable, tables.reliable):
                rows = {(row.state, row.input) for row in read(table)}
                states = {state for state, _ in rows}
                wanted = {(state, given) for state in states for given in tables.inputs}
                self.assertEqual(wanted - rows, set())
            self.assertEqual({row.state for row in read(tables.unreliable)}, set(tables.paths))

    def test_everyTimer(self) -> None:
        """Each letter of table 4 that is a user agent's, and the L and M of RFC 6026, has a row."""
        tables = (INVITE_CLIENT, CLIENT, INVITE_SERVER, SERVER)
        inputs = {row.input[0] for t in tables for row in read(t.unreliable) if " " in row.input}
        self.assertLessEqual(set("ABDEFGHIJKLM"), inputs)


class TableCase(SynchronousTestCase):
    """A test a row, test_STATE_input."""

    tables: ClassVar[Tables]
    reliable = False

    def check(self, row: Row) -> None:
        """Brings a machine to the state, gives it the input."""
        player = Player(self.tables, self.reliable)
        for step in self.tables.paths[row.state]:
            player.give(step)
        entered = player.now
        if " " not in row.input:
            player.now += PAUSE
        effects = player.give(row.input)
        machine = player.machine
        due = None if machine.deadline is None else round(machine.deadline - entered, 6)
        self.assertEqual(
            (machine.state.name, shown(effects), due), (row.then, row.effects, row.due)
        )


def _tests(tables: Tables, reliable: bool) -> type[TableCase]:
    """The class of tests of one table."""
    members: dict[str, Any] = {"tables": tables, "reliable": reliable, "__module__": __name__}
    for row in read(tables.reliable if reliable else tables.unreliable):
        name = f"test_{row.state}_{re.sub('[ .]', '_', row.input)}"
        members[name] = lambda self, row=row: self.check(row)
        members[name].__doc__ = f"{row.state}, {row.input}: {row.then}, {row.effects}."
    return type("Table", (TableCase,), members)


class InviteClientTable(_tests(INVITE_CLIENT, False)):  # type: ignore[misc]
    """RFC 3261 17.1.1.2, RFC 6026 7.2, over UDP."""


class ReliableInviteClientTable(_tests(INVITE_CLIENT, True)):  # type: ignore[misc]
    """The same over TCP."""


class ClientTable(_tests(CLIENT, False)):  # type: ignore[misc]
    """RFC 3261 17.1.2.2, over UDP."""


class ReliableClientTable(_tests(CLIENT, True)):  # type: ignore[misc]
    """The same over TCP."""


class InviteServerTable(_tests(INVITE_SERVER, False)):  # type: ignore[misc]
    """RFC 3261 17.2.1, RFC 6026 7.1, over UDP."""


class ReliableInviteServerTable(_tests(INVITE_SERVER, True)):  # type: ignore[misc]
    """The same over TCP."""


class ServerTable(_tests(SERVER, False)):  # type: ignore[misc]
    """RFC 3261 17.2.2, over UDP."""


class ReliableServerTable(_tests(SERVER, True)):  # type: ignore[misc]
    """The same over TCP."""
