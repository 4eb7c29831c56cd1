"""doug.toml: what a server is told by a file.

Lives here: reading it, and what is wrong with it, by key and line. Not here: what the options mean
(doug.options has each as a command line has it), trunks as values (doug.trunks).
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from ipaddress import ip_network
from math import inf
from pathlib import Path
from typing import Any, NamedTuple

from doug.dialplan import parseGateway
from doug.plainfile import readWhole
from doug.settings import parseCodecs
from doug.trunks import IDENTITIES, INBOUND, TRANSFERS, TRANSPORTS, Trunk
from shtoom.agent.registrar import Phone
from shtoom.sip.shown import shown

__all__ = ["Config", "ConfigError", "Route", "readConfig"]

OPTION_TABLES = ("server", "limits", "record", "log")
"""Tables whose keys are options of the command line, without their dashes before."""

COMMAND_LINE = ("config", "check", "help", "version")
"""Options that are no keys."""

TABLES = (*OPTION_TABLES, "trunk", "phone", "route")


class ConfigError(ValueError):
    """A mistake in the file; the text is one line that names file, line and key.

    It does not show the value, which may be a password that stands where it does not belong.
    """


class Route(NamedTuple):
    """Which application a call is for. user, trunk: None for any. app: module.Class."""

    app: str
    user: str | None = None
    trunk: str | None = None
    args: Mapping[str, Any] = {}


class Given(NamedTuple):
    """One option of the file. where: file and line, for what is wrong with its value."""

    name: str
    value: str | bool
    where: str


@dataclass(frozen=True)
class Config:
    """What a file says. options: in its order. trunks, phones: by name. where: file and line of a
    path of keys, such as ("route", "0", "app"), for what is wrong with its value.
    """

    options: tuple[Given, ...] = ()
    trunks: Mapping[str, Trunk] = field(default_factory=dict)
    phones: Mapping[str, Phone] = field(default_factory=dict)
    routes: tuple[Route, ...] = ()
    where: Callable[[tuple[str, ...]], str] = field(
        default=lambda path: "", compare=False, repr=False
    )


def readConfig(path: Path) -> Config:
    """Reads a file. Raises ConfigError, for one that cannot be read, too."""
    try:
        text = readWhole(path).decode("utf-8-sig")  # some editors begin with a mark of order
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror or error}") from None
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise ConfigError(f"{path}, line {line}: the file is not in UTF-8") from None
    try:
        tables = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        found = re.search(r"\(at line (\d+), column \d+\)", str(error))
        words = str(error).partition(" (at ")[0]
        where = f"{path}, line {found[1]}" if found else f"{path}, at its end"
        raise ConfigError(f"{where}: {words}") from None
    except RecursionError:
        raise ConfigError(f"{path}: a list or table in it is nested too deep") from None
    return _Reader(path, text, tables).config()


class _Reader:
    """One file. Each method raises ConfigError."""

    def __init__(self, path: Path, text: str, tables: dict[str, Any]) -> None:
        self._path, self._lines, self._tables = path, text.splitlines(), tables

    def config(self) -> Config:
        """All of it."""
        for name, table in self._tables.items():
            if name not in TABLES:
                wanted = ", ".join(f"[{known}]" for known in TABLES)
                self._fail((name,), f"there is no such table: wanted {wanted}")
            if not isinstance(table, list if name == "route" else dict):
                form = "[[route]]" if name == "route" else f"[{name}]"
                self._fail((name,), f"wanted a table: {form}")
        return Config(
            options=tuple(given for name in OPTION_TABLES for given in self._options(name)),
            trunks=self._named("trunk", self._trunk),
            phones=self._named("phone", self._phone),
            routes=tuple(
                self._route(number, table)
                for number, table in enumerate(self._tables.get("route", ()))
            ),
            where=self._where,
        )

    def _options(self, table: str) -> list[Given]:
        """One for each value; a list stands for an option that is given several times."""
        found = []
        for key, value in self._tables.get(table, {}).items():
            where = self._where((table, key))
            if key in COMMAND_LINE:
                self._fail((table, key), "belongs on the command line")
            for item in value if isinstance(value, list) else [value]:
                if isinstance(item, bool):
                    found.append(Given(key, item, where))
                elif isinstance(item, str | int | float):
                    found.append(Given(key, str(item), where))
                else:
                    self._fail((table, key), f"wanted a text or a number, got {_kindOf(item)}")
        return found

    def _named(self, kind: str, read: Callable[[str, _Keys], Any]) -> dict[str, Any]:
        found = {}
        for name, table in self._tables.get(kind, {}).items():
            if not isinstance(table, dict):
                self._fail((kind, name), f"wanted a table of its own: [{kind}.NAME]")
            keys = _Keys(self, (kind, name), table)
            try:
                found[name] = read(name, keys)
            except ConfigError:
                raise
            except ValueError as error:  # of the value as a whole, its name included
                self._fail((kind, name), str(error))
            keys.end()
        return found

    def _trunk(self, name: str, keys: _Keys) -> Trunk:
        host, port = keys.get("host", _hostPort, needed=True)
        trunk = Trunk(
            name=name,
            host=host,
            port=port,
            transport=keys.get("transport", _oneOf(TRANSPORTS), "udp"),
            user=keys.get("user", _text),
            password=keys.get("password", _text),
            authUser=keys.get("auth-user", _text),
            realm=keys.get("realm", _text),
            register=keys.get("register", _yesOrNo, False),
            expires=keys.get("expires", _number(60), 600),
            networks=keys.get("networks", _networks, ()),
            codecs=keys.get("codecs", _codecs),
            identity=keys.get("identity", _oneOf(IDENTITIES), "from"),
            qualify=keys.get("qualify", _number(5)),
            maxCalls=keys.get("max-calls", _number(1)),
            maxRate=keys.get("max-rate", _rate),
            inbound=keys.get("inbound", _oneOf(INBOUND), "address"),
            transfers=keys.get("transfers", _oneOf(TRANSFERS), "app"),
        )
        if trunk.register and trunk.user is None:
            self._fail(("trunk", name, "register"), "wanted a user, too: who registers?")
        if trunk.password is not None and trunk.credentials is None:
            self._fail(("trunk", name, "password"), "wanted a user, too: whose is it?")
        return trunk

    def _phone(self, name: str, keys: _Keys) -> Phone:
        return Phone(
            password=keys.get("password", _text, needed=True),
            maxContacts=keys.get("max-contacts", _number(1), 5),
        )

    def _route(self, number: int, table: Any) -> Route:
        if not isinstance(table, dict):
            self._fail(("route", str(number)), "wanted a table of its own")
        keys = _Keys(self, ("route", str(number)), table)
        route = Route(
            app=keys.get("app", _text, needed=True),
            user=keys.get("user", _text),
            trunk=keys.get("trunk", _text),
            args=keys.get("args", _arguments, {}),
        )
        keys.end()
        if route.trunk is not None and route.trunk not in self._tables.get("trunk", {}):
            self._fail(
                ("route", str(number), "trunk"), f"there is no [trunk.{route.trunk}] in this file"
            )
        return route

    def fail(self, path: tuple[str, ...], why: str) -> None:
        """For the parts of it."""
        self._fail(path, why)

    def _fail(self, path: tuple[str, ...], why: str) -> None:
        name = path[-1]
        if len(path) == 2 and path[0] in ("trunk", "phone"):
            name = f"[{path[0]}.{name}]"
        elif len(path) == 2 and path[0] == "route":
            name = "[[route]]"
        raise ConfigError(f"{self._where(path)}: {shown(name)}: {why}")

    def _where(self, path: tuple[str, ...]) -> str:
        line = self._lineOf(path)
        return f"{self._path}, line {line}" if line else str(self._path)

    def _lineOf(self, path: tuple[str, ...]) -> int | None:
        """Where a key or table stands; tomllib does not tell.

        A table inside its parent's line, such as trunk.a = {...}, is found by its first key.
        """
        here: tuple[str, ...] = ()
        routes, best, depth = -1, None, 0
        for number, line in enumerate(self._lines, 1):
            header = _HEADER.match(line)
            key = _KEY.match(line)
            if header is not None:
                here = _names(header[1])
                if here == ("route",):
                    routes += 1
                    here = ("route", str(routes))
                at = here
            elif key is not None:
                at = here + _names(key[1])
            else:
                continue
            common = min(len(at), len(path))
            same = common if at[:common] == path[:common] else 0
            if same > depth:
                best, depth = number, same
        return best


_HEADER = re.compile(r"\s*\[\[?\s*([^\[\]]+?)\s*\]\]?\s*(?:#.*)?\Z")
_KEY = re.compile(r"\s*((?:[A-Za-z0-9_-]+|\"[^\"]*\"|'[^']*')(?:\s*\.\s*[A-Za-z0-9_\"'-]+)*)\s*=")
_NAME = re.compile(r"[A-Za-z0-9_-]+|\"[^\"]*\"|'[^']*'")


def _names(dotted: str) -> tuple[str, ...]:
    return tuple(name.strip("\"'") for name in _NAME.findall(dotted))


class _Keys:
    """The keys of one table, read one by one; end() names those that nobody reads."""

    def __init__(self, reader: _Reader, path: tuple[str, ...], table: dict[str, Any]) -> None:
        self._reader, self._path, self._table = reader, path, table
        self._known: list[str] = []

    def get(
        self, key: str, read: Callable[[Any], Any], default: Any = None, *, needed: bool = False
    ) -> Any:
        """The value, as `read` makes it; ValueError of that says what would be right."""
        self._known.append(key)
        if key not in self._table:
            if needed:
                for meant in get_close_matches(key, self._table, 1):
                    where = (*self._path, meant)
                    self._reader.fail(where, f"there is no such key: did you mean {key}?")
                self._reader.fail(self._path, f"{key} is missing")
            return default
        try:
            return read(self._table[key])
        except ValueError as error:
            self._reader.fail((*self._path, key), str(error))

    def end(self) -> None:
        """No key is left."""
        for key in self._table:
            if key not in self._known:
                wanted = ", ".join(self._known)
                self._reader.fail((*self._path, key), f"there is no such key: wanted {wanted}")


def _kindOf(value: Any) -> str:
    """What it is, in TOML's words."""
    kinds = {dict: "a table", list: "a list", bool: "true or false", str: "a text"}
    return kinds.get(type(value), "a date or time")


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value or any(c in value for c in "\r\n\0"):
        raise ValueError("wanted a text in quotes, of one line")
    return value


def _yesOrNo(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError("wanted true or false, without quotes")
    return value


def _number(least: int) -> Callable[[Any], int]:
    def read(value: Any) -> int:
        if not isinstance(value, int) or isinstance(value, bool) or value < least:
            raise ValueError(f"wanted a number, {least} or more, without quotes")
        return value

    return read


def _rate(value: Any) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0 < value < inf:
        raise ValueError("wanted a number a second, above 0, without quotes")
    return float(value)


def _oneOf(words: tuple[str, ...]) -> Callable[[Any], str]:
    def read(value: Any) -> str:
        if value not in words:
            raise ValueError(f"wanted one of {', '.join(words)}")
        return str(value)

    return read


def _hostPort(value: Any) -> tuple[str, int | None]:
    host, port = _text(value), None
    parseGateway(host)
    if host.endswith("]") or ":" not in host:
        return host.strip("[]"), port
    name, _, number = host.rpartition(":")
    return name.strip("[]"), int(number)


def _networks(value: Any) -> tuple[Any, ...]:
    wanted = 'wanted a list of networks, such as ["203.0.113.0/24", "2001:db8::/32"]'
    if not isinstance(value, list):
        raise ValueError(wanted)
    try:
        return tuple(ip_network(_text(item)) for item in value)
    except ValueError as error:
        raise ValueError(f"{wanted}; {error}") from None


def _codecs(value: Any) -> tuple[str, ...]:
    return parseCodecs(",".join(map(_text, value)) if isinstance(value, list) else _text(value))


def _arguments(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict) or not all(name.isidentifier() for name in value):
        raise ValueError('wanted names and values, such as {greeting = "hello.wav"}')
    return value
