"""Races between the two sides of a call, on the whole server in virtual time."""
