"""Session descriptions that tests and long runs have in common."""

from __future__ import annotations

from collections.abc import Callable

from shtoom.sdp.offeranswer import Capabilities

SERVER = "192.0.2.10"
HERE = "198.51.100.77"  # where the descriptions say that media is wanted
V, O, S, T = "v=0", f"o=- 1 1 IN IP4 {HERE}", "s=-", "t=0 0"  # noqa: E741 - as SDP names them
C, M = f"c=IN IP4 {HERE}", "m=audio 4000 RTP/AVP 0"
HEAD = (V, O, S, C, T)
OURS = Capabilities(("PCMU", "PCMA"), True, SERVER, 10000, 1, 1)
SHAPES: dict[str, Callable[[int], str]] = {
    "attributes": lambda n: "a=x\r\n" * (n // 5),
    "rtpmaps": lambda n: "a=rtpmap:96 x/8000\r\n" * (n // 20),
    "blanks in an rtpmap": lambda n: "a=rtpmap:96" + " " * n + "\r\n",
    "blanks in an fmtp": lambda n: "a=fmtp:96" + " " * n + "x\r\n",
    "digits of a ptime": lambda n: "a=ptime:1." + "1" * n + "x\r\n",
    "blanks in m=": lambda n: "m=audio 4000 RTP/AVP" + " " * n + "0\r\n",
    "tabs in m=": lambda n: "m=audio" + "\t" * n + "4000 RTP/AVP 0\r\n",
    "formats": lambda n: "m=audio 4000 RTP/AVP" + " 0" * (n // 2) + "\r\n",
    "formats with a fault at the end": lambda n: "m=audio 1 RTP/AVP" + " a" * (n // 2) + "\v\r\n",
    "one long format": lambda n: "m=audio 4000 RTP/AVP " + "0" * n + "\r\n",
    "one long word": lambda n: "m=" + "a" * n + "\r\n",
    "blanks in c=": lambda n: "c=IN" + " " * n + "IP4\r\n",
    "digits of an address": lambda n: "c=IN IP4 " + "1" * n + "\r\n",
    "dots of an address": lambda n: "c=IN IP4 " + "1." * (n // 2) + "\r\n",
    "colons of an address": lambda n: "c=IN IP6 " + ":" * n + "\r\n",
    "letters of a name": lambda n: "c=IN IP4 " + "a-" * (n // 2) + "!\r\n",
    "slashes behind an address": lambda n: "c=IN IP4 1.2.3.4" + "/" * n + "\r\n",
    "empty lines": lambda n: "\r\n" * (n // 2),
    "CRs": lambda n: "a=x" + "\r" * n + "\r\n",
    "NULs": lambda n: "a=" + "\0" * n + "\r\n",
    "times": lambda n: "t=" + "1" * n + " 1\r\n",
    "media that are not for us": lambda n: "m=audio 4000 RTP/AVP 99\r\n" * min(64, n // 250),
}
