#!/usr/bin/env python3
"""The demo: a menu with a choice for each thing that Doug can do.

dougdemo.py --listen=udp:*:5060 --args=target=sip:bob@192.0.2.1

Announcement, echo, recording, conference room, time, call back, and a connection to the address
that target= names.
"""

import sys

from doug.demo import Demo
from doug.script import serve
from doug.scriptargs import address

if __name__ == "__main__":
    from twisted.internet import reactor

    sys.exit(serve(Demo, reactor, __doc__, checks={"target": address}))
