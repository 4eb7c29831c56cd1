"""WAV files of all kinds, made for tests independently of the code that reads them."""

from __future__ import annotations

import struct

import numpy as np
from numpy.typing import NDArray

from shtoom import codecs

PCM, FLOAT, ALAW, ULAW, EXTENSIBLE = 1, 3, 6, 7, 0xFFFE
SUBFORMAT_TAIL = b"\x00\x00\x00\x00\x10\x00\x80\x00\x00\xaa\x00\x38\x9b\x71"


def tone(hz: float, seconds: float, rate: int, level: float = 0.5) -> NDArray[np.float64]:
    """A sine, full scale at 1.0."""
    return level * np.sin(2 * np.pi * hz * np.arange(round(seconds * rate)) / rate)


def chunk(name: bytes, body: bytes) -> bytes:
    """One RIFF chunk with its pad byte."""
    return name + struct.pack("<I", len(body)) + body + b"\0" * (len(body) & 1)


def fmt(tag: int, rate: int, channels: int, bits: int) -> bytes:
    """The 16 bytes that every fmt chunk has."""
    block = channels * bits // 8
    return struct.pack("<HHIIHH", tag, channels, rate, rate * block, block, bits)


def extensible(tag: int, rate: int, channels: int, bits: int) -> bytes:
    """A fmt chunk of 40 bytes."""
    head = fmt(EXTENSIBLE, rate, channels, bits)
    return head + struct.pack("<HHIH", 22, bits, 0, tag) + SUBFORMAT_TAIL


def coded(sound: NDArray[np.float64], tag: int, bits: int) -> bytes:
    """Samples, full scale at 1.0, in any coding that a WAV may have."""
    flat = sound.reshape(-1)
    if tag == FLOAT:
        return bytes(flat.astype(f"<f{bits // 8}"))
    if tag in (ALAW, ULAW):
        codec = codecs.find("PCMU" if tag == ULAW else "PCMA")
        return codec.encode(np.rint(flat * 32767).astype(np.int16))
    whole = np.rint(flat * (2 ** (bits - 1) - 1)).astype(np.int64)
    if bits == 8:
        return bytes((whole + 128).astype(np.uint8))
    octets = whole.astype("<i8").view(np.uint8).reshape(-1, 8)
    return bytes(octets[:, : bits // 8])


def riff(*chunks: bytes) -> bytes:
    """Chunks as a WAVE file."""
    body = b"WAVE" + b"".join(chunks)
    return b"RIFF" + struct.pack("<I", len(body)) + body


def wav(sound: NDArray[np.float64], rate: int = 8000, tag: int = PCM, bits: int = 16) -> bytes:
    """A plain file. sound: [n] or [n, channels], full scale at 1.0."""
    channels = 1 if sound.ndim == 1 else sound.shape[1]
    head = chunk(b"fmt ", fmt(tag, rate, channels, bits))
    return riff(head, chunk(b"data", coded(sound, tag, bits)))


def strongest(samples: NDArray[np.int16], rate: int = 8000) -> float:
    """The frequency in Hz that has the most power."""
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples)), 1 << 16))
    return float(spectrum.argmax()) * rate / (1 << 16)


def level(samples: NDArray[np.int16]) -> float:
    """Amplitude of a sine of this power, full scale at 1.0."""
    return float(np.sqrt(2 * np.mean((samples / 32768.0) ** 2))) if len(samples) else 0.0
