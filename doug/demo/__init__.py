"""The demonstration that `make run` serves: a menu with everything a first call wants to try."""

from doug.demo.app import Demo

__all__ = ["Demo"]
