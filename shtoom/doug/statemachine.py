"""Old import path of doug.statemachine."""

from doug.statemachine import StateMachine

__all__ = ["StateMachine"]
