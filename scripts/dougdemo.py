#!/usr/bin/env python3
"""The demo: a menu with an announcement, an echo, and a recording that is played back.

dougdemo.py --listen=udp:*:5060
"""

import sys

from doug.demo import Demo
from doug.script import serve

if __name__ == "__main__":
    from twisted.internet import reactor

    sys.exit(serve(Demo, reactor, __doc__))
