"""One application as a program of its own: what the scripts share.

Lives here: reading the options of `twistd doug`, logging to the terminal, running until a signal.
Not here: the reactor (the script hands it in), the options (doug.options).
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from twisted.internet.defer import maybeDeferred
from twisted.logger import globalLogBeginner, textFileLogObserver
from twisted.python import usage

from doug.application import StartFailed
from doug.options import Options
from doug.process import tune
from doug.service import DougService
from doug.voiceapp import VoiceApp


def serve(
    app: type[VoiceApp], reactor: Any, description: str, argv: Sequence[str] | None = None
) -> int:
    """Serves `app` until SIGINT or SIGTERM; returns the exit code.

    description: the script's own words for --help. argv: the options, those of `twistd doug` with
    --app; sys.argv's by default.
    """
    name = Path(sys.argv[0]).name
    options = ScriptOptions(name, description)
    try:
        options.parseOptions(sys.argv[1:] if argv is None else argv)
        settings = options.settings(app)
    except usage.UsageError as e:
        sys.stderr.write(f"{name}: {e}\n")
        return 1
    globalLogBeginner.beginLoggingTo([textFileLogObserver(sys.stdout)], redirectStandardIO=False)
    tune(reactor)
    service = DougService(reactor=reactor, settings=settings)
    try:
        service.startService()
    except StartFailed as e:
        sys.stderr.write(f"{name}: {e}\n")
        return 1
    reactor.addSystemEventTrigger("before", "shutdown", maybeDeferred, service.stopService)
    reactor.run()
    return 0


class ScriptOptions(Options):
    """The options under the script's own name and words."""

    def __init__(self, name: str, description: str) -> None:
        super().__init__()
        self._name = name
        self._description = description

    def getSynopsis(self) -> str:
        """How to call the script."""
        return f"Usage: {self._name} [options]\n\n{self._description.strip()}\n"

    def getUsage(self, width: int | None = None) -> str:
        """--help, without the words that are about twistd."""
        self.longdesc = ""
        return super().getUsage(width)
