"""The contract, section 1: where names are importable from."""

from __future__ import annotations

from importlib import import_module

from twisted.trial.unittest import SynchronousTestCase

import doug.events
from doug.events import BaseEvent

SAME = {
    "doug:VoiceApp": ["shtoom.doug", "doug.voiceapp", "shtoom.doug.voiceapp"],
    "doug.statemachine:StateMachine": ["shtoom.doug.statemachine"],
    "doug.exceptions:StateMachineError": ["shtoom.doug.exceptions"],
    "doug.exceptions:EventNotSpecifiedError": ["shtoom.doug.exceptions"],
    "doug.exceptions:NonEventError": ["shtoom.doug.exceptions"],
    "doug.leg:Leg": ["shtoom.doug.leg"],
    "doug.bridge:Bridge": ["shtoom.doug.leg"],
    "doug.source:Source": ["shtoom.doug.source"],
    "doug.source:SilenceSource": ["shtoom.doug.source"],
    "doug.source:EchoSource": ["shtoom.doug.source"],
    "doug.source:FileSource": ["shtoom.doug.source"],
    "doug.source:convertToSource": ["shtoom.doug.source"],
    "doug.conferencing:Room": ["shtoom.doug.conferencing"],
    "doug.conferencing:ConfSource": ["shtoom.doug.conferencing"],
    "doug.conferencing:newConferenceMember": ["shtoom.doug.conferencing"],
    "doug.conferencing:ConferenceError": ["shtoom.doug.conferencing"],
    "doug.conferencing:ConferenceClosedError": ["shtoom.doug.conferencing"],
    "doug.conferencing:ConferenceMemberNotFoundError": ["shtoom.doug.conferencing"],
    "doug.application:DougApplication": ["shtoom.app.doug"],
    "doug.service:DougService": ["shtoom.doug.service"],
}
FAILURES = (
    "CallFailed",
    "CallRejected",
    "CallNotAnswered",
    "UserBusy",
    "HostNotKnown",
    "InvalidSIPURL",
)


class ImportTests(SynchronousTestCase):
    """The canonical place and the old one give the same object."""

    def test_oldPathsGiveTheSameObjects(self) -> None:
        """Every name of the table, in every place that it must work from."""
        for canonical, others in SAME.items():
            module, name = canonical.split(":")
            wanted = getattr(import_module(module), name)
            for other in others:
                self.assertIs(getattr(import_module(other), name), wanted, f"{other}.{name}")

    def test_everyEventIsInTheOldPlaceToo(self) -> None:
        """shtoom.doug.events, which the seed calls the canonical source."""
        old = import_module("shtoom.doug.events")
        for name in doug.events.__all__:
            self.assertIs(getattr(old, name), getattr(doug.events, name), name)

    def test_callFailuresAreInShtoomExceptions(self) -> None:
        """All of them are CallFailed."""
        exceptions = import_module("shtoom.exceptions")
        for name in FAILURES:
            self.assertTrue(issubclass(getattr(exceptions, name), exceptions.CallFailed), name)

    def test_starImportGivesTheEventsAndIgnoreEvent(self) -> None:
        """Exactly these, and all of them."""
        namespace: dict[str, object] = {}
        exec("from doug.events import *", namespace)
        got = {name for name in namespace if not name.startswith("__")}
        events = {
            name
            for name, value in vars(doug.events).items()
            if isinstance(value, type) and issubclass(value, BaseEvent) and not name.startswith("_")
        }
        self.assertEqual(got, events | {"IGNORE_EVENT"})
