"""Old import path of doug.voiceapp."""

from doug.voiceapp import VoiceApp

__all__ = ["VoiceApp"]
