"""doug.leg: renegotiation, verdict, what it leaves behind; the contract's sentences about legs are
in test.contract.test_section_5_leg."""

from __future__ import annotations

import gc
import weakref
from functools import partial
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater

from doug import VoiceApp
from doug.events import CallAnsweredEvent, CallEndedEvent, CallStartedEvent
from doug.leg import Leg
from doug.legcall import LegCall
from doug.source import EchoSource
from doug.testing import Lab
from shtoom.agent.calluser import ICallUser
from shtoom.media.disk import Disk
from shtoom.media.files import openReader
from shtoom.sip.message import Response
from test.doug.puppet import LegTestCase, Puppet, Silent
from test.support.logs import logLines

SDP = (
    "v=0\r\no=- 1000 {version} IN IP4 {host}\r\ns=-\r\nc=IN IP4 {address}\r\nt=0 0\r\n"
    "m=audio {port} RTP/AVP {formats}\r\n{lines}"
)


class ReofferTestCase(LegTestCase):
    """The phone sends re-INVITEs of the test's own making."""

    def sdp(
        self,
        lines: str = "",
        *,
        version: int = 2,
        formats: str = "0 101",
        address: str | None = None,
    ) -> bytes:
        host = self.phone.host.address
        text = SDP.format(
            version=version,
            host=host,
            address=address or host,
            port=self.call.session.port,
            formats=formats,
            lines=lines,
        )
        return text.encode()

    def reinvite(self, body: bytes, answer: bytes = b"") -> Response:
        """Sends it, acknowledges its 200 (with `answer`), returns the final response."""
        call = self.call.call
        assert call is not None
        assert call.dialog is not None
        assert call.peer is not None
        dialog, agent = call.dialog, self.phone.agent
        request = dialog.request(
            "INVITE", call.contact, (), body, "application/sdp" if body else None
        )
        responses: list[Response] = []
        agent.ask(dialog, request, call.peer, []).addCallback(responses.append)
        self.lab.advance(0.2)
        [response] = responses
        if response.code < 300:
            agent.layer.sendStateless(dialog.ack(request.cseq.number, answer), call.peer)
        self.lab.advance(0.2)
        return response

    def origin(self, response: Response) -> str:
        """The o= line of an answer."""
        return next(x for x in response.body.decode().split("\r\n") if x.startswith("o="))


class ReofferTests(ReofferTestCase):
    """Offers inside a call (RFC 3261 14, RFC 3264 8)."""

    def test_holdStopsSendingAndIsTold(self) -> None:
        """sendonly is answered recvonly; the prompt pauses, and goes on where it was."""
        self.begin()
        self.leg.mediaPlay(self.wav("a.wav", 440, 3.0))
        self.lab.advance(1.0)
        response = self.reinvite(self.sdp("a=sendonly\r\n"))
        self.assertIn(b"a=recvonly", response.body)
        self.assertEqual(self.app.names()[1:], ["CallHeld"])
        self.lab.advance(5.0)
        self.call.assertSilent(1.0)
        self.assertTrue(self.leg.isPlaying())
        self.reinvite(self.sdp("a=sendrecv\r\n", version=3))
        self.lab.advance(0.5)
        self.call.assertHearsTone(440, 0.3)
        self.lab.advance(2.0)
        self.assertEqual(self.app.names()[1:], ["CallHeld", "CallResumed", "MediaPlayContentDone"])
        self.finish()

    def test_holdByNullAddress(self) -> None:
        """c=IN IP4 0.0.0.0 is a hold as well (RFC 3264 8.4)."""
        self.begin()
        self.leg.mediaPlay(self.wav("a.wav", 440, 3.0))
        self.reinvite(self.sdp(address="0.0.0.0"))
        self.lab.advance(1.0)
        self.call.assertSilent(0.5)
        self.assertEqual(self.app.names()[1:], ["CallHeld"])
        self.finish()

    def test_versionIsRaisedOnlyWhenSomethingChanged(self) -> None:
        """A re-INVITE as keep-alive gets the same answer, hold another one (RFC 3264 8)."""
        self.begin()
        first = self.origin(self.reinvite(self.sdp()))
        again = self.origin(self.reinvite(self.sdp()))
        held = self.origin(self.reinvite(self.sdp("a=inactive\r\n", version=3)))
        self.assertEqual(first, again)
        self.assertEqual(int(held.split()[2]), int(first.split()[2]) + 1)
        self.assertEqual(held.split()[1], first.split()[1])
        self.finish()

    def test_anotherCodec(self) -> None:
        """The prompt goes on in the new codec."""
        self.begin()
        self.leg.mediaPlay(self.wav("a.wav", 440, 3.0))
        self.lab.advance(1.0)
        response = self.reinvite(self.sdp(formats="8 101"))
        self.assertIn(b"PCMA", response.body)
        packets: list[int] = []
        self.lab.network.observers.append(
            lambda data, source, to: packets.append(data[1] & 0x7F) if len(data) == 172 else None
        )
        self.lab.advance(1.0)
        self.assertIn(8, packets)
        self.assertTrue(self.leg.isPlaying())
        self.finish()

    def test_nothingInCommonLeavesTheCallAsItWas(self) -> None:
        """488 with a Warning; sound goes on."""
        self.begin()
        self.leg.mediaPlay(self.wav("a.wav", 440, 3.0))
        response = self.reinvite(self.sdp(formats="3"))
        self.assertEqual(response.code, 488)
        self.assertIn("no codec in common", response.header("Warning") or "")
        response = self.reinvite(b"v=0\r\nthis is no description")
        self.assertEqual(response.code, 400)
        self.lab.advance(0.5)
        self.call.assertHearsTone(440, 0.3)
        self.finish()

    def test_reinviteWithoutOffer(self) -> None:
        """Its 200 has our offer, the answer comes in the ACK."""
        self.begin()
        self.leg.mediaPlay(self.wav("a.wav", 440, 3.0))
        response = self.reinvite(b"", self.sdp("a=inactive\r\n"))
        self.assertIn(b"a=sendrecv", response.body)
        self.assertEqual(self.app.names()[1:], ["CallHeld"])
        response = self.reinvite(b"", self.sdp(version=3))
        self.assertEqual(self.app.names()[1:], ["CallHeld", "CallResumed"])
        self.lab.advance(0.5)
        self.call.assertHearsTone(440, 0.3)
        self.finish()

    def test_answerThatCannotBeUsed(self) -> None:
        """The ACK of a re-INVITE without offer answers with a codec that was not offered."""
        self.begin()
        self.reinvite(b"", self.sdp(formats="3"))
        self.lab.advance(1.0)
        self.assertEqual(self.app.names()[1:], ["CallEnded"])
        self.assertEqual((self.call.state, self.app.last().sipCode), ("ended", 488))
        self.finish()


class FirstOfferTests(LegTestCase):
    """Offer and answer at the beginning (RFC 3264 5)."""

    def test_hopelessOfferMakesNoApplication(self) -> None:
        """488 with a Warning before anything rings; no port is kept."""
        lab = Lab(Puppet)
        host = "198.51.100.20"
        sdp = SDP.format(version=1, host=host, address=host, port=4000, formats="3", lines="")
        call = lab.phone().dial("sip:puppet@doug", sdp=sdp.encode())
        lab.advance(0.5)
        assert call.failure is not None
        self.assertEqual((call.failure.sipCode, call.provisional), (488, [100]))
        self.assertEqual((lab.application.listVoiceapps(), lab.results), ({}, []))
        lab.assertNothingLeft()

    def test_badAnswerEndsAnOutboundCall(self) -> None:
        """ACK, BYE, and CallRejectedEvent that names both codecs (RFC 3261 13.2.2.4)."""
        self.begin()
        phone = self.lab.phone(onCall="ring")
        self.app.placeCall(phone.uri)
        self.lab.advance(0.5)
        [there] = phone.calls
        assert there.call is not None
        host = phone.host.address
        sdp = SDP.format(version=1, host=host, address=host, port=4000, formats="3", lines="")
        there.call.answer(sdp.encode())  # type: ignore[attr-defined]
        self.lab.advance(1.0)
        self.assertEqual(self.app.names()[1:], ["CallProgress", "CallRejected"])
        self.assertEqual(self.app.last().sipCode, 488)
        self.assertIn("PCMU", self.app.last().reason)
        self.assertEqual(there.state, "ended")
        self.finish()


class VerdictTests(LegTestCase):
    """CallEndedEvent.verdict and the log's last line of a call."""

    def test_soundCallHasNone(self) -> None:
        """And one line that sums it up, with the call's id."""
        lines = logLines(self)
        self.begin(seconds=5.0)
        self.call.hangUp()
        self.lab.advance(1.0)
        self.assertEqual(self.app.last().verdict, [])
        [line] = [x for x in lines if "ended after" in x and self.leg.callID in x]
        self.assertIn("ended after 5.00 s: the far end hung up; ", line)
        self.assertIn("nothing was wrong", line)
        self.finish()

    def test_applicationThatFails(self) -> None:
        """The last line names the handler and its error; it does not say that all was well."""
        lines = logLines(self)
        self.begin()

        def wrong(event: Any) -> None:
            raise ZeroDivisionError("division of labour")

        self.app.hooks["DTMFReceivedEvent"] = wrong
        self.call.press("1")
        self.lab.advance(1.0)
        [line] = [x for x in lines if "ended after" in x]
        self.assertIn("error in Puppet.note: ZeroDivisionError: division of labour", line)
        self.assertNotIn("nothing was wrong", line)
        self.assertTrue(self.flushLoggedErrors(ZeroDivisionError))
        self.lab.assertNothingLeft()

    def test_callThatWasNeverUp(self) -> None:
        """The caller gives up: nothing is said of sound, nor that nothing was wrong."""
        lines = logLines(self)
        self.appClass = Silent
        self.begin()
        self.call.hangUp()
        self.lab.advance(1.0)
        [line] = [x for x in lines if "never came up" in x]
        self.assertIn(self.leg.callID, line)
        self.assertFalse([x for x in lines if "nothing was wrong" in x])
        self.finish()

    def test_noMediaAtAll(self) -> None:
        """A far end that never sends RTP."""
        lines = logLines(self)
        self.lab = lab = Lab(Puppet)
        lab.network.drop = lambda data, source, to: data[0] >> 6 == 2 and to[0] == "192.0.2.10"
        call = lab.phone().dial("sip:puppet@doug")
        lab.advance(5.0)
        [app] = lab.application.listVoiceapps().values()
        assert isinstance(app, Puppet)
        call.hangUp()
        lab.advance(1.0)
        [finding] = app.last().verdict
        self.assertEqual(finding.rule, "no-media")
        self.assertTrue(any("no RTP came from the far end" in line for line in lines))
        app.returnResult(None)
        lab.assertNothingLeft()

    def test_promptThatIsMissing(self) -> None:
        """Is logged with path and cause, and in the verdict, though the application goes on."""
        lines = logLines(self)
        self.begin()
        self.app.mediaPlay(["no-such-prompt.wav", self.wav("there.wav", 440, 0.2)])
        self.lab.advance(1.0)
        [line] = [line for line in lines if "playing failed" in line]
        self.assertIn(f"call {self.leg.callID}: playing failed: ", line)
        self.assertIn("no-such-prompt.wav cannot be opened (No such file", line)
        self.call.hangUp()
        self.lab.advance(1.0)
        [finding] = self.app.last().verdict
        self.assertEqual(finding.rule, "not-played")
        self.assertIn("no-such-prompt.wav", finding.text)
        self.finish()

    def test_promptThatIsMissingWhenTheCallEnds(self) -> None:
        """It is told of too if the rest of its list was still being played."""
        self.begin()
        self.app.mediaPlay(["no-such-prompt.wav", self.wav("there.wav", 440, 5.0)])
        self.lab.advance(1.0)
        self.call.hangUp()
        self.lab.advance(1.0)
        [ended] = [event for event in self.app.events if isinstance(event, CallEndedEvent)]
        self.assertEqual([finding.rule for finding in ended.verdict], ["not-played"])
        self.finish()

    def test_keysThatNobodyWanted(self) -> None:
        """Dropped keys are named; so are those that a pending handler kept waiting."""

        class Deaf(Puppet):
            def started(self, event: CallStartedEvent) -> Any:
                self.leg = event.getLeg()
                self.leg.answerCall(self)
                return [(CallAnsweredEvent, self.answered)]

            def answered(self, event: CallAnsweredEvent) -> Any:
                return [(CallEndedEvent, self.note)]

        self.appClass = Deaf
        self.begin()
        self.call.press("42")
        self.lab.advance(1.0)
        self.call.hangUp()
        self.lab.advance(1.0)
        [finding] = self.app.last().verdict
        self.assertEqual(finding.rule, "keys-unmatched")
        self.assertIn("42", finding.text)
        self.finish()

    def test_keysThatWaitedForAHandler(self) -> None:
        """The call ends while a Deferred pends, and keys with it."""
        self.begin()
        pending: Deferred[None] = Deferred()
        self.app.hooks["DTMFReceivedEvent"] = lambda event: pending
        self.call.press("123")
        self.lab.advance(1.0)
        self.call.hangUp()
        self.lab.advance(1.0)
        pending.callback(None)
        del self.app.hooks["DTMFReceivedEvent"]
        self.lab.advance(1.0)
        [finding] = self.app.last().verdict
        self.assertEqual(finding.rule, "keys-lost")
        self.assertIn("23", finding.text)
        self.finish()


class LeftBehindTests(LegTestCase):
    """A call is a scope: its end leaves nothing."""

    def legWithThreads(self, threads: Any) -> Leg:
        """An outbound leg whose thread jobs are done by `threads`."""
        exchange = self.lab.application.exchange
        ours, exchange.disk = exchange.disk, Disk(self.lab.reactor, threads)
        leg = self.app.placeCall(self.lab.phone().uri)
        exchange.disk = ours
        self.lab.advance(1.0)
        return leg

    def test_endWaitsForItsFiles(self) -> None:
        """CallEndedEvent comes when all that was said is on a slow disk."""
        self.begin()
        leg = self.legWithThreads(partial(deferLater, self.lab.reactor, 0.2))
        leg.mediaRecord(str(self.folder / "r.wav"))
        self.lab.advance(1.1)
        seen: list[float] = []

        def look(event: CallEndedEvent) -> None:
            with openReader(self.folder / "r.wav") as reader:
                seen.append(reader.duration or 0.0)

        self.app.hooks["CallEndedEvent"] = look
        leg.drop()
        self.lab.advance(0.1)
        self.assertTrue(leg.ended)
        self.assertEqual(seen, [])
        self.lab.advance(1.0)
        self.assertAlmostEqual(seen[0], 1.1, 1)
        self.finish()

    def test_aDiskThatHangsDelaysTheEndOnlySoLong(self) -> None:
        """CallEndedEvent comes after some seconds, and names the recording as still open."""
        self.begin()
        leg = self.legWithThreads(lambda *args: Deferred())
        leg.mediaRecord(str(self.folder / "r.wav"))
        self.lab.advance(1.0)
        leg.drop()
        self.lab.advance(2.0)
        self.assertNotIn("CallEnded", self.app.names())
        self.lab.advance(5.0)
        [ended] = [event for event in self.app.events if isinstance(event, CallEndedEvent)]
        [finding] = [finding for finding in ended.verdict if finding.rule == "survivors"]
        self.assertIn("r.wav", finding.text)
        self.assertEqual(len(leg.scope), 0)
        self.finish()

    def test_endOfTheCallFreesAllOfItByCounting(self) -> None:
        """With gc off: legs, apps, sources are gone when the last event was delivered."""
        gone: list[weakref.ref[Any]] = []

        class Short(VoiceApp):
            path = ""

            def __start__(self) -> Any:
                return [(CallStartedEvent, self.answer)]

            def answer(self, event: CallStartedEvent) -> Any:
                self.leg = event.getLeg()
                self.leg.answerCall(self)
                return [(CallAnsweredEvent, self.begin)]

            def begin(self, event: CallAnsweredEvent) -> Any:
                echo = EchoSource()
                leg = self.leg
                leg.dtmfMode(timeout=5)
                leg.mediaPlay([f"{self.path}/a.wav", echo], bargeIn=True, timeout=30.0)
                leg.mediaRecord(echo)
                leg.mediaRecord(f"{self.path}/r.wav", beep=True, maxSilence=9.0, terminators="*")
                gone.extend(weakref.ref(each) for each in (self, leg, echo))
                return [(CallEndedEvent, self.over)]

            def over(self, event: CallEndedEvent) -> Any:
                self.returnResult("over")

        self.wav("a.wav", 440, 1.0)
        lab = Lab(Short, path=str(self.folder))
        phone = lab.phone()
        gc.collect()
        gc.disable()
        self.addCleanup(gc.enable)
        for hangUp in (True, False):
            call = phone.dial("sip:short@doug")
            lab.advance(2.0)
            call.press("1")
            lab.advance(1.0)
            if hangUp:
                call.hangUp()
            else:
                [app] = lab.application.listVoiceapps().values()
                app.returnResult("enough")
                del app
            lab.advance(1.0)
            self.assertEqual([ref() for ref in gone], [None] * len(gone))
        gc.enable()
        lab.assertNothingLeft()

    def test_isACallUser(self) -> None:
        """The interface that calls report to."""
        self.assertTrue(ICallUser.implementedBy(LegCall))
