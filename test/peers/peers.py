"""Real SIP peers as plain objects: start, wait until ready, use, stop.

What lives here: one small class per foreign program (sipp, baresip), each with its own temporary
directory and its own random loopback ports. What does not: anything of Doug. Standard library only, Python 3.11+, blocking calls. A Twisted test runs
these in `deferToThread` or, simpler, as a child process beside the reactor.

    with Baresip("alice") as a, Sipp.uas() as b:
        a.dial(f"sip:x@127.0.0.1:{b.port}")
        a.waitEvent("CALL_ESTABLISHED", 5)

Every object ends only the process that it started itself (by its own process group id).
"""

from __future__ import annotations

import array
import contextlib
import csv
import json
import math
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import wave
from pathlib import Path
from typing import Any
from collections.abc import Iterable

HERE = Path(__file__).resolve().parent
HOST = "127.0.0.1"


class PeerError(Exception):
    """A peer did not start, did not get ready, or gave no answer in time. The text holds the end of its log."""


# --- ports ---------------------------------------------------------------------------------------------

_given: set[int] = set()


def freePort(*, even: bool = False, run: int = 1, host: str = HOST) -> int:
    """A port number which is free for UDP and TCP now, with the `run - 1` ports after it.

    No call gives the same number twice in one process. `even=True` for RTP (RFC 3550 section 11).
    The range stays below the kernel's ephemeral range (32768 and up) so that outgoing sockets don't collide.
    """
    base = 12000 + (os.getpid() * 97) % 16000
    for step in range(0, 18000, 2 if even else 1):
        first = 12000 + (base - 12000 + step) % 18000
        if even and first % 2:
            first += 1
        wanted = range(first, first + run)
        if any(p in _given for p in wanted):
            continue
        if all(_isFree(p, host) for p in wanted):
            _given.update(wanted)
            return first
    raise PeerError("no free port between 12000 and 30000")


def _isFree(port: int, host: str) -> bool:
    for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM):
        with socket.socket(socket.AF_INET, kind) as s:
            if kind == socket.SOCK_STREAM:
                s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                s.bind((host, port))
            except OSError:
                return False
    return True


def isBound(port: int, kind: str = "udp") -> bool:
    """Is a socket bound to this local port? Reads the kernel's tables, sends nothing. kind: 'udp' or 'tcp'."""
    wanted = f"{port:04X}"
    for name in (kind, kind + "6"):
        with contextlib.suppress(FileNotFoundError), open(f"/proc/net/{name}") as f:
            next(f)
            for line in f:
                fields = line.split()
                if fields[1].rsplit(":", 1)[1] == wanted and (kind == "udp" or fields[3] == "0A"):
                    return True
    return False


def waitFor(what: str, test, seconds: float = 5.0, every: float = 0.02):
    """Call `test` until it is true and return its value; PeerError naming `what` after `seconds`."""
    end = time.monotonic() + seconds
    while True:
        value = test()
        if value:
            return value
        if time.monotonic() > end:
            raise PeerError(f"waited {seconds} s for {what}")
        time.sleep(every)


# --- a process -----------------------------------------------------------------------------------------


class Process:
    """One child process in a directory of its own, its output in `log.txt` there.

    Subclasses set `program` and `package`, build `argv` and override `ready`. `keep=True`, or the environment
    variable PEERS_KEEP, leaves the directory behind for a look.
    """

    program = ""
    package = ""
    stopSignal = signal.SIGTERM
    stdin: int = subprocess.DEVNULL

    def __init__(self, *, keep: bool = False) -> None:
        self.keep = keep or bool(os.environ.get("PEERS_KEEP"))
        self.dir = Path(tempfile.mkdtemp(prefix=f"{type(self).__name__.lower()}-"))
        self.proc: subprocess.Popen | None = None
        self.exitCode: int | None = None

    @classmethod
    def missing(cls) -> str | None:
        """None if the program is installed, else one line to use as a test's skip message."""
        path = os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin"
        if shutil.which(cls.program, path=path):
            return None
        return f"{cls.program} is not installed (apt-get install {cls.package})"

    def argv(self) -> list[str]:
        raise NotImplementedError

    def env(self) -> dict[str, str]:
        return dict(os.environ, HOME=str(self.dir), LC_ALL="C")

    def ready(self) -> bool:
        return True

    readySeconds = 8.0

    def start(self):
        if why := self.missing():
            raise PeerError(why)
        argv = self.argv()
        path = os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin"
        argv[0] = shutil.which(argv[0], path=path) or argv[0]
        with open(self.dir / "log.txt", "ab") as out:
            self.proc = subprocess.Popen(
                argv,
                cwd=self.dir,
                env=self.env(),
                stdin=self.stdin,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        try:
            waitFor(f"{self.program} to get ready", self._readyOrDead, self.readySeconds)
        except PeerError as e:
            tail = self.log()[-1500:]
            self.stop()
            raise PeerError(f"{e}\n{tail}") from None
        return self

    def _readyOrDead(self) -> bool:
        if self.proc.poll() is not None:
            raise PeerError(f"{self.program} ended with {self.proc.returncode} before it was ready")
        return self.ready()

    def log(self) -> str:
        with contextlib.suppress(FileNotFoundError):
            return (self.dir / "log.txt").read_text(errors="replace")
        return ""

    def waitLog(self, pattern: str, seconds: float = 5.0) -> re.Match:
        return waitFor(
            f"{pattern!r} in the log of {self.program}",
            lambda: re.search(pattern, self.log()),
            seconds,
        )

    def waitExit(self, seconds: float) -> int:
        """Wait until it ends by itself; its exit code."""
        try:
            self.exitCode = self.proc.wait(seconds)
        except subprocess.TimeoutExpired:
            raise PeerError(
                f"{self.program} still runs after {seconds} s\n{self.log()[-1500:]}"
            ) from None
        return self.exitCode

    def kill(self) -> None:
        """End it at once, as a crash would (SIGKILL to its own group)."""
        if self.proc and self.proc.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.proc.pid, signal.SIGKILL)
            self.proc.wait(5)

    def stop(self) -> None:
        if self.proc is not None and self.proc.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                self.proc.send_signal(self.stopSignal)
            try:
                self.proc.wait(4)
            except subprocess.TimeoutExpired:
                self.kill()
        if self.proc is not None:
            self.exitCode = self.proc.returncode
            with contextlib.suppress(
                ProcessLookupError, PermissionError
            ):  # children left in our own group
                os.killpg(self.proc.pid, signal.SIGKILL)
        if not self.keep:
            shutil.rmtree(self.dir, ignore_errors=True)

    def __enter__(self):
        return self.start()

    def __exit__(self, *exc) -> None:
        self.stop()


# --- sound ---------------------------------------------------------------------------------------------


def writeTone(
    path: Path | str,
    hz: float | Iterable[float],
    seconds: float = 3.0,
    rate: int = 8000,
    level: float = 0.3,
    channels: int = 1,
) -> Path:
    """Write a 16-bit WAV of one or several sines (sum). `level` 0..1 is the peak of each. Returns the path."""
    tones = [hz] if isinstance(hz, (int, float)) else list(hz)
    one = array.array(
        "h",
        (
            int(
                max(
                    -1.0, min(1.0, sum(level * math.sin(2 * math.pi * f * n / rate) for f in tones))
                )
                * 32767
            )
            for n in range(int(seconds * rate))
        ),
    )
    data = array.array("h", (s for s in one for _ in range(channels))) if channels > 1 else one
    with wave.open(str(path), "wb") as w:
        w.setnchannels(channels)
        w.setsampwidth(2)
        w.setframerate(rate)
        w.writeframes(data.tobytes())
    return Path(path)


def readWav(path: Path | str) -> tuple[int, array.array]:
    """(rate, samples of the first channel) of a 16-bit WAV. The writer must have closed it: its header comes last."""
    with wave.open(str(path), "rb") as w:
        rate, channels = w.getframerate(), w.getnchannels()
        raw = w.readframes(w.getnframes())
    samples = array.array("h")
    samples.frombytes(raw[: len(raw) // 2 * 2])
    return rate, samples[::channels]


def toneShare(path: Path | str, hz: float, skip: float = 0.5, seconds: float = 1.0) -> float:
    """Which share (0..1) of a WAV's power lies at `hz`, in `seconds` of sound after the first `skip` seconds.

    A clean tone through G.711 gives above 0.99; silence gives 0; another tone gives nearly 0.
    """
    rate, samples = readWav(path)
    part = samples[int(skip * rate) : int((skip + seconds) * rate)]
    power = sum(s * s for s in part)
    if len(part) < rate // 10 or power < len(part) * 100:
        return 0.0
    w = 2 * math.pi * hz / rate
    re_ = sum(s * math.cos(w * n) for n, s in enumerate(part))
    im_ = sum(s * math.sin(w * n) for n, s in enumerate(part))
    return min(1.0, 2 * (re_ * re_ + im_ * im_) / len(part) / power)


def render(template: Path | str, into: Path | str, **fields: Any) -> Path:
    """Copy a template with every @NAME@ replaced; a field without a value is an error."""
    text = Path(template).read_text()
    for name, value in fields.items():
        text = text.replace(f"@{name}@", str(value))
    left = re.search(r"@([A-Z_]{2,})@", re.sub(r"(?m)^\s*#.*$", "", text))
    if left:
        raise PeerError(f"{template}: no value for {left.group(0)}")
    Path(into).write_text(text)
    return Path(into)


def makeCertificate(directory: Path, name: str = "localhost") -> tuple[Path, Path]:
    """A self-signed certificate for `name` and 127.0.0.1: (certificate, key), PEM. `both.pem` holds the two."""
    crt, key = directory / "cert.pem", directory / "key.pem"
    subprocess.run(
        [
            "openssl",
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:prime256v1",
            "-nodes",
            "-days",
            "30",
            "-subj",
            f"/CN={name}",
            "-addext",
            f"subjectAltName=DNS:{name},IP:127.0.0.1",
            "-keyout",
            str(key),
            "-out",
            str(crt),
        ],
        check=True,
        capture_output=True,
    )
    (directory / "both.pem").write_text(crt.read_text() + key.read_text())
    return crt, key


# --- baresip -------------------------------------------------------------------------------------------


class Baresip(Process):
    """A headless baresip 1.0 user agent, driven over its JSON control socket.

    user, password    the account; `password` and `registrar` make it register (REGISTER every 60 s)
    registrar         "host:port" of registrar and outbound proxy
    transport         'udp', 'tcp' or 'tls'
    answer            'auto', 'manual' or 'early'
    source            'ausine,440' (a sine of that many Hz) or 'aufile,/file.wav' (16-bit WAV)
    codecs            SDP order, of pcmu, pcma (both in g711), g722, opus
    mediaenc          '', 'srtp', 'srtp-mand' (RTP/SAVP), 'srtp-mandf', 'dtls_srtp'
    apps              more modules, e.g. ['echo.so'] answers each call and sends its audio back; it needs
                      source='aubridge,x' and answer='manual'
    trace             print every SIP message into the log
    """

    program, package = "baresip", "baresip-core"
    stopSignal = signal.SIGTERM

    def __init__(
        self,
        user: str = "alice",
        *,
        password: str = "",
        registrar: str = "",
        transport: str = "udp",
        answer: str = "auto",
        source: str = "ausine,440",
        codecs: Iterable[str] = ("pcmu", "pcma"),
        mediaenc: str = "",
        medianat: str = "",
        apps: Iterable[str] = (),
        trace: bool = False,
        rtcpMux: bool = False,
        extra: str = "",
        maxCalls: int = 16,
        rtpTimeout: int = 0,
        ca: Path | None = None,
        keep: bool = False,
    ):
        super().__init__(keep=keep)
        self.user, self.trace = user, trace
        self.port = freePort(run=2)
        self.control = freePort()
        self.rtpFirst = freePort(even=True, run=2 * maxCalls + 2)
        modules = []
        for c in codecs:
            m = {"pcmu": "g711", "pcma": "g711"}.get(c, c)
            if m not in modules:
                modules.append(m)
        kind, _, name = source.partition(",")
        if (
            kind == "aufile"
        ):  # baresip refuses a file whose rate or channels differ from the configured ones
            with wave.open(name) as w:
                srate, channels = w.getframerate(), w.getnchannels()
        elif kind == "aubridge":
            srate, channels = 8000, 1
        else:  # ausine of 1.0 can do 48 kHz stereo only
            srate, channels = 48000, 2
        names = {
            "pcmu": "PCMU/8000/1",
            "pcma": "PCMA/8000/1",
            "g722": "G722/16000/1",
            "opus": "opus/48000/2",
        }
        tls = ""
        if transport == "tls":
            makeCertificate(self.dir)
            tls = f"sip_certificate {self.dir}/both.pem\n" + (f"sip_cafile {ca}\n" if ca else "")
        mods = next(
            (
                d
                for d in ("/usr/lib/baresip/modules", "/usr/local/lib/baresip/modules")
                if os.path.isdir(d)
            ),
            "",
        )
        render(
            HERE / "baresip/config.in",
            self.dir / "config",
            HOST=HOST,
            SIP_PORT=self.port,
            TLS_LINES=tls,
            MAX_CALLS=maxCalls,
            SOURCE=source,
            USER=user,
            SRATE=srate,
            CHANNELS=channels,
            RTP_FIRST=self.rtpFirst,
            RTP_LAST=self.rtpFirst + 2 * maxCalls + 1,
            RTP_TIMEOUT=rtpTimeout,
            MODULE_PATH=mods,
            CODECS="\n".join(f"module {m}.so" for m in modules),
            DIR=self.dir,
            APPS="\n".join(f"module_app {a}" for a in apps),
            CTRL_PORT=self.control,
            RTCP_MUX="yes" if rtcpMux else "no",
        )
        uri = f"sip:{user}@{registrar or f'{HOST}:{self.port}'};transport={transport}"
        account = [
            f"<{uri}>",
            f"answermode={answer}",
            "audio_codecs=" + ",".join(names[c] for c in codecs),
            "ptime=20",
        ]
        account.append("regint=60" if registrar else "regint=0")
        if registrar:
            account.append(f'outbound="sip:{registrar};transport={transport}"')
        if password:
            account += [f"auth_user={user}", f"auth_pass={password}"]
        if mediaenc:
            account.append(f"mediaenc={mediaenc}")
        if medianat:
            account.append(f"medianat={medianat}")
        if extra:
            account.append(extra)
        (self.dir / "accounts").write_text(";".join(account) + "\n")
        (self.dir / "contacts").write_text("")
        self.events: list[dict] = []
        self._seen = 0
        self._sock: socket.socket | None = None
        self._buf = b""
        self._token = 0
        self._answers: dict[str, dict] = {}
        self.uri = f"sip:{user}@{HOST}:{self.port}" + (
            f";transport={transport}" if transport != "udp" else ""
        )
        if transport == "tls":
            self.uri = f"sip:{user}@{HOST}:{self.port + 1};transport=tls"

    def argv(self) -> list[str]:
        return ["baresip", "-4", "-f", str(self.dir), "-p", "/usr/share/baresip"] + (
            ["-s"] if self.trace else []
        )

    def ready(self) -> bool:
        if "baresip is ready." not in self.log():
            return False
        with contextlib.suppress(OSError):
            self._sock = socket.create_connection((HOST, self.control), 2)
            self._sock.setblocking(False)
            return True
        return False

    # control socket: netstrings ("LENGTH:TEXT,") of JSON
    def _poll(self) -> None:
        with contextlib.suppress(BlockingIOError):
            while chunk := self._sock.recv(65536):
                self._buf += chunk
        while m := re.match(rb"(\d+):", self._buf):
            size = int(m.group(1))
            if len(self._buf) < m.end() + size + 1:
                return
            text = self._buf[m.end() : m.end() + size]
            self._buf = self._buf[m.end() + size + 1 :]
            message = json.loads(text.decode("utf-8", "replace"), strict=False)
            if message.get("event"):
                self.events.append(message)
            else:
                self._answers[str(message.get("token", ""))] = message

    def command(self, name: str, params: str = "", seconds: float = 5.0) -> str:
        """Run one menu command; its text answer. PeerError if it was refused."""
        self._token += 1
        token = str(self._token)
        text = json.dumps({"command": name, "params": params, "token": token}).encode()
        self._sock.sendall(b"%d:%s," % (len(text), text))

        def answer():
            self._poll()
            return self._answers.pop(token, None)

        reply = waitFor(f"baresip's answer to {name}", answer, seconds)
        if not reply.get("ok"):
            raise PeerError(f"baresip {name} {params}: {reply.get('data')}")
        return re.sub(r"\x1b\[[0-9;]*[mK]?", "", reply.get("data") or "")

    def waitEvent(self, kind: str, seconds: float = 8.0, **fields: str) -> dict:
        """The next event of this type (REGISTER_OK, CALL_INCOMING, CALL_RINGING, CALL_ESTABLISHED, CALL_CLOSED,
        CALL_DTMF_START, CALL_RTCP ...) not yet handed out. `fields` must match too. Events before it are passed over."""

        def look():
            self._poll()
            for n in range(self._seen, len(self.events)):
                e = self.events[n]
                if e.get("type") == kind and all(e.get(k) == v for k, v in fields.items()):
                    self._seen = n + 1
                    return e
            return None

        try:
            return waitFor(f"{kind} at {self.user}", look, seconds)
        except PeerError as e:
            raise PeerError(
                f"{e}; had {[x.get('type') for x in self.events]}\n{self.log()[-800:]}"
            ) from None

    def waitRegistered(self, seconds: float = 5.0) -> None:
        """Until the registrar said 200. (The REGISTER_OK event often comes before the control socket is open.)"""

        def test():
            self._poll()
            last = re.findall(r"(?:\{\d/\w+/v\d\}|reg: \S+:) (\d{3})", self.log())
            if last and last[-1][0] in "456":
                raise PeerError(f"registration of {self.user} refused with {last[-1]}")
            return last and last[-1] == "200"

        waitFor(f"registration of {self.user}", test, seconds)

    def digits(self) -> str:
        """All DTMF digits heard so far."""
        self._poll()
        return "".join(
            e.get("param", "") for e in self.events if e.get("type") == "CALL_DTMF_START"
        )

    def dial(self, uri: str) -> None:
        self.command("dial", uri)

    def answer(self) -> None:
        self.command("accept")

    def hangup(self) -> None:
        self.command("hangup")

    def hold(self) -> None:
        self.command("hold")

    def resume(self) -> None:
        self.command("resume")

    def transfer(self, uri: str) -> None:
        """Blind transfer: REFER to the far end of the current call."""
        self.command("transfer", uri)

    def sendDigits(self, digits: str, gap: float = 0.25) -> None:
        """RFC 4733 telephone-events, one key press each (key down, key up)."""
        for d in digits:
            self.command("sndcode", d)
            time.sleep(gap)

    def heard(self) -> list[Path]:
        """What was heard, one WAV per media start, oldest first. Complete once the call has ended."""
        return sorted(self.dir.glob("dump-*-dec.wav"), key=lambda p: p.stat().st_mtime)

    def sent(self) -> list[Path]:
        return sorted(self.dir.glob("dump-*-enc.wav"), key=lambda p: p.stat().st_mtime)

    def stop(self) -> None:
        if self._sock is not None and self.proc is not None and self.proc.poll() is None:
            with contextlib.suppress(PeerError, OSError):
                self.command("quit", seconds=1)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.proc.wait(3)
        if self._sock is not None:
            self._sock.close()
            self._sock = None
        super().stop()


# --- sipp ----------------------------------------------------------------------------------------------


class Sipp(Process):
    """One sipp run. Use `Sipp.uac(...)`, `Sipp.uas(...)`, or give any scenario file.

        with Sipp.uas(calls=1, echo=True) as u: ...; u.result(10)
        code, stats = Sipp.uac("127.0.0.1:5060", "echo", seconds=2).run()

    Exit codes seen (sipp 3.6.1): 0 all calls passed; 1 a call failed, or wrong use (bad port, no scenario file, -timeout
    passed without -timeout_error); 255 -timeout passed with -timeout_error, or no right to open the raw socket that
    play_pcap_audio needs (root or CAP_NET_RAW; rtp_stream needs none).
    """

    program, package = "sipp", "sip-tester"
    readySeconds = 5.0

    def __init__(
        self,
        scenario: Path | str,
        target: str = "",
        *,
        calls: int = 1,
        transport: str = "u1",
        seconds: float = 0,
        args: Iterable[str] = (),
        limit: float = 30,
        keep: bool = False,
    ):
        super().__init__(keep=keep)
        self.scenario, self.target, self.calls, self.transport = (
            Path(scenario),
            target,
            calls,
            transport,
        )
        self.port = freePort()
        self.mediaPort = freePort(even=True, run=4)
        self.controlPort = freePort()
        self.seconds, self.extra, self.limit = seconds, list(args), limit
        self.uri = f"sip:sipp@{HOST}:{self.port}" + (
            ";transport=tcp" if transport.startswith("t") else ""
        )

    @classmethod
    def uas(
        cls,
        *,
        calls: int = 1,
        echo: bool = True,
        scenario: Path | str = HERE / "sipp/uas.xml",
        **kw,
    ) -> Sipp:
        args = ["-aa"] + (["-rtp_echo"] if echo else []) + list(kw.pop("args", []))
        return cls(scenario, calls=calls, args=args, **kw)

    @classmethod
    def uac(
        cls,
        target: str,
        user: str,
        *,
        pcap: str = "/usr/share/sip-tester/g711a.pcap",
        password: str = "",
        login: str = "",
        scenario: Path | str | None = None,
        **kw,
    ) -> Sipp:
        scenario = scenario or HERE / ("sipp/uac_auth.xml" if password else "sipp/uac.xml")
        args = ["-s", user, "-key", "pcap", pcap] + list(kw.pop("args", []))
        if password:
            args += ["-au", login or user, "-ap", password]
        return cls(scenario, target, args=args, **kw)

    def argv(self) -> list[str]:
        a = ["sipp", "-sf", str(self.scenario)] + ([self.target] if self.target else [])
        a += [
            "-i",
            HOST,
            "-p",
            str(self.port),
            "-mi",
            HOST,
            "-mp",
            str(self.mediaPort),
            "-cp",
            str(self.controlPort),
            "-t",
            self.transport,
            "-m",
            str(self.calls),
            "-nostdin",
            "-timeout",
            f"{self.limit:.0f}s",
            "-timeout_error",
            "-trace_stat",
            "-stf",
            "stats.csv",
            "-fd",
            "1",
            "-trace_err",
            "-error_file",
            "errors.txt",
            "-trace_msg",
            "-message_file",
            "messages.txt",
        ]
        if self.seconds:
            a += ["-d", str(int(self.seconds * 1000))]
        return a + self.extra

    def ready(self) -> bool:
        return bool(self.target) or isBound(
            self.port, "tcp" if self.transport.startswith("t") else "udp"
        )

    def stats(self) -> dict[str, str]:
        """The last line of the statistics file; keys end in (P) for the period, (C) for the whole run."""
        with contextlib.suppress(FileNotFoundError, IndexError):
            with open(self.dir / "stats.csv", newline="") as f:
                rows = list(csv.reader(f, delimiter=";"))
            return dict(zip(rows[0], rows[-1]))
        return {}

    def messages(self) -> str:
        """All SIP messages sent and received, as text."""
        with contextlib.suppress(FileNotFoundError):
            return (self.dir / "messages.txt").read_text(errors="replace")
        return ""

    def errors(self) -> str:
        with contextlib.suppress(FileNotFoundError):
            return (self.dir / "errors.txt").read_text(errors="replace")
        return ""

    def result(self, seconds: float | None = None) -> tuple[int, dict[str, str]]:
        """Wait for its end: (exit code, statistics)."""
        return self.waitExit(seconds or self.limit + 5), self.stats()

    def run(self) -> tuple[int, dict[str, str]]:
        with self:
            return self.result()


def streamScenario(directory: Path, wav: Path | str, loops: int = -1) -> Path:
    """A uac scenario that streams this WAV (8 kHz mono) as A-law. Needs sox (or any A-law encoder) for the raw file."""
    raw = directory / "stream.al"
    subprocess.run(
        ["sox", str(wav), "-t", "al", "-r", "8000", "-c", "1", str(raw)],
        check=True,
        capture_output=True,
    )
    return render(
        HERE / "sipp/uac_rtpstream.xml.in", directory / "uac_rtpstream.xml", FILE=raw, LOOPS=loops
    )


# --- capture -------------------------------------------------------------------------------------------


class Capture(Process):
    """dumpcap on the loopback device into `file` (pcapng), read with tshark.

        with Capture(sipPorts=[5060], rtpPorts=[(16000, 16099)]) as c:
            ...call...
            c.finish()
            c.tshark("-Y", "rtpevent")

    Only packets from or to these ports are kept: the loopback device carries everybody's packets.
    Needs the right to capture (root, or the group that dumpcap is set to).
    """

    program, package = "dumpcap", "tshark"
    stopSignal = signal.SIGINT

    def __init__(
        self,
        *,
        sipPorts: Iterable[int],
        rtpPorts: Iterable[tuple[int, int]] = (),
        keep: bool = False,
    ):
        super().__init__(keep=keep)
        self.file = self.dir / "calls.pcapng"
        self.sipPorts = list(sipPorts)
        ranges = [f"udp portrange {a}-{b}" for a, b in rtpPorts]
        self.filter = " or ".join([f"port {p}" for p in self.sipPorts] + ranges)

    def argv(self) -> list[str]:
        limits = ["-a", "duration:120", "-a", "filesize:100000", "-B", "8"]
        return ["dumpcap", "-q", "-i", "lo", "-f", self.filter, "-w", str(self.file), *limits]

    def ready(self) -> bool:
        return self.file.exists() and self.file.stat().st_size > 0 and "File:" in self.log()

    def finish(self) -> Path:
        """Stop capturing, keep the file until stop()."""
        time.sleep(0.6)  # dumpcap hands packets over in batches
        if self.proc.poll() is None:
            self.proc.send_signal(self.stopSignal)
            self.proc.wait(5)
        return self.file

    def tshark(self, *args: str) -> str:
        """What tshark prints of the file."""
        decode = [x for p in self.sipPorts for x in ("-d", f"udp.port=={p},sip")]
        done = subprocess.run(
            ["tshark", "-n", "-r", str(self.file), *decode, "-o", "rtp.heuristic_rtp:FALSE", *args],
            capture_output=True,
            text=True,
            timeout=60,
            env=dict(os.environ, HOME=str(self.dir)),
        )
        if done.returncode:
            raise PeerError(f"tshark: {done.stderr[-500:]}")
        return done.stdout

    def complaints(self) -> list[str]:
        """What tshark finds wrong (expert level error or malformed), one line per packet."""
        text = self.tshark(
            "-Y", "_ws.malformed || _ws.expert.severity == 8388608", "-T", "fields",
            "-e", "frame.number", "-e", "_ws.col.Info", "-e", "_ws.expert.message",
        )  # fmt: skip
        return text.splitlines()
