"""Trunks as values: what may be in one."""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from doug.trunks import Trunk


class TrunkTests(SynchronousTestCase):
    """Its values reach requests, DNS and the log as they are."""

    def test_whatCouldNotBeSentIsNamed(self) -> None:
        """Line ends, NULs, hosts that are none; a password is not in the words."""
        table: dict[str, tuple[Any, ...]] = {
            "name": ("", "a\nb", "a\0", "\x1b[31m"),
            "host": ("", "a b", "h\r\nX: y", "h\0", "h:5060", "[::1]", "-", "a/b", "\u2028"),
            "transport": ("", "udp\r\n", "sctp", "UDP"),
            "user": ("u\r\nX: y", "u\0", "\ud800"),
            "authUser": ("u\n",),
            "realm": ("r\r\n",),
            "password": ("s3cr3t\r\n", "s3cr3t\0"),
        }
        for name, values in table.items():
            for value in values:
                error = self.assertRaises(
                    ValueError, Trunk, **{"name": "t", "host": "h", name: value}
                )
                self.assertRegex(str(error), f"^{name}: ", repr(value))
                self.assertTrue(str(error).isprintable())
                self.assertNotIn("s3cr3t", str(error))

    def test_whatIsEscaped(self) -> None:
        """A user may be anything else."""
        trunk = Trunk("t", "2001:db8::1", user="a@b;c\x1b", realm="any where", password="p\u00e9")
        self.assertEqual(str(trunk.address), "sip:a%40b;c%1B@[2001:db8::1]")
