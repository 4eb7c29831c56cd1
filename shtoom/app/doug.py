"""Old import path of doug.application."""

from doug.application import DougApplication

__all__ = ["DougApplication"]
