"""What `twistd doug` calls: its options, and the service that they describe.

Lives here: mistakes as one line on standard error and exit code 1, where twistd would print all of
its help or a traceback. Not here: the options (doug.options), settings of the process
(twisted.plugins.doug_plugin).
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from getopt import GetoptError
from typing import Any

from twisted.python import usage

from doug import options
from doug.rehearsal import report
from doug.service import DougService


class Options(options.Options):
    """The options of `twistd doug`; a mistake ends the process with one line."""

    synopsis = "--app=module.Class [options]"

    def parseOptions(self, options: Sequence[str] | None = None) -> None:
        """Reads them; SystemExit with a line for standard error."""
        try:
            super().parseOptions(options)
        except usage.UsageError as e:
            unknown = isinstance(e.__context__, GetoptError)
            raise mistake(f"{e}: see twistd doug --help" if unknown else e) from e


def makeService(config: options.Options, reactor: Any) -> DougService:
    """The service that the options describe; it opens nothing yet.

    SystemExit for a mistake, and after --check.
    """
    try:
        settings = config.settings()
    except (usage.UsageError, ValueError) as e:  # of values that do not go together
        raise mistake(e) from e
    if config.check:
        raise SystemExit(report(settings, sys.stdout.write))
    return DougService(reactor=reactor, settings=settings)


def mistake(error: Exception | str) -> SystemExit:
    """What ends the process with exit code 1 and that line on standard error."""
    return SystemExit(f"twistd doug: {error}")
