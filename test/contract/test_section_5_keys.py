"""Contract section 5: dtmfMode(inband=True) and sendDTMF, on whole calls in virtual time.

Not here: the rest of dtmfMode (test_section_5_leg.py).
"""

from __future__ import annotations

import numpy as np

from doug.events import DTMFReceivedEvent
from doug.settings import Settings
from test.cases.actor import Actor, sdp
from test.cases.case import FieldCase
from test.doug.puppet import LegTestCase, Puppet


class InbandTests(LegTestCase):
    """dtmfMode(inband=True)."""

    def test_inbandIsOffAtFirst(self) -> None:
        """Tones are keys after dtmfMode(inband=True), and no longer after it is off again."""
        self.begin()
        self.call.sayKeys("1")
        self.lab.advance(1.0)
        self.leg.dtmfMode(single=True, inband=True)
        self.call.sayKeys("23")
        self.lab.advance(1.0)
        self.leg.dtmfMode(single=True)
        self.call.sayKeys("4")
        self.lab.advance(1.0)
        self.assertEqual(self.digits(), ["2", "3"])
        self.assertEqual(self.app.last().evidence[0].how, "inband")
        self.assertAlmostEqual(self.app.last().evidence[0].duration, 0.1, 1)
        self.finish()

    def test_inbandKeysAreCollectedAndStopPrompts(self) -> None:
        """As others are; a tone is a key within 160 ms of its start, play-out buffer and all."""
        self.begin()
        self.leg.dtmfMode(inband=True)
        self.leg.mediaPlay(self.wav("a.wav", 440, 5.0), bargeIn=True)
        self.lab.advance(1.0)
        self.call.sayKeys("42#")
        self.lab.advance(0.16)
        self.assertFalse(self.leg.isPlaying())
        self.lab.advance(1.0)
        self.assertEqual(self.app.names()[1:], ["MediaPlayUserBargeIn"])
        self.assertEqual(self.digits(), ["42#"])
        self.finish()

    def test_onePressInTwoFormsIsReportedOnce(self) -> None:
        """When it is first seen; evidence has both."""
        self.begin()
        self.leg.dtmfMode(single=True, inband=True)
        self.call.sayKeys("5", duration=0.2)
        self.call.sendInfo(b"Signal=5")
        self.lab.advance(1.0)
        self.assertEqual(self.digits(), ["5"])
        self.assertEqual(sorted(self.app.last().evidence[0].seen), ["inband", "info"])
        self.finish()

    def test_theSameKeyTwiceInTwoForms(self) -> None:
        """As a tone and as a telephone-event (RFC 4733) at the same time: 55, not 5555."""
        self.begin()
        self.leg.dtmfMode(single=False, inband=True, maxDigits=2)
        for key in "55":
            self.call.press(key)
            self.call.sayKeys(key)
            self.lab.advance(1.0)
        self.assertEqual(self.digits(), ["55"])
        self.finish()

    def test_inbandEndsWithTheOwner(self) -> None:
        """hijackLeg: the new application begins as with a new leg."""
        self.begin()
        self.leg.dtmfMode(inband=True)
        self.lab.application.startVoiceApp()
        other = next(a for a in self.lab.application.listVoiceapps().values() if a is not self.app)
        assert isinstance(other, Puppet)
        self.leg.hijackLeg(other)
        self.call.sayKeys("1")
        self.call.press("2")
        self.lab.advance(1.0)
        self.assertEqual([e.digits for e in other.events], ["2"])  # type: ignore[attr-defined]
        other.returnResult("over")
        self.finish()

    def digits(self) -> list[str]:
        """Of the events that have some."""
        return [event.digits for event in self.app.events if isinstance(event, DTMFReceivedEvent)]


class SendDTMFTests(LegTestCase):
    """sendDTMF(digits, duration=0.1, delay=0.5)."""

    def test_asTelephoneEvents(self) -> None:
        """All sixteen; the Deferred fires when the last is out."""
        self.begin()
        done = self.leg.sendDTMF("0123456789*#abcd", duration=0.06, delay=0.1)
        self.lab.advance(2.3)
        self.assertNoResult(done)
        self.lab.advance(0.3)
        self.assertIsNone(self.successResultOf(done))
        self.assertEqual((self.call.keys, self.call.tones), ("0123456789*#ABCD", ""))
        self.finish()

    def test_delayIsTheTimeBetweenTwo(self) -> None:
        """Half a second, from the end of one to the start of the next; a comma is two more."""
        self.begin()
        self.leg.sendDTMF("12,3")
        for seconds, keys in ((0.1, "1"), (0.45, "1"), (0.15, "12"), (2.5, "12"), (0.2, "123")):
            self.lab.advance(seconds)
            self.assertEqual(self.call.keys, keys)
        self.finish()

    def test_asTones(self) -> None:
        """To a phone without telephone-events; the prompt pauses, and goes on."""
        self.begin(events=False)
        self.leg.mediaPlay(self.wav("a.wav", 300, 2.0))
        self.lab.advance(0.5)
        done = self.leg.sendDTMF("159#", duration=0.1, delay=0.1)
        self.lab.advance(0.75)
        self.assertIsNone(self.successResultOf(done))
        self.lab.advance(2.0)
        self.assertEqual((self.call.keys, self.call.tones), ("", "159#"))
        self.assertEqual(self.app.names()[1:], ["MediaPlayContentDone"])
        heard = np.abs(np.fft.rfft(self.call.heard, 8 * len(self.call.heard)))
        self.assertAlmostEqual(heard.argmax() / len(heard) * 4000, 300, -1)
        self.finish()

    def test_asInfo(self) -> None:
        """If the server is set so and the phone takes no telephone-events."""
        self.begin(events=False, lab={"settings": Settings(infoKeys=True)})
        done = self.leg.sendDTMF("1#", delay=0.1)
        self.lab.advance(1.0)
        self.assertIsNone(self.successResultOf(done))
        self.assertEqual((self.call.infoKeys, self.call.tones), ("1#", ""))
        self.finish()

    def test_telephoneEventsGoBeforeInfo(self) -> None:
        """Also if the server may send INFO."""
        self.begin(lab={"settings": Settings(infoKeys=True)})
        self.leg.sendDTMF("7")
        self.lab.advance(1.0)
        self.assertEqual((self.call.keys, self.call.infoKeys), ("7", ""))
        self.finish()

    def test_wrongCharactersAreRefusedBeforeAnythingIsSent(self) -> None:
        """E and F have no tone; durations and delays have bounds; the argument is named."""
        self.begin()
        for digits in ("12E4", "F", "1 2", "w"):
            error = self.assertRaises(ValueError, self.leg.sendDTMF, digits)
            self.assertIn(repr(digits), str(error))
        self.assertRaises(ValueError, self.app.sendDTMF, "12E4")
        for name, value in (("duration", 0.0), ("duration", float("nan")), ("delay", -1.0)):
            error = self.assertRaises(ValueError, self.leg.sendDTMF, "1", **{name: value})
            self.assertIn(name, str(error))
        self.lab.advance(1.0)
        self.assertEqual(self.call.keys, "")
        self.finish()

    def test_callsAreOneQueue(self) -> None:
        """Each Deferred fires with its own last key; no digits are out at once."""
        self.begin()
        first = self.app.sendDTMF("12", delay=0.1)
        second = self.app.sendDTMF("3", self.leg, delay=0.1)
        self.assertIsNone(self.successResultOf(self.app.sendDTMF("")))
        self.lab.advance(0.4)
        self.assertIsNone(self.successResultOf(first))
        self.assertNoResult(second)
        self.lab.advance(0.4)
        self.assertIsNone(self.successResultOf(second))
        self.assertEqual(self.call.keys, "123")
        self.finish()

    def test_mediaStopLeavesKeysAlone(self) -> None:
        """It is for what is played and recorded."""
        self.begin()
        done = self.leg.sendDTMF("123", delay=0.1)
        self.lab.advance(0.2)
        self.leg.mediaStop()
        self.lab.advance(1.0)
        self.assertIsNone(self.successResultOf(done))
        self.assertEqual(self.call.keys, "123")
        self.finish()

    def test_theEndOfTheCallEndsThemQuietly(self) -> None:
        """The Deferred fires with None, also of those asked for afterwards."""
        self.begin(events=False)
        done = self.leg.sendDTMF("1,,,,2")
        self.lab.advance(0.5)
        self.call.hangUp()
        self.lab.advance(0.1)
        self.assertIsNone(self.successResultOf(done))
        self.assertIsNone(self.successResultOf(self.leg.sendDTMF("1")))
        self.assertIsNone(self.successResultOf(self.app.sendDTMF("1")))
        self.finish()


class AllowTests(FieldCase):
    """Keys as INFO, to phones that take no telephone-events, from a server that may send them."""

    settings = Settings(infoKeys=True)

    def offer(self, actor: Actor) -> bytes:
        """PCMU alone."""
        return sdp(actor.host, actor.media.port, "0")

    def forms(self, actor: Actor) -> tuple[int, bool]:
        """A key is sent: how many INFO requests come, and whether a tone is heard."""
        done = self.app.leg.sendDTMF("5", duration=0.2)
        packets = actor.media.during(0.1)
        for label in actor.labels("INFO"):
            actor.reply(actor.request(label), 200)
        packets += actor.media.during(0.3)
        self.assertIsNone(self.successResultOf(done))
        loud = any(set(packet.rtp.payload) - {0x7F, 0xFF} for packet in packets)
        return len(actor.labels("INFO")), loud

    def inbound(self, allow: str | None) -> tuple[int, bool]:
        """A caller whose INVITE has that Allow."""
        drop = ("Allow",) if allow is None else ()
        with_ = {} if allow is None else {"Allow": allow}
        call = self.alice.invite(self.offer(self.alice), with_=with_, drop=drop)
        self.alice.response("180 INVITE")
        self.accept(call)
        forms = self.forms(self.alice)
        self.hangUp(call)
        self.alice.forget()
        return forms

    def outbound(self, allow: str | None) -> tuple[int, bool]:
        """Somebody dialled, whose 200 has that Allow."""
        self.dial()
        call = self.trunk.takes(self.trunk.request("INVITE"))
        with_ = {} if allow is None else {"Allow": allow}
        call.says(200, body=self.offer(self.trunk), with_=with_)
        self.trunk.request("ACK")
        self.lab.advance(0.0)
        forms = self.forms(self.trunk)
        self.hangUp(call)
        self.trunk.forget()
        return forms

    def test_asInfoToWhoAllowsIt(self) -> None:
        """Its Allow names INFO, in whatever line; or it has none, and so has not said no."""
        for allow in ("INVITE, ACK, INFO, BYE", "INFO\r\nAllow: INVITE", None):
            self.assertEqual(self.inbound(allow), (1, False), allow)
            self.assertEqual(self.outbound(allow), (1, False), allow)
        self.assertStillWell()

    def test_asToneToWhoDoesNot(self) -> None:
        """An Allow without INFO, or an empty one: no request is tried that would be refused."""
        for allow in ("INVITE, ACK, BYE, CANCEL, info", ""):
            self.assertEqual(self.inbound(allow), (0, True), allow)
            self.assertEqual(self.outbound(allow), (0, True), allow)
        self.assertStillWell()


class InfoOffTests(AllowTests):
    """The setting is off, as it is by itself."""

    settings = Settings()

    def test_asInfoToWhoAllowsIt(self) -> None:
        """A tone all the same."""
        self.assertEqual(self.inbound("INVITE, ACK, INFO, BYE"), (0, True))
        self.assertStillWell()
