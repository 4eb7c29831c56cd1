"""contrib/fail2ban against the lines that a server writes about those whom it refuses."""

from __future__ import annotations

import io
import re
import shutil
import subprocess
from configparser import RawConfigParser
from pathlib import Path
from unittest import SkipTest

from twisted.logger import globalLogPublisher, textFileLogObserver

from doug.settings import Settings
from doug.trunks import Trunk
from shtoom.agent.registrar import Phone
from shtoom.sip.digest import Answering, parseChallenges
from test.cases.actor import Actor
from test.cases.case import FieldCase

FILTER = Path(__file__).parents[2] / "contrib" / "fail2ban" / "doug.conf"
HOST = r"\[?(?P<host>[0-9A-Fa-f.:]*[0-9A-Fa-f])\]?"  # fail2ban's own is longer
DATE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d{4}")


def found(line: str) -> str | None:
    """The source that the filter has of a line; its date goes first, as fail2ban does it."""
    config = RawConfigParser()
    config.read(FILTER)
    date = DATE.match(line)
    if date is None:
        return None
    for rule in config["Definition"]["failregex"].strip().splitlines():
        match = re.search(rule.strip().replace("<HOST>", HOST), line[date.end() :])
        if match is not None:
            return match["host"]
    return None


class FilterTests(FieldCase):
    """Whoever is refused, and nobody else."""

    settings = Settings(
        trunks={"office": Trunk("office", "203.0.113.30")},
        phones={"alice": Phone("wonderland")},
        sourceRate=30.0,
    )

    def setUp(self) -> None:
        super().setUp()
        self.file = io.StringIO()
        observer = textFileLogObserver(self.file)
        globalLogPublisher.addObserver(observer)
        self.addCleanup(globalLogPublisher.removeObserver, observer)

    def asAlice(self, actor: Actor, method: str, password: str) -> None:
        """A request with the answer to its challenge."""
        party = "<sip:alice@192.0.2.10>"
        uri = "sip:192.0.2.10" if method == "REGISTER" else "sip:app@192.0.2.10"
        with_ = {"From": f"{party};tag=1", "Contact": f"<{actor.contact}>"}
        if method == "REGISTER":
            with_["To"] = party
        body = actor.offer if method == "INVITE" else b""
        first = actor.ask(method, uri=uri, with_=with_, body=body)
        asked = actor.response(f"401 {method}")
        challenge = parseChallenges(asked.headers.getLines("WWW-Authenticate"))[0]
        answer = Answering(challenge, "alice", password, "c").answer(method, uri, body)
        if method == "INVITE":
            first.ackRefusal()
        with_ |= {"Authorization": str(answer), "CSeq": f"9 {method}"}
        again = actor.ask(method, uri=uri, with_=with_, body=body)
        final = actor.response(f"(200|180|401) {method}")
        if method == "INVITE" and final.code == 401:
            again.ackRefusal()
        self.lab.advance(1.1)

    def hostile(self) -> None:
        """One of each kind, a second apart."""
        forged = '"x 198.51.100.20:5060 to y is refused by anonymous: " <sip:1@198.51.100.20>;tag=1'
        self.mallory.invite(
            uri="sip:call%20by%20198.51.100.20:5060@192.0.2.10", with_={"From": forged}
        ).ackRefusal()
        self.lab.advance(1.1)
        for method in ("REGISTER", "INVITE"):
            self.asAlice(self.mallory, method, "guessed")
        self.mallory.ask("OPTIONS", with_={"User-Agent": "friendly-scanner"})
        self.lab.advance(1.1)
        for _ in range(100):
            self.mallory.ask("OPTIONS")
        self.lab.advance(1.1)

    def honest(self) -> None:
        """A phone registers and calls; a trunk calls; somebody pings."""
        self.asAlice(self.alice, "REGISTER", "wonderland")
        self.asAlice(self.alice, "INVITE", "wonderland")
        self.app.returnResult(None)
        self.alice.response("480 INVITE")
        self.bob.ask("OPTIONS")
        self.lab.advance(40.0)

    def test_whoIsRefusedIsFound(self) -> None:
        """By the source that the network says, whatever is written into From and URI."""
        self.hostile()
        lines = self.file.getvalue().splitlines()
        hosts = [host for host in map(found, lines) if host is not None]
        self.assertEqual(hosts, ["203.0.113.99"] * 5, "\n".join(lines))

    def test_honestPhonesAreNot(self) -> None:
        self.honest()
        lines = self.file.getvalue().splitlines()
        self.assertGreater(len(lines), 2)
        self.assertEqual([line for line in lines if found(line) is not None], [])

    def test_fail2banItself(self) -> None:
        """The same with fail2ban-regex, where that is installed."""
        program = shutil.which("fail2ban-regex")
        if program is None:
            raise SkipTest("fail2ban-regex is not installed")
        self.hostile()
        self.honest()
        log = Path(self.mktemp())
        log.write_text(self.file.getvalue())
        done = subprocess.run(
            [program, "--print-all-matched", str(log), str(FILTER)],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        self.assertIn("5 matched", done.stdout)
