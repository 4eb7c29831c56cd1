"""The addresses of this machine."""

from __future__ import annotations

from errno import EMFILE, ENETUNREACH

from twisted.trial.unittest import SynchronousTestCase

from doug.demo import Demo
from doug.ownaddress import LocalAddress, hasAddress
from doug.testing import Lab


class OwnAddressTests(SynchronousTestCase):
    """What is asked of the system."""

    def test_hasAddress(self) -> None:
        """Loopback of either family, and an address of the documentation, which nobody has."""
        self.assertTrue(hasAddress("127.0.0.1"))
        self.assertFalse(hasAddress("192.0.2.1"))
        self.assertFalse(hasAddress("2001:db8::1"))

    def test_noDescriptorIsLeftToAskWith(self) -> None:
        """What was told last of that family is told again; other errors stay errors."""
        error: list[int] = []

        def ask(host: str) -> str:
            if error:
                raise OSError(error[0], "no")
            return f"towards-{host}"

        local = LocalAddress(ask)
        self.assertEqual(local("198.51.100.1"), "towards-198.51.100.1")
        error.append(EMFILE)
        self.assertEqual(local("198.51.100.2"), "towards-198.51.100.1")
        self.assertRaises(OSError, local, "2001:db8::1")
        error[0] = ENETUNREACH
        self.assertRaises(OSError, local, "198.51.100.2")


class WatchTests(SynchronousTestCase):
    """While there are calls."""

    def test_itLooksOnlyWhileThereAreCalls(self) -> None:
        """No timer before the first and, soon, after the last."""
        lab = Lab(Demo)
        self.assertEqual(lab.reactor.getDelayedCalls(), [])
        calls = [lab.phone().dial("sip:demo@doug") for _ in range(3)]
        lab.advance(1.0)
        self.assertIn("ownaddress.py", " ".join(map(str, lab.reactor.getDelayedCalls())))
        for call in calls:
            call.hangUp()
        lab.advance(40.0)
        self.assertEqual(lab.reactor.getDelayedCalls(), [])
        lab.assertNothingLeft()

    def test_noAddressAtAllForAWhile(self) -> None:
        """It waits until one is there; the far end is told then."""
        lab = Lab(Demo)
        call = lab.phone().dial("sip:demo@doug")
        lab.advance(1.0)
        lab.network.hosts.discard("192.0.2.10")  # it is gone, and still the one that leads there
        lab.advance(10.0)
        self.assertEqual(call.state, "answered")
        lab.network.hosts.add("192.0.2.10")
        lab.renumber("192.0.2.99")
        lab.advance(3.0)
        self.assertEqual(call.call.dialog.remoteTarget.host, "192.0.2.99")  # type: ignore[union-attr]
        call.hangUp()
        lab.assertNothingLeft()
