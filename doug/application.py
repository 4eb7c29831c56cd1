"""The server: applications and what becomes of them, from start to shutdown.

Lives here: making applications, cookies, results.
Not here: ports and addresses (doug.exchange), how a leg is made (doug.legmaker), what an
application is (doug.voiceapp), the order in which all ends (doug.shutdown), the server as a service
of twistd (doug.service).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from itertools import count
from pathlib import Path
from random import Random, SystemRandom
from typing import TYPE_CHECKING, Any, TypeVar

from twisted.internet.defer import Deferred, DeferredList, succeed
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from doug.conferencing import Rooms
from doug.dialplan import DialWishes
from doug.events import InboundCallStartedEvent, OutboundCallStartedEvent
from doug.exchange import Exchange, StartFailed
from doug.jobs import Jobs
from doug.leaks import Leaks
from doug.legmaker import LegMaker
from doug.options import Options, readConfigFile
from doug.ownaddress import hasAddress
from doug.reloading import merged
from doug.routing import appFor, appsOf
from doug.settings import Settings
from doug.shutdown import Shutdown
from doug.status import Status, statusOf
from doug.voiceapp import VoiceApp
from shtoom.agent.agent import IUserAgentUser
from shtoom.exceptions import CallFailed
from shtoom.media.disk import DiskThreads
from shtoom.media.io import EpollMediaIO, IMediaIO
from shtoom.sip.names import INames, Names
from shtoom.sip.shown import shown
from shtoom.sip.timers import DEFAULT_TIMERS, Timers
from shtoom.sip.transport import localAddressFor

if TYPE_CHECKING:
    from doug.leg import Leg
    from doug.watchdog import ReactorWatch
    from shtoom.agent.inbound import InboundCall

__all__ = ["DougApplication", "StartFailed"]

T = TypeVar("T")


@implementer(IUserAgentUser)
class DougApplication:
    """A server of applications.

    voiceappClass: for all calls that settings.apps names no other for. Everything that reaches
    beyond the process is handed in: reactor (needed from start() on), mediaIO (makes an IMediaIO,
    given the reactor), rng, timers, localAddressFor (which of our addresses leads to a host),
    hasAddress (is it one of ours?), wallTime (seconds since 1970), names (makes the INames of DNS,
    given the reactor, or None), diskThreads (a thread pool for recordings alone).

    Subclasses override acceptResults and acceptErrors. configFileName: a file of options that
    boot() reads if it is there, in the current folder or else the home folder. leaks.count: how
    many things of calls and applications outlived them. watch: sees what holds the reactor; set it
    before start(), if there is to be one.
    """

    configFileName: str | None = None

    log = Logger()

    def __init__(
        self,
        voiceappClass: type[VoiceApp] | None = None,
        *,
        reactor: Any = None,
        settings: Settings | None = None,
        mediaIO: Callable[[Any], IMediaIO] = EpollMediaIO,
        rng: Random | None = None,
        timers: Timers = DEFAULT_TIMERS,
        localAddressFor: Callable[[str], str] = localAddressFor,
        hasAddress: Callable[[str], bool] = hasAddress,
        wallTime: Callable[[], float] = time.time,
        names: Callable[[Any], INames | None] = Names,
        diskThreads: Any = None,
    ) -> None:
        self._voiceappClass = voiceappClass
        self.settings = settings if settings is not None else Settings()
        if voiceappClass is None and not self.settings.apps and not self.settings.routes:
            raise ValueError("DougApplication: wanted an application, or some in settings.apps")
        self.rng = rng if rng is not None else SystemRandom()
        self._reactor, self._mediaIO, self._timers = reactor, mediaIO, timers
        self._localAddressFor, self._hasAddress = localAddressFor, hasAddress
        self._wallTime, self._names = wallTime, names
        self._jobs = Jobs(
            lambda: self.reactor, diskThreads if diskThreads is not None else DiskThreads()
        )
        self.rooms = Rooms()
        self.leaks = Leaks(lambda: self.reactor)
        self.watch: ReactorWatch | None = None
        self._exchange: Exchange | None = None
        self._apps: dict[str, VoiceApp] = {}
        self._cookies = count(1)
        self._shutdown: Shutdown | None = None  # as long as there is an exchange
        self._legs = LegMaker(self, voiceappClass)

    # Life

    def boot(self, args: Sequence[str] | None = None) -> None:
        """Reads the configuration file and args, the options of `twistd doug`.

        Without both everything stays as it is. Raises usage.UsageError for a mistake.
        """
        words = [*self._configured(), *(args or ())]
        if words:
            options = Options()
            options.parseOptions(words)
            self.settings = options.settings(self._voiceappClass, self.settings)

    def reload(self, settings: Settings) -> list[str]:
        """Takes new settings; calls that are up go on as they are.

        Applications, routes, limits, trunks, phones and lists are those from now on: trunks that
        are new register, those that are gone unregister, others stay as they are. What counts at
        the start alone stays as it was: its names are returned, and logged. Raises ValueError or
        OSError, with nothing changed.
        """
        if self._voiceappClass is None and not settings.apps and not settings.routes:
            raise ValueError("DougApplication: wanted an application, or some in settings.apps")
        after, taken, left = merged(self.settings, settings)
        if self._exchange is not None:
            self._exchange.reload(after)
        self.settings = after
        self.log.info("new settings: {names}", names=", ".join(taken) or "all is as before")
        if left:
            self.log.warn("changed, but left until a restart: {names}", names=", ".join(left))
        return left

    def start(self) -> None:
        """Opens the ports; from here on calls are answered. Raises StartFailed."""
        exchange = Exchange(
            self.reactor,
            self.settings,
            self,
            mediaIO=self._mediaIO,
            deferToThread=self.deferToThread,
            deferToDisk=self._jobs.runOnDisk,
            rng=self.rng,
            timers=self._timers,
            localAddressFor=self._localAddressFor,
            hasAddress=self._hasAddress,
            wallTime=self._wallTime,
            names=self._names(self.reactor),
            trunkChanged=self._trunkChanged,
        )
        try:
            heard = exchange.listen()
        except BaseException:
            Deferred.fromCoroutine(exchange.close())
            raise
        if self.watch is not None:
            exchange.media.seenSince = self.watch.seenSince
            self.watch.beatDue = lambda: exchange.media.due
        self._exchange = exchange
        self._shutdown = Shutdown(self.reactor, exchange, self._apps, self._jobs)
        first, last = self.settings.rtpPorts
        self.log.info(
            "{apps} at {heard}, media ports {first} to {last}",
            apps=", ".join(
                f"{app.__module__}.{app.__qualname__}" + (f" for {user}" if user else "")
                for user, app in appsOf(self.settings, self._voiceappClass).items()
            ),
            heard=", ".join(str(endpoint) for endpoint in heard),
            first=first,
            last=last,
        )

    def shutdown(self) -> Deferred[None]:
        """No new calls (503); those that are up end, after drainTimeout by our BYE.

        Fires when nothing is open any more: twice LAST_WORDS of doug.shutdown after that at the
        latest. hurry(), or a second signal to the process, ends drainTimeout.
        """
        if self._shutdown is None or self._shutdown.begun:
            return succeed(None)
        return Deferred.fromCoroutine(self._runShutdown(self._shutdown))

    def hurry(self) -> None:
        """If it is shutting down: calls that may still go on (drainTimeout) end now."""
        if self._shutdown is not None:
            self._shutdown.hurry()

    async def _runShutdown(self, shutdown: Shutdown) -> None:
        await shutdown.run(self.settings.drainTimeout)
        self.leaks.stop()
        self._exchange = self._shutdown = None

    # Applications

    def startVoiceApp(self, **args: Any) -> str:
        """Starts an application without a call, with OutboundCallStartedEvent(None, args).

        Returns its cookie. args: its attributes. ValueError if one is the name of a method.
        """
        app = self._makeApp(appFor(self.settings, self._voiceappClass, ""), args)
        app.va_start(OutboundCallStartedEvent(None, args))
        return app.va_cookie

    def placeCall(self, toURI: str, fromURI: str | None = None, **args: Any) -> str:
        """Starts an application with OutboundCallStartedEvent(leg) for a leg that dials toURI.

        Returns its cookie; as startVoiceApp otherwise.
        """
        app = self._makeApp(appFor(self.settings, self._voiceappClass, ""), args)
        leg = self.placeLeg(app, toURI, DialWishes(fromURI))
        app.va_start(OutboundCallStartedEvent(leg, args))
        return app.va_cookie

    def acceptResults(self, cookie: str, result: Any) -> None:
        """An application has ended with returnResult(result). To be overridden."""
        self.log.info("{app} returned {result!r}", app=self._nameOf(cookie), result=result)

    def acceptErrors(self, cookie: str, error: Failure) -> None:
        """An application has ended with an error. To be overridden."""
        self.log.failure("{app} ended with an error", error, app=self._nameOf(cookie))

    def trunkChanged(self, name: str, state: str) -> None:
        """A trunk registers, fails to, goes down, comes up; state says it. To be overridden."""

    def dropCall(self, cookie: str) -> Deferred[None]:
        """Hangs up all legs of an application, as if the far ends had.

        Fires when they are gone. An application without legs ends. Nothing for an unknown cookie.
        """
        app = self._apps.get(cookie)
        if app is None:
            return succeed(None)
        legs = app.va_liveLegs()
        if not legs:
            app.returnResult(None)
        gone: list[Deferred[None]] = [leg.drop("dropped by the server") for leg in legs]
        return DeferredList(gone).addCallback(lambda _: None)

    def traceSIP(self, what: str = "all", isOn: bool = True) -> None:
        """Writes SIP messages of `what` into the log from now on, or no more.

        what: "all", the IP address or network of a far end, or how a Call-ID begins (leg.callID);
        ValueError for none of these. "all" with isOn=False ends all others, too. Secrets are
        masked. RuntimeError if the server is not running.
        """
        self.exchange.tracing.follow(what, isOn)

    def toggleTrace(self) -> None:
        """All SIP messages into the log, or none any more: SIGUSR2 of the process."""
        if self._exchange is not None:
            self._exchange.tracing.toggle()

    def listVoiceapps(self) -> dict[str, VoiceApp]:
        """The applications that run, by cookie."""
        return dict(self._apps)

    def status(self) -> Status:
        """How it stands: calls, trunks, registrations, phones, ports, what was refused.

        RuntimeError if the server is not running.
        """
        return statusOf(self.exchange, len(self._apps), self.leaks.count, self._wallTime())

    def getPref(self, name: str) -> Any:
        """A setting by its name in Settings, or an argument of --args; None if there is neither."""
        if name in {field.name for field in fields(self.settings)}:
            return getattr(self.settings, name)
        return self.settings.args.get(name)

    # Calls

    def callReceived(self, call: InboundCall) -> None:
        """From the user agent: a new call. CallFailed refuses it, before an application is made."""
        try:
            self._take(call)
        except CallFailed as refusal:
            rule = refusal.refusal
            self.log.warn(
                "call {callID} to {called} is refused: {refusal}{remedy}",
                callID=call.callID,
                called=shown(call.request.uri) if call.request is not None else "?",
                refusal=shown(refusal),
                remedy=f"; {rule.remedy}" if rule is not None else "",
            )
            raise

    def _take(self, call: InboundCall) -> None:
        leg, route = self._legs.received(call)
        app = self._makeApp(route.app, route.args)
        leg.hijackLeg(app)
        if app.autoRinging:
            leg.ringing()
        app.va_start(InboundCallStartedEvent(leg, self.settings.args))

    def placeLeg(self, app: VoiceApp, toURI: str, wishes: DialWishes | None = None) -> Leg:
        """Dials for an application; what goes wrong comes to it as CallRejectedEvent.

        ValueError for what the application may not say: a broken header, a timeout below 0.
        """
        return self._legs.placed(app, toURI, wishes if wishes is not None else DialWishes())

    def _makeApp(self, appClass: type[VoiceApp], args: Mapping[str, Any]) -> VoiceApp:
        cookie = f"app-{next(self._cookies)}"
        done: Deferred[Any] = Deferred()
        began = self.reactor.seconds()
        if self.watch is not None:
            self.watch.wake()
        app = appClass(done, self, cookie, **{**self.settings.args, **args})
        self._apps[cookie] = app
        app.va_held(self.reactor.seconds() - began, appClass.__init__)
        done.addBoth(self._appDone, cookie)
        return app

    def _appDone(self, outcome: Any, cookie: str) -> None:
        try:
            if isinstance(outcome, Failure):
                self.acceptErrors(cookie, outcome)
            else:
                self.acceptResults(cookie, outcome)
        except Exception:
            self.log.failure("{app}: its result was not accepted", app=self._nameOf(cookie))
        self._apps.pop(cookie, None)

    def _trunkChanged(self, name: str, state: str) -> None:
        try:
            self.trunkChanged(name, state)
        except Exception:
            self.log.failure("trunkChanged failed for {name}: {state}", name=name, state=state)

    def _nameOf(self, cookie: str) -> str:
        app = self._apps.get(cookie)
        return cookie if app is None else app.va_describe()

    def _configured(self) -> list[str]:
        """The options in the configuration file, if there is one."""
        if self.configFileName is None:
            return []
        for folder in (Path(), Path.home()):
            path = folder / self.configFileName
            if path.is_file():
                return readConfigFile(path)
        return []

    @property
    def reactor(self) -> Any:
        """The reactor that was handed in."""
        if self._reactor is None:
            raise RuntimeError("DougApplication: hand a reactor in (reactor=...)")
        return self._reactor

    def deferToThread(self, f: Callable[..., T], *args: Any, **kwargs: Any) -> Deferred[T]:
        """Runs f in a thread of the reactor's pool; the Deferred has what it returns."""
        return self._jobs.run(f, *args, **kwargs)

    @property
    def exchange(self) -> Exchange:
        """What all calls share. RuntimeError before start() and after shutdown()."""
        if self._exchange is None:
            raise RuntimeError("this server is not running: start() opens its ports")
        return self._exchange
