"""Headers of WAV and AU files, and their samples as 16-bit mono.

Lives here: the walk over chunks, what a header says and what can be believed of it, making headers.
Not here: opening, suffixes, file names in errors (shtoom.media.files), other rates
(audio.resample). Numbers are little-endian in RIFF (Multimedia Programming Interface, 1991) and
big-endian in AU.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from struct import Struct
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from shtoom import codecs
from shtoom.audio.frames import RATE

__all__ = [
    "AudioFormat",
    "BadHeader",
    "Encoding",
    "OtherCoding",
    "parseAu",
    "parseWav",
    "toMono16",
    "wavHeader",
]

UNKNOWN_SIZE = 0xFFFFFFFF
MAX_CHUNKS = 1000  # before the sound; no program writes more than a dozen
MAX_HEAD = 64 << 20  # bytes before the sound, such as pictures; reading more would take its time
MAX_CHANNELS = 64
MIN_RATE, MAX_RATE = 1000, 384_000  # samples a second; others are a broken header

ReadAt = Callable[[int, int], bytes]
"""(offset, size) -> that part of the file, shorter at its end. Offsets never go back."""

_CHUNK = Struct("<4sI")
_FMT = Struct("<HHIIHH")
_AU = Struct(">4sIIIII")


class BadHeader(ValueError):
    """A header that no sound can be read by; the text says what is wrong with it."""


class OtherCoding(BadHeader):
    """A good header of sound whose coding is not read here. name: of the coding."""

    def __init__(self, name: str, tag: int) -> None:
        super().__init__(f"has sound coded as {name} (tag {tag})")
        self.name = name


class Encoding(Enum):
    """How one sample is written. The value is its name for people."""

    PCM = "PCM"
    FLOAT = "float"
    ULAW = "mu-law"
    ALAW = "A-law"


class AudioFormat(NamedTuple):
    """What is in a file, and where.

    rate: samples a second and channel. width: bytes of one sample of one channel. dataStart: offset
    of the sound. dataSize: its bytes as the header says, None for "to the end of the file".
    """

    encoding: Encoding
    rate: int
    channels: int
    width: int
    dataStart: int = 0
    dataSize: int | None = None
    bigEndian: bool = False

    @property
    def frameBytes(self) -> int:
        """Bytes of one sample of all channels."""
        return self.width * self.channels

    def __str__(self) -> str:
        return f"{self.rate} Hz {8 * self.width}-bit {self.encoding.value}, {self.channels} ch"


_WAV_TAGS = {1: Encoding.PCM, 3: Encoding.FLOAT, 6: Encoding.ALAW, 7: Encoding.ULAW}
_EXTENSIBLE = 0xFFFE
_SUBFORMAT_TAIL = bytes.fromhex("000000001000800000aa00389b71")  # of KSDATAFORMAT_SUBTYPE_*
_OTHER_TAGS = {
    2: "Microsoft ADPCM",
    17: "IMA ADPCM",
    20: "G.723 ADPCM",
    34: "TrueSpeech",
    49: "GSM 6.10",
    64: "G.721 ADPCM",
    69: "G.726 ADPCM",
    80: "MPEG",
    85: "MP3",
    0x161: "Windows Media Audio",
}
_AU_ENCODINGS = {
    1: (Encoding.ULAW, 1),
    2: (Encoding.PCM, 1),
    3: (Encoding.PCM, 2),
    4: (Encoding.PCM, 3),
    5: (Encoding.PCM, 4),
    6: (Encoding.FLOAT, 4),
    7: (Encoding.FLOAT, 8),
    27: (Encoding.ALAW, 1),
}
_LOUDEST = 1e6  # times full scale; noise that is no sound may claim to be louder
_WIDTHS = {
    Encoding.PCM: (1, 2, 3, 4),
    Encoding.FLOAT: (4, 8),
    Encoding.ULAW: (1,),
    Encoding.ALAW: (1,),
}


def parseWav(readAt: ReadAt) -> AudioFormat:
    """Walks the chunks of a RIFF WAVE file up to its sound. Raises BadHeader.

    Sizes that a recorder left at 0 or at 0xFFFFFFFF mean "to the end of the file".
    """
    head = readAt(0, 12)
    if head[:4] == b"RIFX":
        raise BadHeader("is RIFX, the big-endian kind of WAV")
    if len(head) < 12 or head[:4] != b"RIFF" or head[8:] != b"WAVE":
        raise BadHeader(f"is no WAV file: it begins with {head!r}")
    riffEnd = 8 + int.from_bytes(head[4:8], "little")
    found: AudioFormat | None = None
    at = 12
    for _ in range(MAX_CHUNKS):
        header = readAt(at, _CHUNK.size)
        if len(header) < _CHUNK.size:
            raise BadHeader(f"ends before its {'data' if found else 'fmt'} chunk")
        name, size = _CHUNK.unpack(header)
        at += _CHUNK.size
        if name == b"data":
            if found is None:
                raise BadHeader("has its data chunk before the fmt chunk that explains it")
            unclosed = size == 0 and (riffEnd <= at or riffEnd > UNKNOWN_SIZE)
            toEnd = unclosed or size == UNKNOWN_SIZE
            return found._replace(dataStart=at, dataSize=None if toEnd else size)
        if name == b"fmt ":
            found = _parseFmt(readAt(at, min(size, 40)), size)
        at += size + (size & 1)  # chunks begin at even offsets
        if at > MAX_HEAD:
            raise BadHeader(f"has its sound behind {at} bytes of other things, if at all")
    raise BadHeader(f"has {MAX_CHUNKS} chunks and no data among them")


def _parseFmt(body: bytes, size: int) -> AudioFormat:
    if len(body) < _FMT.size:
        wanted = "ends within" if size >= _FMT.size else f"has only {size} bytes in"
        raise BadHeader(f"{wanted} its fmt chunk")
    tag, channels, rate, _, blockAlign, bits = _FMT.unpack_from(body)
    if tag == _EXTENSIBLE:
        if len(body) < 40 or body[26:40] != _SUBFORMAT_TAIL:
            raise BadHeader("is WAVE_FORMAT_EXTENSIBLE with an unknown sub-format")
        tag = int.from_bytes(body[24:26], "little")
    if tag in _OTHER_TAGS:
        raise OtherCoding(_OTHER_TAGS[tag], tag)
    if tag not in _WAV_TAGS:
        raise BadHeader(f"has sound coded as an unknown kind (tag {tag})")
    width = (bits + 7) // 8
    if channels > 0 and blockAlign % channels == 0 and width < blockAlign // channels <= 4:
        width = blockAlign // channels  # 24 bits in a box of 32, left-aligned
    return _checked(AudioFormat(_WAV_TAGS[tag], rate, channels, width))


def parseAu(readAt: ReadAt) -> AudioFormat:
    """Reads the header of an AU file (Sun, NeXT: .snd). Raises BadHeader."""
    head = readAt(0, _AU.size)
    if head[:4] != b".snd":
        raise BadHeader(f"is no AU file: it begins with {head[:12]!r}")
    if len(head) < _AU.size:
        raise BadHeader("ends within its header")
    _, start, size, code, rate, channels = _AU.unpack(head)
    if start < _AU.size:
        raise BadHeader(f"has its sound at byte {start}, within its header")
    if start > MAX_HEAD:
        raise BadHeader(f"has its sound at byte {start}, if at all")
    if code not in _AU_ENCODINGS:
        raise BadHeader(f"has sound coded as an unknown kind (AU encoding {code})")
    encoding, width = _AU_ENCODINGS[code]
    toEnd = None if size == UNKNOWN_SIZE else size
    return _checked(AudioFormat(encoding, rate, channels, width, start, toEnd, bigEndian=True))


def _checked(found: AudioFormat) -> AudioFormat:
    if not 1 <= found.channels <= MAX_CHANNELS:
        raise BadHeader(f"claims {found.channels} channels (1 to {MAX_CHANNELS} make sense)")
    if not MIN_RATE <= found.rate <= MAX_RATE:
        sense = f"{MIN_RATE} to {MAX_RATE} make sense"
        raise BadHeader(f"claims {found.rate} samples a second ({sense})")
    if found.width not in _WIDTHS[found.encoding]:
        raise BadHeader(f"claims {found.encoding.value} samples of {8 * found.width} bits")
    return found


def toMono16(raw: bytes, found: AudioFormat) -> NDArray[np.int16]:
    """Sound of a file as int16 [n]: channels averaged, full scale kept, what is beyond it clipped.

    raw: whole samples of all channels; a part of one at the end is dropped.
    """
    count = len(raw) // found.frameBytes
    values = _values(memoryview(raw)[: count * found.frameBytes], found)
    if found.channels > 1:
        values = values.reshape(count, found.channels).mean(axis=1)
    if values.dtype == np.int16:
        return values.astype(np.int16, copy=False)
    return np.clip(np.rint(values), -32768, 32767).astype(np.int16)


def _values(raw: memoryview, found: AudioFormat) -> NDArray[np.int16] | NDArray[np.float64]:
    """One number a sample and channel, full scale at 32768."""
    order = ">" if found.bigEndian else "<"
    if found.encoding is Encoding.ULAW:
        return codecs.find("PCMU").decode(raw)
    if found.encoding is Encoding.ALAW:
        return codecs.find("PCMA").decode(raw)
    if found.encoding is Encoding.FLOAT:
        with np.errstate(invalid="ignore"):  # not every NaN may be looked at
            floats = np.frombuffer(raw, f"{order}f{found.width}").astype(np.float64)
        np.nan_to_num(floats, copy=False, posinf=1.0, neginf=-1.0)
        return np.clip(floats, -_LOUDEST, _LOUDEST, out=floats) * 32768
    if found.width == 1:  # unsigned in WAV, signed in AU
        octets = np.frombuffer(raw, np.int8 if found.bigEndian else np.uint8).astype(np.int16)
        return (octets if found.bigEndian else octets - 128) * 256
    if found.width == 2:
        return np.frombuffer(raw, f"{order}i2").astype(np.int16, copy=False)
    if found.width == 3:
        boxes = np.zeros((len(raw) // 3, 4), np.uint8)
        triples = np.frombuffer(raw, np.uint8).reshape(-1, 3)
        boxes[:, 1:] = triples[:, ::-1] if found.bigEndian else triples
        return boxes.view("<i4")[:, 0] / 65536.0
    return np.frombuffer(raw, f"{order}i4") / 65536.0


def wavHeader(
    dataBytes: int,
    rate: int = RATE,
    channels: int = 1,
    encoding: Encoding = Encoding.PCM,
    width: int = 2,
) -> bytes:
    """All that stands before `dataBytes` of sound; 44 bytes for PCM, else 58.

    rate: samples a second. channels: interleaved. width: bytes of one sample.
    Other codings than PCM have a fmt chunk of 18 bytes and a fact chunk (RFC 2361). An odd
    dataBytes counts on the pad byte that its writer adds. More than 32 bits can say (three days of
    8 kHz) is "to the end of the file".
    """
    tag = next(tag for tag, known in _WAV_TAGS.items() if known is encoding)
    block = width * channels
    fmt = _FMT.pack(tag, channels, rate, rate * block, block, 8 * width)
    chunks = _CHUNK.pack(b"fmt ", len(fmt)) + fmt
    if encoding is not Encoding.PCM:
        chunks = _CHUNK.pack(b"fmt ", len(fmt) + 2) + fmt + bytes(2)
        samples = min(dataBytes // block, UNKNOWN_SIZE)
        chunks += _CHUNK.pack(b"fact", 4) + samples.to_bytes(4, "little")
    size = 4 + len(chunks) + _CHUNK.size + dataBytes + (dataBytes & 1)
    if size > UNKNOWN_SIZE:
        size = dataBytes = UNKNOWN_SIZE
    return _CHUNK.pack(b"RIFF", size) + b"WAVE" + chunks + _CHUNK.pack(b"data", dataBytes)
