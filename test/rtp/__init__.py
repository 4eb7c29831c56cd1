"""Tests: rtp."""
