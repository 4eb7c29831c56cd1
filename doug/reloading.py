"""New settings for a server that runs: which are taken, which need a restart.

Lives here: telling these apart, and reading the options anew. Not here: what becomes of them
(doug.exchange, doug.relations), the signal that asks for it (doug.process).
"""

from __future__ import annotations

from dataclasses import fields, replace
from typing import TYPE_CHECKING

from twisted.logger import Logger
from twisted.python import usage

from doug.settings import Settings

if TYPE_CHECKING:
    from doug.application import DougApplication
    from doug.options import Options
    from doug.voiceapp import VoiceApp

__all__ = ["TAKEN", "merged", "reread"]

TAKEN = frozenset(
    (
        *("apps", "args", "routes", "codecs", "infoKeys", "holdMusic", "dialOut"),
        *("gateway", "maxCalls", "userCalls", "maxEarlyCalls", "maxCallDuration", "maxRecording"),
        *(
            "rtpTimeout",
            "sessionExpires",
            "minSE",
            "maxLegs",
            "maxQueuedEvents",
            "pendingLimit",
            "drainTimeout",
        ),
        *("maxTransactions", "sourceRate", "limitLoopback", "scanners", "maxGuesses"),
        *("maxConnections", "maxSourceConnections"),
        *("traceSIP", "traceFull", "traceNoDigits"),
        *("trunks", "phones", "anonymous", "allow", "deny", "realm", "digest", "qop"),
    )
)
"""Settings that a running server takes; all others are for its start alone."""

log = Logger()


def merged(old: Settings, new: Settings) -> tuple[Settings, list[str], list[str]]:
    """What a server has from now on, what of it is new, and what it cannot take."""
    names = [
        f.name for f in fields(old) if f.compare and getattr(old, f.name) != getattr(new, f.name)
    ]
    left = [name for name in names if name not in TAKEN]
    taken = [name for name in names if name in TAKEN]
    return replace(new, **{name: getattr(old, name) for name in left}), taken, left


def reread(
    options: Options, application: DougApplication, default: type[VoiceApp] | None = None
) -> None:
    """Reads the file of --config anew; a mistake in it is logged, and all stays as it is.

    default: as Options.settings() has it.
    """
    try:
        options.reread()
        application.reload(options.settings(default))
    except (usage.UsageError, ValueError, OSError) as error:
        log.error("nothing is changed: {error}", error=str(error))
