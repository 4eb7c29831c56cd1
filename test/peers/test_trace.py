"""The trace of a server in a process of its own, switched by a signal."""

from __future__ import annotations

import re
import signal
import socket

from twisted.trial.unittest import SynchronousTestCase

from test.peers.caller import Caller
from test.peers.peers import HOST, waitFor
from test.peers.proxies import Kamailio
from test.peers.server import Doug

OPTIONS = (
    "OPTIONS sip:{target} SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1;branch=z9hG4bK{n};rport\r\n"
    "From: <sip:a@b>;tag=1\r\nTo: <sip:c@d>\r\nCall-ID: {n}\r\nCSeq: 1 OPTIONS\r\n"
    "Content-Length: 0\r\n\r\n"
)


class SignalTests(SynchronousTestCase):
    """SIGUSR2."""

    timeout = 60

    def ask(self, doug: Doug, name: str) -> None:
        """An OPTIONS, and its answer."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
            asking.settimeout(5)
            asking.bind((HOST, 0))
            asking.sendto(OPTIONS.format(target=doug.target, n=name).encode(), (HOST, doug.port))
            self.assertIn(b"SIP/2.0 200", asking.recv(2048))

    def test_onAndOff(self) -> None:
        """All messages are in the log from the first signal to the second."""
        doug = Doug("test.peers.apps.Echo")
        self.addCleanup(doug.stop)
        doug.start()
        assert doug.proc is not None
        self.ask(doug, "before")
        doug.proc.send_signal(signal.SIGUSR2)
        doug.waitLog("are written into the log", 5)
        self.ask(doug, "between")
        doug.waitLog(r"UDP from 127\.0\.0\.1:\d+: OPTIONS .*Call-ID between", 5)
        doug.waitLog(r"UDP to 127\.0\.0\.1:\d+: SIP/2.0 200 .*Call-ID between", 5)
        doug.proc.send_signal(signal.SIGUSR2)
        doug.waitLog("are no longer written into the log", 5)
        self.ask(doug, "after")
        for name in ("Call-ID before", "Call-ID after"):
            self.assertNotIn(name, doug.log())


class HEPTests(SynchronousTestCase):
    """What a decoder that is none of ours reads of it: kamailio's sipcapture."""

    timeout = 60

    def test_kamailioReadsIt(self) -> None:
        """Each message of a call, with its source, in order; its Call-ID and kind."""
        if why := Kamailio.missing():
            self.skipTest(why)
        kamailio = Kamailio.capture()
        self.addCleanup(kamailio.stop)
        kamailio.start()
        doug = Doug("test.peers.apps.Echo", args=[f"--hep={kamailio.uri},77,secret"])
        self.addCleanup(doug.stop)
        doug.start()
        caller = Caller(doug.port)
        self.addCleanup(caller.close)
        self.assertEqual(caller.invite().code, 200)
        caller.ask("BYE")
        self.assertEqual(caller.response("BYE").code, 200)
        read = waitFor("the answer to the BYE", lambda: self.read(kamailio, 7), 10.0)
        here, there = f"{HOST}:{caller.sip.getsockname()[1]}", f"{HOST}:{doug.port}"
        said = [(here, "INVITE"), (there, "100"), (there, "180"), (there, "200"), (here, "ACK")]
        said += [(here, "BYE"), (there, "200")]
        self.assertEqual(read, [f"{at} udp {what} {caller.callID}" for at, what in said])

    def read(self, kamailio: Kamailio, least: int) -> list[str]:
        """What kamailio says of the messages that it has read, once they are so many."""
        found = re.findall(r"captured (.*)", kamailio.log())
        return found if len(found) >= least else []
