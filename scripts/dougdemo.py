#!/usr/bin/env python3
"""The demo: a menu with an announcement, an echo, a recording that is played back, a conference

room, the time, a call back, and a connection to another address (8) if one is named:

dougdemo.py --listen=udp:*:5060 --args=target=sip:bob@192.0.2.1
"""

import sys

from doug.demo import Demo
from doug.script import serve

if __name__ == "__main__":
    from twisted.internet import reactor

    sys.exit(serve(Demo, reactor, __doc__))
