"""From "module.Class" to the class, and in one line what is wrong if there is none.

Lives here: importing an application's module and judging what it holds.
Not here: options (doug.options), starting applications (doug.application).
"""

from __future__ import annotations

import os
import sys
from difflib import get_close_matches
from importlib import import_module
from inspect import signature
from pathlib import Path
from sysconfig import get_paths
from traceback import walk_tb
from types import ModuleType

from doug.statemachine import StateMachine
from doug.voiceapp import VoiceApp

_PATHS = get_paths()
_LIBRARIES = (
    "<frozen ",
    _PATHS["stdlib"],
    _PATHS["purelib"],
    _PATHS["platlib"],
    str(Path(__file__).parent) + os.sep,
)


class AppNotLoaded(Exception):
    """An application that cannot be served; the text is one line with culprit, cause and remedy."""


def loadApp(name: str) -> type[VoiceApp]:
    """The class of that name, "module.Class"; raises AppNotLoaded."""
    moduleName, dot, className = name.rpartition(".")
    if not dot or not all(part.isidentifier() for part in name.split(".")):
        raise AppNotLoaded(f"{name!r}: wanted module.Class, such as mymodule.MyApp")
    if className == "py" and os.path.exists(name):
        raise AppNotLoaded(f"{name!r}: wanted module.Class, for a class in it: {moduleName}.MyApp")
    module = _import(name, moduleName)
    found = getattr(module, className, None)
    if found is None:
        raise AppNotLoaded(f"{name}: {_whatIsThere(module, className)}")
    if not isinstance(found, type) or not issubclass(found, VoiceApp):
        kind = "a class" if isinstance(found, type) else f"of type {type(found).__name__}"
        raise AppNotLoaded(
            f"{name} is {kind}, wanted a class derived from doug.VoiceApp ({_file(module)})"
        )
    if found.__start__ is StateMachine.__start__:
        raise AppNotLoaded(
            f"{name} has no method __start__, which returns the first list of "
            f"(event class, handler) pairs ({_file(module)})"
        )
    try:
        signature(found.__init__).bind(None, None, None, None)
    except TypeError:
        raise AppNotLoaded(
            f"{name}: its __init__{signature(found.__init__)} is not what the server calls, "
            "__init__(self, deferred, application, cookie, **kwargs): set up in __start__ instead, "
            f"and take settings as attributes, --args=name=value ({_file(module)})"
        ) from None
    return found


def _import(name: str, moduleName: str) -> ModuleType:
    try:
        return import_module(moduleName)
    except ModuleNotFoundError as e:
        missing = e.name or ""
        if moduleName == missing or moduleName.startswith(missing + "."):
            raise AppNotLoaded(
                f"{name}: there is no module {missing!r} in {os.getcwd()} or elsewhere on Python's "
                "path (PYTHONPATH adds folders)"
            ) from None
        raise AppNotLoaded(_importFailed(name, moduleName, e)) from e
    except (Exception, SystemExit) as e:
        raise AppNotLoaded(_importFailed(name, moduleName, e)) from e


def _importFailed(name: str, moduleName: str, error: BaseException) -> str:
    """One line for an exception that came out of the module's own code.

    The place is the last one that is neither Python's nor a library's, where there is one.
    """
    if isinstance(error, SyntaxError):
        where, cause = f"{error.filename}, line {error.lineno}", error.msg
    else:
        frames = [
            (frame.f_code.co_filename, f"{frame.f_code.co_filename}, line {line}")
            for frame, line in walk_tb(error.__traceback__)
        ]
        own = [place for file, place in frames if not file.startswith(_LIBRARIES)]
        where, cause = own[-1] if own else frames[-1][1], str(error)
    text = f"{type(error).__name__}: {cause}" if cause else type(error).__name__
    return f"{name}: importing {moduleName} failed: {' '.join(text.split())} ({where})"


def _whatIsThere(module: ModuleType, className: str) -> str:
    apps = sorted(
        name
        for name, value in vars(module).items()
        if isinstance(value, type) and issubclass(value, VoiceApp) and value is not VoiceApp
    )
    text = f"module {module.__name__} ({_file(module)}) has no class {className!r}"
    close = get_close_matches(className, apps, 1)
    if close:
        return f"{text}; did you mean {close[0]!r}?"
    return f"{text}; its applications: {', '.join(apps) or 'none'}"


def _file(module: ModuleType) -> str:
    return getattr(module, "__file__", None) or "built in"


def importFromHere() -> None:
    """The current folder is where modules are looked for first."""
    here = os.getcwd()
    if here not in sys.path and "" not in sys.path:
        sys.path.insert(0, here)
