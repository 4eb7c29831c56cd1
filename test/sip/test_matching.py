"""Which transaction a message belongs to (RFC 3261 17.1.3, 17.2.3, 8.2.2.2)."""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from shtoom.sip.matching import clientKey, isUnique, mergeKey, responseKey, serverKey, statelessTag
from test.sip.support import request

HOST = "SIP/2.0/UDP 198.51.100.20:5060"
OLD = f"{HOST};branch=1"


class ServerKeyTests(SynchronousTestCase):
    """17.2.3, with the magic cookie."""

    def key(self, via: str, method: str = "INVITE", **kwargs: Any) -> str:
        """Of a request with that top Via."""
        return serverKey(request(method, via=via, **kwargs), method)

    def test_branchSentByAndMethodDecide(self) -> None:
        """Each of the three tells transactions apart."""
        mine = self.key(f"{HOST};branch=z9hG4bKa")
        self.assertNotEqual(mine, self.key(f"{HOST};branch=z9hG4bKb"))
        self.assertNotEqual(mine, self.key("SIP/2.0/UDP 198.51.100.21:5060;branch=z9hG4bKa"))
        self.assertNotEqual(mine, self.key("SIP/2.0/UDP 198.51.100.20:5062;branch=z9hG4bKa"))
        self.assertNotEqual(mine, self.key(f"{HOST};branch=z9hG4bKa", "OPTIONS"))

    def test_nothingElseDoes(self) -> None:
        """Call-ID, tags, other parameters, a default port, the case of the host say nothing."""
        mine = self.key("SIP/2.0/UDP phone.example.net:5060;branch=z9hG4bKa")
        same = self.key(
            "SIP/2.0/UDP Phone.example.NET;rport=6000;branch=z9hG4bKa",
            callID="other",
            toTag="t",
            uri="sip:other@192.0.2.10",
        )
        self.assertEqual(mine, same)

    def test_ACKAndCANCELFindTheirINVITE(self) -> None:
        """They have its branch and sent-by (17.2.3, 9.2)."""
        invite = request()
        for method in ("ACK", "CANCEL"):
            self.assertEqual(serverKey(request(method), "INVITE"), serverKey(invite, "INVITE"))

    def test_aBareCookieIsNotUnique(self) -> None:
        """Seen in the field: "z9hG4bK" and nothing behind it for every request."""
        self.assertFalse(isUnique("z9hG4bK"))
        self.assertFalse(isUnique("1"))
        self.assertTrue(isUnique("z9hG4bK1"))


class OldServerKeyTests(SynchronousTestCase):
    """17.2.3, for a client of RFC 2543."""

    def test_eachPartDecides(self) -> None:
        """Request-URI, From tag, Call-ID, CSeq number, top Via, method."""
        mine = serverKey(request(via=OLD), "INVITE")
        others = [
            request(via=OLD, uri="sip:other@192.0.2.10"),
            request(via=OLD, fromTag="f2"),
            request(via=OLD, callID="call-2"),
            request(via=OLD, number=2),
            request(via=f"{HOST};branch=2"),
            request(via=HOST),
        ]
        keys = {serverKey(other, "INVITE") for other in others}
        self.assertEqual(len(keys), 6)
        self.assertNotIn(mine, keys)
        self.assertNotEqual(mine, serverKey(request("OPTIONS", via=OLD), "OPTIONS"))

    def test_repeatsAndACKsAgree(self) -> None:
        """The ACK's To tag is ours, and not in the key."""
        mine = serverKey(request(via=OLD), "INVITE")
        self.assertEqual(mine, serverKey(request(via=OLD), "INVITE"))
        self.assertEqual(mine, serverKey(request("ACK", via=OLD, toTag="d1"), "INVITE"))


class OtherKeyTests(SynchronousTestCase):
    """Clients, merged requests, answers without a transaction."""

    def test_responseFindsItsRequest(self) -> None:
        """By the branch of the top Via and the method of the CSeq (17.1.3)."""
        self.assertEqual(responseKey(request().respond(200)), clientKey("z9hG4bK1", "INVITE"))
        self.assertNotEqual(
            responseKey(request("CANCEL").respond(200)), clientKey("z9hG4bK1", "INVITE")
        )

    def test_copiesOnTwoWaysAgree(self) -> None:
        """From tag, Call-ID, CSeq; not the Via (8.2.2.2)."""
        mine = mergeKey(request())
        self.assertEqual(mine, mergeKey(request(via=f"{HOST};branch=z9hG4bKother")))
        for other in (request(fromTag="f2"), request(callID="c2"), request(number=2)):
            self.assertNotEqual(mine, mergeKey(other))
        self.assertNotEqual(mine, mergeKey(request("OPTIONS")))

    def test_tagOfARepeatIsTheSame(self) -> None:
        """An answer without a transaction has a tag that its repeat has too (8.2.7)."""
        self.assertEqual(statelessTag(request()), statelessTag(request()))
        self.assertNotEqual(statelessTag(request()), statelessTag(request(callID="c2")))
