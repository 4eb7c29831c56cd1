"""Old import path of doug.exceptions."""

from doug.exceptions import EventNotSpecifiedError, NonEventError, StateMachineError

__all__ = ["EventNotSpecifiedError", "NonEventError", "StateMachineError"]
