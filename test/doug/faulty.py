"""Sources, files and the like that fail in every way that an application's own may.

Lives here: the objects. Not here: what becomes of the calls that use them (test_faults.py,
test_hooks.py).
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from typing import Any

from doug.conferencing import ConfSource
from doug.leg import Leg
from doug.source import EchoSource, Source


class Fault(Exception):
    """Raised on purpose."""


class Unspeakable(Fault):
    """One whose words raise as well."""

    def __str__(self) -> str:
        raise Fault("no words")

    __repr__ = __str__


def failing(*args: Any, **kwargs: Any) -> Any:
    """A method that raises."""
    raise Fault("on purpose")


def unspeakable(*args: Any, **kwargs: Any) -> Any:
    """Likewise, with an error that cannot be printed."""
    raise Unspeakable


def having(base: type, **members: Any) -> Any:
    """An object of a class that has these members instead of those of its base."""
    return type(f"Faulty{base.__name__}", (base,), members)()


def giving(value: Any) -> Callable[..., Any]:
    """A method that returns this."""
    return lambda *args: value


class Sounding(Source):
    """A Source that gives sound and takes it."""

    def read(self) -> bytes:
        """A frame that is no silence."""
        return b"\x11\x01" * 160


def sources() -> Iterator[tuple[str, Source]]:
    """Sources by what is wrong with them; each is played and recorded to."""
    yield "read raises", having(Sounding, read=failing)
    yield "read raises what cannot be printed", having(Sounding, read=unspeakable)
    yield "write raises", having(Sounding, write=failing)
    yield "write raises what cannot be printed", having(Sounding, write=unspeakable)
    yield "close raises", having(Sounding, close=failing)
    yield "close raises what cannot be printed", having(Sounding, close=unspeakable)
    yield "all of it raises", having(Sounding, read=failing, write=failing, close=failing)
    yield "repr raises", having(Sounding, __repr__=failing)
    yield (
        "repr and all else",
        having(Sounding, __repr__=failing, read=failing, write=failing, close=failing),
    )
    yield "read gives None", having(Sounding, read=giving(None))
    yield "read gives text", having(Sounding, read=giving("sound"))
    yield "read gives a number", having(Sounding, read=giving(7))
    yield "read gives half a sample", having(Sounding, read=giving(b"\0" * 319))
    yield "read gives too much", having(Sounding, read=giving(b"\0" * 321))
    yield "read gives another buffer", having(Sounding, read=giving(memoryview(bytes(320))))
    yield "the end of one use raises", having(Sounding, _useEnded=failing)
    yield "an echo that raises", having(EchoSource, write=failing)
    yield "endless raises", having(Sounding, endless=property(failing))
    yield "it is done at each frame", having(Sounding, read=lambda self: self.leg._sourceDone(self))
    yield "it stops its own leg", having(Sounding, read=_stops)
    yield "it hangs up its own leg", having(Sounding, write=_hangsUp)


def _stops(source: Source) -> bytes:
    assert source.leg is not None
    source.leg.mediaStop()
    return bytes(320)


def _hangsUp(source: Source, frame: bytes) -> None:
    assert source.leg is not None
    source.leg.hangupCall()


class Reading(io.BytesIO):
    """An open file with a second of raw sound in it."""

    def __init__(self) -> None:
        super().__init__(b"\x11\x01" * 8000)


def readFiles() -> Iterator[tuple[str, Any]]:
    """Open files to be played."""
    yield "read raises", having(Reading, read=failing)
    yield "read raises what cannot be printed", having(Reading, read=unspeakable)
    yield "read raises later", having(Reading, read=_once)
    yield "read gives None", having(Reading, read=giving(None))
    yield "read gives text", having(Reading, read=giving("sound"))
    yield "read gives more than was asked for", having(Reading, read=lambda self, n: bytes(n + 7))
    yield "close raises", having(Reading, close=failing)
    yield "close raises what cannot be printed", having(Reading, close=unspeakable)
    yield "name raises", having(Reading, name=property(failing))
    yield "name is a number", having(Reading, name=7)
    yield "repr raises", having(Reading, __repr__=failing, read=failing)
    yield "closed already", _closed()


def _once(file: Reading, size: int = -1) -> bytes:
    if file.tell() > 8000:
        raise Fault("later")
    return io.BytesIO.read(file, size)


def _closed() -> Reading:
    file = Reading()
    file.close()
    return file


def writtenFiles() -> Iterator[tuple[str, Any]]:
    """Open files to be recorded to."""
    yield "write raises", having(io.BytesIO, write=failing)
    yield "write raises what cannot be printed", having(io.BytesIO, write=unspeakable)
    yield "write gives text", having(io.BytesIO, write=giving("all"))
    yield "write gives a negative number", having(io.BytesIO, write=giving(-5))
    yield "write takes nothing", having(io.BytesIO, write=giving(0))
    yield "write says that it took more", having(io.BytesIO, write=giving(1 << 40))
    yield "close raises", having(io.BytesIO, close=failing)
    yield "close raises what cannot be printed", having(io.BytesIO, close=unspeakable)
    yield "name raises", having(io.BytesIO, name=property(failing))
    yield "tell raises", having(io.BytesIO, name="x.wav", tell=failing)
    yield "seek raises", having(io.BytesIO, name="x.wav", seek=failing)
    yield "repr raises", having(io.BytesIO, __repr__=failing, write=failing)


class FaultySeat(ConfSource):
    """A seat in a conference that raises in what it says, or hears."""

    def __init__(self, room: Any, leg: Leg, what: str) -> None:
        super().__init__(room, leg)
        self.what = what

    def read(self) -> bytes:
        """What the others say."""
        if self.what == "read":
            raise Fault(self.what)
        return super().read()

    def write(self, frame: bytes) -> None:
        """What it says."""
        if self.what == "write":
            raise Fault(self.what)
        super().write(frame[:7] if self.what == "short" else frame)

    def close(self) -> None:
        """It leaves."""
        super().close()
        if self.what == "close":
            raise Fault(self.what)
