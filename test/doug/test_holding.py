"""Our own hold of a leg: leg.hold() and leg.resume()."""

from __future__ import annotations

from doug.conferencing import newConferenceMember
from doug.events import (
    CallEndedEvent,
    CallHeldEvent,
    CallResumedEvent,
    MediaPlayContentDoneEvent,
)
from doug.holdmusic import tune
from doug.settings import Settings
from doug.source import EchoSource
from shtoom.audio.tones import sine
from shtoom.exceptions import CallFailed
from test.cases.actor import direction, version
from test.cases.case import FieldCase, Scripted
from test.doug.bridged import BridgeTestCase
from test.doug.puppet import LegTestCase, Silent


class HoldTests(LegTestCase):
    """A phone has called, the application holds it."""

    def hold(self, **how: str | None) -> None:
        """The phone is on hold."""
        done = self.leg.hold(**how)
        self.lab.advance(0.1)
        self.successResultOf(done)
        self.call.forget()

    def resume(self) -> None:
        """It is no longer."""
        done = self.leg.resume()
        self.lab.advance(0.1)
        self.successResultOf(done)

    def offered(self) -> str:
        """The direction of our last description."""
        assert self.call.call is not None
        assert self.call.call.remoteSDP is not None
        return direction(self.call.call.remoteSDP)

    def test_theFarEndHearsATune(self) -> None:
        """sendonly (RFC 3264 8.4): Doug's own over and over, and no event: the app has asked."""
        self.begin()
        self.hold()
        self.assertEqual(self.offered(), "sendonly")
        self.lab.advance(20.0)
        for _ in range(2):
            self.call.assertHears(tune()[:40000], 4.0)
        self.assertEqual(self.app.names(), ["CallAnswered"])
        self.finish()

    def test_theTuneEnds(self) -> None:
        """resume(): sendrecv, and silence."""
        self.begin()
        self.hold()
        self.lab.advance(1.0)
        self.resume()
        self.assertEqual(self.offered(), "sendrecv")
        self.lab.advance(2.0)
        self.call.assertSilent(1.5)
        self.finish()

    def test_whatIsPlayedWaits(self) -> None:
        """It goes on where it was, not a sample lost; a second play that was queued follows."""
        self.begin()
        song = sine(1000, 2.0, 0.3)
        self.leg.mediaPlay(self.write("song.wav", song))
        self.lab.advance(0.5)
        self.hold()
        self.leg.mediaPlay(self.wav("then.wav", 620, 0.5))
        self.lab.advance(3.0)
        self.assertTrue(self.leg.isPlaying())
        self.call.assertDoesNotHear(song)
        self.resume()
        self.lab.advance(1.3)
        self.call.assertHearsTone(1000, 1.0)
        self.lab.advance(1.0)
        self.call.assertHears(sine(620, 0.5, 0.3))
        ends = [e for e in self.app.events if isinstance(e, MediaPlayContentDoneEvent)]
        self.assertEqual(len(ends), 2)
        self.finish()

    def test_keysWait(self) -> None:
        """They come out after the hold."""
        self.begin()
        self.hold()
        sent = self.leg.sendDTMF("5")
        self.lab.advance(1.0)
        self.assertNoResult(sent)
        self.assertEqual(self.call.keys, "")
        self.resume()
        self.lab.advance(1.0)
        self.successResultOf(sent)
        self.assertEqual(self.call.keys, "5")
        self.finish()

    def test_aFileOfTheApplications(self) -> None:
        """hold(music=): that file over and over."""
        self.begin()
        self.hold(music=self.wav("own.wav", 620, 0.5))
        self.lab.advance(2.0)
        self.call.assertHearsTone(620, 1.5)
        self.finish()

    def test_noMusic(self) -> None:
        """hold(music=None): inactive, nothing is sent, and that is no hold by the far end."""
        self.begin()
        self.hold(music=None)
        self.assertEqual(self.offered(), "inactive")
        before = self.call.session.stats.packetsReceived
        self.lab.advance(3.0)
        self.assertEqual(self.call.session.stats.packetsReceived, before)
        self.resume()
        self.assertEqual(self.app.names(), ["CallAnswered"])
        self.finish()

    def test_theServersMusic(self) -> None:
        """holdMusic of the settings; None: nothing."""
        self.folder.joinpath("x").touch()
        music = self.wav("server.wav", 700, 0.5)
        self.begin(lab={"settings": Settings(holdMusic=music)})
        self.hold()
        self.lab.advance(1.0)
        self.call.assertHearsTone(700, 0.5)
        self.finish()
        self.begin(lab={"settings": Settings(holdMusic=None)})
        self.hold()
        self.assertEqual(self.offered(), "inactive")
        self.finish()

    def test_musicThatCannotBePlayed(self) -> None:
        """The tune is heard in its place."""
        self.begin()
        self.hold(music=str(self.folder / "nothing.wav"))
        self.lab.advance(4.0)
        self.call.assertHears(tune()[:16000], 1.5)
        self.finish()

    def test_wideband(self) -> None:
        """In G.722, too."""
        self.begin(codecs=("G722",))
        self.hold()
        self.lab.advance(3.0)
        self.call.assertHears(tune()[:16000], 1.5)
        self.finish()

    def test_twice(self) -> None:
        """The second one changes nothing; so does resume() of a leg that is not on hold."""
        self.begin()
        self.assertIsNone(self.successResultOf(self.leg.resume()))
        self.hold()
        before = self.call.call.remoteSDP if self.call.call else None
        self.assertIsNone(self.successResultOf(self.leg.hold(music=None)))
        self.lab.advance(0.5)
        self.assertEqual(self.call.call.remoteSDP if self.call.call else None, before)
        self.finish()

    def test_oneAfterTheOther(self) -> None:
        """hold(), resume(), hold() at once: three offers in that order."""
        self.begin()
        done = [self.leg.hold(), self.leg.resume(), self.leg.hold()]
        self.lab.advance(0.5)
        for each in done:
            self.successResultOf(each)
        self.assertEqual(self.offered(), "sendonly")
        self.finish()

    def test_recordedItIsSilence(self) -> None:
        """What the far end says meanwhile is not heard."""
        self.begin()
        self.hold()
        path = self.folder / "r.raw"
        self.leg.mediaRecord(str(path))
        self.call.sayTone(440, 2.0)
        self.lab.advance(1.0)
        self.leg.mediaStopRecording()
        self.lab.advance(0.5)
        self.assertEqual(set(path.read_bytes()), {0})
        self.finish()

    def test_anEchoWaits(self) -> None:
        """An EchoSource, whose packets go back as they come, gives way to the music."""
        self.begin()
        echo = EchoSource()
        self.leg.mediaPlay(echo)
        self.leg.mediaRecord(echo)
        self.call.sayTone(1000, 6.0)
        self.lab.advance(0.5)
        self.call.assertHearsTone(1000, 0.2)
        self.hold()
        self.lab.advance(2.5)
        self.call.assertHears(tune()[:16000], 1.5)
        self.resume()
        self.call.sayTone(1000, 1.0)
        self.lab.advance(0.8)
        self.call.assertHearsTone(1000, 0.3)
        self.finish()

    def test_aRoomHearsNothingOfIt(self) -> None:
        """The others of a conference hear silence, not the music; then the member again."""
        self.begin()
        seat = newConferenceMember("room", self.leg)
        self.leg.mediaPlay([seat])
        self.leg.mediaRecord(seat)
        other = self.lab.phone("other").dial("sip:puppet@doug")
        self.lab.advance(0.2)
        apps = self.lab.application.listVoiceapps().values()
        [another] = [app for app in apps if app is not self.app]
        leg = another.getDefaultLeg()
        assert leg is not None
        theirs = newConferenceMember("room", leg)
        leg.mediaPlay([theirs])
        leg.mediaRecord(theirs)
        self.hold()
        self.lab.advance(2.5)
        self.call.assertHears(tune()[:16000], 1.5)
        other.assertSilent(2.0)
        self.resume()
        self.call.sayTone(620, 1.0)
        self.lab.advance(0.8)
        other.assertHearsTone(620, 0.4)
        another.returnResult("over")
        self.lab.advance(0.1)
        self.finish()

    def test_aMoveKeepsIt(self) -> None:
        """Our address changes meanwhile: what is offered from there holds, too."""
        self.begin()
        self.hold()
        self.lab.renumber("192.0.2.11")
        self.lab.advance(4.0)
        self.assertEqual(self.offered(), "sendonly")
        self.call.assertHears(tune()[20000:], 0.8)
        self.resume()
        self.assertEqual(self.offered(), "sendrecv")
        self.finish()

    def test_aCallThatWasPlaced(self) -> None:
        """It is held as one that came in."""
        self.begin()
        phone = self.lab.phone("bob")
        leg = self.app.placeCall(phone.uri)
        self.lab.advance(0.5)
        [call] = phone.calls
        done = leg.hold()
        self.lab.advance(2.5)
        self.successResultOf(done)
        call.assertHears(tune()[:16000], 1.5)
        done = leg.resume()
        self.lab.advance(0.5)
        self.successResultOf(done)
        self.finish()

    def test_theNextApplicationMayEndIt(self) -> None:
        """hijackLeg() leaves the hold as it is: it is the call's."""
        self.begin()
        self.hold()
        self.lab.application.startVoiceApp()
        self.lab.advance(0.0)
        [heir] = [a for a in self.lab.application.listVoiceapps().values() if a is not self.app]
        self.leg.hijackLeg(heir)
        self.lab.advance(2.0)
        self.call.assertHears(tune()[:8000], 0.5)
        self.resume()
        self.assertEqual(self.offered(), "sendrecv")
        heir.returnResult("over")
        self.lab.advance(0.1)
        self.finish()

    def test_theCallEndsMeanwhile(self) -> None:
        """The Deferreds of it, of one that waits, and of one after the end fire with None."""
        self.begin()
        first, second = self.leg.hold(), self.leg.resume()
        self.call.hangUp()
        self.lab.advance(0.1)
        self.assertIsNone(self.successResultOf(first))
        self.assertIsNone(self.successResultOf(second))
        self.assertIsInstance(self.app.last(), CallEndedEvent)
        self.assertIsNone(self.successResultOf(self.leg.hold()))
        self.assertIsNone(self.successResultOf(self.leg.resume()))
        self.finish()

    def test_onHoldItMayEnd(self) -> None:
        """Either side hangs up: nothing is left."""
        for byUs in (True, False):
            self.begin()
            self.hold()
            if byUs:
                self.leg.hangupCall()
            else:
                self.call.hangUp()
            self.lab.advance(0.1)
            self.assertIsInstance(self.app.last(), CallEndedEvent)
            self.finish()


class RingingTests(LegTestCase):
    """A call that is not up."""

    appClass = Silent

    def test_itCannotBeHeld(self) -> None:
        """CallFailed, in words."""
        self.begin()
        failure = self.failureResultOf(self.leg.hold(), CallFailed)
        self.assertIn("only a call that is up", failure.getErrorMessage())
        self.finish()


class BridgeHoldTests(BridgeTestCase):
    """Alice and Bob are connected; Alice is put on hold."""

    def test_bobHearsNothingOfIt(self) -> None:
        """Alice hears the tune and not Bob, Bob hears silence, until the end of the hold."""
        self.beginBridge()
        done = self.leg.hold()
        self.lab.advance(0.1)
        self.successResultOf(done)
        self.talk(3.0)
        self.call.assertHears(tune()[:16000], 1.5)
        self.bob.assertSilent(2.5)
        done = self.leg.resume()
        self.lab.advance(0.1)
        self.successResultOf(done)
        self.talk(1.0)
        self.call.assertHearsTone(620, 0.5)
        self.bob.assertHearsTone(440, 0.5)
        self.finish()

    def test_bothOnHold(self) -> None:
        """Each hears its music; the bridge goes on when both are back."""
        self.beginBridge()
        self.leg.hold()
        self.other.hold()
        self.talk(3.0)
        self.call.assertHears(tune()[:16000], 1.5)
        self.bob.assertHears(tune()[:16000], 1.5)
        self.leg.resume()
        self.other.resume()
        self.lab.advance(0.1)
        self.talk(1.0)
        self.bob.assertHearsTone(440, 0.5)
        self.finish()


class WireTests(FieldCase):
    """The messages of our hold, and far ends that do not go along."""

    def up(self) -> Scripted:
        """A call from alice."""
        self.dialogue = self.answered()
        self.alice.heard.clear()
        return self.app

    def reply(self, code: int, body: bytes = b"") -> None:
        """To our re-INVITE."""
        self.invite = self.alice.request("INVITE", within=5.0)
        self.alice.reply(self.invite, code, body=body)
        self.alice.request("ACK")

    def test_aRefusal(self) -> None:
        """The words of it; the call goes on as it was, and may be held later."""
        app = self.up()
        done = app.leg.hold()
        self.reply(488)
        failure = self.failureResultOf(done, CallFailed)
        self.assertIn("could not be put on hold", failure.getErrorMessage())
        self.assertEqual(failure.value.sipCode, 488)
        answer = self.dialogue.reoffer()
        self.assertEqual(direction(answer.body), "sendrecv")
        done = app.leg.hold()
        self.reply(200, self.alice.answer.replace(b"sendrecv", b"recvonly"))
        self.successResultOf(done)
        self.hangUp(self.dialogue)
        self.assertStillWell()

    def test_theVersionGrowsByOne(self) -> None:
        """Hold, resume, and again: each description has one more in its o= line (RFC 3264 8)."""
        app = self.up()
        versions = []
        for change in (app.leg.hold, app.leg.resume, app.leg.hold):
            done = change()
            self.reply(200, self.alice.answer)
            self.successResultOf(done)
            versions.append(version(self.invite.body))
        first = versions[0]
        self.assertEqual(versions, [first, first + 1, first + 2])
        self.assertEqual(first, version(self.dialogue.sdp) - 2)
        self.hangUp(self.dialogue)
        self.assertStillWell()

    def test_hold_003_bothHold(self) -> None:
        """Our wish and each offer are combined; off ours, the far end's hold stays (RFC 3264 8.4).

        Its hold and the end of it are events, whatever we do.
        """
        app = self.up()
        done = app.leg.hold()
        self.reply(200, self.alice.answer.replace(b"sendrecv", b"recvonly"))
        self.successResultOf(done)
        for number, (offered, answered) in enumerate(
            {"sendrecv": "sendonly", "recvonly": "sendonly", "inactive": "inactive",
             "sendonly": "inactive"}.items(), 2,
        ):  # fmt: skip
            body = self.alice.offer.replace(b"sendrecv", offered.encode())
            body = body.replace(b"o=- 1001 1 ", b"o=- 1001 %d " % number)
            self.assertEqual(direction(self.dialogue.reoffer(body).body), answered)
        self.lab.advance(0.0)
        self.assertEqual(len(app.got(CallHeldEvent)), 1)
        done = app.leg.resume()
        self.reply(200, self.alice.answer.replace(b"sendrecv", b"sendonly"))
        self.assertEqual(direction(self.invite.body), "sendrecv")
        self.successResultOf(done)
        self.assertEqual(app.got(CallResumedEvent), [])
        self.dialogue.reoffer()
        self.lab.advance(0.0)
        self.assertEqual(len(app.got(CallResumedEvent)), 1)
        self.hangUp(self.dialogue)
        self.assertStillWell()

    def test_glare(self) -> None:
        """491 both ways, once more after up to 2 s, with the direction and version of then."""
        app = self.up()
        done = app.leg.hold()
        first = self.alice.request("INVITE")
        self.dialogue.reinvite()
        self.alice.response("491 INVITE")
        self.dialogue.ackRefusal()
        self.alice.reply(first, 491)
        self.alice.request("ACK")
        theirs = self.dialogue.reoffer(self.alice.offer + b"a=x:1\r\n")
        self.reply(200, self.alice.answer.replace(b"sendrecv", b"recvonly"))
        self.assertEqual(direction(self.invite.body), "sendonly")
        self.assertGreaterEqual(version(self.invite.body), version(theirs.body))
        self.successResultOf(done)
        self.hangUp(self.dialogue)
        self.assertStillWell()

    def test_duringAnOfferOfTheFarEnd(self) -> None:
        """Ours waits for the ACK of theirs."""
        app = self.up()
        self.dialogue.reinvite()
        self.alice.response("200 INVITE")
        done = app.leg.hold()
        self.alice.nothing("INVITE", 2.0)
        self.dialogue.ack()
        self.reply(200, self.alice.answer.replace(b"sendrecv", b"recvonly"))
        self.successResultOf(done)
        self.hangUp(self.dialogue)
        self.assertStillWell()

    def test_noAnswer(self) -> None:
        """The call ends with words; the Deferred fires."""
        app = self.up()
        done = app.leg.hold()
        self.lab.advance(33.0)
        self.assertIsNone(self.successResultOf(done))
        self.assertOneEnd(app)
        self.assertIn("knows no such call", app.got(CallEndedEvent)[0].reason)
        self.assertStillWell()

    def test_noSilenceLimitOnHold(self) -> None:
        """A far end that sends nothing while it is held is no lost one (rtpTimeout)."""
        app = self.up()
        done = app.leg.hold()
        self.reply(200, self.alice.answer.replace(b"sendrecv", b"recvonly"))
        self.successResultOf(done)
        self.lab.advance(200.0)
        self.assertEqual(app.got(CallEndedEvent), [])
        self.hangUp(self.dialogue)
        self.assertStillWell()
