"""Tests: two applications written from the original Doug documentation of 2004 alone.

inbound.py and outbound.py use nothing that its text does not name: the modules shtoom.doug,
shtoom.doug.events and shtoom.exceptions, the methods, the events. One thing is named nowhere in it,
and no application can do without: event.digits, the keys of a DTMFReceivedEvent. The sounds are
files beside the current folder.
"""
