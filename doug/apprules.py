"""Rules of the verdict about the application: what it missed, held up, or left behind.

Lives here: pure functions from the facts of an ended call to a finding. Not here: what an
application may do (doug.statemachine), what holds the reactor (doug.watch).
"""

from __future__ import annotations

from doug.callfacts import CallFacts, Finding


def appFailed(facts: CallFacts) -> Finding | None:
    """The call is over because its application is."""
    if not facts.appError:
        return None
    return Finding(
        "app-failed",
        f"the application ended with an error in {facts.appError} (the log has the traceback)",
    )


def eventsUnmatched(facts: CallFacts) -> Finding | None:
    """Events came that the application had no handler for at that moment."""
    if not facts.eventsUnmatched:
        return None
    return Finding(
        "events-unmatched",
        f"dropped, because nothing in the state that the application was in matches: "
        f"{'; '.join(facts.eventsUnmatched)}; let the state before return (event, handler) for "
        "them too, or (event, IGNORE_EVENT)",
    )


def keysUnmatched(facts: CallFacts) -> Finding | None:
    """Keys came that the application had no handler for at that moment."""
    if not facts.keysUnmatched:
        return None
    return Finding(
        "keys-unmatched",
        f"keys {facts.keysUnmatched!r} were dropped, because no entry of the state that the "
        "application was in matches DTMFReceivedEvent: add one, or (DTMFReceivedEvent, "
        "IGNORE_EVENT) where keys mean nothing",
    )


def keysWaiting(facts: CallFacts) -> Finding | None:
    """Keys came while a handler's Deferred pended, and the call ended before it fired."""
    if not facts.keysWaiting:
        return None
    return Finding(
        "keys-lost",
        f"keys {facts.keysWaiting!r} came while a handler's Deferred was pending and were never "
        "delivered: return the next list at once and let slow work raise an event of its own",
    )


def keysUnheeded(facts: CallFacts) -> Finding | None:
    """Keys came in a prompt that did not stop for them."""
    if not facts.keysUnheeded:
        return None
    return Finding(
        "keys-unheeded",
        f"keys {facts.keysUnheeded!r} were pressed during a prompt that went on all the same: play "
        "it with bargeIn=True if a key is to stop it",
    )


def deferredPending(facts: CallFacts) -> Finding | None:
    """The call was over while a handler still waited for something."""
    if not facts.pending or facts.keysWaiting:
        return None
    return Finding(
        "deferred-pending",
        f"the Deferred of {facts.pending} still pended when the call ended, and the event of that "
        "waits for it: return the next list at once and let slow work raise an event of "
        "its own",
    )


def notPlayed(facts: CallFacts) -> Finding | None:
    """The application asked for a sound that could not be read."""
    if not facts.notPlayed:
        return None
    return Finding("not-played", f"not played: {'; '.join(facts.notPlayed)}")


def notRecorded(facts: CallFacts) -> Finding | None:
    """A recording that the application asked for is not there, or not whole."""
    if not facts.notRecorded:
        return None
    return Finding(
        "not-recorded",
        f"not recorded to its end: {'; '.join(facts.notRecorded)}; see that there is room for it, "
        "that the folder may be written to and that its disk is fast enough",
    )


def slowHandler(facts: CallFacts) -> Finding | None:
    """A handler kept the reactor, and with it the sound of all calls."""
    if not facts.slowHandlers:
        return None
    return Finding(
        "slow-handler",
        f"no call had sound while these held the reactor: {', '.join(facts.slowHandlers)}; move "
        "slow work to self.deferToThread(f, ...)",
    )


def late(facts: CallFacts) -> Finding | None:
    """The media clock could not keep its beat, and this application is not known as the cause."""
    if not facts.leftOut or facts.slowHandlers:
        return None
    return Finding(
        "late",
        "sound was left out because something held the reactor for more than 40 ms (the log has "
        "'reactor was late'): move slow work of handlers to self.deferToThread",
    )


def survivors(facts: CallFacts) -> Finding | None:
    """Something that the call had opened was not closed in time."""
    if not facts.survivors:
        return None
    return Finding(
        "survivors",
        f"still open after the end: {', '.join(facts.survivors)}; a recording that is here waits "
        "for its disk: see that it is fast enough, or let another one have the recordings",
    )
