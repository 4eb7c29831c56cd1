"""Hold and moves by the far end in whole calls (cases hold-001, 002, 004, 005; 003: test.doug)."""

from __future__ import annotations

from doug.events import CallHeldEvent, CallResumedEvent, MediaDoneEvent
from test.cases.actor import direction, sdp, version
from test.cases.case import FieldCase
from test.cases.media import assertGapless, jumps, loud, sound

DIRECTIONS = (  # offered, answered
    ("a=sendrecv", "sendrecv"),
    ("a=sendonly", "recvonly"),
    ("a=recvonly", "sendonly"),
    ("a=inactive", "inactive"),
    ("", "sendrecv"),
)


class HoldCases(FieldCase):
    """The far end holds, resumes, moves."""

    def offer(self, more: str = "", host: str = "", version: int = 1) -> bytes:
        """Of alice's, with lines of the test's own in the place of a direction."""
        return sdp(host or self.alice.host, 40000, more=more, version=version)

    def test_hold_001_directionsOfTheFirstOffer(self) -> None:
        """Each is answered by its counterpart (RFC 3264 6.1)."""
        for offered, answered in DIRECTIONS:
            call = self.answered(self.offer(offered))
            self.assertEqual(direction(call.sdp), answered, offered)
            self.hangUp(call)
        self.assertStillWell()

    def test_hold_001_directionsOfLaterOffers(self) -> None:
        """The same in re-INVITEs; the o= version grows by one with each change (RFC 3264 8)."""
        call = self.answered()
        versions = [version(call.sdp)]
        for number, (offered, answered) in enumerate(DIRECTIONS, 2):
            response = call.reoffer(self.offer(offered, version=number))
            self.assertEqual(direction(response.body), answered, offered)
            versions.append(version(response.body))
        first = versions[0]
        self.assertEqual(versions, [first + n for n in (0, 0, 1, 2, 3, 4)])
        self.hangUp(call)
        self.assertStillWell()

    def test_hold_001_theSessionsDirectionCounts(self) -> None:
        """a=sendonly at session level, none at the stream (RFC 8866 6.7)."""
        call = self.answered()
        body = self.offer("").replace(b"t=0 0\r\n", b"t=0 0\r\na=sendonly\r\n")
        self.assertEqual(direction(call.reoffer(body).body), "recvonly")
        self.lab.advance(0.0)
        self.assertEqual(len(self.app.got(CallHeldEvent)), 1)
        self.hangUp(call)
        self.assertStillWell()

    def test_hold_002_endsOfTheLastLine(self) -> None:
        """No line end, bare LF, a blank line: a=sendonly is read (RFC 8866 5 and 9)."""
        whole = self.offer("a=sendonly")
        for body in (whole[:-2], whole.replace(b"\r\n", b"\n"), whole + b"\r\n"):
            call = self.answered()
            self.assertEqual(direction(call.reoffer(body).body), "recvonly")
            self.hangUp(call)
        self.assertStillWell()

    def heldBy(self, hold: bytes) -> None:
        """A play is held by that offer, and goes on by the first one."""
        call = self.answered()
        self.app.leg.mediaPlay(self.soundFile(8.0))
        self.lab.advance(0.5)
        ssrc = self.alice.media.packets[-1].rtp.ssrc
        call.reoffer(hold)
        self.assertEqual(self.alice.media.during(2.0), [])
        self.assertEqual(len(self.app.got(CallHeldEvent)), 1)
        call.reoffer(self.offer(version=3))
        packets = self.alice.media.during(2.0)
        assertGapless(packets)
        self.assertGreater(len(packets), 97)
        self.assertEqual(packets[0].rtp.ssrc, ssrc)
        self.assertTrue(packets[0].rtp.marker)
        self.assertEqual(len(self.app.got(CallResumedEvent)), 1)
        self.assertEqual(self.app.got(MediaDoneEvent), [])
        self.hangUp(call)
        self.assertStillWell()

    def test_hold_004_byNoAddress(self) -> None:
        """c=IN IP4 0.0.0.0: nothing is sent, the play goes on when it ends (RFC 3264 8.4)."""
        self.heldBy(self.offer(host="0.0.0.0", version=2))

    def test_hold_004_byDirection(self) -> None:
        """a=sendonly: the same, with the phone's address in place (RFC 3264 8.4)."""
        self.heldBy(self.offer("a=sendonly", version=2))

    def test_hold_004_byNoAddressAndInactive(self) -> None:
        """Both at once, as some phones do: the same."""
        self.heldBy(self.offer("a=inactive", host="0.0.0.0", version=2))

    def test_hold_005_theMediaMoves(self) -> None:
        """To another address with our answer, back with the ACK's; one SSRC (RFC 3264 8.3.1)."""
        call = self.answered()
        self.app.leg.mediaPlay(self.soundFile(8.0))
        self.lab.advance(0.5)
        call.reoffer(sdp(self.bob.host, self.bob.media.port, version=2))
        before = len(self.alice.media.packets)
        moved = self.bob.media.during(1.0)
        assertGapless([self.alice.media.packets[-1], *moved])
        self.assertGreater(len(moved), 48)
        self.assertEqual(len(self.alice.media.packets), before)
        call.reinvite(b"")
        self.assertRegex(self.alice.response("200 INVITE").body.decode(), "m=audio ")
        call.ack(self.alice.answer)
        self.lab.advance(0.02)
        back = self.alice.media.during(1.0)
        assertGapless(back)
        self.assertGreater(len(back), 48)
        self.assertEqual({p.rtp.ssrc for p in back}, {p.rtp.ssrc for p in moved})
        self.hangUp(call)
        self.assertStillWell()

    def test_nothingChanged(self) -> None:
        """A re-INVITE, or UPDATE, as a keep-alive: the same answer, its version too; no sound is
        lost either way, and nothing is told (RFC 3264 8)."""
        call = self.answered()
        self.app.leg.mediaPlay(self.soundFile(8.0))
        ear = self.listen()
        self.alice.media.say(call.media, count=150, ssrc=7)
        self.lab.advance(0.5)
        before = self.app.names
        sent, answers = len(self.alice.media.packets), {call.sdp}
        for number in range(4):
            if number % 2:
                call.ask("UPDATE", body=self.alice.offer)
                answers.add(self.alice.response("200 UPDATE").body)
            else:
                answers.add(call.reoffer().body)
            self.lab.advance(0.3)
        self.assertEqual(len(answers), 1)
        packets = self.alice.media.packets[sent - 1 :]
        assertGapless(packets)
        self.assertGreater(len(packets), 59)
        self.assertFalse(any(packet.rtp.marker for packet in packets))
        self.lab.advance(2.0)
        self.assertEqual(jumps(ear.heard, 440), 0)
        self.assertNear(len(loud(ear.heard)) / 8000, 3.0, 0.01)
        self.assertEqual(self.app.names, before)
        self.hangUp(call)
        self.assertStillWell()

    def test_byUPDATE(self) -> None:
        """An UPDATE with an offer holds and resumes as a re-INVITE does (RFC 3311 5.2)."""
        call = self.answered()
        self.app.leg.mediaPlay(self.soundFile(8.0))
        self.lab.advance(0.5)
        call.ask("UPDATE", body=self.offer("a=sendonly", version=2))
        response = self.alice.response("200 UPDATE")
        self.assertEqual(direction(response.body), "recvonly")
        self.assertEqual(self.alice.media.during(1.0), [])
        call.ask("UPDATE", body=self.offer(version=3))
        self.assertEqual(direction(self.alice.response("200 UPDATE").body), "sendrecv")
        self.assertGreater(len(self.alice.media.during(0.5)), 23)
        names = [name for name in self.app.names if name.startswith(("CallH", "CallR"))]
        self.assertEqual(names, ["CallHeldEvent", "CallResumedEvent"])
        self.hangUp(call)
        self.assertStillWell()

    def test_resumedWithoutAnOffer(self) -> None:
        """A re-INVITE without SDP ends a hold: the 200 offers sendrecv, the ACK's answer counts."""
        call = self.answered()
        self.app.leg.mediaPlay(self.soundFile(8.0))
        call.reoffer(self.offer("a=inactive", version=2))
        call.reinvite(b"")
        offer = self.alice.response("200 INVITE").body
        self.assertEqual(direction(offer), "sendrecv")
        self.assertEqual(self.alice.media.during(0.3), [])
        call.ack(self.alice.answer)
        self.assertGreater(len(self.alice.media.during(0.5)), 23)
        self.assertEqual(len(self.app.got(CallResumedEvent)), 1)
        self.hangUp(call)
        self.assertStillWell()

    def test_anotherCodec(self) -> None:
        """A re-INVITE for A-law: both directions change, the play goes on without a gap."""
        call = self.answered()
        self.app.leg.mediaPlay(self.soundFile(8.0, 1000.0))
        self.lab.advance(0.5)
        ear = self.listen()
        response = call.reoffer(sdp(self.alice.host, 40000, "8 101", version=2))
        self.assertRegex(response.body.decode(), r"m=audio \d+ RTP/AVP 8 101\r\n")
        self.lab.advance(0.02)
        packets = self.alice.media.during(0.5)
        assertGapless(packets)
        self.assertEqual({packet.rtp.payloadType for packet in packets}, {8})
        self.assertEqual(jumps(sound(packets), 1000), 0)
        self.alice.media.say(call.media, count=25, pt=8, ssrc=7)
        self.lab.advance(0.6)
        self.assertNear(len(loud(ear.heard)) / 8000, 0.5, 0.01)
        self.hangUp(call)
        self.assertStillWell()
