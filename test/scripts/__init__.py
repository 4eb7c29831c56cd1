"""Tests: scripts."""
