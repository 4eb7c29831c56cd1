"""Who counts as one source."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from shtoom.sip.sources import sourceOf


class SourceTests(SynchronousTestCase):
    """sourceOf()."""

    def test_anIPv4AddressIsOne(self) -> None:
        self.assertEqual(sourceOf("192.0.2.1"), "192.0.2.1")
        self.assertNotEqual(sourceOf("192.0.2.1"), sourceOf("192.0.2.2"))

    def test_ofIPv6The64Is(self) -> None:
        """However it is written, with a zone or without."""
        self.assertEqual(sourceOf("2001:db8::1"), "2001:db8::/64")
        self.assertEqual(sourceOf("2001:db8::1"), sourceOf("2001:DB8:0:0:ffff::2"))
        self.assertEqual(sourceOf("fe80::1%eth0"), sourceOf("fe80::2"))
        self.assertNotEqual(sourceOf("2001:db8::1"), sourceOf("2001:db8:0:1::1"))
