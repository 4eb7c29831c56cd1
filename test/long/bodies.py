"""How long a session description takes, be it ever so hostile: parsed, answered or refused.

    python -m test.long.bodies [--bodies 100000] [--seed 1]

Mutated descriptions of phones (and of the corpus, if DOUG_CORPUS is set), then the shapes of
test.fuzz.test_sdp at 16, 32 and 64 KiB. Prints median, 99.9 % and longest of the first, the longest
of the others, in milliseconds of processor time, the best of three for each body. Ends with 0 if
none took more than 5.

Lives here: that run. Not here: bodies and shapes (test.fuzz).
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from random import Random

from test.fuzz.bodies import HEAD, OURS, SHAPES, M
from test.fuzz.generators import fuzzSeeds
from test.fuzz.mutation import SDP, mutated
from test.fuzz.peers import Peers
from test.support.bodytime import secondsOf

LONGEST = 5.0  # milliseconds
SIZES = (16_000, 32_000, 65_000)


def milliseconds(body: bytes) -> float:
    """Of processor time for one body, the best of three."""
    return 1000 * secondsOf(body, OURS, 3)


def bodies(seed: int, count: int) -> Iterator[bytes]:
    """So many of them with something wrong."""
    rng = Random(seed)
    peers = Peers(rng)
    seeds = fuzzSeeds("sdp")
    for _ in range(count):
        body = rng.choice(seeds) if seeds and rng.random() < 0.3 else peers.description()
        yield mutated(rng, body, SDP)


def main(args: Sequence[str] | None = None) -> int:
    """The program."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--bodies", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args(args)
    times = sorted(milliseconds(body) for body in bodies(options.seed, options.bodies))
    median, most, longest = times[len(times) // 2], times[-1 - len(times) // 1000], times[-1]
    sys.stdout.write(
        f"{len(times)} bodies: median {median:.3f} ms, 99.9 % {most:.3f} ms, longest "
        f"{longest:.3f} ms ({longest / median:.0f} times the median)\n"
    )
    worst = longest
    head = "\r\n".join((*HEAD, M, ""))
    for size in SIZES:
        found = {
            name: milliseconds((head + shape(size)).encode()) for name, shape in SHAPES.items()
        }
        worst = max(worst, *found.values())
        name = max(found, key=lambda shape: found[shape])
        sys.stdout.write(f"hostile shapes of {size} bytes: longest {found[name]:.3f} ms ({name})\n")
    return int(worst > LONGEST)


if __name__ == "__main__":
    sys.exit(main())
