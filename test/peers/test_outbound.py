"""Doug calls sipp over loopback: refusals, CANCEL, digest, redirection, early media."""

from __future__ import annotations

import os
import socket
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from doug.testing.ear import readSound
from doug.testing.hearing import toneShare
from test.peers.caller import INVITE
from test.peers.peers import HERE, HOST, Sipp, freePort, waitFor
from test.peers.server import Doug

SCENARIOS = HERE / "sipp"


class DiallingTests(SynchronousTestCase):
    """Each starts a server whose application dials as soon as anybody calls."""

    timeout = 60

    def setUp(self) -> None:
        if why := Sipp.missing():
            self.skipTest(why)

    def dials(self, target: str, **args: str) -> Doug:
        """A server that has begun to dial."""
        words = [f"--args={name}={value}" for name, value in {"target": target, **args}.items()]
        doug = Doug("test.peers.apps.Dials", args=words)
        self.addCleanup(doug.stop)
        doug.start()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as caller:
            caller.bind((HOST, 0))
            text = INVITE.format(target=doug.target, port=caller.getsockname()[1])
            caller.sendto(text.encode(), (HOST, doug.port))
        return doug

    def outcome(self, doug: Doug, seconds: float = 8.0) -> list[str]:
        """All that the application wrote down, once the call is over."""

        def lines() -> list[str]:
            path = doug.dir / "dialled.txt"
            return path.read_text().splitlines() if path.exists() else []

        waitFor("the end of the call", lambda: any(": " in line for line in lines()), seconds)
        return lines()

    def against(self, scenario: str | Path, expect: int = 0, **args: str) -> tuple[list[str], str]:
        """A call to sipp with that scenario: what the application heard, what sipp saw."""
        with Sipp(SCENARIOS / scenario) as callee:
            doug = self.dials(f"sip:callee@{HOST}:{callee.port}", **args)
            heard = self.outcome(doug)
            code, _ = callee.result(10)
            self.assertEqual(code, expect, f"{callee.errors()[-1500:]}\n{doug.log()[-3000:]}")
            self.assertNotIn("Traceback", doug.log())
            self.assertNotIn("secret", doug.log())
            self.dir = doug.dir
            return heard, callee.messages()

    def test_refusals(self) -> None:
        """486, 603, 404, 503: the exception of each, and the headers of the response."""
        for scenario, line in (
            ("uas_busy.xml", "486 UserBusy: Busy Here (None)"),
            ("uas_reject_603.xml", "603 CallRejected: Decline"),
            ("uas_not_found.xml", "404 UserNotFound: Not Found (None)"),
            ("uas_unavailable_503.xml", "503 ServiceUnavailable: Service Unavailable ("),
        ):
            heard, _ = self.against(scenario)
            self.assertIn(line, heard[-1])
        self.assertNotIn("(None)", heard[-1])

    def test_noAnswer(self) -> None:
        """CANCEL after the timeout: 200, 487, ACK."""
        heard, _ = self.against("uas_no_answer.xml", patience="0.7")
        self.assertEqual(heard[0], "180")
        self.assertIn("408 CallNotAnswered: no answer within 0.7 s", heard[-1])

    def test_hangUpWhileItRings(self) -> None:
        """CANCEL with a Reason; one end."""
        heard, messages = self.against("uas_no_answer.xml", giveUpAfter="0.5")
        self.assertEqual(heard, ["180", "ended: hung up on this side"])
        self.assertIn("Reason: SIP;cause=200", messages)

    def test_theAnswerCrossesTheCancel(self) -> None:
        """200 in place of 487: ACK and BYE (RFC 3261 13.2.2.4), and no CallAnsweredEvent."""
        heard, _ = self.against("uas_cancel_race.xml", giveUpAfter="0.5")
        self.assertEqual(heard, ["180", "ended: hung up on this side"])

    def test_digest(self) -> None:
        """401 and 407: sipp checks the first one's answer, and gets ACK and BYE after both."""
        for scenario in ("uas_auth_401.xml", "uas_auth_407.xml"):
            heard, messages = self.against(scenario, login="alice:secret")
            self.assertEqual(heard, ["180", "answered", "ended: hung up on this side"])
            self.assertIn("Reason: Q.850;cause=16", messages)

    def test_aWrongPassword(self) -> None:
        """sipp refuses it with 403; it goes to nobody's log."""
        heard, _ = self.against("uas_auth_401.xml", login="alice:secretive")
        self.assertIn("403 CallFailed: Forbidden", heard[-1])

    def test_aRedirection(self) -> None:
        """302 to another port, where the call is answered; From as it was asked for."""
        moved = Path(self.mktemp())
        port = freePort()
        moved.write_text((SCENARIOS / "uas_redirect.xml").read_text().replace(":5071", f":{port}"))
        there = Sipp(SCENARIOS / "uas_basic.xml")
        there.port, there.uri = port, f"sip:moved@{HOST}:{port}"
        with there:
            heard, _ = self.against(moved.resolve())
            self.assertEqual(heard[-2:], ["answered", "ended: hung up on this side"])
            code, _ = there.result(10)
            self.assertEqual(code, 0, there.errors()[-1500:])
            self.assertIn('From: "Doug" <sip:doug@example.com>', there.messages())

    def test_earlyMedia(self) -> None:
        """The announcement of a 183 is recorded before the answer."""
        if os.getuid() != 0:
            self.skipTest("sipp needs root to play captures")
        text = (SCENARIOS / "uas_early_media.xml").read_text()
        capture = SCENARIOS / "tone_pcmu.pcap"
        scenario = Path(self.mktemp())
        scenario.write_text(text.replace('"tone_pcmu.pcap"', f'"{capture}"'))
        heard, _ = self.against(scenario.resolve(), early="1")
        self.assertEqual(heard[:2], ["183", "answered"])
        sound = readSound(self.dir / "early.wav")
        self.assertGreater(len(sound), 8000)
        middle = len(sound) // 2
        self.assertGreater(toneShare(sound[middle - 4000 : middle + 4000], 500), 0.9)
