"""Tests: codecs."""
