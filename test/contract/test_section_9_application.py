"""The contract, section 9: the application server and its service."""

from __future__ import annotations

from pathlib import Path
from random import Random
from typing import Any

from twisted.internet.defer import Deferred
from twisted.python import usage
from twisted.trial.unittest import SynchronousTestCase

from doug.application import DougApplication
from doug.events import (
    CallAnsweredEvent,
    CallEndedEvent,
    OutboundCallStartedEvent,
)
from doug.process import HURRY
from doug.service import DougService
from doug.settings import Endpoint, Settings
from doug.testing import Lab, MemoryNetwork, VirtualReactor
from doug.testing.media import MemoryMediaIO
from doug.voiceapp import VoiceApp
from shtoom.media.files import openReader
from test.doug.puppet import LegTestCase, Puppet, Silent
from test.support.logs import logLines


class Dialler(VoiceApp):
    """Returns what it was started with, and what became of the leg that dials."""

    def __start__(self) -> Any:
        return [(OutboundCallStartedEvent, self.started)]

    def started(self, event: OutboundCallStartedEvent) -> Any:
        """Its leg dials already, or it has none."""
        self.args = event.args
        if event.leg is None:
            self.returnResult(event)
        return [(CallAnsweredEvent, self.answered), (CallEndedEvent, self.ended)]

    def answered(self, event: CallAnsweredEvent) -> Any:
        """Somebody is there."""

    def ended(self, event: CallEndedEvent) -> Any:
        """And has gone."""
        self.returnResult(event)


class ApplicationTests(LegTestCase):
    """DougApplication in virtual time."""

    def test_startVoiceAppReturnsACookie(self) -> None:
        """The application is listed under it while it runs."""
        self.lab = Lab(Puppet)
        application = self.lab.application
        first, second = application.startVoiceApp(), application.startVoiceApp()
        self.assertNotEqual(first, second)
        self.assertEqual(set(application.listVoiceapps()), {first, second})
        for app in application.listVoiceapps().values():
            app.returnResult(1)
        self.lab.advance(0.1)
        self.assertEqual(application.listVoiceapps(), {})
        self.lab.assertNothingLeft()

    def test_argumentsOfStartVoiceApp(self) -> None:
        """They are attributes, beside those of --args, and event.args."""
        self.lab = Lab(Puppet, colour="red", size="1")
        cookie = self.lab.application.startVoiceApp(size=2)
        app: Any = self.lab.application.listVoiceapps()[cookie]
        self.assertEqual((app.colour, app.size), ("red", 2))
        app.returnResult()
        self.assertRaises(ValueError, self.lab.application.startVoiceApp, mediaPlay=1)
        self.lab.assertNothingLeft()

    def test_placeCallStartsAnApplicationForTheLegThatDials(self) -> None:
        """OutboundCallStartedEvent(leg), then the leg is answered or not."""
        self.lab = Lab(Dialler)
        phone = self.lab.phone()
        cookie = self.lab.application.placeCall(phone.uri, "sip:desk@example.net", room="12")
        self.lab.advance(1.0)
        app: Any = self.lab.application.listVoiceapps()[cookie]
        self.assertEqual((app.room, app.args), ("12", {"room": "12"}))
        self.assertEqual(phone.calls[0].state, "answered")
        phone.calls[0].hangUp()
        self.lab.assertNothingLeft()
        self.assertIsInstance(self.lab.results[0], CallEndedEvent)

    def test_resultsAreAcceptedOnceWithTheirCookie(self) -> None:
        """acceptResults(cookie, result), overridden."""
        accepted = self.accepting(lambda app: app.returnResult("done"))
        self.assertEqual(accepted, [("result", "done")])

    def test_errorsAreAcceptedOnceWithTheirCookie(self) -> None:
        """acceptErrors(cookie, failure), overridden."""
        error = ZeroDivisionError()
        accepted = self.accepting(lambda app: app.returnError(error))
        self.assertEqual([(kind, value.value) for kind, value in accepted], [("error", error)])

    def accepting(self, end: Any) -> list[Any]:
        """What a subclass is told of an application that end(app) ends, twice."""
        accepted: list[Any] = []
        cookies: list[str] = []

        class Own(DougApplication):
            def acceptResults(self, cookie: str, result: Any) -> None:
                cookies.append(cookie)
                accepted.append(("result", result))

            def acceptErrors(self, cookie: str, error: Any) -> None:
                cookies.append(cookie)
                accepted.append(("error", error))

        reactor, application = server(Puppet, Own)
        cookie = application.startVoiceApp()
        app = application.listVoiceapps()[cookie]
        end(app)
        end(app)
        reactor.advance(1.0)
        self.assertEqual(cookies, [cookie])
        stop(reactor, application)
        return accepted

    def test_anAcceptResultsThatRaisesIsLogged(self) -> None:
        """The application is over all the same."""

        class Own(DougApplication):
            def acceptResults(self, cookie: str, result: Any) -> None:
                raise ZeroDivisionError

        reactor, application = server(Puppet, Own)
        cookie = application.startVoiceApp()
        application.listVoiceapps()[cookie].returnResult()
        reactor.advance(1.0)
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        self.assertEqual(application.listVoiceapps(), {})
        stop(reactor, application)

    def test_errorsAreLogged(self) -> None:
        """By the acceptErrors that was not overridden."""
        self.begin()
        self.app.returnError(ZeroDivisionError())
        self.lab.advance(0.5)
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        self.lab.assertNothingLeft()

    def test_dropCallEndsTheLegsAsTheFarEndWould(self) -> None:
        """The application hears of its media and of the call; the Deferred fires at the end."""
        self.begin()
        self.app.mediaPlay(self.wav("a.wav", 440, 5.0))
        self.lab.advance(0.5)
        gone: list[Any] = []
        self.lab.application.dropCall(self.app.va_cookie).addCallback(gone.append)
        self.lab.advance(0.5)
        self.assertEqual(gone, [None])
        self.assertEqual(self.app.names(), ["CallAnswered", "CallEnded", "MediaPlayRemoteClosed"])
        self.assertEqual(self.call.state, "ended")
        self.finish()

    def test_dropCallOfAnApplicationWithoutLegsEndsIt(self) -> None:
        """An unknown cookie is no error: it may just have ended."""
        self.lab = Lab(Puppet)
        cookie = self.lab.application.startVoiceApp()
        for each in (cookie, "another"):
            self.successResultOf(self.lab.application.dropCall(each))
        self.lab.advance(0.1)
        self.assertEqual(self.lab.results, [None])
        self.lab.assertNothingLeft()

    def test_getPref(self) -> None:
        """A setting, or an argument of --args; None for neither."""
        application = DougApplication(
            Puppet, settings=Settings(rtpPorts=(20000, 20100), args={"greeting": "hello.wav"})
        )
        self.assertEqual(application.getPref("rtpPorts"), (20000, 20100))
        self.assertEqual(application.getPref("greeting"), "hello.wav")
        self.assertIsNone(application.getPref("unheard"))

    def test_withoutAnApplicationItIsNotMade(self) -> None:
        """The error says what is missing."""
        self.assertRaises(ValueError, DougApplication)


class BootTests(SynchronousTestCase):
    """boot(args=None) and configFileName."""

    def test_withoutArgumentsNothingChanges(self) -> None:
        """The settings stay what they were."""
        settings = Settings(idle="none")
        application = DougApplication(Puppet, settings=settings)
        application.boot()
        self.assertIs(application.settings, settings)

    def test_argumentsAreThoseOfTheCommandLine(self) -> None:
        """What they do not name stays; the class that was given remains the application."""
        application = DougApplication(Puppet, settings=Settings(idle="none", args={"a": "1"}))
        application.boot(["--listen=udp:127.0.0.1:5070", "--args=b=2"])
        self.assertEqual(application.settings.listen, (Endpoint("udp", "127.0.0.1", 5070),))
        self.assertEqual(application.settings.args, {"a": "1", "b": "2"})
        self.assertEqual(application.settings.idle, "none")
        self.assertEqual(application.settings.apps, {"": Puppet})

    def test_mistakesAreNamed(self) -> None:
        """As UsageError."""
        application = DougApplication(Puppet)
        self.assertRaises(usage.UsageError, application.boot, ["--listen=somewhere"])

    def test_configFileName(self) -> None:
        """Its lines are options; the command line has the last word; no file is no error."""
        path = Path(self.mktemp())
        path.write_text("# ours\n\nidle = silence\nrtp-ports = 20000-20100\n")

        class Own(DougApplication):
            configFileName = str(path.absolute())

        application = Own(Puppet)
        application.boot(["--idle=none"])
        self.assertEqual(application.settings.idle, "none")
        self.assertEqual(application.settings.rtpPorts, (20000, 20100))
        Own.configFileName = "there-is-no-such-file"
        Own(Puppet).boot()

    def test_aLineThatIsNoOption(self) -> None:
        """File and line are named."""
        path = Path(self.mktemp())
        path.write_text("idle = none\nquiet please\n")

        class Own(DougApplication):
            configFileName = str(path.absolute())

        with self.assertRaises(usage.UsageError) as caught:
            Own(Puppet).boot()
        self.assertIn(f"{path.name}, line 2", str(caught.exception))


AT_ONCE = {"settings": Settings(drainTimeout=0.0)}


class ShutdownTests(LegTestCase):
    """shutdown() -> Deferred."""

    def assertClosed(self) -> None:
        """Of the server nothing is left: no port, no timer, no application."""
        for phone in self.lab.phones:
            phone.close()
        self.lab.advance(1.0)
        self.assertEqual(self.lab.network.bound, {})
        self.assertEqual(self.lab.application.listVoiceapps(), {})
        self.assertEqual([str(c) for c in self.lab.reactor.getDelayedCalls()], [])
        self.lab.close()

    def shutdown(self) -> list[Any]:
        """Where the end will be noted."""
        over: list[Any] = []
        self.lab.application.shutdown().addCallback(over.append)
        return over

    def test_runningCallsAreLeft(self) -> None:
        """BYE with a Reason; the application gets the events of a far end's hang-up."""
        self.begin(lab=AT_ONCE)
        messages: list[bytes] = []
        self.lab.network.observers.append(lambda data, source, to: messages.append(data))
        self.app.mediaPlay(self.wav("a.wav", 440, 5.0))
        self.app.mediaRecord(str(self.folder / "r.wav"))
        self.lab.advance(0.5)
        over = self.shutdown()
        self.lab.advance(1.0)
        self.assertEqual(over, [None])
        self.assertEqual(self.call.state, "ended")
        [bye] = [m for m in messages if m.startswith(b"BYE")]
        self.assertIn(b"\r\nReason: SIP;cause=503;", bye)
        self.assertEqual(
            self.app.names(),
            ["CallAnswered", "CallEnded", "MediaRecordRemoteClosed", "MediaPlayRemoteClosed"],
        )
        self.assertGreater((self.folder / "r.wav").stat().st_size, 44 + 2 * 3000)
        self.assertEqual(self.lab.results, [None])
        self.assertClosed()

    def test_callsThatRingAreRefusedWith503(self) -> None:
        """So that the caller tries elsewhere."""
        self.appClass = Silent
        self.begin(lab=AT_ONCE)
        over = self.shutdown()
        self.lab.advance(1.0)
        self.assertEqual(over, [None])
        assert self.call.failure is not None
        self.assertEqual(self.call.failure.sipCode, 503)
        self.assertClosed()

    def test_newCallsAreRefusedWhileRunningOnesGoOn(self) -> None:
        """drainTimeout: the shutdown ends with the last call, or at the limit."""
        self.begin(lab={"settings": Settings(drainTimeout=30.0)})
        over = self.shutdown()
        late = self.lab.phone().dial("sip:app@doug")
        self.lab.advance(20.0)
        assert late.failure is not None
        self.assertEqual((late.failure.sipCode, self.call.state, over), (503, "answered", []))
        self.assertIsNotNone(late.failure.retryAfter)
        self.app.placeCall(self.phone.uri)
        self.lab.advance(0.1)
        self.assertEqual((self.app.names()[-1], self.app.last().sipCode), ("CallRejected", 503))
        self.lab.advance(11.0)
        self.assertEqual((self.call.state, over), ("ended", [None]))
        self.assertClosed()

    def test_aSecondSignalEndsThemAtOnce(self) -> None:
        """Instead of after drainTimeout; recordings are complete, nothing is left."""
        self.begin(lab={"settings": Settings(drainTimeout=3600.0)})
        self.app.mediaRecord(str(self.folder / "r.wav"))
        self.lab.application.hurry()  # as long as nothing ends: nothing
        over = self.shutdown()
        self.lab.advance(10.0)
        self.assertEqual((self.call.state, over), ("answered", []))
        self.lab.application.hurry()
        self.lab.advance(1.0)
        self.assertEqual((self.call.state, over), ("ended", [None]))
        with openReader(self.folder / "r.wav") as reader:
            self.assertEqual(round(len(reader.read()) / 8000), 10)
        self.assertClosed()

    def test_theReactorTellsOfASecondSignal(self) -> None:
        """By an event of its own; once, and no more when the server is down."""
        self.begin(lab={"settings": Settings(drainTimeout=3600.0)})
        over = self.shutdown()
        self.lab.reactor.fireSystemEvent(HURRY)
        self.lab.advance(1.0)
        self.assertEqual((self.call.state, over), ("ended", [None]))
        self.lab.reactor.fireSystemEvent(HURRY)
        self.assertClosed()

    def test_drainingEndsWithTheLastCall(self) -> None:
        """Nobody waits for the rest of the time."""
        self.begin(lab={"settings": Settings(drainTimeout=300.0)})
        over = self.shutdown()
        self.lab.advance(5.0)
        self.app.returnResult("over")
        self.lab.advance(1.0)
        self.assertEqual((over, self.lab.results), ([None], ["over"]))
        self.assertClosed()

    def test_anApplicationWithoutACallIsNotDrained(self) -> None:
        """One that waits for other parts of the program would wait for ever."""
        self.lab = Lab(Puppet, settings=Settings(drainTimeout=300.0))
        self.lab.application.startVoiceApp()
        self.lab.advance(1.0)
        over = self.shutdown()
        self.lab.advance(1.0)
        self.assertEqual((over, self.lab.results), ([None], [None]))
        self.assertClosed()

    def test_aFarEndThatDoesNotAnswerIsNotWaitedForLong(self) -> None:
        """Seconds, not the 32 of RFC 3261."""
        self.begin(lab=AT_ONCE)
        self.lab.network.drop = lambda data, source, to: data.startswith(b"BYE")
        over = self.shutdown()
        self.lab.advance(8.0)
        self.assertEqual(over, [None])
        self.lab.network.drop = None
        self.call.hangUp()
        self.assertClosed()

    def test_whatIsWaitedForIsNamed(self) -> None:
        """Such as an INVITE that nobody has answered: its CANCEL must wait."""
        lines = logLines(self)
        self.begin(lab=AT_ONCE)
        leg = self.app.placeCall("sip:nobody@198.51.100.99")
        self.lab.advance(1.0)
        self.shutdown()
        self.lab.advance(8.0)
        [line] = [line for line in lines if "waits for" in line]
        self.assertIn(f"outbound call {leg.callID}", line)
        self.assertClosed()

    def test_aHandlerHasTimeToFinish(self) -> None:
        """But not for ever."""
        saved: list[str] = []

        class Saving(Puppet):
            def note(self, event: Any) -> Any:
                if isinstance(event, CallEndedEvent):
                    done: Deferred[None] = Deferred()
                    self.reactor.callLater(2.0, done.callback, None)
                    return done.addCallback(lambda _: saved.append("saved"))
                return None

        self.appClass = Saving
        self.begin(lab=AT_ONCE)
        over = self.shutdown()
        self.lab.advance(8.0)
        self.assertEqual((saved, over), (["saved"], [None]))
        self.assertClosed()

    def test_twiceOrBeforeStartIsNothing(self) -> None:
        """It has fired already."""
        self.successResultOf(DougApplication(Puppet).shutdown())

    def test_beforeStartThereIsNoNetwork(self) -> None:
        """The error says what to call first."""
        application = DougApplication(Puppet, reactor=VirtualReactor())
        with self.assertRaises(RuntimeError) as caught:
            application.placeCall("sip:bob@example.net")
        self.assertIn("start()", str(caught.exception))


class ServiceTests(SynchronousTestCase):
    """DougService(voiceappClass), a service of twisted.application."""

    def test_itOpensNothingBeforeItIsStarted(self) -> None:
        """twistd forks after it was made."""
        reactor, application = server(Puppet, start=False)
        assert reactor.host is not None
        service = DougService(application=application)
        bound = reactor.host.network.bound
        self.assertEqual((bound, service.running), ({}, 0))
        service.startService()
        self.assertEqual((list(bound), service.running), ([("192.0.2.10", 5060)], 1))
        stopped = service.stopService()
        reactor.advance(1.0)
        self.successResultOf(stopped)
        self.assertEqual((bound, service.running), ({}, 0))

    def test_itMakesAnApplicationOfItsClass(self) -> None:
        """With the settings given."""
        service = DougService(Puppet, settings=Settings(idle="none"))
        self.assertEqual(service.application.getPref("idle"), "none")
        self.assertEqual(service.name, "doug")


def server(
    app: type[VoiceApp], kind: type[DougApplication] = DougApplication, *, start: bool = True
) -> tuple[VirtualReactor, DougApplication]:
    """A server of that kind on a network of its own."""
    reactor = VirtualReactor()
    host = reactor.host = MemoryNetwork(reactor, Random(1)).host("192.0.2.10")
    application = kind(
        app,
        reactor=reactor,
        mediaIO=lambda reactor: MemoryMediaIO(host),
        rng=Random(2),
        localAddressFor=lambda there: "192.0.2.10",
    )
    if start:
        application.start()
    return reactor, application


def stop(reactor: VirtualReactor, application: DougApplication) -> None:
    """Shuts it down."""
    application.shutdown()
    reactor.advance(1.0)
