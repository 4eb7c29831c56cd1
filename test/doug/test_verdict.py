"""doug.verdict: each rule finds what it is for, and nothing in a sound call."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from doug.verdict import RULES, SIGNALLING, CallFacts, judge
from shtoom.media.stats import MediaStats

PAGE = Path(__file__).parents[2] / "DOC" / "running.md"

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
        silent = self.media(packetsReceived=0, packetsSent=0, latchedFrom=None, unheard=10.0)
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
        """Packets from another public address than the SDP's; where ours go, is said too."""
        pair = ("203.0.113.1", 4000), ("198.51.100.20", 4000)
        for to, words in zip(pair, ("ours goes to 203.0.113.1", "ours follows it"), strict=True):
            stats = self.media(elsewhere=pair, remoteAddress=to)
            [finding] = judge(replace(SOUND, stats=stats))
            self.assertEqual(finding.rule, "media-elsewhere")
            self.assertIn(words, finding.text)
        private = ("10.0.0.1", 4000), pair[1]
        self.assertEqual(self.rules(stats=self.media(elsewhere=private)), [])

    def test_foreignMedia(self) -> None:
        """Packets that the latch kept out; a second of them may be the last of another call."""
        for count, rules in ((49, []), (50, ["foreign-media"])):
            stats = self.media(dropped={"not the far end": count, "RTCP": 200})
            self.assertEqual(self.rules(stats=stats), rules)

    def test_noMedia(self) -> None:
        """Nothing came though it should have, for two seconds that were not on hold."""
        silent = self.media(packetsReceived=0, latchedFrom=None, unheard=2.0)
        self.assertEqual(self.rules(stats=silent), ["no-media"])
        self.assertEqual(self.rules(stats=silent, expected=False), ["no-media"])
        self.assertEqual(self.rules(stats=replace(silent, unheard=1.9)), [])
        for count, rules in ((1, ["no-media"]), (50, ["foreign-media", "no-media"])):
            strays = replace(silent, dropped={"not the far end": count})
            self.assertEqual(self.rules(stats=strays), rules)

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

    def test_soundsThatCouldNotBeRecorded(self) -> None:
        """Each is named, with why."""
        [finding] = judge(replace(SOUND, notRecorded=("a.wav: full", "b.wav: no such folder")))
        self.assertEqual(finding.rule, "not-recorded")
        self.assertIn("a.wav: full; b.wav: no such folder", finding.text)

    def test_applicationThatFailed(self) -> None:
        """Comes first: the rest may follow from it."""
        [first, *_] = judge(replace(SOUND, appError="Menu.up: KeyError: 'x'", leftOut=True))
        self.assertEqual(first.rule, "app-failed")
        self.assertIn("Menu.up: KeyError", first.text)

    def test_survivors(self) -> None:
        """What was still open."""
        self.assertEqual(self.rules(survivors=["recording x.wav"]), ["survivors"])

    def test_noACK(self) -> None:
        """Whether sound came says what went wrong, and so does an address of ours."""
        said = "no ACK came within 32 s"
        facts: dict[str, Any] = {
            "answeredFor": None,
            "unacknowledged": said,
            "ourHost": "192.0.2.1",
        }
        silent = self.media(packetsReceived=0, latchedFrom=None)
        for more, words in (
            ({}, "it has our 200"),
            ({"stats": silent}, "our 200 did not get to 198.51.100.20"),
            ({"stats": silent, "ourHost": "10.0.0.5"}, "our Contact says 10.0.0.5"),
        ):
            [finding] = judge(replace(SOUND, **{**facts, **more}))
            self.assertEqual(finding.rule, "no-ack")
            self.assertTrue(finding.text.startswith(said))
            self.assertIn(words, finding.text)

    def test_oneWayAudioThatIsRefused(self) -> None:
        """By this machine: half of what was sent, or more."""
        self.assertEqual(self.rules(stats=self.media(refusals=249)), [])
        self.assertEqual(self.rules(stats=self.media(refusals=250)), ["one-way"])

    def test_oneWayAudioOnHold(self) -> None:
        """Nothing is sent to who does not listen."""
        self.assertEqual(self.rules(stats=self.media(packetsSent=0), listens=False), [])

    def test_oneWayAudioFromSomeTimeOn(self) -> None:
        """Ten seconds of nothing at the end."""
        self.assertEqual(self.rules(silentFor=9.9), [])
        self.assertEqual(self.rules(silentFor=10.0), ["one-way"])
        self.assertEqual(self.rules(silentFor=10.0, stats=self.media(pauses=1)), [])

    def test_jitter(self) -> None:
        """From 5 % on."""
        self.assertEqual(self.rules(stats=self.media(late=24)), [])
        self.assertEqual(self.rules(stats=self.media(late=25)), ["jitter"])
        self.assertEqual(self.rules(stats=self.media(packetsReceived=40, late=20)), [])

    def test_keysThatStoppedNothing(self) -> None:
        """In a prompt without bargeIn."""
        [finding] = judge(replace(SOUND, keysUnheeded="1"))
        self.assertEqual(finding.rule, "keys-unheeded")
        self.assertIn("bargeIn=True", finding.text)

    def test_deferredThatPended(self) -> None:
        """It names the handler; keys that waited for it say the same."""
        [finding] = judge(replace(SOUND, pending="Menu.choose"))
        self.assertEqual(finding.rule, "deferred-pending")
        self.assertIn("Menu.choose", finding.text)
        self.assertEqual(self.rules(pending="Menu.choose", keysWaiting="1"), ["keys-lost"])

    def test_eventsThatNobodyWanted(self) -> None:
        """With the state."""
        [finding] = judge(replace(SOUND, eventsUnmatched=("TimeoutEvent in greet",)))
        self.assertEqual(finding.rule, "events-unmatched")
        self.assertIn("TimeoutEvent in greet", finding.text)

    def test_slowHandlers(self) -> None:
        """They are named, and are the reason for beats that were late."""
        slow = ("Menu.up (menu.py, line 3): 0.31 s",)
        [finding] = judge(replace(SOUND, slowHandlers=slow, leftOut=True))
        self.assertEqual(finding.rule, "slow-handler")
        self.assertIn(slow[0], finding.text)


class TableTests(SynchronousTestCase):
    """All rules, and what the documentation says of them."""

    def wrong(self) -> Mapping[str, CallFacts]:
        """A call for each rule, in which just that goes wrong."""
        silent = replace(SOUND_MEDIA, packetsReceived=0, latchedFrom=None, unheard=10.0)
        return {
            "no-ack": CallFacts(unacknowledged="no ACK came", signallingHost="198.51.100.20"),
            "app-failed": replace(SOUND, appError="Menu.up: KeyError: 'x'"),
            "private-contact": replace(SOUND, contactHost="10.0.0.1"),
            "private-media": replace(SOUND, mediaHost="10.0.0.1"),
            "media-elsewhere": replace(
                SOUND,
                stats=replace(SOUND_MEDIA, elsewhere=(("203.0.113.1", 1), ("198.51.100.20", 1))),
            ),
            "foreign-media": replace(
                SOUND, stats=replace(SOUND_MEDIA, dropped={"not the far end": 50})
            ),
            "no-media": replace(SOUND, stats=silent),
            "one-way": replace(SOUND, silentFor=60.0),
            "loss": replace(SOUND, stats=replace(SOUND_MEDIA, lost=500)),
            "jitter": replace(SOUND, stats=replace(SOUND_MEDIA, late=500)),
            "events-unmatched": replace(SOUND, eventsUnmatched=("TimeoutEvent in greet",)),
            "keys-unmatched": replace(SOUND, keysUnmatched="1"),
            "keys-lost": replace(SOUND, keysWaiting="1"),
            "keys-unheeded": replace(SOUND, keysUnheeded="1"),
            "deferred-pending": replace(SOUND, pending="Menu.up"),
            "not-played": replace(SOUND, notPlayed=("x.wav cannot be opened: see the path",)),
            "not-recorded": replace(SOUND, notRecorded=("x.wav: No space left on device",)),
            "slow-handler": replace(SOUND, slowHandlers=("Menu.up: 0.3 s",)),
            "late": replace(SOUND, leftOut=True),
            "survivors": replace(SOUND, survivors=("recording x.wav",)),
        }

    def test_eachRuleHasItsCall(self) -> None:
        """In the order of RULES, and each finds just its own."""
        for rule, (name, facts) in zip(RULES, self.wrong().items(), strict=True):
            finding = rule(facts)
            assert finding is not None, name
            self.assertEqual(judge(facts), [finding])
            self.assertEqual(finding.rule, name)

    def test_eachFindingHasARemedy(self) -> None:
        """Words that say what to do, behind those that say what was wrong."""
        words = "see|let|name|add|move|play it|return|the log has|waits"
        pattern = re.compile(rf"[:;,(] ?({words})\b|(should|has to) name")
        for name, facts in self.wrong().items():
            for finding in judge(facts):
                self.assertRegex(finding.text, pattern, name)

    def test_eachRuleIsInTheDocumentation(self) -> None:
        """The table in DOC/running.md has a line for each, in their order, and no other."""
        section = PAGE.read_text().partition("### What a verdict may say")[2].partition("\n## ")[0]
        self.assertEqual(re.findall(r"^\| `([\w-]+)`", section, re.M), [SIGNALLING, *self.wrong()])
