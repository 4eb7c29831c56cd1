"""Old import path of doug.events."""

from doug.events import *  # noqa: F403
