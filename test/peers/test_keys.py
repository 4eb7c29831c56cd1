"""Keys between Doug and real phones over loopback; what is sent is read by tshark."""

from __future__ import annotations

import time
import wave
from pathlib import Path
from typing import NamedTuple

import numpy as np
from twisted.trial.unittest import SynchronousTestCase

from shtoom.audio.tones import dtmf, silence
from test.peers.peers import Baresip, Capture, waitFor, writeTone
from test.peers.server import Doug

FIELDS = (
    "rtpevent.event_id",
    "rtpevent.end_of_event",
    "rtpevent.duration",
    "rtp.marker",
    "rtp.timestamp",
    "rtp.seq",
)
RTP_PORTS = (12000, 12098)


class Event(NamedTuple):
    """A telephone-event packet as tshark shows it."""

    code: int
    end: bool
    duration: int
    marker: bool
    timestamp: int
    sequence: int


class KeyTests(SynchronousTestCase):
    """baresip calls a server of each test's own."""

    timeout = 90

    def setUp(self) -> None:
        if why := Baresip.missing():
            self.skipTest(why)

    def serve(self, app: str) -> Doug:
        """A server with that application of apps.py, and a tone to play in its folder."""
        first, last = RTP_PORTS
        doug = Doug(f"test.peers.apps.{app}", rtpPorts=f"{first}-{last}")
        writeTone(doug.dir / "tone.wav", 300, 1.0)
        self.addCleanup(doug.stop)
        doug.start()
        return doug

    def phone(self, source: str = "ausine,440") -> Baresip:
        """A phone that is up."""
        phone = Baresip("alice", source=source)
        self.addCleanup(phone.stop)
        phone.start()
        return phone

    def test_whatIsSentIsHeardAndWellFormed(self) -> None:
        """sendDTMF: baresip hears 12*#; tshark finds each packet as RFC 4733 2.5 has it."""
        if why := Capture.missing():
            self.skipTest(why)
        doug, phone = self.serve("SendsKeys"), self.phone()
        capture = Capture(sipPorts=[doug.port], rtpPorts=[RTP_PORTS])
        self.addCleanup(capture.stop)
        capture.start()
        phone.dial(f"sip:app@{doug.target}")
        phone.waitEvent("CALL_ESTABLISHED")
        waitFor("the keys to be out", (doug.dir / "sent.txt").exists, 8.0)
        time.sleep(0.3)
        self.assertEqual(phone.digits(), "12*#")
        phone.hangup()
        capture.finish()
        self.assertEqual(capture.complaints(), [])
        presses: dict[int, list[Event]] = {}
        for event in self.events(capture):
            presses.setdefault(event.timestamp, []).append(event)
        self.assertEqual([press[0].code for press in presses.values()], [1, 2, 10, 11])
        for press in presses.values():
            self.assertEqual([e.duration for e in press], [*range(160, 801, 160), 800, 800])
            self.assertEqual([e.end for e in press], 4 * [False] + 3 * [True])
            self.assertEqual([e.marker for e in press], [True] + 6 * [False])
            numbers = [e.sequence - press[0].sequence & 0xFFFF for e in press]
            self.assertEqual(numbers, list(range(7)))

    def test_tonesAreHeard(self) -> None:
        """dtmfMode(inband=True): a phone whose microphone hears a dialler."""
        microphone = Path(self.mktemp()).resolve()
        keys = "1590*#AD"
        parts = [silence(1.0), *(np.append(dtmf(k, 0.1), silence(0.1)) for k in keys), silence(9.0)]
        with wave.open(str(microphone), "wb") as out:
            out.setparams((1, 2, 8000, 0, "NONE", ""))
            out.writeframes(np.concatenate(parts).tobytes())
        doug, phone = self.serve("HearsTones"), self.phone(f"aufile,{microphone}")
        phone.dial(f"sip:app@{doug.target}")
        phone.waitEvent("CALL_ESTABLISHED")
        results = doug.dir / "keys.txt"
        time.sleep(3.5)
        phone.hangup()
        phone.waitEvent("CALL_CLOSED")
        self.assertEqual(results.read_text().splitlines(), [f"{key} inband" for key in keys])

    def events(self, capture: Capture) -> list[Event]:
        """The telephone-events in it, in order. The ports of the call are those of its SDP."""
        fields = [x for field in FIELDS for x in ("-e", field)]
        text = capture.tshark("-Y", "rtpevent", "-T", "fields", *fields)
        events = []
        for line in text.splitlines():
            code, end, duration, marker, timestamp, sequence = line.split("\t")
            events.append(
                Event(
                    int(code),
                    end in ("1", "True"),
                    int(duration),
                    marker in ("1", "True"),
                    int(timestamp),
                    int(sequence),
                )
            )
        return events
