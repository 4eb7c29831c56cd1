"""Runs too long for the suite: each module is a program, with its command in its docstring."""
