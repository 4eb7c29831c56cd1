"""Old import path of doug.leg and doug.bridge."""

from doug.bridge import Bridge
from doug.leg import Leg

__all__ = ["Bridge", "Leg"]
