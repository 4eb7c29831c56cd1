"""Prompts, encoded once and kept: the sound files that calls play.

Lives here: which files are in memory, shared loading, what is too long to be kept.
Not here: reading (media.files), playing (media.clips), the queue of a leg (doug.player).
"""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from twisted.internet.defer import Deferred

from shtoom.media.clips import Clip, IClip, StreamedClip
from shtoom.media.converted import Converted
from shtoom.media.files import AudioReader, ReadableFile, openReader

if TYPE_CHECKING:
    from twisted.python.failure import Failure

    from shtoom.codecs import Codec

    DeferToThread = Callable[..., Deferred[Any]]

__all__ = ["Clip", "IClip", "PromptCache", "StreamedClip"]

LONGEST = 60.0  # seconds: a longer file is streamed
OVERHEAD = 500  # bytes that an entry takes beside its payload, roughly

Stamp = tuple[int, int, int]  # mtime in ns, size, inode
Key = tuple[str, str]  # path, name of the codec


class _Loaded(NamedTuple):
    """What a thread made of a file. payload: None if it is too long to be kept.

    stamp: None if the file changed while it was read.
    """

    payload: bytes | None
    stamp: Stamp | None


class PromptCache:
    """Sound files as payload, shared by all calls; the least recently played goes first.

    A file that was replaced on disk is read anew by the next load(): its time, size and inode are
    looked at each time (two microseconds; a file system that hangs would be heard, so prompts
    belong on a local one). Files of more than a minute are streamed, and so are open files. What
    has to be converted first is converted once.
    """

    def __init__(self, deferToThread: DeferToThread, maxBytes: int = 64 << 20) -> None:
        """deferToThread: f(*args) in a thread, its result by a Deferred. maxBytes: of payload."""
        self._deferToThread, self.maxBytes = deferToThread, maxBytes
        self._entries: OrderedDict[Key, _Loaded] = OrderedDict()
        self._waiting: dict[tuple[Key, Stamp | None], list[Deferred[_Loaded]]] = {}
        self._converted = Converted()
        self.bytes = 0

    def load(
        self, source: str | os.PathLike[str] | ReadableFile, codec: Codec
    ) -> IClip | Deferred[IClip]:
        """A clip of a path or an open binary file, in a codec without state: at once if it is here.

        Else a Deferred, which fails with AudioFileError. An open file is the clip's from here on:
        it is closed by it, or when it cannot be played.
        """
        if not isinstance(source, str | os.PathLike):
            return self._stream(source, codec)
        path = os.path.abspath(source)
        key, stamp = (path, codec.name), _stampOf(path)
        entry = self._entries.get(key)
        if entry is not None and stamp is not None and entry.stamp == stamp:
            self._entries.move_to_end(key)
            if entry.payload is not None:
                return Clip(entry.payload, codec, path)
            return self._stream(path, codec)
        return self._shared(key, stamp, codec).addCallback(self._clip, path, codec)

    def clear(self) -> None:
        """Forgets all of it; what plays goes on."""
        self._entries.clear()
        self._converted.clear()
        self.bytes = 0

    # --- in the reactor thread ----------------------------------------------------------------

    def _shared(self, key: Key, stamp: Stamp | None, codec: Codec) -> Deferred[_Loaded]:
        """One job for all who want the same file at the same time."""
        job = (key, stamp)
        mine: Deferred[_Loaded] = Deferred(lambda gone: self._forget(job, gone))
        if job in self._waiting:
            self._waiting[job].append(mine)
            return mine
        self._waiting[job] = [mine]
        loading = self._deferToThread(_load, key[0], codec, self._converted)
        loading.addCallbacks(self._loaded, self._failed, callbackArgs=(job,), errbackArgs=(job,))
        return mine

    def _forget(self, job: tuple[Key, Stamp | None], gone: Deferred[_Loaded]) -> None:
        self._waiting[job].remove(gone)

    def _loaded(self, loaded: _Loaded, job: tuple[Key, Stamp | None]) -> None:
        self._keep(job[0], loaded)
        for waiting in self._waiting.pop(job):
            waiting.callback(loaded)

    def _failed(self, failure: Failure, job: tuple[Key, Stamp | None]) -> None:
        for waiting in self._waiting.pop(job):
            waiting.errback(failure)

    def _clip(self, loaded: _Loaded, path: str, codec: Codec) -> IClip | Deferred[IClip]:
        if loaded.payload is not None:
            return Clip(loaded.payload, codec, path)
        return self._stream(path, codec)

    def _stream(self, source: str | ReadableFile, codec: Codec) -> Deferred[IClip]:
        mine: Deferred[IClip] = Deferred()

        def opened(clip: StreamedClip) -> None:
            if mine.called:  # cancelled meanwhile
                clip.close()
            else:
                mine.callback(clip)

        def failed(failure: Failure) -> None:
            if not mine.called:
                mine.errback(failure)

        self._deferToThread(self._openStream, source, codec).addCallbacks(opened, failed)
        return mine

    def _keep(self, key: Key, loaded: _Loaded) -> None:
        old = self._entries.pop(key, None)
        if old is not None:
            self.bytes -= _cost(old)
        if loaded.stamp is None or _cost(loaded) > self.maxBytes:
            return
        self._entries[key] = loaded
        self.bytes += _cost(loaded)
        while self.bytes > self.maxBytes:
            _, oldest = self._entries.popitem(last=False)
            self.bytes -= _cost(oldest)

    # --- in a thread --------------------------------------------------------------------------

    def _openStream(self, source: str | ReadableFile, codec: Codec) -> StreamedClip:
        reopen: Callable[[], AudioReader] | None = None
        if isinstance(source, str):
            path = source

            def reopen() -> AudioReader:
                return openReader(path, self._converted)

        reader = openReader(source, self._converted)
        try:
            return StreamedClip(reader, codec, self._deferToThread, reopen)
        except BaseException:
            reader.close()
            raise


def _load(path: str, codec: Codec, converted: Converted) -> _Loaded:
    """In a thread: a whole file, encoded piece by piece."""
    before = _stampOf(path)
    with openReader(path, converted) as reader:
        payload: bytes | None = None
        if reader.duration is not None and reader.duration <= LONGEST:
            pieces = []
            while not reader.ended:
                pieces.append(codec.encode(reader.readAt(codec.rate, 1.0)))
            payload = b"".join(pieces)
    after = _stampOf(path)
    return _Loaded(payload, after if after == before else None)


def _stampOf(path: str) -> Stamp | None:
    """None if there is no such file; opening it says why."""
    try:
        found = os.stat(path)
    except (OSError, ValueError):
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino


def _cost(loaded: _Loaded) -> int:
    return OVERHEAD + len(loaded.payload or b"")
