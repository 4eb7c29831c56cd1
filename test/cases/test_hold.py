"""Hold and moves by the far end in whole calls (cases hold-001, 002, 004, 005)."""

from __future__ import annotations

import re

from doug.events import CallHeldEvent, CallResumedEvent, MediaDoneEvent
from test.cases.actor import sdp
from test.cases.case import FieldCase
from test.cases.media import assertGapless

DIRECTIONS = (  # offered, answered
    ("a=sendrecv", "sendrecv"),
    ("a=sendonly", "recvonly"),
    ("a=recvonly", "sendonly"),
    ("a=inactive", "inactive"),
    ("", "sendrecv"),
)


def direction(body: bytes) -> str:
    """That of a description's audio stream."""
    found = re.search(r"a=(sendrecv|sendonly|recvonly|inactive)\r\n", body.decode())
    return found[1] if found else "sendrecv"


def version(body: bytes) -> int:
    """Of the o= line."""
    found = re.search(r"o=\S+ \d+ (\d+) ", body.decode())
    assert found is not None
    return int(found[1])


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
