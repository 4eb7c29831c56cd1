"""Tests: sip."""
