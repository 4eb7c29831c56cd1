"""Sound forwarded from session to session on arrival: echo and bridge."""

from __future__ import annotations

import itertools
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from shtoom.codecs import ULAW_TO_ALAW
from shtoom.rtp.packet import RTPPacket
from test.media.support import (
    EVENT_TYPE,
    PCMA,
    PCMU,
    Bench,
    Ear,
    Packets,
    Tone,
    parameters,
    speech,
)

BOB = ("198.51.100.21", 41000)


def key(sequence: int) -> RTPPacket:
    """One telephone-event packet."""
    return RTPPacket(EVENT_TYPE, sequence, 9000, 7, bytes([5, 10, 0, 160]))


class ForwardingTests(SynchronousTestCase):
    """A translator in the sense of RFC 3550 7.1, with an SSRC of its own."""

    def setUp(self) -> None:
        self.bench = Bench(idle="none")
        self.alice = self.bench.session()
        self.bob = self.bench.session(remote=BOB)
        self.bench.runFor(1.5)
        self.bench.forget()

    def heard(self, session: Any) -> list[RTPPacket]:
        """What a session's far end got."""
        return [packet for _, packet in self.bench.packets(session)]

    def test_theEchoIsBitExact(self) -> None:
        """Each packet comes back at once, once, with its sound untouched."""
        self.alice.forwardTo = self.alice
        sent = speech(100)
        for packet in sent:
            self.bench.arrives(self.alice, packet)
            self.bench.runFor(0.02)
        got = self.heard(self.alice)
        self.assertEqual([p.payload for p in got], [p.payload for p in sent])

    def test_theBridgeGoesToTheOtherFarEnd(self) -> None:
        """From the other session's port, under its SSRC."""
        self.alice.forwardTo = self.bob
        self.bob.forwardTo = self.alice
        self.bench.talk(self.alice, 20)
        self.bench.talk(self.bob, 20, BOB, ssrc=8)
        toBob, toAlice = self.heard(self.bob), self.heard(self.alice)
        self.assertEqual((len(toBob), len(toAlice)), (20, 20))
        self.assertEqual(set(self.bench.destinations(self.bob)), {BOB})
        self.assertNotIn(toBob[0].ssrc, (7, 8, toAlice[0].ssrc))

    def test_packetsLeaveInTheMomentOfTheirComing(self) -> None:
        """No beat, no buffer in between."""
        self.alice.forwardTo = self.bob
        self.bench.runFor(0.0123)
        now = self.bench.clock.seconds()
        self.bench.arrives(self.alice, speech(1)[0])
        self.assertEqual([at for at, _ in self.bench.packets(self.bob)], [now])

    def test_lossesPausesAndMarkersStayWhatTheyAre(self) -> None:
        """Steps of sequence and timestamp are those of the incoming packets."""
        self.alice.forwardTo = self.bob
        sent = speech(20)
        del sent[5:8]
        sent[12] = sent[12]._replace(marker=True)
        sent[13:] = [p._replace(timestamp=p.timestamp + 8000) for p in sent[13:]]
        sent[2], sent[3] = sent[3], sent[2]
        for packet in sent:
            self.bench.arrives(self.alice, packet)
        got = self.heard(self.bob)
        for came, went in zip(sent, got, strict=True):
            self.assertEqual(
                (
                    (went.sequence - got[0].sequence) & 0xFFFF,
                    (went.timestamp - got[0].timestamp) & 0xFFFFFFFF,
                    went.payload,
                ),
                (
                    (came.sequence - sent[0].sequence) & 0xFFFF,
                    (came.timestamp - sent[0].timestamp) & 0xFFFFFFFF,
                    came.payload,
                ),
            )
        self.assertEqual([p.marker for p in got[1:]], [p.marker for p in sent[1:]])

    def test_theFirstForwardedPacketFollowsWhatWasSentBefore(self) -> None:
        """Behind a prompt: sequence by one, timestamp not back, marker."""
        self.bob.feed = Packets(*[b"a" * 160] * 10)
        self.bench.runFor(0.5)
        before = self.heard(self.bob)[-1]
        self.bench.forget()
        self.alice.forwardTo = self.bob
        self.bench.talk(self.alice, 5)
        first = self.heard(self.bob)[0]
        self.assertEqual(first.sequence, (before.sequence + 1) & 0xFFFF)
        self.assertTrue(first.marker)
        self.assertLess(160 - 1, (first.timestamp - before.timestamp) & 0xFFFFFFFF)
        self.assertLess((first.timestamp - before.timestamp) & 0xFFFFFFFF, 8000)

    def test_aPromptGoesBeforeForwardedSound(self) -> None:
        """And follows it: one line of numbers, never two sounds at once."""
        self.alice.forwardTo = self.bob
        self.bench.talk(self.alice, 20)
        self.bob.feed = Tone()
        self.bench.talk(self.alice, 20, sequence=120, timestamp=8200)
        self.bob.feed = None
        self.bench.talk(self.alice, 20, sequence=140, timestamp=11400)
        got = self.heard(self.bob)
        self.assertIn(len(got), (59, 60, 61))
        for a, b in itertools.pairwise(got):
            self.assertEqual((b.sequence - a.sequence) & 0xFFFF, 1)
            self.assertLess(0, (b.timestamp - a.timestamp) & 0xFFFFFFFF)
            self.assertLessEqual((b.timestamp - a.timestamp) & 0xFFFFFFFF, 800)

    def test_aNewSSRCGoesOnBehindTheOld(self) -> None:
        """A transfer behind the far end is no new stream for the other side."""
        self.alice.forwardTo = self.bob
        self.bench.talk(self.alice, 20)
        self.bench.talk(self.alice, 20, sequence=60000, timestamp=3000000000, ssrc=99)
        got = self.heard(self.bob)
        self.assertEqual(len({packet.ssrc for packet in got}), 1)
        for a, b in itertools.pairwise(got):
            self.assertEqual((b.sequence - a.sequence) & 0xFFFF, 1)
            self.assertLessEqual((b.timestamp - a.timestamp) & 0xFFFFFFFF, 480)
        self.assertEqual([n for n, p in enumerate(got) if p.marker], [0, 20])

    def test_ownSoundGoesOnBehindAForwardedClockThatRanAhead(self) -> None:
        """The far end's clock was fast: the timestamps of a prompt do not go back."""
        self.alice.forwardTo = self.bob
        for n, packet in enumerate(speech(50)):
            self.bench.arrives(self.alice, packet._replace(timestamp=5000 + n * 176))
            self.bench.runFor(0.02)
        self.alice.forwardTo = None
        self.bob.feed = Tone()
        self.bench.runFor(0.5)
        got = self.heard(self.bob)
        for a, b in itertools.pairwise(got):
            step = (b.timestamp - a.timestamp) & 0xFFFFFFFF
            self.assertLessEqual(len(a.payload), step)
            self.assertLess(step, 0x80000000)

    def test_twoWhoForwardToOneTakeTurns(self) -> None:
        """The far end gets one line of numbers, each once."""
        carol = self.bench.session(remote=("198.51.100.22", 42000))
        self.alice.forwardTo = carol.forwardTo = self.bob
        for mine, hers in zip(speech(30), speech(30, ssrc=9, sequence=4000), strict=True):
            self.bench.arrives(self.alice, mine)
            self.bench.arrives(self.alice, mine._replace(sequence=mine.sequence + 1000))
            self.bench.arrives(carol, hers, ("198.51.100.22", 42000))
            self.bench.runFor(0.02)
        numbers = [packet.sequence for packet in self.heard(self.bob)]
        self.assertEqual(len(numbers), len(set(numbers)))

    def test_theOtherLawIsTranslated(self) -> None:
        """mu-law to A-law byte by byte."""
        bob = self.bench.session(remote=BOB, codec=PCMA, payloadType=8)
        self.alice.forwardTo = bob
        self.bench.runFor(1.5)
        self.bench.forget()
        sent = speech(5)
        for packet in sent:
            self.bench.arrives(self.alice, packet)
        got = self.heard(bob)
        self.assertEqual(
            [p.payload for p in got], [p.payload.translate(ULAW_TO_ALAW) for p in sent]
        )
        self.assertEqual({p.payloadType for p in got}, {8})

    def test_keysAreNotForwarded(self) -> None:
        """They are reported, and the sound around them shows no loss."""
        keys: list[object] = []
        self.alice.onKey = keys.append
        self.alice.forwardTo = self.alice
        for packet in speech(5):
            self.bench.arrives(self.alice, packet)
        for n in range(7):
            self.bench.arrives(self.alice, key(105 + n))
        for packet in speech(5, sequence=112, timestamp=5000 + 160 * 12):
            self.bench.arrives(self.alice, packet)
        got = self.heard(self.alice)
        self.assertEqual({p.payloadType for p in got}, {0})
        self.assertEqual([(p.sequence - got[0].sequence) & 0xFFFF for p in got], list(range(10)))
        self.assertEqual(len(keys), 1)

    def test_aKeyThatIsSentHoldsForwardedSoundBack(self) -> None:
        """No sound in the middle of an event (RFC 4733 2.5.1.2)."""
        self.alice.forwardTo = self.bob
        self.bench.talk(self.alice, 5)
        self.bob.sendEvent("1", 0.1)
        self.bench.talk(self.alice, 20, sequence=105, timestamp=5800)
        kinds = [packet.payloadType for packet in self.heard(self.bob)]
        first, last = kinds.index(EVENT_TYPE), len(kinds) - 1 - kinds[::-1].index(EVENT_TYPE)
        self.assertEqual(set(kinds[first : last + 1]), {EVENT_TYPE})
        self.assertEqual(set(kinds[last + 1 :]), {0})
        numbers = [packet.sequence for packet in self.heard(self.bob)]
        self.assertEqual({(b - a) & 0xFFFF for a, b in itertools.pairwise(numbers)}, {1})

    def test_aHeldSessionGetsNothing(self) -> None:
        """The other side hears again when it goes on."""
        self.alice.forwardTo = self.bob
        self.bob.start(parameters(BOB, send=False))
        self.bench.talk(self.alice, 5)
        self.assertEqual(self.heard(self.bob), [])
        self.bob.start(parameters(BOB))
        self.bench.talk(self.alice, 5, sequence=105)
        self.assertEqual(len([p for p in self.heard(self.bob) if p.payload != PCMU.silence]), 5)

    def test_noSilenceIsMixedIn(self) -> None:
        """With any idle policy, as long as packets come; after that it has its turn."""
        bench = Bench(idle="silence")
        session = bench.session()
        session.forwardTo = session
        bench.runFor(1.5)
        bench.talk(session, 20)
        bench.forget()
        bench.talk(session, 100, sequence=120, timestamp=5000 + 20 * 160)
        payloads = [packet.payload for _, packet in bench.packets(session)]
        self.assertNotIn(PCMU.silence, payloads)
        self.assertEqual(len(payloads), 100)
        bench.forget()
        bench.runFor(1.0)
        self.assertGreater(len(bench.packets(session)), 25)

    def test_listenersHearWhatIsForwardedToo(self) -> None:
        """A bridge may be recorded."""
        ear = Ear()
        self.alice.addListener(ear)
        self.alice.forwardTo = self.bob
        self.bench.talk(self.alice, 20)
        self.bench.runFor(0.2)
        self.assertEqual(len([f for f in ear.frames if f != bytes(320)]), 20)
        self.assertEqual(len([p for p in self.heard(self.bob) if p.payload != PCMU.silence]), 20)

    def test_theEndOfTheOtherSessionEndsTheForwarding(self) -> None:
        """And that of this one lets go of the other."""
        self.alice.forwardTo = self.bob
        self.bob.close()
        self.assertIsNone(self.alice.forwardTo)
        self.bench.talk(self.alice, 5)
        error = self.assertRaises(ValueError, setattr, self.alice, "forwardTo", self.bob)
        self.assertIn("closed", str(error))

    @given(
        st.lists(
            st.one_of(
                st.tuples(st.just("sound"), st.integers(0, 400)),
                st.tuples(st.just("key"), st.integers(0, 400)),
                st.tuples(st.just("wait"), st.integers(1, 60)),
                st.tuples(st.just("prompt"), st.integers(0, 1)),
            ),
            max_size=60,
        )
    )
    @settings(max_examples=60, deadline=None)
    def test_noNumberIsSentTwice(self, happenings: list[tuple[str, int]]) -> None:
        """Each packet that came once goes out once under a sequence number of its own."""
        bench = Bench()
        session = bench.session()
        session.forwardTo = session
        seen: set[int] = set()
        for what, number in happenings:
            if what == "wait":
                bench.runFor(number / 100)
            elif what == "prompt":
                session.feed = Tone() if number else None
            elif number not in seen:
                seen.add(number)
                packet = key(number) if what == "key" else speech(1, sequence=number)[0]
                bench.arrives(session, packet)
        numbers = [packet.sequence for _, packet in bench.packets(session)]
        self.assertEqual(len(numbers), len(set(numbers)))
        session.close()
