"""What can be wrong with an application's state machine.

Lives here: errors of the application model. Not here: why a call failed (shtoom.exceptions).
"""


class StateMachineError(Exception):
    """An application broke a rule of the state machine; the text says which, and what to do."""


class EventNotSpecifiedError(StateMachineError):
    """An event came that the current list of (event class, handler) pairs has no entry for."""


class NonEventError(StateMachineError):
    """Something that is no event was given to raiseEvent()."""
