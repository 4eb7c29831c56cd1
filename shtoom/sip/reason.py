"""Why something is refused, told to who is refused (RFC 3326).

Lives here: the Reason header of a rule of ours. Not here: the rules (shtoom.agent.policy,
shtoom.agent.registrar, doug), whether an answer has room for it (lean.py).
"""

from __future__ import annotations

from shtoom.exceptions import Refusal
from shtoom.sip.fields import quote
from shtoom.sip.headers import Line
from shtoom.sip.shown import SENTENCE, shown


def reasonHeader(refusal: Refusal, code: int) -> Line:
    """For an answer with that code: a text of one line, whatever is in it."""
    text = shown(f"{refusal.rule}: {refusal.reason}; {refusal.remedy}", SENTENCE)
    return "Reason", f"SIP;cause={code};text={quote(text)}"
