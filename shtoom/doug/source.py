"""Old import path of doug.source."""

from doug.source import EchoSource, FileSource, SilenceSource, Source, convertToSource

__all__ = ["EchoSource", "FileSource", "SilenceSource", "Source", "convertToSource"]
