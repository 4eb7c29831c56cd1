"""kill -9 of a real server at 20 random moments, while thirty calls record.

python -m test.long.kill [--kills=20] [--seed=1]

A third of the calls records to a WAV, a third to a file without header, a third leaves messages of
0.3 s in a spool, one after the other. Afterwards every file must be readable, lack a second of what
was heard at most, and no message may be seen by halves. Takes about three minutes. Exit code 0 if
all is well. What it measured last stands in DOC/robustness.md.
"""

import sys
import tempfile
from argparse import ArgumentParser
from pathlib import Path
from random import Random

from test.support.killedserver import MESSAGE, KilledServer

CALLS, LONGEST = 30, 10.0


def main() -> int:
    """Prints a line for each kill."""
    parser = ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    rng = Random(options.seed)
    worst, files, messages, halves, orphans = 0.0, 0, 0, 0, 0
    for number in range(1, options.kills + 1):
        with tempfile.TemporaryDirectory(prefix="killed-") as name:
            server = KilledServer(Path(name), CALLS)
            server.kill(rng, LONGEST)
            found = server.recordings()  # raises if one cannot be read
            whole = server.messages()
            left = server.orphans()
        lost = max(left.heard - left.kept for left in found)
        heard = max(left.heard for left in found)
        print(  # noqa: T201 - a script
            f"{number:2}: killed after {heard:5.2f} s of sound: {len(found)} recordings, "
            f"{lost:.2f} s lost at most; {len(whole)} messages, {len(left)} recovered",
            flush=True,
        )
        worst, files, messages = max(worst, lost), files + len(found), messages + len(whole)
        halves += sum(abs(seconds - MESSAGE) > 1e-6 for seconds in whole)
        orphans += len(left)
    print(  # noqa: T201
        f"{options.kills} kills, {files} recordings readable, {worst:.2f} s lost at most, "
        f"{messages} messages, {halves} of them not whole, {orphans} recovered"
    )
    return 0 if worst <= 1.0 and not halves else 1


if __name__ == "__main__":
    sys.exit(main())
