"""The options of `twistd doug` and of the scripts.

Lives here: reading them, also from a file. Not here: what they mean for the server
(doug.settings, doug.application), how twistd hears of a mistake (doug.tap).
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from difflib import get_close_matches
from inspect import signature
from pathlib import Path
from typing import Any, TypeVar

from twisted.python import usage

import twisted
from doug._version import __version__
from doug.config import Config, ConfigError, Given, readConfig
from doug.dialplan import parseGateway, parsePattern
from doug.loader import AppNotLoaded, importFromHere, loadApp
from doug.settings import (
    ANONYMOUS,
    IDLE,
    Endpoint,
    Routed,
    Settings,
    parseAdvertise,
    parseCodecs,
    parseCount,
    parseEndpoint,
    parseFloor,
    parseNetwork,
    parseOrigin,
    parsePortRange,
    parseRate,
    parseScanners,
    parseSeconds,
    parseWord,
)
from doug.trunks import Network, Trunk, parseRegister
from doug.voiceapp import VoiceApp, checkArguments
from shtoom.agent.gatekeeper import parseAlgorithms, parseQops
from shtoom.sip.hep import parseHEP
from shtoom.sip.trace import parseSubject

T = TypeVar("T")

REPEATABLE = frozenset(
    (
        *("app", "listen", "args", "dougargs", "max-calls", "register", "trace-sip"),
        *("dial-out", "ws-origin", "allow", "deny"),
    )
)
"""Options that may be given several times; of others a file says one value."""


class Options(usage.Options):
    """A command line, read; UsageError names the option, what is wrong and what would be right."""

    synopsis = "[options]"
    longdesc = (
        "Answers SIP calls with an application, a class derived from doug.VoiceApp in a module of "
        "the current folder or elsewhere on Python's path: twistd -n doug --app=mymodule.MyApp"
    )

    def __init__(self) -> None:
        super().__init__()
        self.apps: dict[str, str] = {}
        self.given: dict[str, Any] = {}
        self.args: dict[str, str] = {}
        self.listen: list[Endpoint] = []
        self.origins: list[str] = []
        self.dialOut: list[str] = []
        self.traceSIP: list[str] = []
        self.userCalls: dict[str, int] = {}
        self.trunks: dict[str, Trunk] = {}
        self.networks: dict[str, list[Network]] = {"allow": [], "deny": []}
        self.places: dict[tuple[str, object], str] = {}
        self.config = Config()
        self.configFile: Path | None = None
        self.check = False

    def opt_config(self, value: str) -> None:
        """doug.toml, or another file of its form; what is said here goes before. SIGHUP reads it
        anew."""
        self.configFile = Path(value).absolute()  # the current folder may be another one later
        self._readConfig(Path(value))

    def reread(self) -> None:
        """The file of --config anew; UsageError for a mistake, or if there is no such file."""
        if self.configFile is None:
            raise usage.UsageError("there is no --config=FILE that could be read anew")
        self._readConfig(self.configFile)

    def _readConfig(self, path: Path) -> None:
        try:
            self.config = readConfig(path)
        except ConfigError as e:
            raise usage.UsageError(str(e)) from None

    def opt_check(self) -> None:
        """Say what this server would do and what would go wrong, and end: exit code 0, or 1."""
        self.check = True

    def opt_app(self, value: str) -> None:
        """module.Class for all calls, or USER=module.Class for calls to USER; repeatable."""
        user, equals, name = value.rpartition("=")
        if equals and not user:
            raise usage.UsageError(f"--app={value}: wanted module.Class or USER=module.Class")
        if user in self.apps:
            whom = f"calls to {user!r}" if user else "all calls"
            raise usage.UsageError(
                f"--app={value}: {whom} have {self.apps[user]} already; "
                "--app=USER=module.Class gives one user an application of its own"
            )
        self.apps[user] = name

    def opt_listen(self, value: str) -> None:
        """udp[:HOST]:PORT, tcp, tls, ws or wss: where SIP is heard, port 0: any; repeatable.
        [default: udp:*:5060]"""
        self.listen.append(self._read("listen", value, parseEndpoint))

    def opt_rtp_ports(self, value: str) -> None:
        """UDP ports for media, FIRST-LAST; a call uses an even one. [default: 10000-20000]"""
        self.given["rtpPorts"] = self._read("rtp-ports", value, parsePortRange)

    def opt_advertise(self, value: str) -> None:
        """The IP address that phones reach this server by, if it is not its own (NAT, cloud);
        stun:HOST[:PORT] asks a STUN server, auto takes what registrars see."""
        self.given["advertise"] = self._read("advertise", value, parseAdvertise)

    def opt_codecs(self, value: str) -> None:
        """NAME,NAME... of pcmu, pcma, g722: what calls may use, the best first. [default: all]"""
        self.given["codecs"] = self._read("codecs", value, parseCodecs)

    def opt_args(self, value: str) -> None:
        """NAME=VALUE becomes an attribute of the application (repeatable)."""
        name, equals, text = value.partition("=")
        if not equals or not name.isidentifier():
            # the rest may be a password
            raise usage.UsageError(f"--args={name}: wanted NAME=VALUE, such as greeting=hello.wav")
        self.args[name] = text

    def opt_dougargs(self, value: str) -> None:
        """The name that --args had in 2004."""
        self.opt_args(value)

    def opt_idle(self, value: str) -> None:
        """What a call is sent while nothing plays: sparse, silence, none. [default: sparse]"""
        if value not in IDLE:
            raise usage.UsageError(f"--idle={value}: wanted one of {', '.join(IDLE)}")
        self.given["idle"] = value

    def opt_hold_music(self, value: str) -> None:
        """A sound file for those on hold, none: silence. [default: a tune of Doug's own]"""
        self.given["holdMusic"] = (
            None if value == "none" else self._read("hold-music", value, parseWord)
        )

    def opt_info_keys(self) -> None:
        """Send keys as SIP INFO, not as tones, to phones that take no telephone-events."""
        self.given["infoKeys"] = True

    def opt_max_calls(self, value: str) -> None:
        """Calls at a time; more hear 503. USER=N: to that user; more hear 486; repeatable.
        [default: as many as --rtp-ports carry]"""
        user, equals, number = value.rpartition("=")
        count = self._read("max-calls", value, lambda _: parseCount(number))
        if equals:
            self.userCalls[user] = count
        else:
            self.given["maxCalls"] = count

    def opt_max_early_calls(self, value: str) -> None:
        """Calls that wait for their answer, or its ACK, at a time; one source has half of them;
        more hear 503. [default: 200]"""
        self.given["maxEarlyCalls"] = self._read("max-early-calls", value, parseCount)

    def opt_max_call_duration(self, value: str) -> None:
        """Seconds that a call may last, 0: for ever. [default: 14400, four hours]"""
        self.given["maxCallDuration"] = self._read("max-call-duration", value, parseSeconds)

    def opt_max_recording(self, value: str) -> None:
        """Seconds that one recording to a file may last, 0: as long as the call. [default: 0]"""
        self.given["maxRecording"] = self._read("max-recording", value, parseSeconds)

    def opt_rtp_timeout(self, value: str) -> None:
        """Seconds without a packet that end a call that is not on hold, 0: none. [default: 60]"""
        self.given["rtpTimeout"] = self._read("rtp-timeout", value, parseSeconds)

    def opt_session_expires(self, value: str) -> None:
        """Seconds after which a call whose far end is gone ends (RFC 4028, where that knows it);
        each is asked at half time. 0: not asked for. [default: 1800]"""
        self.given["sessionExpires"] = int(self._read("session-expires", value, parseSeconds))

    def opt_min_se(self, value: str) -> None:
        """Seconds below which nobody may ask to be refreshed (RFC 4028). [default: 90]"""
        self.given["minSE"] = self._read("min-se", value, parseFloor)

    def opt_max_legs(self, value: str) -> None:
        """Legs of one application, beyond which it cannot dial. [default: 50]"""
        self.given["maxLegs"] = self._read("max-legs", value, parseCount)

    def opt_max_queued_events(self, value: str) -> None:
        """Events that wait for a handler's Deferred; one more ends that call. [default: 1000]"""
        self.given["maxQueuedEvents"] = self._read("max-queued-events", value, parseCount)

    def opt_max_transactions(self, value: str) -> None:
        """Requests without an answer at a time; new ones hear 503. [default: 10000]"""
        self.given["maxTransactions"] = self._read("max-transactions", value, parseCount)

    def opt_max_message(self, value: str) -> None:
        """Bytes of a SIP message; longer ones hear 513. [default: 65536]"""
        self.given["maxMessage"] = self._read("max-message", value, parseCount)

    def opt_max_connections(self, value: str) -> None:
        """Connections (TCP, TLS, WebSocket) that others may have open at each port; more are
        closed. [default: 2000]"""
        self.given["maxConnections"] = self._read("max-connections", value, parseCount)

    def opt_max_source_connections(self, value: str) -> None:
        """The same of one source, unless it is this machine or a trunk. [default: 100]"""
        self.given["maxSourceConnections"] = self._read("max-source-connections", value, parseCount)

    def opt_source_rate(self, value: str) -> None:
        """Requests a second of one source, outside of calls, twice as many at once; more hear 503,
        then nothing. 0: no limit. [default: 50]"""
        self.given["sourceRate"] = self._read("source-rate", value, parseRate)

    def opt_scanners(self, value: str) -> None:
        """WORD,WORD... in User-Agent of who is not heard, none: all are. [default: friendly-scanner
        and others that search for accounts]"""
        self.given["scanners"] = self._read("scanners", value, parseScanners)

    def opt_max_guesses(self, value: str) -> None:
        """Different users as which one source may be refused in a minute; then it is not heard for
        five minutes. 0: any number. [default: 20]"""
        number = 0 if value == "0" else self._read("max-guesses", value, parseCount)
        self.given["maxGuesses"] = number

    def opt_limit_loopback(self) -> None:
        """Limits of a source hold for this machine, too."""
        self.given["limitLoopback"] = True

    def opt_drain_timeout(self, value: str) -> None:
        """Seconds that calls may go on when the server is to stop, 0: none. [default: 30]"""
        self.given["drainTimeout"] = self._read("drain-timeout", value, parseSeconds)

    def opt_dial_out(self, value: str) -> None:
        """[USER@]HOST with * that applications may dial, and no other; repeatable. [default: *]"""
        self.dialOut.append(self._read("dial-out", value, parsePattern))

    def opt_gateway(self, value: str) -> None:
        """HOST[:PORT] that tel: addresses are dialled at. [default: they cannot be dialled]"""
        self.given["gateway"] = self._read("gateway", value, parseGateway)

    def opt_certificate(self, value: str) -> None:
        """The certificate for TLS, with its chain (PEM); read again when the file has changed."""
        self.given["certificate"] = self._read("certificate", value, parseWord)

    def opt_private_key(self, value: str) -> None:
        """Its key (PEM). [default: in the file of the certificate]"""
        self.given["privateKey"] = self._read("private-key", value, parseWord)

    def opt_tls_ca(self, value: str) -> None:
        """Who may sign the certificates of others (PEM). [default: whom the system believes]"""
        self.given["tlsCA"] = self._read("tls-ca", value, parseWord)

    def opt_tls_no_verify(self) -> None:
        """Take whatever certificate others have."""
        self.given["tlsVerify"] = False

    def opt_ws_origin(self, value: str) -> None:
        """A web site whose pages may connect by WebSocket, https://HOST; repeatable.

        [default: those of any site]"""
        self.origins.append(self._read("ws-origin", value, parseOrigin))

    def opt_register(self, value: str) -> None:
        """sip:USER:PASSWORD@HOST[:PORT] of an account to register, a trunk; repeatable."""
        try:
            trunk = parseRegister(value)
        except ValueError as e:  # which is not to show the password
            raise usage.UsageError(f"--register: {e}") from None
        name = trunk.name if trunk.name not in self.trunks else f"{trunk.user}@{trunk.name}"
        self.trunks[name] = replace(trunk, name=name)

    def opt_anonymous(self, value: str) -> None:
        """What becomes of callers that are of no trunk and no phone: app (they are served), reject,
        or auto: reject as soon as there is a trunk or a phone. [default: auto]"""
        if value not in ANONYMOUS:
            raise usage.UsageError(f"--anonymous={value}: wanted one of {', '.join(ANONYMOUS)}")
        self.given["anonymous"] = value

    def opt_allow(self, value: str) -> None:
        """A network whose callers are served, and no other; repeatable. [default: all]"""
        self.networks["allow"].append(self._read("allow", value, parseNetwork))

    def opt_deny(self, value: str) -> None:
        """A network whose callers are refused; repeatable. [default: none]"""
        self.networks["deny"].append(self._read("deny", value, parseNetwork))

    def opt_realm(self, value: str) -> None:
        """The realm in which phones that register here have their passwords. [default: doug]"""
        self.given["realm"] = self._read("realm", value, parseWord)

    def opt_digest(self, value: str) -> None:
        """NAME,NAME... of SHA-512-256, SHA-256, MD5: how phones that register here may prove their
        password. [default: SHA-256,MD5]"""
        self.given["digest"] = self._read("digest", value, parseAlgorithms)

    def opt_qop(self, value: str) -> None:
        """NAME,NAME... of auth, auth-int: what phones that register here are offered to protect;
        auth-int has descriptions in it, which routers may change. [default: auth]"""
        self.given["qop"] = self._read("qop", value, parseQops)

    def opt_registrations(self, value: str) -> None:
        """A file that keeps phones' registrations over a restart. [default: none does]"""
        self.given["registrations"] = self._read("registrations", value, parseWord)

    def opt_trace_sip(self, value: str) -> None:
        """Write SIP messages into the log: all, those with an IP address or network, or those whose
        Call-ID begins so; repeatable. SIGUSR2 switches all on and off. [default: none]"""
        self._read("trace-sip", value, parseSubject)
        self.traceSIP.append(value)

    def opt_trace_full(self) -> None:
        """Whole messages in the trace, not one line each."""
        self.given["traceFull"] = True

    def opt_trace_no_digits(self) -> None:
        """Mask keys that phones send as SIP INFO in the trace."""
        self.given["traceNoDigits"] = True

    def opt_hep(self, value: str) -> None:
        """HOST[:PORT][,ID[,PASSWORD]] of a Homer that is shown all SIP messages (HEPv3, UDP).
        [default: nobody is]"""
        try:
            parseHEP(value)
        except ValueError as e:  # which is not to show the password
            raise usage.UsageError(f"--hep: {e}") from None
        self.given["hep"] = value

    def settings(
        self, default: type[VoiceApp] | None = None, before: Settings | None = None
    ) -> Settings:
        """The settings, with the applications imported; the default one is apps[""].

        default: the application of a server that was told none. before: what holds where the
        command line says nothing. UsageError if an application cannot be had.
        """
        importFromHere()
        before = self._ofFile(before if before is not None else Settings())
        apps: dict[str, type[VoiceApp]] = dict(before.apps)
        if default is not None:
            apps.setdefault("", default)
        for user, name in self.apps.items():
            apps[user] = self._load("--app", name)
        if not apps and not before.routes:
            raise usage.UsageError("--app=module.Class is missing: which application shall answer?")
        settings = self._over(before)
        for app in apps.values():
            self._check(app, settings.args, "--args")
        return replace(settings, apps=apps)

    def _over(self, before: Settings) -> Settings:
        """What these options say over `before`; applications aside."""
        given = dict(self.given)
        lists: dict[str, list[Any]] = dict(self.networks)
        lists.update(listen=self.listen, dialOut=self.dialOut, traceSIP=self.traceSIP)
        lists.update(wsOrigins=self.origins)
        given.update((name, tuple(found)) for name, found in lists.items() if found)
        if self.userCalls:
            given["userCalls"] = self.userCalls
        anew = {name.lower() for name in given}
        places = {
            key: where
            for key, where in before.places.items()
            if key[0].replace("-", "") not in anew
            and not (key[0] == "app" and key[1] in self.apps)
            and not (key[0] == "args" and key[1] in self.args)
        }
        return replace(
            before,
            places={**places, **self.places},
            args={**before.args, **self.args},
            trunks={**before.trunks, **self.trunks},
            **given,
        )

    def _ofFile(self, before: Settings) -> Settings:
        """What --config says over `before`, its applications imported."""
        config = self.config
        options = Options()
        for given in config.options:
            options.take(given)
        apps = {
            user: self._load(f"{options.places['app', user]}: app", name)
            for user, name in options.apps.items()
        }
        routes = []
        for number, route in enumerate(config.routes):
            at = ("route", str(number))
            app = self._load(f"{config.where((*at, 'app'))}: app", route.app)
            self._check(app, route.args, f"{config.where((*at, 'args'))}: args")
            routes.append(Routed(app, *route[1:]))
            place = len(before.routes) + number
            options.places["route", place] = config.where(at)
            options.places["route's args", place] = config.where((*at, "args"))
        for name in config.trunks:
            options.places["trunk", name] = config.where(("trunk", name))
        return replace(
            options._over(before),
            apps={**before.apps, **apps},
            routes=(*before.routes, *routes),
            trunks={**before.trunks, **config.trunks},
            phones={**before.phones, **config.phones},
        )

    def take(self, given: Given) -> None:
        """An option of a file; UsageError names its place in it."""
        option = getattr(self, f"opt_{given.name.replace('-', '_')}", None)
        if option is None:
            known = [name[4:].replace("_", "-") for name in dir(self) if name.startswith("opt_")]
            like = get_close_matches(given.name, known, 1)
            also = f"; did you mean {like[0]}?" if like else ""
            raise usage.UsageError(f"{given.where}: there is no such key: {given.name}{also}")
        isFlag = not signature(option).parameters
        if isFlag != isinstance(given.value, bool):
            wanted = "true or false" if isFlag else "a text or a number"
            raise usage.UsageError(f"{given.where}: {given.name}: wanted {wanted}")
        before = self.places.get((given.name, None))
        if before is not None and given.name not in REPEATABLE:
            raise usage.UsageError(f"{given.where}: {given.name}: said already at {before}")
        apps, args = set(self.apps), set(self.args)
        try:
            if not isFlag:
                option(given.value)
            elif given.value:
                option()
        except usage.UsageError as e:
            words = str(e).removeprefix(f"--{given.name}").removeprefix(f"={given.value}")
            words = words.removeprefix(f"={str(given.value).partition('=')[0]}")  # all of --args
            words = words.removeprefix(": ")
            raise usage.UsageError(f"{given.where}: {given.name}: {words}") from e
        which: list[object] = [None]
        match given.name:
            case "listen":
                which = [len(self.listen) - 1]
            case "app":
                which = [*(set(self.apps) - apps)]
            case "args" | "dougargs":
                which = [*(set(self.args) - args)]
        self.places.update(((given.name, each), given.where) for each in which)

    @staticmethod
    def _load(option: str, name: str) -> type[VoiceApp]:
        try:
            return loadApp(name)
        except AppNotLoaded as e:
            raise usage.UsageError(f"{option}: {e}") from e

    @staticmethod
    def _check(app: type[VoiceApp], args: Mapping[str, Any], option: str) -> None:
        try:
            checkArguments(app, args)
        except ValueError as e:
            raise usage.UsageError(f"{option}: {e}") from e

    def opt_version(self) -> None:
        """Display the versions of Doug and Twisted and exit."""
        sys.stdout.write(f"Doug {__version__}, Twisted {twisted.__version__}\n")
        raise SystemExit(0)

    def parseArgs(self, *words: str) -> None:
        """There are none beside options."""
        if words:
            raise usage.UsageError(f"{words[0]!r} is no option; did you mean --app={words[0]}?")

    @staticmethod
    def _read(option: str, value: str, parse: Callable[[str], T]) -> T:
        try:
            return parse(value)
        except ValueError as e:
            raise usage.UsageError(f"--{option}={value}: {e}") from None


def readConfigFile(path: Path) -> list[str]:
    """The options in a file, as on a command line: a line `name = value` each, # for remarks.

    Raises UsageError for a line that is none, OSError if the file cannot be read.
    """
    options = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        name, equals, value = text.partition("=")
        if not equals:
            raise usage.UsageError(f"{path}, line {number}: wanted name = value")
        options.append(f"--{name.strip()}={value.strip()}")
    return options
