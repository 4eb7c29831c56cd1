"""What can go wrong with a message or a call, each cause a class of its own.

Lives here: errors that more than one floor knows; the docstring is what a user reads first. And
checkText(), by which every text of an application passes on its way to the wire.
Not here: errors of the application model (doug.exceptions).
"""

from __future__ import annotations

from typing import NamedTuple, Self, TypeVar

E = TypeVar("E", bound=BaseException)


def checkText(what: str, text: str) -> str:
    """`text`, if it may be written into a message; else a ValueError that begins with `what`."""
    if not isinstance(text, str):
        raise ValueError(f"{what}: wanted a str, got {text!r}")
    if "\r" in text or "\n" in text or "\0" in text:
        raise ValueError(f"{what}: no CR, LF or NUL allowed, got {text!r}")
    if not text.isascii():
        try:
            text.encode("utf-8", "surrogateescape")
        except UnicodeEncodeError:
            raise ValueError(f"{what}: wanted text that UTF-8 can tell, got {text!r}") from None
    return text


def bare(error: E) -> E:
    """`error`, to be kept: without the frames that it passed, which hold what keeps it.

    Such cycles are garbage that only the collector finds, and its pauses are heard in calls.
    """
    error.__cause__ = error.__context__ = None
    return error.with_traceback(None)


class MalformedMessage(ValueError):
    """Bytes that are not what they claim; names the culprit and what would have been right.

    where: the part at fault ("CSeq header"). wanted: in words. got: what stood there.
    code: the SIP status that an answer would carry, if the message was a request (400, 505 ...).
    request: what could be read of that request, enough to answer it; None if nothing could.
    """

    code = 400

    def __init__(self, where: str, wanted: str, got: bytes | str) -> None:
        super().__init__(f"{where}: wanted {wanted}, got {got[:60]!r}")
        self.where = where
        self.request: object | None = None


class Refusal(NamedTuple):
    """A rule of this server that something is against.

    rule: its short name. reason: with the value. remedy: what would help.
    """

    rule: str
    reason: str
    remedy: str


class CallFailed(Exception):
    """A call that did not come about, or was refused.

    reason: words for people and for the Reason-Phrase. sipCode: 300..699 (RFC 3261 21); the class
    has the usual one. warning: a Warning header's value (RFC 3261 20.43) or None.
    retryAfter: seconds for a Retry-After header, or None. headers: (name, value) of each line of
    the far end's response, () if there was none. refusal: of a rule of this server, which is in the
    Reason header then; None for any other cause.
    """

    headers: tuple[tuple[str, str], ...] = ()
    refusal: Refusal | None = None

    sipCode = 500
    reason = "Server Internal Error"

    def __init__(
        self,
        reason: str | None = None,
        sipCode: int | None = None,
        *,
        warning: str | None = None,
        retryAfter: int | None = None,
    ) -> None:
        if sipCode is not None:
            self.sipCode = sipCode
        if reason is not None:
            self.reason = reason
        self.warning = warning
        self.retryAfter = retryAfter
        self.check()
        super().__init__(self.reason)

    def because(self, rule: str, remedy: str) -> Self:
        """It is one of this server's rules; the reason has the value already."""
        self.refusal = Refusal(rule, self.reason, remedy)
        return self

    def check(self) -> None:
        """ValueError names the attribute that cannot be sent, whoever has set it."""
        if not isinstance(self.sipCode, int) or not 300 <= self.sipCode <= 699:
            raise ValueError(f"sipCode: wanted 300 to 699, got {self.sipCode!r}")
        checkText("reason", self.reason)
        if self.warning is not None:
            checkText("warning", self.warning)
        seconds = self.retryAfter
        if seconds is not None and not (isinstance(seconds, int) and seconds >= 0):
            raise ValueError(f"retryAfter: wanted seconds of 0 or more, got {seconds!r}")

    def __str__(self) -> str:
        return f"{self.sipCode} {self.reason}"


class CallRejected(CallFailed):
    """The called party does not want the call."""

    sipCode = 603
    reason = "Decline"


class UserBusy(CallFailed):
    """The called party is on another call."""

    sipCode = 486
    reason = "Busy Here"


class CallNotAnswered(CallFailed):
    """Nobody answered in the time allowed."""

    sipCode = 408
    reason = "No answer in time"


class UserNotFound(CallFailed):
    """The server called knows no such user."""

    sipCode = 404
    reason = "Not Found"


class HostNotKnown(CallFailed):
    """The host of the address has no entry in DNS; the reason names it."""

    sipCode = 404
    reason = "Host not known"


class InvalidSIPURL(CallFailed, ValueError):
    """The address dialled is not a SIP or tel URI; the reason says what is wrong with it."""

    sipCode = 484
    reason = "Address Incomplete"


class NotAcceptable(CallFailed):
    """The two sides have no way to exchange media in common."""

    sipCode = 488
    reason = "Not Acceptable Here"


class ServiceUnavailable(CallFailed):
    """The server takes no call now: it is full, or about to stop."""

    sipCode = 503
    reason = "Service Unavailable"


class MediaPortsExhausted(ServiceUnavailable):
    """No RTP port is left in the range; the reason names range and option."""

    reason = "No media port left"


class TransportFailed(CallFailed):
    """The message could not be handed to the network; the reason has the system's words."""

    sipCode = 503
    reason = "Transport failure"


class TransactionTimeout(CallFailed):
    """The far end gave no final response in time (RFC 3261 17.1, timers B and F)."""

    sipCode = 408
    reason = "Request Timeout"


_BY_CODE: dict[int, type[CallFailed]] = {
    404: UserNotFound,
    408: CallNotAnswered,
    480: CallNotAnswered,
    486: UserBusy,
    488: NotAcceptable,
    503: ServiceUnavailable,
    600: UserBusy,
    603: CallRejected,
    606: NotAcceptable,
}


def failureFor(code: int, reason: str) -> CallFailed:
    """The failure that a SIP final response stands for, with that code and phrase.

    code: 300..699. Codes without a class of their own give a plain CallFailed.
    """
    return _BY_CODE.get(code, CallFailed)(reason or None, code)
