"""Doug, a telephony application server: a phone call as easy to program as a web page."""

from doug._version import __version__
from doug.voiceapp import VoiceApp

__all__ = ["VoiceApp", "__version__"]
