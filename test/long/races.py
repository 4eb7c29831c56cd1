"""Calls whose two sides do anything in any order, on networks of any kind, a server for each.

    python -m test.long.races [--calls 10000] [--seed 1] [--transfers]

The rules are those of test/races/anyorder.py, and of test/races/transfers.py for calls that are put
through; a call that breaks one is printed with its moves.
Ends with 0 if none did.

Lives here: that run.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
import traceback
from random import Random

from test.races.anyorder import CONDITIONS, AnyCase
from test.races.transfers import AnyTransfer

SHOWN = 5  # broken calls in full
EACH = 500  # calls between two lines
MOST_MOVES = 20


def play(seed: int, sound: str, transfers: bool) -> bool:
    """One call; False if it broke a rule. transfers: is one that comes in to be put through?"""
    chance = Random(seed)
    moves = [chance.randrange(10_000) for _ in range(chance.randint(0, MOST_MOVES))]
    begin, conditions = chance.choice(["inbound", "outbound"]), chance.choice(CONDITIONS)
    case = AnyTransfer() if transfers and begin == "inbound" else AnyCase()
    case.setUp()
    case.sound = sound
    try:
        case.play(begin, moves, conditions, seed)
    except Exception:
        traceback.print_exc()
        return False
    finally:
        case.doCleanups()
    return True


def main() -> int:
    """The run."""
    parser = argparse.ArgumentParser(description="Calls in which anything happens in any order.")
    parser.add_argument("--calls", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--transfers", action="store_true")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        return run(given.calls, given.seed, given.transfers)


def run(calls: int, seed: int, transfers: bool) -> int:
    """The calls; 1 if any of them broke a rule."""
    sound = os.path.abspath(AnyCase().soundFile(0.5))
    broken, began = 0, time.process_time()
    for number in range(1, calls + 1):
        broken += not play(seed + number, sound, transfers)
        if number % EACH == 0 or broken == SHOWN:
            took = time.process_time() - began
            sys.stdout.write(f"{number} calls, {broken} broken, {took:.0f} s of CPU\n")
            sys.stdout.flush()
        if broken == SHOWN:
            break
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
