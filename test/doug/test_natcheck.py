"""What a far phone would see, in words."""

from __future__ import annotations

import socket
from collections.abc import Callable
from threading import Thread

from twisted.trial.unittest import SynchronousTestCase

from doug.checks import addressWarnings
from doug.natcheck import Sight, askNow, sightFindings
from doug.settings import Endpoint, Settings
from doug.trunks import Trunk
from test.support.stunserver import Address, address, attribute, message

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

    def test_noPortThatCanBeAskedAbout(self) -> None:
        settings = Settings(advertise="stun:a", listen=(Endpoint("tcp", "", 5060),))
        [text] = addressWarnings(settings, lambda host: "10.1.2.3")
        self.assertIn("no UDP port", text)

    def test_autoWithoutARegistration(self) -> None:
        [text] = addressWarnings(Settings(advertise="auto"), lambda host: "10.1.2.3")
        self.assertIn("no trunk registers", text)
        trunk = Trunk("t", "203.0.113.30", user="u", register=True)
        settings = Settings(advertise="auto", trunks={"t": trunk})
        self.assertEqual(list(addressWarnings(settings, lambda host: "10.1.2.3")), [])


class AskTests(SynchronousTestCase):
    """Asking once, on sockets of this machine."""

    def setUp(self) -> None:
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.addCleanup(self.socket.close)
        self.socket.bind(("127.0.0.1", 0))
        self.socket.settimeout(10)
        self.at: Address = self.socket.getsockname()

    def serve(self, *answers: Callable[[bytes, Address], bytes]) -> None:
        """One datagram after the other is answered so, given transaction and source."""

        def run() -> None:
            for answer in answers:
                data, source = self.socket.recvfrom(2048)
                self.socket.sendto(answer(data[8:20], source), source)

        thread = Thread(target=run, daemon=True)
        thread.start()
        self.addCleanup(thread.join)

    def ask(self, patience: float = 5.0) -> Sight:
        listen = (Endpoint("tcp", "127.0.0.1", 5060), Endpoint("udp", "127.0.0.1", 0))
        settings = Settings(advertise=f"stun:127.0.0.1:{self.at[1]}", listen=listen)
        [sight] = askNow(settings, patience)
        return sight

    def test_anAnswer(self) -> None:
        """After one that is lost, or what stands for it: of another transaction."""
        self.serve(
            lambda transaction, source: message(0x0101, bytes(12), address(1, source)),
            lambda transaction, source: message(
                0x0101, transaction, address(0x20, ("203.0.113.50", 9), transaction)
            ),
        )
        sight = self.ask()
        self.assertEqual((sight.seen, sight.problem), (("203.0.113.50", 9), ""))
        self.assertEqual((sight.server, sight.local[0]), ("127.0.0.1", "127.0.0.1"))

    def test_twoAddresses(self) -> None:
        """Both are asked, from one port."""
        sources: list[Address] = []

        def first(transaction: bytes, source: Address) -> bytes:
            sources.append(source)
            mapped = address(0x20, ("203.0.113.50", 9), transaction)
            return message(0x0101, transaction, mapped, address(0x802C, self.at))

        def second(transaction: bytes, source: Address) -> bytes:
            sources.append(source)
            mapped = address(0x20, ("203.0.113.50", 10), transaction)
            return message(0x0101, transaction, mapped)

        self.serve(first, second)
        sight = self.ask()
        self.assertEqual((sight.seen, sight.elsewhere), (("203.0.113.50", 9), ("203.0.113.50", 10)))
        self.assertEqual(sources, [sight.local] * 2)

    def test_refused(self) -> None:
        self.serve(lambda transaction, _: message(0x0111, transaction, attribute(9, b"\0\0\5\0No")))
        self.assertIn("500 No", self.ask().problem)

    def test_noAnswer(self) -> None:
        """It does not wait longer than it was told to."""
        self.assertIn("no answer within 0.05 s", self.ask(0.05).problem)

    def test_noWayThere(self) -> None:
        """No exception, and nothing where nothing is to be asked."""
        [sight] = askNow(Settings(advertise="stun:[::1]"))  # the port is for IPv4
        self.assertTrue(sight.problem)
        self.assertEqual(list(askNow(Settings(advertise="auto"))), [])
