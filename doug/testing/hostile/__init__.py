"""Phones that do it another way: those that a server meets sooner or later.

    for kind in hostile.all():
        lab = Lab(Menu)
        phone = lab.phone(kind=kind, keys="2")
        phone.dial("sip:menu@doug")
        lab.assertNothingLeft()
        assert phone.complaints == []

Each is a Phone of doug.testing whose user acts by itself (HostilePhone says how); its docstring
tells what is odd about it and what is right. They have the numbers of a catalogue of 64.

Lives here: the catalogue. Not here: the phones themselves (messages, courses, endings, early,
offers, sessions, packets, connections, registrars), what they share (base).
"""

from __future__ import annotations

from collections.abc import Collection

from doug.testing.hostile import (
    connections,
    courses,
    early,
    endings,
    messages,
    offers,
    packets,
    registrars,
    sessions,
)
from doug.testing.hostile.base import HostilePhone

__all__ = ["HOSTILE_PHONES", "NOT_YET", "HostilePhone", "all"]

HOSTILE_PHONES: dict[int, type[HostilePhone]] = {
    kind.number: kind
    for kind in (
        messages.Compact,
        messages.Folded,
        messages.NoSpace,
        messages.NoBrackets,
        messages.NoRport,
        courses.RingsWithoutContact,
        courses.TwoRecordRoutes,
        courses.StrictRouter,
        messages.Offerless,
        offers.ResumesWithoutOffer,
        offers.HoldsByAddress,
        offers.NoLastLineEnd,
        offers.OffersTheSame,
        offers.HoldsTwice,
        offers.Glare,
        sessions.AsksTooOften,
        sessions.NeverRefreshed,
        courses.AsksWhileItWaits,
        courses.Notifies,
        endings.AnswersTheCancel,
        courses.HangsUpBeforeItsACK,
        courses.AcknowledgesAtOnce,
        endings.NeverAcknowledges,
        courses.RepeatsItsAnswer,
        early.Forks,
        early.RingsWithSound,
        messages.Requires100rel,
        endings.AnotherCodec,
        courses.ExtraVideo,
        courses.AnotherEventType,
        messages.WidebandKeysFirst,
        messages.Multipart,
        messages.PrivateAddress,
        packets.FromAnotherPort,
        packets.AnotherSource,
        packets.SequenceBeginsAnew,
        packets.LongerPackets,
        packets.FullHeaders,
        packets.Discontinuous,
        packets.FastAndInBursts,
        packets.KeysWithoutMarker,
        packets.KeysWithoutEnd,
        packets.LongKeyWithGap,
        packets.KeysOfRunningTime,
        packets.KeysTwice,
        messages.InfoKeys,
        courses.NeverContent,
        registrars.OthersBindings,
        registrars.LongerTimes,
        courses.HangsUpBehindItsREFER,
        connections.ConfirmsAndHangsUp,
        messages.PingsAndEmptyLines,
        messages.WrongLength,
        messages.FourKilobytes,
        connections.NobodyAtItsContact,
        messages.Scanner,
        packets.BadLine,
        courses.HangsUpAtOnce,
        packets.Silent,
        packets.SpeaksBeforeItsACK,
        offers.ChangesItsCodec,
    )
}
"""Number in the catalogue -> class, in the order of the numbers."""

NOT_YET: dict[int, str] = {
    27: "reliable provisional responses",
    52: "transfers of our own",
    59: "SRTP",
}
"""Those of the catalogue that wait for a feature."""


def all(
    *,
    dials: bool = True,
    answers: bool = False,
    registers: bool = False,
    over: Collection[str] = ("udp",),
) -> list[type[HostilePhone]]:
    """Those that are odd when they dial, when they are called, when one registers at them.

    over: of those that speak so ("tcp", "tls"): a server has to listen there to meet them.
    """
    return [
        kind
        for kind in HOSTILE_PHONES.values()
        if kind.over in over
        and ((dials and kind.dials) or (answers and kind.answers) or (registers and kind.registers))
    ]
