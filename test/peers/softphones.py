"""linphonec as a peer: a second phone, of other makers than baresip.

Lives here: starting it and typing at its prompt. Not here: the other peers (peers.py, proxies.py),
what is proven with it (test_registrar.py).
"""

from __future__ import annotations

import contextlib
import subprocess
from pathlib import Path

from test.peers.peers import HERE, HOST, Process, freePort, isBound, render, waitFor, writeTone

UNBOUND = -2
"""As its port of TLS: it opens connections, and takes none."""

CODECS = (("PCMU", 8000), ("PCMA", 8000))


class Linphone(Process):
    """linphonec 5.1, headless: its microphone is a tone of 440 Hz, what it hears is in heard.wav.

    user, password: its account at `registrar` (HOST:PORT, over `transport`); without them it
    registers nowhere. ca: whose certificates it believes over TLS. It answers by itself.

    A registration whose connection is gone is made anew at once; if nobody is there yet, after
    `retry` seconds, which are 60 if nobody sets them.
    """

    program, package = "linphonec", "linphone-cli"
    stdin = subprocess.PIPE
    readySeconds = 25.0  # one as a rule; once 12 on a machine that had much to do

    def __init__(
        self,
        user: str,
        *,
        password: str = "",
        registrar: str = "",
        transport: str = "udp",
        ca: Path | None = None,
        retry: float = 1.0,
    ) -> None:
        super().__init__()
        self.user = user
        self.port = freePort()
        rtp = freePort(even=True, run=8)
        self.uri = f"sip:{user}@{HOST}:{self.port}"
        way = f"sip:{registrar};transport={transport}"
        self._account = f"register sip:{user}@{registrar} {way} {password}"
        self._microphone = writeTone(self.dir / "mic.wav", 440, 30)
        # without this folder its database cannot be opened, and it has no SIP port at all
        (self.dir / ".local/share/linphone").mkdir(parents=True)
        table = "\n".join(
            f"[audio_codec_{n}]\nmime={mime}\nrate={rate}\nchannels=1\nenabled=1\n"
            for n, (mime, rate) in enumerate(CODECS)
        )
        render(
            HERE / "linphone/linphonerc.in",
            self.dir / "linphonerc",
            PORT=self.port,
            HOST=HOST,
            USER=user,
            TLS_PORT=UNBOUND if transport == "tls" else 0,
            CA_LINE=f"root_ca={ca}" if ca else "",
            RETRY_MS=round(retry * 1000),
            MEDIAENC="none",
            RTP_FIRST=rtp,
            RTP_LAST=rtp + 7,
            CODECS=table,
        )
        self._told = False

    @property
    def heard(self) -> Path:
        """What it heard, complete once the call is over."""
        return Path(self.dir, "heard.wav")

    def env(self) -> dict[str, str]:
        folder = str(self.dir)
        return dict(
            super().env(),
            XDG_DATA_HOME=f"{folder}/.local/share",
            XDG_CONFIG_HOME=f"{folder}/.config",
        )

    def argv(self) -> list[str]:
        return ["linphonec", "-c", str(self.dir / "linphonerc"), "-a"]

    def ready(self) -> bool:
        if not isBound(self.port) or "linphonec>" not in self.log():
            return False
        if not self._told:
            self._told = True
            for line in (
                "soundcard use files",
                f"play {self._microphone}",
                f"record {self.heard}",
            ):
                self.say(line)
        return "Using wav files" in self.log()

    def say(self, line: str) -> None:
        """One line at its prompt: call URI, terminate, pause, resume, 1 (a key) ..."""
        if self.proc is not None and self.proc.stdin is not None:
            self.proc.stdin.write(line.encode() + b"\n")
            self.proc.stdin.flush()

    def register(self) -> None:
        """Until the registrar has said 200."""
        self.say(self._account)

        def registered() -> bool:
            self.say("status register")
            return "registered, identity" in self.log().replace("not registered", "")

        waitFor("linphonec's registration", registered, every=0.1)

    def stop(self) -> None:
        if self.proc is not None and self.proc.poll() is None:
            with contextlib.suppress(OSError):
                self.say("quit")
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.proc.wait(5)
        if self.proc is not None and self.proc.stdin:
            with contextlib.suppress(OSError):
                self.proc.stdin.close()
        super().stop()
