"""Old import path of doug.service."""

from doug.service import DougService

__all__ = ["DougService"]
