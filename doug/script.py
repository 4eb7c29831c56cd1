"""One application as a program of its own: what the scripts share.

Lives here: reading the options of `twistd doug`, logging to the terminal, serving until a signal
(serve), one call that the program places and its exit code (dial).
Not here: the reactor (the script hands it in), the options (doug.options), what an application's
arguments may be (doug.scriptargs).
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from getopt import GetoptError, gnu_getopt
from pathlib import Path
from typing import Any

from twisted.internet.defer import maybeDeferred
from twisted.logger import (
    FilteringLogObserver,
    LogLevel,
    LogLevelFilterPredicate,
    globalLogBeginner,
    textFileLogObserver,
)
from twisted.python import usage
from twisted.python.failure import Failure

from doug.application import DougApplication, StartFailed
from doug.checks import argumentWarnings
from doug.dialplan import DialPlan
from doug.options import Options
from doug.outlet import withoutWaiting
from doug.process import stopOnce, tune
from doug.rehearsal import report
from doug.scriptargs import Check
from doug.service import DougService
from doug.settings import Endpoint, Settings
from doug.voiceapp import VoiceApp
from shtoom.agent.dialling import Dialling
from shtoom.exceptions import CallFailed, InvalidSIPURL, UserNotFound

MISTAKE, NO_CALL = 1, 2  # exit codes: the command line or a port; the call
ANY: Mapping[str, Check] = {}


def serve(
    app: type[VoiceApp],
    reactor: Any,
    description: str,
    argv: Sequence[str] | None = None,
    *,
    checks: Mapping[str, Check] = ANY,
) -> int:
    """Serves `app` until SIGINT or SIGTERM; returns the exit code.

    description: the script's own words for --help. argv: the options, those of `twistd doug` with
    --app; sys.argv's by default. checks: by the names of its arguments (--args), what they may be;
    each gets the value, or the default that the class has, and raises ValueError.
    """
    options = ScriptOptions(description, checks)
    try:
        options.parseOptions(sys.argv[1:] if argv is None else argv)
        settings = options.settings(app)
    except usage.UsageError as e:
        return options.complain(e)
    if options.check:
        return report(settings, sys.stdout.write)
    log = textFileLogObserver(withoutWaiting(sys.stdout, reactor))
    globalLogBeginner.beginLoggingTo([log], redirectStandardIO=False)
    tune(reactor)
    stopOnce(reactor)
    service = DougService(reactor=reactor, settings=settings)
    try:
        service.startService()
    except StartFailed as e:
        return options.complain(e)
    reactor.addSystemEventTrigger("before", "shutdown", maybeDeferred, service.stopService)
    reactor.run()
    return 0


def dial(
    app: type[VoiceApp],
    reactor: Any,
    description: str,
    argv: Sequence[str] | None = None,
    *,
    checks: Mapping[str, Check] = ANY,
    address: Callable[[], str] | None = None,
) -> int:
    """Places one call, which is `app`'s from OutboundCallStartedEvent(leg) on, and ends with it.

    checks: as those of serve(). address: tells whom to call, once the program runs; by default the
    command line does.
    Returns the exit code: 0 if `app` returned a result, which is printed; 2 if it ended with an
    error, which is a line on standard error; 1 for a mistake on the command line.
    Warnings of the log go to standard error.
    """
    options: ScriptOptions
    if address is None:
        options = dialOptions = DialOptions(description, checks)
        address = dialOptions.address
    else:
        options = ScriptOptions(description, checks)
    try:
        options.parseOptions(sys.argv[1:] if argv is None else argv)
        settings = options.settings(
            app, Settings(listen=(Endpoint("udp", "", 0),), drainTimeout=0.0)
        )
    except usage.UsageError as e:
        return options.complain(e)
    if options.check:
        return report(settings, sys.stdout.write)
    for warning in argumentWarnings(settings):
        sys.stderr.write(f"{options.name}: {warning}\n")
    wanted = LogLevelFilterPredicate(LogLevel.warn)
    wanted.setLogLevelForNamespace("doug.farewell", LogLevel.error)  # the one call is told of
    stderr = withoutWaiting(sys.stderr, reactor)
    warnings = FilteringLogObserver(textFileLogObserver(stderr), [wanted])
    globalLogBeginner.beginLoggingTo([warnings], redirectStandardIO=False)
    tune(reactor)
    stopOnce(reactor)
    dialler = Dialler(options.name, reactor, settings)
    try:
        dialler.start()
    except StartFailed as e:
        return options.complain(e)
    reactor.addSystemEventTrigger("before", "shutdown", maybeDeferred, dialler.shutdown)
    reactor.callWhenRunning(dialler.begin, address, options.fromURI)
    reactor.run()
    return dialler.exitCode


class Dialler(DougApplication):
    """Places one call and stops the reactor when its application has ended. It answers nothing."""

    def __init__(self, name: str, reactor: Any, settings: Settings) -> None:
        super().__init__(reactor=reactor, settings=settings)
        self.name, self.exitCode = name, NO_CALL
        self._stopped = False

    def begin(self, address: Callable[[], str], fromURI: str | None) -> None:
        """The reactor runs."""
        try:
            self.placeCall(address(), fromURI)
        except (StartFailed, ValueError) as e:
            sys.stderr.write(f"{self.name}: {e}\n")
            self._end(MISTAKE)

    def callReceived(self, call: Any) -> None:
        """Whoever calls here is mistaken."""
        raise UserNotFound("This program only places a call")

    def acceptResults(self, cookie: str, result: Any) -> None:
        """Printed; None is nothing to print."""
        if result is not None:
            sys.stdout.write(f"{result}\n")
            sys.stdout.flush()
        self._end(0)

    def acceptErrors(self, cookie: str, error: Failure) -> None:
        """A call that did not come about is a line; anything else is a mistake in the program."""
        if not error.check(CallFailed):
            super().acceptErrors(cookie, error)
        sys.stderr.write(f"{self.name}: {error.getErrorMessage()}\n")
        self._end(NO_CALL)

    def _end(self, exitCode: int) -> None:
        if not self._stopped:
            self._stopped, self.exitCode = True, exitCode
            self.reactor.callLater(0, self.reactor.stop)


class ScriptOptions(Options):
    """The options under the script's own name and words."""

    arguments = ""
    fromURI: str | None = None

    def __init__(self, description: str, checks: Mapping[str, Check] = ANY) -> None:
        """checks: see serve()."""
        super().__init__()
        self.name = Path(sys.argv[0]).name
        self._description, self._checks = description, checks

    def settings(
        self, default: type[VoiceApp] | None = None, before: Settings | None = None
    ) -> Settings:
        """As Options has them; UsageError also for an argument that the script's checks refuse."""
        settings = super().settings(default, before)
        for name, check in self._checks.items():
            usual = getattr(default, name, "")
            value = settings.args.get(name, usual)
            if value != "" or usual != "":  # some have nothing for none
                self._read(f"args={name}", str(value), check)
        return settings

    def parseArgs(self, *words: str) -> None:
        """There are none beside options."""
        if words:
            meant = f"did you mean --args={words[0]}?" if "=" in words[0] else "see --help"
            raise usage.UsageError(f"{words[0]!r} is no option; {meant}")

    def complain(self, mistake: Exception) -> int:
        """A mistake is one line on standard error; returns the exit code."""
        sys.stderr.write(f"{self.name}: {mistake}\n")
        return MISTAKE

    def getSynopsis(self) -> str:
        """How to call the script."""
        return f"Usage: {self.name} [options]{self.arguments}\n\n{self._description.strip()}\n"

    def getUsage(self, width: int | None = None) -> str:
        """--help, without the words that are about twistd."""
        self.longdesc = ""
        return super().getUsage(width)


class DialOptions(ScriptOptions):
    """Those of a script that calls somebody."""

    arguments = " ADDRESS"

    _address = ""

    def settings(
        self, default: type[VoiceApp] | None = None, before: Settings | None = None
    ) -> Settings:
        """As ScriptOptions has them; UsageError also for addresses that cannot be dialled."""
        settings = super().settings(default, before)
        name = "ADDRESS"
        try:
            plan = DialPlan(settings.dialOut, settings.gateway)
            wanted = Dialling(plan.address(self._address), self.fromURI, None, (), timeout=1.0)
            wanted.target()
            name = "--from"
            wanted.caller("192.0.2.1", 5060, "tag")
        except InvalidSIPURL as e:
            raise usage.UsageError(f"{name}: {e.reason}") from None
        return settings

    def address(self) -> str:
        """Whom to call."""
        return self._address

    def parseOptions(self, options: Sequence[str] | None = None) -> None:
        """Reads them, before the address or after it."""
        words = sys.argv[1:] if options is None else options
        try:
            given, rest = gnu_getopt(words, self.shortOpt, self.longOpt)
        except GetoptError as e:
            raise usage.UsageError(str(e)) from e
        flags = ("--help", "--version")
        super().parseOptions(
            [*(name if name in flags else f"{name}={value}" for name, value in given), *rest]
        )

    def parseArgs(self, *addresses: str) -> None:
        """One address."""
        if len(addresses) != 1:
            got = " ".join(addresses) or "none"
            raise usage.UsageError(
                f"ADDRESS: wanted one to call, such as sip:alice@192.0.2.1, got {got}"
            )
        self._address = addresses[0]

    def opt_from(self, value: str) -> None:
        """The URI that the called party sees as the caller's. [default: Doug's own]"""
        self.fromURI = value

    def opt_listen(self, value: str) -> None:
        """udp[:HOST]:PORT to call from; repeatable. [default: udp:*:0, any port]"""
        super().opt_listen(value)
