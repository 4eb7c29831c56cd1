"""What a far phone would see, in words."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from doug.checks import addressWarnings
from doug.natcheck import Sight, sightFindings
from doug.settings import Settings
from doug.trunks import Trunk

LOCAL = ("10.0.0.5", 5060)


class SightTests(SynchronousTestCase):
    """What came of asking a STUN server."""

    def findings(self, **sight: object) -> list[str]:
        settings = Settings(advertise="stun:stun.example.net", rtpPorts=(12000, 13000))
        return list(sightFindings(settings, Sight(LOCAL, "stun.example.net", **sight)))  # type: ignore[arg-type]

    def assertSays(self, findings: list[str], *patterns: str) -> None:
        self.assertEqual(len(findings), len(patterns), findings)
        for finding, pattern in zip(findings, patterns, strict=True):
            self.assertRegex(finding, pattern)

    def test_noNAT(self) -> None:
        self.assertEqual(self.findings(seen=LOCAL, elsewhere=LOCAL), [])
        self.assertEqual(self.findings(), [])

    def test_portsThatAreKept(self) -> None:
        """Address outside, ports to pass on, media included."""
        self.assertSays(
            self.findings(seen=("203.0.113.50", 5060)),
            r"at 10\.0\.0\.5, .*told 203\.0\.113\.50; .*ports 5060 \(SIP\) and 12000-13000",
        )

    def test_anotherPort(self) -> None:
        self.assertSays(
            self.findings(seen=("203.0.113.50", 40000)),
            "behind NAT",
            "shows UDP port 5060 as port 40000",
        )

    def test_symmetric(self) -> None:
        """Another port for each far end, or another address."""
        for elsewhere in (("203.0.113.50", 40001), ("203.0.113.51", 40000)):
            self.assertSays(
                self.findings(seen=("203.0.113.50", 40000), elsewhere=elsewhere),
                "behind NAT",
                rf"203\.0\.113\.50:40000 to .*{elsewhere[0]}:{elsewhere[1]} .*symmetric NAT",
            )

    def test_aServerWithinTheNetwork(self) -> None:
        self.assertSays(self.findings(seen=("10.9.9.9", 5060)), "behind the same NAT")

    def test_noAnswer(self) -> None:
        """What phones are told meanwhile."""
        self.assertSays(self.findings(problem="no answer"), r"\(no answer\): .*told 10\.0\.0\.5")
        self.assertSays(
            self.findings(problem="no answer", seen=("203.0.113.50", 5060)),
            r"told 203\.0\.113\.50:5060;",
            "behind NAT",
        )


class WarningTests(SynchronousTestCase):
    """What is known before anybody is asked."""

    def test_aPrivateAddressByName(self) -> None:
        [text] = addressWarnings(Settings(advertise="10.1.2.3"), lambda host: "10.1.2.3")
        self.assertIn("10.1.2.3 (--advertise)", text)
        for advertise in ("203.0.113.5", "stun:stun.example.net", "127.0.0.1"):
            settings = Settings(advertise=advertise)
            self.assertEqual(list(addressWarnings(settings, lambda host: "10.1.2.3")), [])

    def test_autoWithoutARegistration(self) -> None:
        [text] = addressWarnings(Settings(advertise="auto"), lambda host: "10.1.2.3")
        self.assertIn("no trunk registers", text)
        trunk = Trunk("t", "203.0.113.30", user="u", register=True)
        settings = Settings(advertise="auto", trunks={"t": trunk})
        self.assertEqual(list(addressWarnings(settings, lambda host: "10.1.2.3")), [])
