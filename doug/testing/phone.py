"""Virtual phones: real SIP and RTP over the in-memory network, driven by a test.

Lives here: Phone (one device with an address of its own) and PhoneCall (what its user does and
hears). Not here: the comparing of sounds (hearing.py), the server (lab.py).
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Iterable
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, cast

import numpy as np
from numpy.typing import NDArray
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall
from zope.interface import implementer

from doug.negotiation import streamParameters
from doug.testing.failing import failed
from doug.testing.hearing import Match, locate, toneShare
from doug.testing.media import MemoryMediaIO
from shtoom import codecs
from shtoom.agent.agent import IUserAgentUser, UserAgent
from shtoom.agent.call import Call
from shtoom.agent.calluser import CallEnding, ICallUser
from shtoom.agent.inbound import InboundCall
from shtoom.audio.frames import FRAME
from shtoom.audio.goertzel import DTMFDetector, ToneStarted
from shtoom.audio.tones import dtmf, silence, sine
from shtoom.exceptions import CallFailed, CallRejected, NotAcceptable
from shtoom.media.clock import MediaClock
from shtoom.media.files import openReader
from shtoom.media.ports import PortPool
from shtoom.media.session import IFeed, IListener, MediaSession
from shtoom.rtp.telephoneevent import DIGITS, KeyPressed, KeyReleased
from shtoom.sdp.description import parseSDP
from shtoom.sdp.offeranswer import AgreedStream, Capabilities, makeOffer, negotiate, readAnswer
from shtoom.sip.digest import Challenge, parseAnswer
from shtoom.sip.keyinfo import DTMF_RELAY, KeyInfo
from shtoom.sip.message import Response
from shtoom.sip.resolver import Resolver, ResolvingReactor
from shtoom.sip.timers import Timers
from shtoom.sip.udp import UDPTransport
from shtoom.sip.uri import hostPort

if TYPE_CHECKING:
    from doug.testing.network import MemoryHost
    from doug.testing.reactor import VirtualReactor

RTP_PORTS = (40000, 41998)
FRAME_BYTES = 320
ON_CALL = ("answer", "ring", "busy", "decline")
SERVER = re.compile(r"@doug(?![\w.-])")
REALM = "doug.testing"  # that of a phone's challenges
ENOUGH = 0.3  # seconds of a prompt's sound that must be heard to say that it is heard

Sound = str | Path | NDArray[np.int16]


@implementer(IUserAgentUser)
class Phone:
    """A phone on the in-memory network.

    name: its user part. codecs: by name, best first. ptime: milliseconds of sound a packet.
    events: does it know RFC 4733? onCall: what it does when it rings, one of "answer", "ring"
    (for ever), "busy", "decline". answerAfter: seconds of ringing. earlySound: what it says while
    it rings, to those who hear early media. redirectTo: addresses that it sends every caller to.
    auth: user and password that it asks every caller for. findFile: where the sound of a relative
    path is. outcomes: how applications have ended, for failed assertions. ValueError for an onCall
    that there is not.
    """

    def __init__(
        self,
        reactor: VirtualReactor,
        host: MemoryHost,
        rng: Random,
        *,
        name: str = "alice",
        serverAddress: str = "",
        codecs: Iterable[str] = ("PCMU", "PCMA"),
        ptime: int = 20,
        events: bool = True,
        onCall: str = "answer",
        answerAfter: float = 0.0,
        earlySound: Sound | None = None,
        redirectTo: Iterable[str] = (),
        auth: tuple[str, str] | None = None,
        timers: Timers | None = None,
        findFile: Callable[[str], str] = str,
        outcomes: Callable[[], str] = str,
    ) -> None:
        if onCall not in ON_CALL:
            raise ValueError(f"onCall: wanted one of {', '.join(ON_CALL)}, got {onCall!r}")
        self.reactor, self.host, self.name = reactor, host, name
        self.serverAddress = serverAddress
        self.codecs, self.ptime, self.events = tuple(codecs), ptime, events
        self.onCall, self.answerAfter, self.findFile = onCall, answerAfter, findFile
        self.earlySound, self.redirectTo, self.auth = earlySound, tuple(redirectTo), auth
        self.outcomes = outcomes
        self.calls: list[PhoneCall] = []
        self.io = MemoryMediaIO(host)
        self.clock = MediaClock(reactor, self.io, PortPool(*RTP_PORTS, rng), rng=rng, phases=2)
        self.agent = UserAgent(
            reactor,
            self,
            rng=rng,
            resolver=Resolver(cast(ResolvingReactor, reactor)),
            timers=timers if timers is not None else Timers(),
            product=f"Phone/{name}",
        )
        transport = UDPTransport(
            self.agent.layer, localAddressFor=lambda remoteHost: self.host.address
        )
        self._nonces: set[str] = set()
        self.port = host.listenUDP(5060, transport)
        self.agent.addTransport(transport)
        self.rng = rng

    @property
    def uri(self) -> str:
        """What to dial to reach this phone."""
        return f"sip:{self.name}@{hostPort(self.host.address, None)}"

    def dial(
        self,
        uri: str,
        *,
        fromURI: str | None = None,
        headers: Iterable[tuple[str, str]] = (),
        sdp: bytes | None = None,
    ) -> PhoneCall:
        """Calls `uri`; the host "doug" is the server of the lab.

        fromURI: who it says it is. headers: more of them on the INVITE. sdp: an offer of the
        test's own making instead of the phone's.
        """
        call = PhoneCall(self, self.clock.openSession(self.host.address))
        self.calls.append(call)
        offer = call.offer() if sdp is None else sdp
        target = SERVER.sub(f"@{self.serverAddress}", uri) if self.serverAddress else uri
        caller = fromURI if fromURI is not None else self.uri
        call.began(self.agent.placeCall(target, offer, call, fromURI=caller, headers=headers))
        return call

    def callReceived(self, call: InboundCall) -> None:
        """The phone rings, or refuses, as onCall and the rest say."""
        if self.auth is not None and not self._isKnown(call, *self.auth):
            challenge = Challenge(REALM, f"{self.rng.getrandbits(64):016x}", "SHA-256", ("auth",))
            self._nonces.add(challenge.nonce)
            headers = [("WWW-Authenticate", str(challenge))]
            call.reject(CallFailed("Unauthorized", 401), headers)
            return
        if self.redirectTo:
            contacts = [("Contact", f"<{uri}>") for uri in self.redirectTo]
            call.reject(CallFailed("Moved Temporarily", 302), contacts)
            return
        if self.onCall == "busy":
            raise CallFailed("Busy Here", 486)
        if self.onCall == "decline":
            raise CallRejected
        mine = PhoneCall(self, self.clock.openSession(self.host.address))
        self.calls.append(mine)
        mine.began(call)
        call.user = mine
        if self.earlySound is None:
            call.ring()
        else:
            mine.speakEarly(self.earlySound)
        if self.onCall == "answer":  # "ring" leaves it at that
            mine.later(self.answerAfter, mine.answer)

    def _isKnown(self, call: InboundCall, user: str, password: str) -> bool:
        """Has the INVITE the right answer to a challenge of this phone?"""
        request = call.request
        value = request.header("Authorization") if request is not None else None
        if request is None or value is None:
            return False
        answer = parseAnswer(value)
        return (
            answer.nonce in self._nonces
            and (answer.username, answer.realm, answer.uri) == (user, REALM, request.uriText)
            and answer.matches(password, request.method, request.body)
        )

    def close(self) -> None:
        """Takes the phone off the network."""
        for call in self.calls:
            call.close()
        self.clock.close()
        self.io.close()
        self.agent.layer.stop()
        self.port.stopListening()


@implementer(ICallUser, IFeed, IListener)
class PhoneCall:
    """One call of a phone: what its user says, presses and hears.

    state: "calling", "ringing", "answered", "ended" or "failed". failure: the CallFailed of a call
    that did not come about. ending: how an answered call ended. keys: heard as RFC 4733.
    infoKeys: that came as SIP INFO.
    provisional: the codes of the 1xx responses that came.
    """

    def __init__(self, phone: Phone, session: MediaSession) -> None:
        self.phone, self.session = phone, session
        self.call: Call | None = None
        self.state = "calling"
        self.failure: CallFailed | None = None
        self.ending: CallEnding | None = None
        self.keys = ""
        self.infoKeys = ""
        self.provisional: list[int] = []
        self.stream: AgreedStream | None = None
        self._offer: bytes = b""
        self._heard = bytearray()
        self._from = 0  # sample from which the next prompt is looked for
        self._toSay = bytearray()
        self._toPress: deque[tuple[str, float, float]] = deque()
        self._timer: IDelayedCall | None = None  # to answer, or until the next key
        self._closed = False

    @property
    def closed(self) -> bool:
        """Is the call over, its media closed?"""
        return self._closed

    # --- what the user does -------------------------------------------------------------------

    def speakEarly(self, sound: Sound) -> None:
        """Rings with an announcement: 183 with a description, and sound before the answer."""
        call = self.call
        if not isinstance(call, InboundCall) or call.remoteSDP is None:
            raise failed("speakEarly: only a call with an offer that rings has early media")
        agreed = negotiate(parseSDP(call.remoteSDP), self._capabilities())
        self._talk(agreed.stream)
        call.ring(183, sdp=agreed.answer.toBytes())
        self._speak(agreed.stream, sound)

    def answer(self) -> None:
        """Answers a call that rings."""
        call = self.call
        if not isinstance(call, InboundCall) or self.state != "ringing":
            return
        if call.remoteSDP is None:
            self._offer = makeOffer(self._capabilities()).toBytes()
            call.answer(self._offer)
            return
        try:
            agreed = negotiate(parseSDP(call.remoteSDP), self._capabilities())
        except NotAcceptable as e:
            call.reject(e)
            return
        self._talk(agreed.stream)
        call.answer(agreed.answer.toBytes())

    def hangUp(self) -> None:
        """Ends the call, answered or not (a CANCEL while the far end rings)."""
        if self.call is not None:
            self.call.hangup()

    def press(self, keys: str, duration: float = 0.1, gap: float = 0.1) -> None:
        """Presses keys as RFC 4733, one after the other. duration, gap: seconds.

        AssertionError unless the call is up and both sides know RFC 4733; ValueError for another
        key than 0-9 * # A-D.
        """
        if self._mustBeUp("pressed").eventType is None:
            raise failed("press: this phone and the server have not agreed on RFC 4733")
        if set(keys.upper()) - set(DIGITS):
            raise ValueError(f"press: wanted keys of {DIGITS}, got {keys!r}")
        waiting = bool(self._toPress)
        self._toPress.extend((key, duration, gap) for key in keys)
        if not waiting:
            self._pressNext()

    def sayKeys(self, keys: str, duration: float = 0.1, gap: float = 0.1) -> None:
        """Presses keys as tones in the sound, as a phone without RFC 4733 does. Seconds.

        AssertionError unless the call is up; ValueError for another key than 0-9 * # A-D.
        """
        for key in keys:
            self.say(np.concatenate([dtmf(key, duration), silence(gap)]))

    def sendInfo(self, body: bytes, contentType: str = DTMF_RELAY) -> Deferred[Response]:
        """Sends an INFO request, such as b"Signal=5" for a key; fires with the response.

        AssertionError unless the call is up.
        """
        self._mustBeUp("sent")
        if self.call is None:
            raise failed("sendInfo: the call is over")
        return self.call.sendInfo(contentType, body)

    def say(self, sound: Sound) -> None:
        """Speaks a file or int16 samples of 8 kHz, after what is still to be said.

        AssertionError unless the call is up.
        """
        self._speak(self._mustBeUp("said"), sound)

    def sayTone(self, hz: float, seconds: float, level: float = 0.3) -> None:
        """Speaks a tone; level 1.0 is full scale."""
        self.say(sine(hz, seconds, level))

    def saySilence(self, seconds: float) -> None:
        """Sends packets of silence."""
        self.say(silence(seconds))

    # --- what the user hears ------------------------------------------------------------------

    @property
    def heard(self) -> NDArray[np.int16]:
        """All that came out of the phone since the answer: int16 samples of 8 kHz."""
        return self._heardFrom(0)

    @property
    def tones(self) -> str:
        """The keys that were heard as tones since the answer."""
        detector = DTMFDetector()
        row = detector.add()
        sound = np.append(self.heard, silence(0.2))
        keys = ""
        for start in range(0, len(sound) - FRAME + 1, FRAME):
            for what in detector.run(sound[np.newaxis, start : start + FRAME], [row]):
                keys += what.key if isinstance(what, ToneStarted) else ""
        return keys

    def forget(self) -> None:
        """What was heard until now no longer counts for assertHears."""
        self._from = len(self._heard) // 2

    def assertHears(self, sound: Sound, atLeast: float = ENOUGH) -> Match:
        """That `sound` was heard, after what an earlier assertHears found.

        atLeast: seconds of it that must be there in one piece (all of it, if it is shorter).
        Returns where it was, in `heard`. AssertionError says what was heard instead.
        """
        audio = self._heardFrom(self._from)
        match = locate(audio, self._read(sound), atLeast)
        if match is None or match.seconds < min(atLeast, match.wanted):
            much = 0.0 if match is None else match.seconds
            raise failed(
                f"{_name(sound)} was not heard: {much:.1f} s of it in {len(audio) / 8000:.2f} s of "
                f"sound from second {self._from / 8000:.2f} on, at a level of {_level(audio)} "
                f"(call {self.state}){self.phone.outcomes()}"
            )
        start, self._from = self._from, self._from + match.end
        return match._replace(start=start + match.start, end=self._from)

    def assertDoesNotHear(self, sound: Sound) -> None:
        """That `sound` was not heard since the last forget() or assertHears()."""
        match = locate(self._heardFrom(self._from), self._read(sound), ENOUGH)
        if match is not None and match.seconds >= min(ENOUGH, match.wanted):
            raise failed(f"{_name(sound)} was heard: {match.seconds:.1f} s of it")

    def assertHearsTone(self, hz: float, seconds: float = 0.5, share: float = 0.9) -> None:
        """That the last `seconds` were a tone of `hz`, by its share of the power."""
        found = toneShare(self._last(seconds), hz)
        if found < share:
            raise failed(f"a tone of {hz} Hz has {found:.2f} of the power, wanted {share}")

    def assertSilent(self, seconds: float = 0.5) -> None:
        """That nothing but silence came in the last `seconds`."""
        audio = self._last(seconds)
        if len(audio) and int(np.abs(audio.astype(np.int32)).max()) > 64:
            raise failed(f"wanted silence, heard a level of {_level(audio)}")

    # --- the call reports ---------------------------------------------------------------------

    def began(self, call: Call) -> None:
        """The call that this one is about."""
        self.call = call
        if call.direction == "inbound":
            self.state = "ringing"

    def offer(self) -> bytes:
        """The phone's offer for a call that it places."""
        self._offer = makeOffer(self._capabilities()).toBytes()
        return self._offer

    def callProgress(self, call: Call, response: Response) -> None:
        """A 1xx response."""
        self.provisional.append(response.code)
        if response.code >= 180:
            self.state = "ringing"

    def callAnswered(self, call: Call) -> None:
        """The far end answered, or acknowledged our answer."""
        self.state = "answered"
        if self._offer and call.remoteSDP is not None:
            self._settle(call.remoteSDP)

    def callRejected(self, call: Call, failure: CallFailed) -> None:
        """The call did not come about."""
        self.state, self.failure = "failed", failure
        self.close()

    def callEnded(self, call: Call, ending: CallEnding) -> None:
        """The call is over."""
        self.state, self.ending = "ended", ending
        self.close()

    def offerReceived(self, call: Call, sdp: bytes | None) -> bytes:
        """A re-INVITE: takes what is offered."""
        if sdp is None:
            return self.offer()
        agreed = negotiate(parseSDP(sdp), self._capabilities())
        self._talk(agreed.stream)
        return agreed.answer.toBytes()

    def answerReceived(self, call: Call, sdp: bytes) -> None:
        """The answer to what offerReceived offered."""
        self._settle(sdp)

    def infoReceived(self, call: Call, key: KeyInfo) -> None:
        """A key in an INFO request."""
        self.infoKeys += key.digit

    # --- sound, frame by frame ----------------------------------------------------------------

    def nextPayload(self, size: int) -> bytes:
        """What the user says in this packet."""
        payload = bytes(self._toSay[:size])
        del self._toSay[:size]
        if not self._toSay:
            self.session.feed = None  # who has nothing to say need not be asked
        return payload

    def frameReceived(self, pcm: bytes) -> None:
        """20 ms of sound for the user's ear."""
        self._heard += pcm

    def close(self) -> None:
        """The phone's part of the media ends."""
        if not self._closed:
            self._closed = True
            self._toPress.clear()
            self._toSay.clear()
            if self._timer is not None and self._timer.active():
                self._timer.cancel()
            self.session.close()
            self.call = None

    def later(self, seconds: float, f: Callable[[], object]) -> None:
        """Calls f, unless the call is over by then; in place of what was to be called before."""
        if not self._closed:
            self._timer = self.phone.reactor.callLater(seconds, f)

    def _keyHeard(self, key: KeyPressed | KeyReleased) -> None:
        if isinstance(key, KeyPressed):
            self.keys += key.digit

    def _speak(self, stream: AgreedStream, sound: Sound) -> None:
        self._toSay += codecs.find(stream.codec).encode(self._read(sound))
        self.session.feed = self

    def _mustBeUp(self, done: str) -> AgreedStream:
        if self.stream is None or self.state != "answered":
            raise failed(f"the call is {self.state}: nothing can be {done}")
        return self.stream

    def _heardFrom(self, sample: int) -> NDArray[np.int16]:
        return np.frombuffer(bytes(memoryview(self._heard)[2 * sample :]), np.int16)

    def _last(self, seconds: float) -> NDArray[np.int16]:
        return self._heardFrom(max(0, len(self._heard) // 2 - int(seconds * 8000)))

    def _read(self, sound: Sound) -> NDArray[np.int16]:
        return readSound(self.phone.findFile(sound) if isinstance(sound, str) else sound)

    def _capabilities(self) -> Capabilities:
        return Capabilities(
            codecs=self.phone.codecs,
            events=self.phone.events,
            address=self.phone.host.address,
            port=self.session.port,
            sessionID=1000,
            version=1,
            ptime=self.phone.ptime,
        )

    def _settle(self, answer: bytes) -> None:
        """The far end's answer to our offer."""
        offer = parseSDP(self._offer)
        self._talk(readAnswer(offer, parseSDP(answer), self._capabilities()))

    def _talk(self, stream: AgreedStream) -> None:
        first = self.stream is None
        self.stream = stream
        self.session.start(streamParameters(stream, None))
        if first:
            self.session.addListener(self)
            self.session.onKey = self._keyHeard

    def _pressNext(self) -> None:
        if not self._toPress or self._closed:
            return
        key, duration, gap = self._toPress[0]
        done = self.session.sendEvent(key, duration)
        done.addCallback(lambda _: self.later(gap, self._pressed))

    def _pressed(self) -> None:
        if self._toPress:
            self._toPress.popleft()
            self._pressNext()


def readSound(sound: Sound) -> NDArray[np.int16]:
    """A file, or samples as they are, as int16 of 8 kHz mono."""
    if isinstance(sound, np.ndarray):
        return sound
    reader = openReader(Path(sound))
    try:
        return reader.readAt(8000)
    finally:
        reader.close()


def _name(sound: Sound) -> str:
    return "the sound" if isinstance(sound, np.ndarray) else str(sound)


def _level(audio: NDArray[np.int16]) -> int:
    return int(np.sqrt(np.mean(audio.astype(np.float64) ** 2))) if len(audio) else 0
