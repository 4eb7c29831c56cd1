"""Old import path of doug.leg."""

from doug.leg import Leg

__all__ = ["Leg"]
