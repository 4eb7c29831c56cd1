"""The next hop by NAPTR and SRV (RFC 3263 4, RFC 2782), and DNS on a server of the test's own."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from random import Random
from typing import Any

from twisted.internet import reactor  # noqa: TID251 - sockets of twisted.names
from twisted.internet.defer import CancelledError, Deferred, fail, succeed
from twisted.internet.task import Clock
from twisted.names import dns
from twisted.names.authority import FileAuthority
from twisted.names.server import DNSServerFactory
from twisted.trial.unittest import SynchronousTestCase, TestCase

from shtoom.exceptions import HostNotKnown
from shtoom.sip.names import NAPTR, SRV, Names, NoNames, nameServers
from shtoom.sip.resolver import MOST_TARGETS, Place, Resolver
from shtoom.sip.uri import parseURI
from test.sip.namedclock import Reactor

ALL = ("UDP", "TCP", "TLS")


class Table:
    """DNS as tables: what is not there does not exist, what is None is never answered."""

    def __init__(self) -> None:
        self.naptrs: dict[str, list[NAPTR] | None] = {}
        self.srvs: dict[str, list[SRV] | None] = {}
        self.hosts: dict[str, list[str] | None] = {}
        self.mine: dict[str, list[str]] = {}
        self.asked: list[str] = []
        self.failing: str | None = None  # in words

    def naptr(self, name: str) -> Deferred[list[NAPTR]]:
        return self._answer(self.naptrs, name)

    def srv(self, name: str) -> Deferred[list[SRV]]:
        return self._answer(self.srvs, name)

    def addresses(self, name: str) -> Deferred[list[str]]:
        return self._answer(self.hosts, name)

    def local(self, name: str) -> list[str]:
        return self.mine.get(name, [])

    def _answer(self, table: dict[str, Any], name: str) -> Deferred[Any]:
        self.asked.append(name)
        if self.failing is not None:
            return fail(NoNames(self.failing))
        answer = table.get(name, [])
        return Deferred() if answer is None else succeed(answer)


class NextHopTests(SynchronousTestCase):
    """Which place a URI leads to."""

    def setUp(self) -> None:
        """Builds a resolver."""
        self.table, self.reactor = Table(), Reactor()
        self.table.hosts = {f"{c}.example.com": [f"203.0.113.3{n}"] for n, c in enumerate("abc")}
        self.resolver = Resolver(self.reactor, self.table, Random(7))

    def places(self, uri: str, offered: tuple[str, ...] = ALL) -> list[Place]:
        return self.successResultOf(self.resolver.resolve(parseURI(uri), offered))

    def why(self, uri: str, after: float = 0.0) -> str:
        done = self.resolver.resolve(parseURI(uri), ALL)
        self.reactor.pump([0.1] * int(after * 10))
        return str(self.failureResultOf(done, HostNotKnown).getErrorMessage())

    def tearDown(self) -> None:
        """No timer is left."""
        self.assertEqual(self.reactor.getDelayedCalls(), [])

    def test_4_1_theNAPTRWithTheLowestOrderThatWeHave(self) -> None:
        self.table.naptrs["example.com"] = [
            NAPTR(50, 50, "s", "SIPS+D2T", "_sips._tcp.example.com"),
            NAPTR(90, 50, "s", "SIP+D2T", "_tcp.example.com"),
            NAPTR(100, 50, "s", "SIP+D2U", "_sip._udp.example.com"),
            NAPTR(10, 10, "s", "SIP+D2S", "_sip._sctp.example.com"),
            NAPTR(1, 1, "u", "E2U+sip", ""),
        ]
        self.table.srvs["_tcp.example.com"] = [SRV(1, 0, 5070, "a.example.com")]
        self.table.srvs["_sip._udp.example.com"] = [SRV(1, 0, 5080, "b.example.com")]
        self.assertEqual(
            self.places("sip:x@example.com", ("UDP", "TCP")),
            [("203.0.113.30", 5070, "TCP"), ("203.0.113.31", 5080, "UDP")],
        )

    def test_4_1_withoutNAPTRSRVOfEachTransportThatWeHave(self) -> None:
        self.table.srvs["_sip._tcp.example.com"] = [SRV(1, 0, 5070, "a.example.com")]
        self.assertEqual(self.places("sip:x@example.com"), [("203.0.113.30", 5070, "TCP")])

    def test_4_1_aTransportInTheURIIsTaken(self) -> None:
        self.table.srvs["_sip._udp.example.com"] = [SRV(1, 0, 5080, "b.example.com")]
        self.table.srvs["_sip._tcp.example.com"] = [SRV(1, 0, 5070, "a.example.com")]
        found = self.places("sip:x@example.com;transport=udp")
        self.assertEqual(found, [("203.0.113.31", 5080, "UDP")])
        self.assertNotIn("example.com", self.table.asked)

    def test_4_1_sipsIsTLS(self) -> None:
        self.table.srvs["_sips._tcp.example.com"] = [SRV(1, 0, 5061, "a.example.com")]
        self.assertEqual(self.places("sips:x@example.com"), [("203.0.113.30", 5061, "TLS")])

    def test_4_2_aPortIsTakenWithoutSRV(self) -> None:
        self.table.hosts["example.com"] = ["203.0.113.9", "2001:db8::9"]
        self.assertEqual(
            self.places("sip:x@example.com:5099"),
            [("203.0.113.9", 5099, "UDP"), ("2001:db8::9", 5099, "UDP")],
        )
        self.assertEqual(self.table.asked, ["example.com"])

    def test_4_2_withoutSRVTheAddress(self) -> None:
        self.table.hosts["example.com"] = ["203.0.113.9"]
        self.assertEqual(self.places("sip:x@example.com"), [("203.0.113.9", 5060, "UDP")])
        found = self.places("sip:x@example.com;transport=tls")
        self.assertEqual(found, [("203.0.113.9", 5061, "TLS")])

    def test_thisMachinesOwnNamesGoBefore(self) -> None:
        self.table.mine["pbx.example.com"] = ["10.0.0.7"]
        self.assertEqual(self.places("sip:x@pbx.example.com"), [("10.0.0.7", 5060, "UDP")])
        self.assertEqual(self.table.asked, [])

    def test_RFC2782_prioritiesInTheirOrder(self) -> None:
        self.table.srvs["_sip._udp.example.com"] = [
            SRV(20, 60, 5060, "b.example.com"),
            SRV(10, 60, 5060, "a.example.com"),
            SRV(30, 40, 5060, "c.example.com"),
        ]
        hosts = [host for host, _, _ in self.places("sip:x@example.com")]
        self.assertEqual(hosts, ["203.0.113.30", "203.0.113.31", "203.0.113.32"])

    def test_RFC2782_equalPrioritiesAreDrawnByWeight(self) -> None:
        self.table.srvs["_sip._udp.example.com"] = [
            SRV(10, 75, 5060, "a.example.com"),
            SRV(10, 25, 5060, "b.example.com"),
            SRV(10, 0, 5060, "c.example.com"),
        ]
        first: Counter[str] = Counter()
        for _ in range(1000):
            places = self.places("sip:x@example.com")
            self.assertEqual(len(places), 3)
            first[places[0][0]] += 1
        self.assertTrue(680 < first["203.0.113.30"] < 820, first)
        self.assertTrue(180 < first["203.0.113.31"] < 320, first)
        self.assertLess(first["203.0.113.32"], 20)

    def test_RFC2782_aDotSaysThatThereIsNoService(self) -> None:
        self.table.srvs["_sip._udp.example.com"] = [SRV(0, 0, 0, "")]
        self.assertIn("takes no calls", self.why("sip:x@example.com;transport=udp"))

    def test_notMoreHostsThanACallHasTimeFor(self) -> None:
        many = [SRV(n, 0, 5060, "a.example.com") for n in range(30)]
        self.table.srvs["_sip._udp.example.com"] = many
        self.assertEqual(len(self.places("sip:x@example.com")), MOST_TARGETS)

    def test_aNameThatDoesNotExist(self) -> None:
        text = self.why("sip:x@nowhere.invalid")
        self.assertIn("nowhere.invalid has no address in DNS (NAPTR, SRV, A, AAAA)", text)

    def test_SRVHostsWithoutAddressAreNamed(self) -> None:
        self.table.srvs["_sip._udp.example.com"] = [SRV(1, 1, 5060, "gone.example.com")]
        self.assertIn("gone.example.com", self.why("sip:x@example.com"))

    def test_whatDNSSaysIsShownOnOneLine(self) -> None:
        """Its names may have any octets, and are those of whoever is dialled."""
        bad = "x\r\n\x1b[31m\0"
        self.table.srvs["_sip._udp.example.com"] = [SRV(1, 1, 5060, bad)]
        self.assertTrue(self.why("sip:x@example.com").isprintable())
        self.table.srvs = {}
        self.table.failing = bad
        self.assertTrue(self.why("sip:x@example.com:5060").isprintable())

    def test_dns_002_silenceCostsItsTimeOnceAndTheAddressIsFound(self) -> None:
        self.table.naptrs["slow.example.com"] = None
        self.table.srvs = {f"{s}.slow.example.com": None for s in ("_sip._udp", "_sip._tcp")}
        self.table.hosts["slow.example.com"] = ["203.0.113.30"]
        done = self.resolver.resolve(parseURI("sip:x@slow.example.com"), ("UDP", "TCP"))
        self.reactor.advance(2.4)
        self.assertNoResult(done)
        self.reactor.advance(0.2)
        self.assertEqual(self.successResultOf(done), [("203.0.113.30", 5060, "UDP")])

    def test_silenceForAllNamesTheHost(self) -> None:
        self.table.hosts["slow.example.com"] = None
        text = self.why("sip:x@slow.example.com:5060", 6)
        self.assertIn("slow.example.com could not be looked up: DNS did not answer", text)

    def test_givenUpMeanwhile(self) -> None:
        self.table.naptrs["slow.example.com"] = self.table.hosts["slow.example.com"] = None
        done = self.resolver.resolve(parseURI("sip:x@slow.example.com"), ALL)
        done.cancel()
        self.failureResultOf(done, CancelledError)

    def test_nameServers(self) -> None:
        path = Path(self.mktemp())
        path.write_text("# none\nnameserver 192.0.2.53\nsearch x\nnameserver\nnameserver ::1 # y\n")
        self.assertEqual(nameServers(path), [("192.0.2.53", 53), ("::1", 53)])
        self.assertEqual(nameServers(path / "none"), [])


class Zone(FileAuthority):
    """example.com; counts what is asked, and answers nothing while it is deaf."""

    def __init__(self) -> None:
        super().__init__("")
        self.asked: Counter[tuple[bytes, int]] = Counter()

    def loadFile(self, filename: str) -> None:
        """The records, in the program."""
        soa = dns.Record_SOA(b"ns.example.com", b"root.example.com", ttl=60)
        self.soa: Any = (b"example.com", soa)
        self.records: Any = {
            b"example.com": [
                soa,
                dns.Record_NAPTR(10, 20, b"S", b"SIP+D2U", b"", b"_sip._udp.example.com", ttl=60),
            ],
            b"_sip._udp.example.com": [dns.Record_SRV(5, 7, 5062, b"pbx.example.com", ttl=60)],
            b"pbx.example.com": [
                dns.Record_A("203.0.113.30", ttl=60),
                dns.Record_AAAA("2001:db8::30", ttl=60),
            ],
        }

    def query(self, query: Any, timeout: Any = None) -> Any:
        """As IResolver has it."""
        self.asked[query.name.name, query.type] += 1
        return super().query(query, timeout)


class MovingClock:
    """The reactor, whose time can be moved on."""

    def __init__(self) -> None:
        self.ahead = 0.0
        self.real: Any = reactor

    def seconds(self) -> float:
        return float(self.real.seconds()) + self.ahead

    def __getattr__(self, name: str) -> Any:
        return getattr(self.real, name)


class NamesTests(TestCase):
    """twisted.names against a server on loopback."""

    def setUp(self) -> None:
        """Starts the server."""
        self.zone = Zone()
        protocol = dns.DNSDatagramProtocol(DNSServerFactory(authorities=[self.zone]))
        protocol.noisy = False
        net: Any = reactor
        self.port = net.listenUDP(0, protocol, "127.0.0.1")
        self.at = ("127.0.0.1", self.port.getHost().port)
        self.clock = MovingClock()
        self.hosts = Path(self.mktemp())
        self.hosts.write_text("10.0.0.7 mine.example.com\n")
        self.names = Names(self.clock, [self.at], self.hosts, timeouts=(0.2,))

    def tearDown(self) -> Any:
        """Stops it."""
        return self.port.stopListening()

    async def _places(self, uri: str) -> list[Place]:
        for service in ("_sip._tcp", "_sips._tcp"):  # else nobody would wait for these two
            await self.names.srv(f"{service}.example.com")
        return await Resolver(self.clock, self.names, Random(1)).resolve(parseURI(uri), ALL)

    async def test_NAPTRToSRVToAddresses(self) -> None:
        self.assertEqual(
            await self._places("sip:x@example.com"),
            [("203.0.113.30", 5062, "UDP"), ("2001:db8::30", 5062, "UDP")],
        )

    async def test_whatIsNotThere(self) -> None:
        self.assertEqual(await self.names.srv("_sip._tcp.example.com"), [])
        self.assertEqual(await self.names.addresses("none.example.com"), [])

    async def test_theHostsFile(self) -> None:
        self.assertEqual(await self._places("sip:x@mine.example.com"), [("10.0.0.7", 5060, "UDP")])

    async def test_answersAreKeptForTheirTime(self) -> None:
        for ahead, asked in ((0.0, 1), (59.0, 1), (61.0, 2)):
            self.clock.ahead = ahead
            await self.names.srv("_sip._udp.example.com")
            self.assertEqual(self.zone.asked[b"_sip._udp.example.com", dns.SRV], asked)

    async def test_thatThereIsNoneIsKeptForAWhile(self) -> None:
        for ahead, asked in ((0.0, 1), (29.0, 1), (31.0, 2)):
            self.clock.ahead = ahead
            self.assertEqual(await self.names.naptr("none.example.com"), [])
            self.assertEqual(self.zone.asked[b"none.example.com", dns.NAPTR], asked)

    async def test_anOldAnswerServesWhileNobodyAnswers(self) -> None:
        wanted = [SRV(5, 7, 5062, "pbx.example.com")]
        self.assertEqual(await self.names.srv("_sip._udp.example.com"), wanted)
        await self.port.stopListening()
        self.clock.ahead = 61.0
        self.assertEqual(await self.names.srv("_sip._udp.example.com"), wanted)
        self.clock.ahead = 61.0 + 3600.0
        await self.assertFailure(self.names.srv("_sip._udp.example.com"), NoNames)

    async def test_DNSIsNotAskedForWhatIsNoName(self) -> None:
        """RFC 1035 2.3.4: 253 characters, labels of 1 to 63; twisted.names would take long."""
        for name in (".".join(["a"] * 4000), "x" * 64 + ".example.com", "a..example.com", "é" * 90):
            self.assertEqual(await self.names.addresses(name), [], name[:20])
            self.assertEqual(await self.names.srv(name), [], name[:20])
        self.assertEqual(self.zone.asked, {})

    async def test_noServerAtAll(self) -> None:
        await self.assertFailure(Names(Clock(), []).addresses("x.example.com"), NoNames)
