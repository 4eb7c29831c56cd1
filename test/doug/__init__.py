"""Tests: doug."""
