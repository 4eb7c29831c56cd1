"""What was wrong with a call, in words with the remedy.

Lives here: all rules in their order, and what they find. Not here: the rules themselves
(doug.networkrules, doug.apprules), the facts (doug.callfacts), gathering them (doug.farewell).
"""

from __future__ import annotations

from doug import apprules, networkrules
from doug.callfacts import NO_MEDIA, CallFacts, Finding, Rule

__all__ = ["NO_MEDIA", "RULES", "SIGNALLING", "CallFacts", "Finding", "judge"]

SIGNALLING = "signalling"
"""The rule of what the user agent found, in its own words."""

RULES: tuple[Rule, ...] = (
    networkrules.noACK,
    apprules.appFailed,
    networkrules.privateContact,
    networkrules.privateMedia,
    networkrules.mediaFromElsewhere,
    networkrules.foreignMedia,
    networkrules.noMedia,
    networkrules.oneWay,
    networkrules.loss,
    networkrules.jitter,
    apprules.eventsUnmatched,
    apprules.keysUnmatched,
    apprules.keysWaiting,
    apprules.keysUnheeded,
    apprules.deferredPending,
    apprules.notPlayed,
    apprules.notRecorded,
    apprules.slowHandler,
    apprules.late,
    apprules.survivors,
)
"""In the order in which findings are told; those of the signalling come first."""


def judge(facts: CallFacts) -> list[Finding]:
    """All that was wrong; empty for a sound call."""
    findings = [Finding(SIGNALLING, text) for text in facts.signalling]
    findings += [finding for rule in RULES if (finding := rule(facts)) is not None]
    return findings
