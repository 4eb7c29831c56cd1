"""Tests: sdp."""
