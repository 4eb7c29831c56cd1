"""What a start-up check finds, and when it is silent."""

from __future__ import annotations

import resource
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from doug.checks import (
    addressWarnings,
    argumentWarnings,
    converterNotes,
    descriptorWarnings,
    ephemeralPorts,
    neededDescriptors,
    portWarnings,
    raiseDescriptorLimit,
    reservedPorts,
    startUpWarnings,
)
from doug.settings import Routed, Settings, parseEndpoint
from doug.voiceapp import VoiceApp


def heardAt(*endpoints: str, advertise: str | None = None) -> Settings:
    """Settings with these for --listen."""
    return Settings(listen=tuple(parseEndpoint(e) for e in endpoints), advertise=advertise)


def nowhere(host: str) -> str:
    """A machine without a way out."""
    raise OSError("Network is unreachable")


class ChecksTests(SynchronousTestCase):
    """Each finding names the figure or address, and the remedy."""

    def test_tooFewDescriptors(self) -> None:
        """Calls that the limit carries, and what to set."""
        [text] = descriptorWarnings(Settings(rtpPorts=(10000, 20000)), 1024)
        for word in ("1024", "924 calls", "5001", "ulimit -n 5101", "LimitNOFILE=5101"):
            self.assertIn(word, text)

    def test_enoughDescriptors(self) -> None:
        """No limit, a high one, or few calls."""
        self.assertEqual(list(descriptorWarnings(Settings(), None)), [])
        self.assertEqual(list(descriptorWarnings(Settings(), 65536)), [])
        self.assertEqual(list(descriptorWarnings(Settings(maxCalls=500), 1024)), [])

    def test_oneDescriptorAnEvenPort(self) -> None:
        """Odd ends of the range count for nothing."""
        for ports, calls in [((4000, 4000), 1), ((4001, 4003), 1), ((4000, 4009), 5)]:
            self.assertEqual(neededDescriptors(Settings(rtpPorts=ports)), calls + 100)
            listen = tuple(map(parseEndpoint, ("udp:*:5060", "tcp:*:5060", "wss:*:8443")))
            settings = Settings(rtpPorts=ports, listen=listen, maxConnections=30)
            self.assertEqual(neededDescriptors(settings), calls + 160)

    def test_theSoftLimitIsRaisedAsFarAsItMay(self) -> None:
        """Never lowered, never beyond the hard limit."""
        before = resource.getrlimit(resource.RLIMIT_NOFILE)
        self.addCleanup(resource.setrlimit, resource.RLIMIT_NOFILE, before)
        resource.setrlimit(resource.RLIMIT_NOFILE, (256, before[1]))
        raiseDescriptorLimit(300)
        self.assertEqual(resource.getrlimit(resource.RLIMIT_NOFILE), (300, before[1]))
        raiseDescriptorLimit(200)
        self.assertEqual(resource.getrlimit(resource.RLIMIT_NOFILE), (300, before[1]))

    def test_mediaPortsThatTheKernelHandsOut(self) -> None:
        """The part that both have, unless it is reserved."""
        settings = Settings(rtpPorts=(30000, 40000))
        [text] = portWarnings(settings, (32768, 60999), [])
        self.assertIn("ip_local_reserved_ports=32768-40000", text)
        self.assertEqual(list(portWarnings(settings, (32768, 60999), [(32000, 41000)])), [])
        self.assertEqual(list(portWarnings(Settings(), (32768, 60999), [])), [])
        self.assertEqual(list(portWarnings(settings, None, [])), [])

    def test_sipWithinTheMediaPorts(self) -> None:
        """Both options are named."""
        [text] = portWarnings(heardAt("udp:127.0.0.1:12000"), None, [])
        self.assertIn("--listen=udp:127.0.0.1:12000", text)
        self.assertIn("--rtp-ports=10000-20000", text)

    def test_onlyAPrivateAddress(self) -> None:
        """It is named, once, with the remedy."""
        settings = heardAt("udp:*:5060", "udp:10.1.2.3:5070")
        [text] = addressWarnings(settings, lambda host: "10.1.2.3")
        self.assertIn("10.1.2.3", text)
        self.assertIn("--advertise", text)

    def test_onlyLoopback(self) -> None:
        """A machine without network listens on all addresses: nobody will hear of it."""
        [text] = addressWarnings(heardAt("udp:*:5060"), nowhere)
        self.assertIn("127.0.0.1", text)

    def test_loopbackThatWasAskedFor(self) -> None:
        """Or a public address, or an advertised one: nothing to say."""
        for settings in (
            heardAt("udp:127.0.0.1:5060", "udp:[::1]:5060"),
            heardAt("udp:8.8.8.8:5060"),
            heardAt("udp:[::]:5060"),
            heardAt("udp:*:5060", advertise="203.0.113.5"),
        ):
            self.assertEqual(list(addressWarnings(settings, nowhere)), [])
        self.assertEqual(list(addressWarnings(heardAt("udp:*:5060"), lambda _: "8.8.8.8")), [])

    def test_noConverter(self) -> None:
        """Nothing converts mp3: what to install is said."""
        [text] = converterNotes("install this")
        self.assertIn("mp3, ogg, flac", text)
        self.assertIn("install this", text)
        self.assertEqual(list(converterNotes(None)), [])

    def test_argumentsThatNoApplicationKnows(self) -> None:
        """The class is named, and what may have been meant."""

        class Menu(VoiceApp):
            greeting = "hello.wav"
            times: int

        def findings(**args: str) -> list[str]:
            return list(argumentWarnings(Settings(apps={"": Menu}, args=args)))

        self.assertEqual(findings(greeting="a.wav", times="3"), [])
        [text] = findings(greting="a.wav")
        self.assertIn("--args=greting", text)
        self.assertIn("Menu has no attribute 'greting', did you mean 'greeting'?", text)
        [text] = findings(zzz="1")
        self.assertIn("Menu has no attribute 'zzz'", text)
        routes = (
            Routed(Menu, "a", None, {"greeting": "a.wav"}),
            Routed(Menu, "b", None, {"greting": 3}),
        )
        [text] = argumentWarnings(Settings(routes=routes))
        self.assertIn("Menu has no attribute 'greting', did you mean 'greeting'?", text)

    def test_whatTheKernelSays(self) -> None:
        """Its files, or that they are not there."""
        proc = Path(self.mktemp())
        proc.mkdir()
        self.assertEqual((ephemeralPorts(proc), reservedPorts(proc)), (None, []))
        (proc / "ip_local_port_range").write_text("32768\t60999\n")
        (proc / "ip_local_reserved_ports").write_text("8080,30000-40000\n")
        self.assertEqual(ephemeralPorts(proc), (32768, 60999))
        self.assertEqual(reservedPorts(proc), [(8080, 8080), (30000, 40000)])
        (proc / "ip_local_reserved_ports").write_text("\n")
        self.assertEqual(reservedPorts(proc), [])

    def test_onThisMachine(self) -> None:
        """Whatever is found, it is words."""
        self.assertTrue(all(isinstance(text, str) for text in startUpWarnings(Settings())))
