"""Old import paths of the application server; everything here lives in `doug`."""

from doug.voiceapp import VoiceApp

__all__ = ["VoiceApp"]
