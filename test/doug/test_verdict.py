"""doug.verdict: each rule finds what it is for, and nothing in a sound call."""

from __future__ import annotations

from dataclasses import replace

from twisted.trial.unittest import SynchronousTestCase

from doug.verdict import CallFacts, judge
from shtoom.media.stats import MediaStats

SOUND_MEDIA = MediaStats(
    packetsSent=500,
    packetsReceived=500,
    lost=0,
    dropped={},
    firstPacketAt=1.0,
    lastPacketAt=11.0,
    remoteAddress=("198.51.100.20", 4000),
    latchedFrom=("198.51.100.20", 4000),
    refusals=0,
)
SOUND = CallFacts(
    answeredFor=10.0,
    contactHost="198.51.100.20",
    signallingHost="198.51.100.20",
    mediaHost="198.51.100.20",
    stats=SOUND_MEDIA,
)


class VerdictTests(SynchronousTestCase):
    def rules(self, **facts: object) -> list[str]:
        """The rules that find something when the sound call differs in these facts."""
        return [finding.rule for finding in judge(replace(SOUND, **facts))]  # type: ignore[arg-type]

    def media(self, **stats: object) -> MediaStats:
        return replace(SOUND_MEDIA, **stats)  # type: ignore[arg-type]

    def test_soundCallHasNoFindings(self) -> None:
        """Nor has one that was never answered, or was over at once."""
        silent = self.media(packetsReceived=0, packetsSent=0, latchedFrom=None)
        self.assertEqual(self.rules(), [])
        self.assertEqual(self.rules(answeredFor=None, stats=silent), [])
        self.assertEqual(self.rules(answeredFor=1.0, stats=silent), [])

    def test_signallingComesFirst(self) -> None:
        """What the user agent found, such as a missing ACK, word for word."""
        [first, *_] = judge(replace(SOUND, signalling=("no ACK came",), leftOut=True))
        self.assertEqual((first.rule, str(first)), ("signalling", "no ACK came"))

    def test_privateContact(self) -> None:
        """A private Contact from a public source; not within one private network; said once."""
        self.assertEqual(self.rules(contactHost="192.168.1.7"), ["private-contact"])
        self.assertEqual(self.rules(contactHost="fd00::7"), ["private-contact"])
        self.assertEqual(self.rules(contactHost="192.168.1.7", signallingHost="10.0.0.1"), [])
        self.assertEqual(self.rules(contactHost="phone.example"), [])
        said = ("the peer says it is at 192.168.1.7",)
        self.assertEqual(self.rules(contactHost="192.168.1.7", signalling=said), ["signalling"])

    def test_privateMedia(self) -> None:
        """A private address in the SDP, seen against where packets came from, or signalling did."""
        self.assertEqual(self.rules(mediaHost="10.1.2.3"), ["private-media"])
        silent = self.media(latchedFrom=None, packetsReceived=0)
        self.assertIn("private-media", self.rules(mediaHost="10.1.2.3", stats=silent))

    def test_mediaFromElsewhere(self) -> None:
        """Packets from another public address than the SDP's."""
        self.assertEqual(self.rules(mediaHost="203.0.113.1"), ["media-elsewhere"])

    def test_foreignMedia(self) -> None:
        """Packets that the latch kept out."""
        self.assertEqual(
            self.rules(stats=self.media(dropped={"not the far end": 9, "RTCP": 2})),
            ["foreign-media"],
        )

    def test_noMedia(self) -> None:
        """Nothing came though it should have; not on a call that was held to its end."""
        silent = self.media(packetsReceived=0, latchedFrom=None)
        self.assertEqual(self.rules(stats=silent), ["no-media"])
        self.assertEqual(self.rules(stats=silent, expected=False), [])

    def test_oneWayAudio(self) -> None:
        """The far end is heard, nothing could be sent."""
        self.assertEqual(self.rules(stats=self.media(packetsSent=0)), ["one-way"])

    def test_loss(self) -> None:
        """From 5 % on."""
        self.assertEqual(self.rules(stats=self.media(lost=20)), [])
        self.assertEqual(self.rules(stats=self.media(lost=30)), ["loss"])
        self.assertEqual(self.rules(stats=self.media(packetsReceived=3, lost=3)), [])

    def test_keysThatWereLost(self) -> None:
        """Those that no state wanted, and those that came while a Deferred pended."""
        self.assertEqual(self.rules(keysUnmatched="12"), ["keys-unmatched"])
        self.assertEqual(self.rules(keysWaiting="3"), ["keys-lost"])

    def test_lateBeats(self) -> None:
        """Sound that was left out."""
        self.assertEqual(self.rules(leftOut=True), ["late"])

    def test_soundsThatCouldNotBePlayed(self) -> None:
        """Each is named, with why."""
        missing = "hello.wav cannot be opened (No such file or directory): see the path"
        [finding] = judge(replace(SOUND, notPlayed=(missing,)))
        self.assertEqual(finding.rule, "not-played")
        self.assertIn(missing, finding.text)

    def test_applicationThatFailed(self) -> None:
        """Comes first: the rest may follow from it."""
        [first, *_] = judge(replace(SOUND, appError="Menu.up: KeyError: 'x'", leftOut=True))
        self.assertEqual(first.rule, "app-failed")
        self.assertIn("Menu.up: KeyError", first.text)

    def test_survivors(self) -> None:
        """What was still open."""
        self.assertEqual(self.rules(survivors=["recording x.wav"]), ["survivors"])

    def test_eachFindingHasARemedy(self) -> None:
        """Words that say what to do, not only what was wrong."""
        everything = CallFacts(
            answeredFor=9.0,
            contactHost="10.0.0.1",
            signallingHost="198.51.100.1",
            mediaHost="10.0.0.1",
            stats=self.media(packetsReceived=0, dropped={}),
            keysUnmatched="1",
            keysWaiting="2",
            leftOut=True,
        )
        for finding in judge(everything):
            self.assertGreater(len(finding.text), 60, finding.rule)
