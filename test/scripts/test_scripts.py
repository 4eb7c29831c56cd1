"""Each script: its --help, its mistakes, and, as a process, a real call with sipp."""

from __future__ import annotations

import email
import os
import runpy
import signal
import socket
import subprocess
import sys
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from email import policy
from io import StringIO
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from test.peers.mailserver import MailServer
from test.peers.peers import HERE, HOST, Sipp, freePort, waitFor
from test.peers.server import ROOT, RTP_PORTS, Doug

SERVING = {
    "shmessage.py": "announcement",
    "shecho.py": "sends back",
    "shtam.py": "mailto",
    "shtoomcu.py": "hear each other",
    "dougdemo.py": "menu",
}
DIALLING = {"testcall.py": "hangs up", "testcisco.py": "patience"}
OTHERS = {"testdoug.py": "loopback", "shtoominfo.py": "versions"}
NOBODY = "sip:nobody@192.0.2.1"
ALL = {**SERVING, **DIALLING, **OTHERS}

# Python that hears Control-C even if a shell has put us, and so our children, into the background.
HEARS_CONTROL_C = (
    sys.executable,
    "-c",
    "import os, signal, sys; signal.signal(signal.SIGINT, signal.SIG_DFL);"
    " os.execv(sys.executable, [sys.executable, *sys.argv[1:]])",
)


def runAll(commands: Iterable[Sequence[str]]) -> list[subprocess.CompletedProcess[str]]:
    """Several at a time."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return list(pool.map(lambda words: run(*words), commands))


def run(*words: str) -> subprocess.CompletedProcess[str]:
    """A script run to its end."""
    return subprocess.run(
        [sys.executable, str(ROOT / "scripts" / words[0]), *words[1:]],
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
        env={"PYTHONPATH": str(ROOT), "PATH": ""},
    )


def end(process: subprocess.Popen[str]) -> None:
    """Whatever it does."""
    process.kill()
    with process:
        pass


class CommandLineTests(SynchronousTestCase):
    """Without a call."""

    def test_helpNamesThePurposeAndTheOptions(self) -> None:
        """--help: exit code 0, the script's own words, the options."""
        helped = runAll((script, "--help") for script in ALL)
        for (script, words), done in zip(ALL.items(), helped, strict=True):
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertIn(words, done.stdout)
            for option in ("--listen", "--rtp-ports", "--advertise", "--args"):
                self.assertIn(option, done.stdout)
            self.assertEqual("ADDRESS\n" in done.stdout, script in DIALLING)

    def test_aMistakeIsOneLineThatNamesTheOption(self) -> None:
        """Exit code 1, one line on standard error, no traceback."""
        mistakes = ("--listen=sctp:5060", "--rtp-ports=5-1", "--nonsense", "--args=x")
        commands = [("shmessage.py", wrong) for wrong in mistakes]
        commands += [(script, mistakes[0]) for script in (*DIALLING, *OTHERS)]
        for words, done in zip(commands, runAll(commands), strict=True):
            self.assertEqual(done.returncode, 1)
            self.assertEqual(len(done.stderr.strip().splitlines()), 1, done.stderr)
            self.assertTrue(done.stderr.startswith(f"{words[0]}: "), done.stderr)
            self.assertIn(words[1].split("=")[0].lstrip("-"), done.stderr)

    def test_anArgumentThatTheApplicationDoesNotKnow(self) -> None:
        """Is said, with what was meant; the call is placed all the same."""
        done = run("testcall.py", "--args=anouncement=a.wav", f"sip:a@{HOST}:{freePort()}")
        self.assertEqual(done.returncode, 2)
        first, second = done.stderr.splitlines()
        self.assertIn("did you mean 'announcement'?", first)
        self.assertRegex(second, r"\Atestcall.py: 503 nobody listens at")

    def test_everyScriptIsInstalled(self) -> None:
        """setup.py names all of them."""
        text = (ROOT / "setup.py").read_text()
        for script in ALL:
            self.assertIn(f'"scripts/{script}"', text)

    def test_shtoominfo(self) -> None:
        """What there is, what is missing and how to get it, ports that cannot be had, NAT."""
        done = run(
            "shtoominfo.py", "--listen=udp:*:0", "--listen=udp:203.0.113.7:5060", "--codecs=pcmu"
        )
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        for words in (
            "PCMU            8000 Hz\n",
            "PCMA            8000 Hz, not with --codecs as given",
            "127.0.0.1",
            "10000-20000, for 5001 calls",
            "missing: apt-get install ffmpeg",
            "--listen=udp:203.0.113.7:5060: Cannot assign requested address: this machine has no",
        ):
            self.assertIn(words, done.stdout)

    def test_shtoominfoTellsTheAddressThatPhonesSee(self) -> None:
        """Behind NAT: the one that --advertise names, else a finding."""
        done = run("shtoominfo.py", "--listen=udp:*:0", "--advertise=203.0.113.7")
        self.assertIn("told to phones  203.0.113.7", done.stdout)
        self.assertNotIn("--advertise", done.stdout)
        self.assertNotIn("NAT findings", done.stdout)

    def test_shtoominfoAsksASTUNServer(self) -> None:
        """What came of it, in words: here that there is no way to that one."""
        done = run("shtoominfo.py", "--listen=udp:127.0.0.1:0", "--advertise=stun:[::1]")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertIn("NAT findings\n  127.0.0.1:0, seen by ::1 as: not known", done.stdout)
        self.assertIn("does not tell how this server is seen", done.stdout)


class MistakeTests(SynchronousTestCase):
    """What the scripts make of wrong words, in this process: none of them gets to serve or call."""

    def mistake(self, script: str, *words: str) -> str:
        """The one line on standard error, without the script's name."""
        self.patch(sys, "argv", [script, *words])
        output = StringIO()
        self.patch(sys, "stderr", output)
        left = self.assertRaises(
            SystemExit, runpy.run_path, str(ROOT / "scripts" / script), run_name="__main__"
        )
        self.assertEqual(left.code, 1, words)
        [line] = output.getvalue().splitlines()
        name, colon, text = line.partition(": ")
        self.assertEqual(name + colon, f"{script}: ")
        return text

    def test_whoIsToBeCalledMustBeNamed(self) -> None:
        """Once, by an address that can be dialled."""
        for words, wanted in (
            ((), "wanted one to call"),
            (("sip:a@192.0.2.1", "sip:b@192.0.2.1"), "wanted one to call"),
            (("alice",), "'alice' is no address to dial"),
            (("http://192.0.2.1/",), "http addresses lead nowhere; dial sip:"),
            (("tel:+4930",), "need a gateway to dial them: --gateway="),
        ):
            line = self.mistake("testcall.py", *words)
            self.assertRegex(line, f"\\AADDRESS: .*{wanted}")

    def test_whoCallsMustBeAnAddress(self) -> None:
        """--from."""
        self.assertIn("'bob' is no address", self.mistake("testcall.py", "--from=bob", NOBODY))

    def test_aWordThatIsNoOption(self) -> None:
        """What might have been meant."""
        for script in (*SERVING, *OTHERS):
            self.assertEqual(self.mistake(script, "x"), "'x' is no option; see --help")
            self.assertIn("did you mean --args=x=2?", self.mistake(script, "x=2"))

    def test_whatArgumentsMayBe(self) -> None:
        """Is looked at before the first call: the line names argument, value and remedy."""
        for script, argument, wanted in (
            ("shmessage.py", "announcement=nowhere.wav", "check the name"),
            ("shecho.py", "delay=long", "wanted seconds, 0 or more"),
            ("shecho.py", "delay=-1", "wanted seconds, 0 or more"),
            ("shecho.py", "delay=", "wanted seconds, 0 or more"),
            ("shecho.py", "delay=nan", "wanted seconds, 0 or more"),
            ("shtam.py", "longest=0", "wanted seconds above 0"),
            ("shtam.py", f"spool={__file__}", "name a folder"),
            ("shtam.py", "smtp=localhost:smtp", "wanted a port"),
            ("shtam.py", "mailto=nobody", "wanted a mail address"),
            ("shtam.py", "mailfrom=nobody", "wanted a mail address"),
            ("shtam.py", "greeting=nowhere.wav", "check the name"),
            ("dougdemo.py", "target=bob", "wanted a URI with a scheme, such as sip:"),
            ("dougdemo.py", "target=mailto:bob@example.com", "wanted an address to dial"),
            ("testcall.py", "announcement=nowhere.wav", "check the name"),
            ("testcisco.py", "keys=1 x", "wanted 0-9, A-D"),
            ("testcisco.py", "patience=", "wanted seconds, 0 or more"),
            ("testcisco.py", "heard=heard.txt", "wanted one of .wav"),
            ("testcisco.py", "heard=/nowhere/at/all.wav", "there is no folder /nowhere/at"),
        ):
            with self.subTest(f"{script} {argument}"):
                whom = (NOBODY,) if script in DIALLING else ()
                line = self.mistake(script, f"--args={argument}", *whom)
                self.assertTrue(line.startswith(f"--args={argument}: "), line)
                self.assertIn(wanted, line)


class ServingTests(SynchronousTestCase):
    """With a call from sipp."""

    timeout = 60

    def call(self, script: str, scenario: str, *args: str, seconds: float = 0.5) -> Doug:
        """One call that has to pass; returns the server."""
        if why := Sipp.missing():
            self.skipTest(why)
        doug = Doug(script=script, args=args)
        self.addCleanup(doug.stop)
        doug.start()
        with Sipp.uac(doug.target, "x", scenario=HERE / "sipp" / scenario, seconds=seconds) as sipp:
            code, _ = sipp.result()
            self.assertEqual(code, 0, f"{sipp.errors()[-1500:]}\n{doug.log()[-3000:]}")
        self.assertNotIn("Traceback", doug.log())
        return doug

    def test_shmessage(self) -> None:
        """Plays its announcement and hangs up first."""
        self.call("shmessage.py", "uac_hungup.xml")

    def test_shecho(self) -> None:
        """Echoes until the caller hangs up."""
        self.call("shecho.py", "uac_basic.xml", "--args=delay=0.2")

    def test_dougdemo(self) -> None:
        """Speaks its menu until the caller hangs up."""
        self.call("dougdemo.py", "uac_basic.xml", seconds=1.0)

    def test_shtoomcu(self) -> None:
        """Takes a member in until it hangs up."""
        self.call("shtoomcu.py", "uac_basic.xml", seconds=1.0)

    def test_shtam(self) -> None:
        """Keeps a message, whole; the mail server gets a copy."""
        mail = MailServer()
        self.addCleanup(mail.stop)
        mail.start()
        args = {
            "spool": "spool",
            "greeting": str(ROOT / "doug/demo/prompts/recorded.wav"),
            "mailto": "me@example.com",
            "smtp": f"{HOST}:{mail.port}",
        }
        doug = self.call(
            "shtam.py",
            "uac_basic.xml",
            *(f"--args={name}={value}" for name, value in args.items()),
            seconds=3.5,
        )
        sent: Path = waitFor("the mail", lambda: next(mail.dir.glob("*.eml"), None), 10.0)
        (kept,) = (doug.dir / "spool" / "new").iterdir()
        message = email.message_from_bytes(sent.read_bytes(), policy=policy.default)
        self.assertEqual(message["To"], "me@example.com")
        text = message.get_body()
        assert text is not None
        self.assertIn(kept.name, text.get_content())
        (sound,) = message.iter_attachments()
        self.assertEqual(sound.get_filename(), kept.name)
        self.assertEqual(sound.get_content(), kept.read_bytes())

    def test_shtamKeepsWhatCannotBeMailed(self) -> None:
        """The mail server is down: the message is there, the log says so."""
        doug = self.call(
            "shtam.py",
            "uac_basic.xml",
            f"--args=greeting={ROOT / 'doug/demo/prompts/recorded.wav'}",
            "--args=mailto=me@example.com",
            f"--args=smtp={HOST}:{freePort()}",
            seconds=3.5,
        )
        doug.waitLog("was not sent by 127.0.0.1", 10.0)
        self.assertEqual(len(list((doug.dir / "voicemail" / "new").iterdir())), 1)


class DiallingTests(SynchronousTestCase):
    """sipp is called."""

    timeout = 90

    def setUp(self) -> None:
        if why := Sipp.missing():
            self.skipTest(why)

    def dial(
        self, *words: str, scenario: str, args: tuple[str, ...] = ()
    ) -> subprocess.CompletedProcess[str]:
        """The script's run against one call of sipp's, which has to pass."""
        with Sipp.uas(scenario=HERE / "sipp" / scenario, args=args, echo=False) as sipp:
            done = run(*words, sipp.uri, f"--listen=udp:{HOST}:0", f"--rtp-ports={RTP_PORTS}")
            code, _ = sipp.result()
            self.assertEqual(code, 0, f"{sipp.errors()[-1500:]}\n{done.stderr}")
        return done

    def test_testcall(self) -> None:
        """Its announcement goes out, then it hangs up."""
        done = self.dial("testcall.py", scenario="uas.xml")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertRegex(done.stdout, r"\Aplayed .*welcome.wav in 1\.\d s; ")

    def test_testcallInterrupted(self) -> None:
        """Control-C while nobody answers: exit code 2, one line, no traceback."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as phone:
            phone.bind((HOST, 0))
            phone.settimeout(30.0)
            calling = subprocess.Popen(
                [
                    *HEARS_CONTROL_C,
                    str(ROOT / "scripts" / "testcall.py"),
                    f"sip:silent@{HOST}:{phone.getsockname()[1]}",
                ],
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                env={"PYTHONPATH": str(ROOT), "PATH": ""},
            )
            self.addCleanup(end, calling)
            self.assertTrue(phone.recv(65535).startswith(b"INVITE sip:silent@"))
            calling.send_signal(signal.SIGINT)
            output, errors = calling.communicate(timeout=30.0)
        self.assertEqual((calling.returncode, output), (2, ""))
        self.assertEqual(errors, "testcall.py: 487 hung up on this side\n")

    def test_testcallThatIsRefused(self) -> None:
        """Exit code 2, one line with code and reason."""
        done = self.dial("testcall.py", scenario="uas_busy.xml")
        self.assertEqual((done.returncode, done.stdout), (2, ""))
        self.assertEqual(done.stderr, "testcall.py: 486 Busy Here\n")

    def test_testciscoHearsSipp(self) -> None:
        """A prompt of two seconds, a key, and nothing more: that is the end."""
        if os.getuid() != 0:
            self.skipTest("sipp needs root to play captures")
        done = self.dial(
            "testcisco.py",
            "--args=keys=1",
            "--args=patience=4",
            scenario="uas_prompt.xml",
            args=("-key", "pcap", str(HERE / "sipp" / "tone_pcmu.pcap")),
        )
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertRegex(done.stdout, r"\Aheard (1.9|2.\d) s, pressed 1, heard nothing\n\Z")

    def test_testciscoIsPatient(self) -> None:
        """sipp says nothing: the keys are pressed when patience ends."""
        done = self.dial(
            "testcisco.py", "--args=keys=1 2#", "--args=patience=1", scenario="uas_basic.xml"
        )
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertEqual(
            done.stdout, "heard nothing, pressed 1, heard nothing, pressed 2#, heard nothing\n"
        )


class LoopbackTests(SynchronousTestCase):
    """A script and Doug."""

    timeout = 90

    def test_testciscoAndTheDemo(self) -> None:
        """It hears the menu, presses 9, hears goodbye, and is hung up on."""
        doug = Doug("doug.demo.Demo")
        self.addCleanup(doug.stop)
        doug.start()
        done = run(
            "testcisco.py",
            f"sip:demo@{doug.target}",
            f"--listen=udp:{HOST}:0",
            "--args=keys=4 9",
            "--args=patience=2",
        )
        self.assertEqual((done.returncode, done.stderr), (0, ""), done.stdout)
        self.assertIn("pressed 9, heard ", done.stdout)

    def test_testdoug(self) -> None:
        """All of it works."""
        done = run("testdoug.py")
        self.assertEqual((done.returncode, done.stderr), (0, ""), done.stdout)
        lines = done.stdout.splitlines()
        self.assertEqual([line.split()[0] for line in lines[:-1]], ["ok"] * 4)
        self.assertEqual(lines[-1], "Doug works on this machine")
