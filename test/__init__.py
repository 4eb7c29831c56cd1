"""The tests of Doug and shtoom: `python -m twisted.trial test`."""

import os

from hypothesis import settings

# The gate tries the same examples each time; a run by hand tries new ones.
settings.register_profile("gate", derandomize=True)
if os.environ.get("CI"):
    settings.load_profile("gate")
