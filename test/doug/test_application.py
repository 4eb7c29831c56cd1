"""Which application a call gets, and the calls that get none; in virtual time."""

from __future__ import annotations

from random import Random
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from doug.application import DougApplication, StartFailed
from doug.events import CallStartedEvent
from doug.settings import Endpoint, Settings
from doug.testing import Lab, MemoryNetwork, PhoneCall, VirtualReactor
from doug.testing.media import MemoryMediaIO
from doug.voiceapp import VoiceApp
from shtoom.exceptions import CallFailed
from test.doug.puppet import Puppet, Silent
from test.support.logs import logged

NO_CODEC = b"""v=0
o=- 1 1 IN IP4 198.51.100.20
s=-
c=IN IP4 198.51.100.20
t=0 0
m=audio 40000 RTP/AVP 18
a=rtpmap:18 G729/8000
""".replace(b"\n", b"\r\n")


class Counted(Silent):
    """Counts its instances."""

    made = 0

    def __start__(self) -> Any:
        Counted.made += 1
        return super().__start__()


class RefusalTests(SynchronousTestCase):
    """An INVITE that is refused before an application is made."""

    def setUp(self) -> None:
        Counted.made = 0

    def call(self, lab: Lab, uri: str = "sip:app@doug", **dialling: Any) -> PhoneCall:
        """A call by a new phone, half a second later."""
        call = lab.phone().dial(uri, **dialling)
        lab.advance(0.5)
        return call

    def failure(self, call: PhoneCall, code: int) -> CallFailed:
        """Why it was refused, without ringing."""
        self.assertEqual((call.state, call.provisional), ("failed", [100]))
        assert call.failure is not None
        self.assertEqual(call.failure.sipCode, code)
        return call.failure

    def finish(self, lab: Lab) -> None:
        """All end; nothing is left."""
        for app in lab.application.listVoiceapps().values():
            app.returnResult()
        lab.assertNothingLeft()

    def test_noMediaPort(self) -> None:
        """503 with Retry-After; the log names range and option; a port comes back at once."""
        lab = Lab(Counted, settings=Settings(rtpPorts=(40000, 40003)))
        calls = [self.call(lab), self.call(lab)]
        with logged() as lines:
            refused = self.failure(self.call(lab), 503)
        assert refused.retryAfter is not None
        self.assertTrue(5 <= refused.retryAfter <= 30)
        [line] = [line for line in lines if "media ports" in line]
        self.assertRegex(line, "call .*media ports.*40000-40003.*--rtp-ports")
        self.assertEqual(Counted.made, 2)
        calls[0].hangUp()
        lab.advance(0.5)
        self.assertEqual(self.call(lab).state, "ringing")
        self.finish(lab)

    def test_noCommonCodec(self) -> None:
        """488 with a Warning that says what was offered."""
        lab = Lab(Counted)
        refused = self.failure(self.call(lab, sdp=NO_CODEC), 488)
        self.assertIn("G729", refused.warning or "")
        self.assertEqual(Counted.made, 0)
        self.finish(lab)

    def test_aBrokenDescription(self) -> None:
        """400 with words."""
        lab = Lab(Counted)
        refused = self.failure(self.call(lab, sdp=b"v=0\r\nm=audio what RTP/AVP 0\r\n"), 400)
        self.assertIn("m=", refused.reason)
        self.assertEqual(Counted.made, 0)
        self.finish(lab)

    def test_tooManyCalls(self) -> None:
        """503 with Retry-After at --max-calls; the log names the option."""
        lab = Lab(Counted, settings=Settings(maxCalls=1))
        self.call(lab)
        with logged() as lines:
            second = self.call(lab)
        assert second.failure is not None
        self.assertEqual((second.failure.sipCode, second.provisional), (503, []))
        self.assertIsNotNone(second.failure.retryAfter)
        self.assertIn("1 calls are up (--max-calls)", second.failure.reason)
        self.assertTrue(any("refused by max-calls: 1 calls are up" in line for line in lines))
        self.assertEqual(Counted.made, 1)
        self.finish(lab)

    def test_anUnknownUser(self) -> None:
        """404, where no application is for all users."""
        lab = Lab({"menu": Counted})
        self.failure(self.call(lab, "sip:nobody@doug"), 404)
        self.assertEqual(self.call(lab, "sip:menu@doug").state, "ringing")
        self.assertEqual(Counted.made, 1)
        self.finish(lab)


class RouteTests(SynchronousTestCase):
    """Applications by called user."""

    def test_byCalledUser(self) -> None:
        """As the INVITE's URI has it, unescaped; others get the default."""

        class Echo(Puppet):
            pass

        lab = Lab({"": Puppet, "echo 1": Echo})
        for uri in ("sip:echo%201@doug", "sip:other@doug", "sip:doug"):
            lab.phone().dial(uri.replace("sip:doug", "sip:192.0.2.10"))
            lab.advance(0.1)
        kinds = [type(app) for app in lab.application.listVoiceapps().values()]
        self.assertEqual(kinds, [Echo, Puppet, Puppet])
        for app in lab.application.listVoiceapps().values():
            app.returnResult()
        lab.assertNothingLeft()

    def test_argsAreAttributes(self) -> None:
        """And event.args."""
        lab = Lab(Silent, greeting="hello.wav")
        lab.phone().dial("sip:app@doug")
        lab.advance(0.1)
        [app] = lab.application.listVoiceapps().values()
        self.assertEqual(app.greeting, "hello.wav")  # type: ignore[attr-defined]
        app.returnResult()
        lab.assertNothingLeft()


class FaultTests(SynchronousTestCase):
    """An application that fails before it has answered."""

    def refused(self, app: type[VoiceApp]) -> None:
        """The caller hears 500, the next caller is served, the error is logged."""
        lab = Lab(app)
        call = lab.phone().dial("sip:app@doug")
        lab.advance(1.0)
        assert call.failure is not None
        self.assertEqual((call.state, call.failure.sipCode), ("failed", 500))
        self.assertTrue(self.flushLoggedErrors(ZeroDivisionError))
        lab.assertNothingLeft()

    def test_whichCannotBeMade(self) -> None:
        """Its __init__ raises."""

        class Unmade(Puppet):
            def __init__(self, *args: Any, **kwargs: Any) -> None:
                raise ZeroDivisionError

        self.refused(Unmade)

    def test_whoseStartRaises(self) -> None:
        """__start__ raises."""

        class Unstarted(VoiceApp):
            def __start__(self) -> Any:
                raise ZeroDivisionError

        self.refused(Unstarted)

    def test_whoseFirstHandlerRaises(self) -> None:
        """Before answerCall()."""

        class Unready(VoiceApp):
            def __start__(self) -> Any:
                return [(CallStartedEvent, self.started)]

            def started(self, event: CallStartedEvent) -> Any:
                raise ZeroDivisionError

        self.refused(Unready)


class LogTests(SynchronousTestCase):
    """Log lines carry the call's id."""

    def test_everyLineAboutACallHasItsCallID(self) -> None:
        """From its arrival to its last line."""
        lab = Lab(Puppet)
        phone = lab.phone()
        with logged() as lines:
            call = phone.dial("sip:app@doug")
            lab.advance(1.0)
            [app] = lab.application.listVoiceapps().values()
            callID = app.getDefaultLeg().callID  # type: ignore[union-attr]
            call.press("5")
            lab.advance(1.0)
            call.hangUp()
            lab.advance(1.0)
            app.returnResult("done")
            lab.advance(1.0)
        about = [line for line in lines if line]
        self.assertGreater(len(about), 3)
        self.assertEqual([line for line in about if callID not in line], [])
        self.assertIn(f"by {phone.host.address}:5060", "".join(about))
        lab.assertNothingLeft()

    def test_aCallThatIsPlaced(self) -> None:
        """One line ties application, caller's call and the new one; a hopeless one is a warning."""
        lab = Lab(Puppet)
        lab.phone().dial("sip:app@doug")
        lab.advance(1.0)
        [app] = lab.application.listVoiceapps().values()
        mine = app.getDefaultLeg().callID  # type: ignore[union-attr]
        other = lab.phone()
        with logged() as lines:
            leg = app.placeCall(other.uri)
            app.placeCall("sip:")
            lab.advance(1.0)
        [line] = [line for line in lines if other.uri in line and " placed " in line]
        self.assertIn(f"Puppet (call {mine}): call {leg.callID}", line)
        [line] = [line for line in lines if "never came up" in line]
        self.assertIn("to sip: never came up: 'sip:'", line)
        app.returnResult("done")
        lab.advance(1.0)
        lab.assertNothingLeft()


class StartTests(SynchronousTestCase):
    """Opening the ports."""

    def server(self, *ports: int) -> tuple[MemoryNetwork, DougApplication]:
        """A server that is to listen on these."""
        reactor = VirtualReactor()
        network = MemoryNetwork(reactor, Random(1))
        host = reactor.host = network.host("192.0.2.10")
        settings = Settings(listen=tuple(Endpoint("udp", "", port) for port in ports))
        application = DougApplication(
            Puppet,
            reactor=reactor,
            settings=settings,
            mediaIO=lambda reactor: MemoryMediaIO(host),
            rng=Random(2),
        )
        return network, application

    def test_anyPort(self) -> None:
        """Port 0 takes a free one; the log says which."""
        network, application = self.server(0)
        with logged() as lines:
            application.start()
        [(_, port)] = network.bound
        self.assertTrue(any(f"udp:*:{port}" in line for line in lines))
        application.shutdown()

    def test_aPortThatIsTaken(self) -> None:
        """StartFailed names the option; ports that were open already are closed again."""
        network, application = self.server(5060, 5070)
        network.bind(("192.0.2.10", 5070), lambda data, source: None)
        with self.assertRaises(StartFailed) as caught:
            application.start()
        self.assertIn("--listen=udp:*:5070: Address already in use", str(caught.exception))
        self.assertEqual(list(network.bound), [("192.0.2.10", 5070)])
        self.assertRaises(RuntimeError, lambda: application.exchange)
