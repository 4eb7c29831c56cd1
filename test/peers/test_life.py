"""The life of the process: signals, kill -9, no descriptor left (cases life-001 and 002)."""

from __future__ import annotations

import contextlib
import os
import signal
import wave
from fcntl import F_SETPIPE_SZ, fcntl
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from test.peers.caller import Caller
from test.peers.peers import waitFor
from test.peers.server import Doug


class Unread(Doug):
    """Its log goes to a pipe of `size` bytes, which is read by read() alone."""

    size = 4096

    def start(self) -> Unread:
        self._log = b""
        pipe = self.dir / "pipe"
        os.mkfifo(pipe)
        self._reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
        fcntl(self._reader, F_SETPIPE_SZ, self.size)
        super().start()
        return self

    def argv(self) -> list[str]:
        return ["/bin/sh", "-c", f'exec "$0" "$@" >{self.dir}/pipe', *super().argv()]

    def stop(self) -> None:
        super().stop()
        os.close(self._reader)

    def read(self, wanted: str) -> str:
        """All until now, once that is in it."""
        with contextlib.suppress(BlockingIOError):
            self._log += os.read(self._reader, 1 << 20)
        text = self._log.decode()
        return text if wanted in text else ""


class LifeTests(SynchronousTestCase):
    """`twistd doug` and callers who say what a test wants."""

    timeout = 120

    def serve(self, app: str, *args: str, files: int | None = None) -> Doug:
        """A server of one of the applications in apps.py. files: its limit of descriptors."""
        doug = Doug(f"test.peers.apps.{app}", args=args, files=files)
        self.addCleanup(doug.stop)
        doug.start()
        return doug

    def caller(self, doug: Doug) -> Caller:
        """Somebody who calls it."""
        caller = Caller(doug.port)
        self.addCleanup(caller.close)
        return caller

    def up(self, doug: Doug) -> Caller:
        """A call that is up."""
        caller = self.caller(doug)
        self.assertEqual(caller.invite().code, 200)
        return caller

    def signal(self, doug: Doug, number: signal.Signals) -> None:
        """Sends the process a signal."""
        assert doug.proc is not None
        doug.proc.send_signal(number)

    def assertEnded(self, doug: Doug) -> None:
        """It has ended as twistd does after a signal, without an error."""
        self.assertEqual(doug.waitExit(20.0), -signal.SIGTERM)
        # The application's own file may find no descriptor: that is its error, not the server's.
        ownFaults = doug.log().count("Too many open files: 'ended.txt'")
        self.assertEqual(doug.log().count("Traceback"), ownFaults, doug.log()[-3000:])

    def answers(self, doug: Doug, method: str) -> int:
        """The code with which somebody else's request is answered."""
        caller = self.caller(doug)
        caller.ask(method)
        return caller.response(method).code

    def seconds(self, path: Path) -> float:
        """The length of a WAV file."""
        with wave.open(str(path)) as file:
            return float(file.getnframes() / file.getframerate())

    def test_life_001_SIGTERM(self) -> None:
        """503 for others; one call goes on to its end, the other gets BYE at the limit (002)."""
        doug = self.serve("Record", "--drain-timeout=6")
        leaver, stayer = self.up(doug), self.up(doug)
        self.assertEqual(self.answers(doug, "OPTIONS"), 200)
        self.signal(doug, signal.SIGTERM)
        doug.waitLog("shutting down, for 6 s at most")
        self.assertEqual(self.answers(doug, "OPTIONS"), 503)
        refused = self.caller(doug).invite()
        self.assertEqual(refused.code, 503)
        self.assertTrue(refused.header("Retry-After"))
        leaver.ask("BYE")
        self.assertEqual(leaver.response("BYE").code, 200)
        self.assertIn("503", stayer.request("BYE").header("Reason") or "")
        self.assertEnded(doug)
        self.assertGreater(self.seconds(doug.dir / "message.wav"), 4.0)

    def test_life_008_theProcessStandsStill(self) -> None:
        """For 2.5 s (SIGSTOP): the recording goes on as it was, and no time of it is missing."""
        doug = self.serve("Record")
        caller = self.up(doug)
        caller.speak(1.0)
        self.signal(doug, signal.SIGSTOP)
        caller.speak(2.5)
        self.signal(doug, signal.SIGCONT)
        caller.speak(1.0)
        caller.ask("BYE")
        self.assertEqual(caller.response("BYE").code, 200)
        doug.waitLog("ended after")
        self.assertIn("reactor was late by", doug.log())
        self.assertNotIn("too slow", doug.log())
        self.assertGreater(self.seconds(doug.dir / "message.wav"), 4.2)

    def test_killedAndStartedAgain(self) -> None:
        """kill -9: what was recorded is readable, and the next one has the ports and answers."""
        doug = self.serve("Record")
        caller = self.up(doug)
        path = doug.dir / "message.wav"
        caller.say(100)
        waitFor(
            "a second of sound on the disk",
            lambda: path.exists() and path.stat().st_size > 16000,
            20.0,
        )
        doug.kill()
        self.assertGreater(self.seconds(path), 0.9)
        doug.start()
        self.assertEqual(self.answers(doug, "OPTIONS"), 200)
        caller.begin()
        self.assertEqual(caller.invite().code, 200)
        caller.ask("BYE")
        self.assertEqual(caller.response("BYE").code, 200)

    def test_nobodyReadsTheLog(self) -> None:
        """Its pipe is full: calls are served all the same, and who reads later has all of it."""
        doug = Unread("test.peers.apps.Echo")
        self.addCleanup(doug.stop)
        doug.start()
        caller = self.caller(doug)
        for _ in range(20):
            caller.begin()
            self.assertEqual(caller.invite().code, 200)
            caller.ask("BYE")
            self.assertEqual(caller.response("BYE").code, 200)
        last = f"call {caller.callID} ended after"
        text = waitFor("the rest of the log", lambda: doug.read(last), 10.0)
        self.assertGreater(len(text), 2 * Unread.size)
        self.assertEqual(text.count("ended after"), 20)
        self.assertEqual(self.answers(doug, "OPTIONS"), 200)
        self.signal(doug, signal.SIGTERM)
        self.assertEqual(doug.waitExit(20.0), -signal.SIGTERM)

    def test_noDescriptorIsLeft(self) -> None:
        """503 and Retry-After, the log has the remedy; calls go on, one that ends makes room."""
        doug = self.serve("Echo", files=40)
        callers = []
        while True:
            caller = self.caller(doug)
            response = caller.invite()
            if response.code != 200:
                break
            callers.append(caller)
            self.assertLess(len(callers), 40)
        self.assertEqual(response.code, 503)
        self.assertTrue(response.header("Retry-After"))
        self.assertGreater(len(callers), 5)
        doug.waitLog(r"ulimit -n")
        for each in (callers[0], callers[-1]):
            each.say(5)
            self.assertTrue(each.hears())
        self.assertEqual(self.answers(doug, "OPTIONS"), 200)
        callers[0].ask("BYE")
        self.assertEqual(callers[0].response("BYE").code, 200)
        caller.begin()
        self.assertEqual(caller.invite().code, 200)
        self.signal(doug, signal.SIGTERM)
        doug.waitLog("shutting down, for 30 s at most")
        self.signal(doug, signal.SIGTERM)  # a second one: all end now (life-002)
        for each in (*callers[1:], caller):  # our BYEs need no descriptor
            each.request("BYE")
        self.assertEnded(doug)
