"""Whole calls in virtual time: test an application without a phone, a network or waiting.

    lab = Lab(Menu)
    call = lab.phone().dial("sip:menu@doug")
    lab.advance(1.0)
    call.assertHears("welcome.wav")
    call.press("2")
    lab.advance(0.5)
    call.assertHears("two.wav")
    call.hangUp()
    lab.assertNothingLeft()

Lives here: what application authors import. The parts are in modules of their own: the clock
(reactor), the network (network, media), the phones (phone, phonecall, ear), the comparing of sounds
(hearing), phones that do it another way (hostile).
"""

from doug.testing import hostile
from doug.testing.hearing import heardShare
from doug.testing.lab import Lab
from doug.testing.network import Conditions, MemoryHost, MemoryNetwork
from doug.testing.phone import Phone
from doug.testing.phonecall import PhoneCall
from doug.testing.reactor import VirtualReactor

__all__ = [
    "Conditions",
    "Lab",
    "MemoryHost",
    "MemoryNetwork",
    "Phone",
    "PhoneCall",
    "VirtualReactor",
    "heardShare",
    "hostile",
]
