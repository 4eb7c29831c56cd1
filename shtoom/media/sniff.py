"""Which kind of sound file do these first bytes begin?

Lives here: the marks of formats, known by name whether Doug reads them or not.
Not here: suffixes and reading (media.files).
"""

from __future__ import annotations

__all__ = ["HEAD", "formatOf"]

HEAD = 4096  # first bytes that formatOf() wants, less only if the file is shorter

_MARKS = (
    (0, b".snd", "AU"),
    (0, b"RIFX", "RIFX"),
    (0, b"RF64", "RF64"),
    (0, b"OggS", "Ogg"),
    (0, b"fLaC", "FLAC"),
    (0, b"ID3", "MP3"),
    (0, b"FORM", "AIFF"),
    (0, b"#!AMR", "AMR"),
    (0, b"caff", "CAF"),
    (0, b"wvpk", "WavPack"),
    (0, b"MAC ", "Monkey's Audio"),
    (0, b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", "Windows Media"),
    (0, b"\x1a\x45\xdf\xa3", "Matroska or WebM"),
    (4, b"ftyp", "MPEG-4"),
)
_KBITS = {  # of layer III by MPEG version: 3 is MPEG-1, 2 and 0 are MPEG-2 and 2.5
    3: (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    2: (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
_RATES = {3: (44100, 48000, 32000), 2: (22050, 24000, 16000), 0: (11025, 12000, 8000)}


def formatOf(head: bytes) -> str | None:
    """The name of the format that `head` begins ("WAV", "AU", "MP3" ...), None if unknown."""
    if head[:4] == b"RIFF" and head[8:12] == b"WAVE":
        return "WAV"
    for at, mark, name in _MARKS:
        if head.startswith(mark, at):
            return name
    length = _mp3Frame(head)
    # One MP3 frame header may be two samples of PCM by chance; a second where it belongs is not.
    return "MP3" if length and _mp3Frame(head[length:]) else None


def _mp3Frame(head: bytes) -> int:
    """Bytes of the layer III frame at the beginning of `head`, 0 if there is none."""
    if len(head) < 4 or head[0] != 0xFF or head[1] & 0xE6 != 0xE2:
        return 0
    version, bits, rate = head[1] >> 3 & 3, head[2] >> 4, head[2] >> 2 & 3
    if version == 1 or bits in (0, 15) or rate == 3:
        return 0
    kbits = _KBITS[3 if version == 3 else 2][bits]
    return (144 if version == 3 else 72) * kbits * 1000 // _RATES[version][rate] + (
        head[2] >> 1 & 1
    )
