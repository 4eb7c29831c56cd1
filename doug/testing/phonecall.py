"""A call of a virtual phone: what its user does, and what the call reports.

Lives here: PhoneCall. Not here: the device (phone.py), what is asserted of the sound (ear.py).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall
from twisted.python.failure import Failure
from zope.interface import implementer

from doug.negotiation import streamParameters
from doug.testing.ear import Ear, Sound
from doug.testing.failing import failed
from shtoom import codecs
from shtoom.agent.call import Call
from shtoom.agent.calluser import CallEnding, ICallUser
from shtoom.agent.inbound import InboundCall
from shtoom.audio.tones import dtmf, silence, sine
from shtoom.exceptions import CallFailed, NotAcceptable
from shtoom.media.coding import encoded
from shtoom.media.session import MediaSession
from shtoom.media.stream import IFeed
from shtoom.media.translate import Translator
from shtoom.rtp.telephoneevent import DIGITS, KeyPressed, KeyReleased
from shtoom.sdp.description import parseSDP
from shtoom.sdp.offeranswer import (
    AgreedStream,
    Capabilities,
    makeOffer,
    negotiate,
    readAnswer,
    renewed,
)
from shtoom.sip.keyinfo import DTMF_RELAY, KeyInfo
from shtoom.sip.message import Response

if TYPE_CHECKING:
    from doug.testing.phone import Phone
    from shtoom.agent.transfer import Transfer

__all__ = ["PhoneCall"]


@implementer(ICallUser, IFeed)
class PhoneCall(Ear):
    """One call of a phone: what its user says and presses, and hears (Ear).

    state: "calling", "ringing", "answered", "ended" or "failed". failure: the CallFailed of a call
    that did not come about. ending: how an answered call ended. keys: heard as RFC 4733.
    infoKeys: that came as SIP INFO.
    provisional: the codes of the 1xx responses that came.
    """

    def __init__(self, phone: Phone, session: MediaSession) -> None:
        super().__init__(phone.findFile)
        self.phone, self.session = phone, session
        self.call: Call | None = None
        self.state = "calling"
        self.failure: CallFailed | None = None
        self.ending: CallEnding | None = None
        self.keys = ""
        self.infoKeys = ""
        self.provisional: list[int] = []
        self.stream: AgreedStream | None = None
        self.lent = None
        self._offer: bytes = b""
        self._toSay = bytearray()
        self._toPress: deque[tuple[str, float, float]] = deque()
        self._timer: IDelayedCall | None = None  # to answer, or until the next key
        self._closed = False

    def circumstances(self) -> str:
        """The state of the call, and how applications have ended."""
        return f" (call {self.state}){self.phone.outcomes()}"

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
        agreed = negotiate(parseSDP(call.remoteSDP), self.capabilities())
        self._talk(agreed.stream)
        call.ring(183, sdp=agreed.answer.toBytes())
        self._speak(agreed.stream, sound)

    def answer(self) -> None:
        """Answers a call that rings."""
        call = self.call
        if not isinstance(call, InboundCall) or self.state != "ringing":
            return
        if call.remoteSDP is None:
            self._offer = makeOffer(self.capabilities()).toBytes()
            call.answer(self._offer)
            return
        try:
            agreed = negotiate(parseSDP(call.remoteSDP), self.capabilities())
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

    def transfer(self, uri: str) -> Deferred[Response]:
        """Asks the server to call `uri` in the phone's place (REFER); fires with the response.

        The phone hears nothing of what becomes of it (Refer-Sub: false) but the end of this call.
        AssertionError unless the call is up.
        """
        self._mustBeUp("sent")
        call = self.call
        if call is None or call.dialog is None or call.peer is None:
            raise failed("transfer: the call is over")
        lines = (("Refer-To", f"<{uri}>"), ("Refer-Sub", "false"))
        refer = call.dialog.request("REFER", call.contact, lines)
        return call.agent.ask(call.dialog, refer, call.peer, [])

    def hold(self) -> None:
        """Puts the far end on hold (re-INVITE, sendonly); AssertionError unless the call is up."""
        self.reoffer(self._newOffer("sendonly"))

    def resume(self) -> None:
        """Takes it off hold again; AssertionError unless the call is up."""
        self.reoffer(self._newOffer("sendrecv"))

    def reoffer(self, sdp: bytes) -> None:
        """Offers a description of the test's own making (re-INVITE), if no other is under way.

        What is refused leaves the call as it was. AssertionError unless the call is up.
        """
        self._mustBeUp("offered")
        if self.call is None:
            raise failed("reoffer: the call is over")
        answer = self.call.reoffer(sdp)
        answer.addCallbacks(self._reofferAnswered, _refused, callbackArgs=(sdp,))

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

    # --- the call reports ---------------------------------------------------------------------

    def began(self, call: Call) -> None:
        """The call that this one is about."""
        self.call = call
        if call.direction == "inbound":
            self.state = "ringing"

    def offer(self) -> bytes:
        """The phone's offer for a call that it places."""
        self._offer = makeOffer(self.capabilities()).toBytes()
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
        self.phone.callUp(self)

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
        agreed = negotiate(parseSDP(sdp), self.capabilities())
        self._talk(agreed.stream)
        return agreed.answer.toBytes()

    def answerReceived(self, call: Call, sdp: bytes) -> None:
        """The answer to what offerReceived offered."""
        self._settle(sdp)

    def moved(self, call: Call, address: str) -> bytes:
        """The phone has another address."""
        return self.offer()

    def infoReceived(self, call: Call, key: KeyInfo) -> None:
        """A key in an INFO request."""
        self.infoKeys += key.digit

    def transferAsked(self, call: Call, transfer: Transfer) -> None:
        """The far end wants the phone to call somebody: it does not."""
        transfer.refuse()

    # --- sound, frame by frame ----------------------------------------------------------------

    def nextPayload(self, size: int) -> bytes:
        """What the user says in this packet."""
        payload = bytes(self._toSay[:size])
        del self._toSay[:size]
        if not self._toSay:
            self.session.feed = None  # who has nothing to say need not be asked
        return payload

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
        codec = codecs.find(stream.codec).uncoded
        if isinstance(sound, np.ndarray):
            self._toSay += encoded(sound, codec)
        else:
            self._toSay += codec.encode(self._read(sound, codec.rate))
        self.session.feed = self

    def _mustBeUp(self, done: str) -> AgreedStream:
        if self.stream is None or self.state != "answered":
            raise failed(f"the call is {self.state}: nothing can be {done}")
        return self.stream

    def capabilities(self) -> Capabilities:
        """What the phone can do, at the port of this call."""
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
        self._talk(readAnswer(offer, parseSDP(answer), self.capabilities()))

    def _newOffer(self, direction: str) -> bytes:
        """As the one before, with one more in its o= line if it has changed."""
        local = self.call.localSDP if self.call is not None else None
        before = parseSDP(local) if local else None
        return renewed(makeOffer(self.capabilities(), direction), before).toBytes()

    def _reofferAnswered(self, answer: bytes, offer: bytes) -> None:
        self._offer = offer
        self._settle(answer)

    def _talk(self, stream: AgreedStream) -> None:
        before, self.stream = self.stream, stream
        self.session.start(streamParameters(stream, None))
        if before is not None and self._toSay:
            old, new = codecs.find(before.codec).uncoded, codecs.find(stream.codec).uncoded
            self._toSay[:] = Translator().translate(bytes(self._toSay), old, new)
        if before is None:
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


def _refused(failure: Failure) -> None:
    """The far end's answer to an offer; the call goes on as it was, or is over."""
    failure.trap(CallFailed)
