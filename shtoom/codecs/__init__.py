"""Bytes of a codec to int16 arrays and back."""
