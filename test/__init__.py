"""The tests of Doug and shtoom: `python -m twisted.trial test`."""
