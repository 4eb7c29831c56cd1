"""Who may call."""

from __future__ import annotations

from ipaddress import ip_network
from typing import Any, cast

from doug.admission import Admission
from doug.trunking import Trunking
from doug.trunks import Trunk
from shtoom.agent.gatekeeper import Gatekeeper
from shtoom.sip.digest import Answering, parseChallenges
from shtoom.sip.message import Request, Response
from shtoom.sip.transport import Peer
from test.agent.support import ALICE, TRUNK, AgentTestCase, FarEnd

PHONES = {"alice": "wonderland"}
NOBODY = ("203.0.113.99", 5060)


class AdmissionTests(AgentTestCase):
    """A server with a trunk, phones, or neither."""

    def build(
        self, *trunks: Trunk, phones: bool = False, anonymous: str = "auto", **lists: Any
    ) -> Admission:
        trunking = Trunking(self.agent, trunks)
        trunking.start()
        self.gate = Gatekeeper("doug", PHONES.get, b"s") if phones else None
        admission = Admission(
            trunking,
            self.gate,
            lambda user: phones and user in PHONES,
            self.clock.seconds,
            anonymous=anonymous,
            **lists,
        )
        for trunk in trunking.trunks.values():
            self.addCleanup(trunk.stop)
        return admission

    def asked(
        self,
        admission: Admission,
        address: tuple[str, int] = ALICE,
        *,
        method: str = "INVITE",
        user: str = "someone",
        authorization: str | None = None,
    ) -> Response | None:
        """What a request from there is answered."""
        end = FarEnd(self.wire, address, user)
        headers = [] if authorization is None else [("Authorization", authorization)]
        self.request: Request = end.ask(method, contact=True, headers=headers)
        host = address[0]
        self.request = self.request.replacing("From", f"<sip:{user}@{host}>;tag=1")
        return admission.admit(self.request, self.peer(address))

    def peer(self, address: tuple[str, int]) -> Peer:
        return Peer(cast(Any, self.wire), address)

    def code(self, admission: Admission, address: tuple[str, int] = ALICE, **how: Any) -> int:
        """0 for one that is admitted."""
        response = self.asked(admission, address, **how)
        return 0 if response is None else response.code

    def test_withoutTrunkAndPhonesAnybodyCalls(self) -> None:
        self.assertEqual(self.code(self.build()), 0)

    def test_withATrunkNobodyElseCalls(self) -> None:
        admission = self.build(Trunk("office", TRUNK[0]))
        self.assertEqual(self.code(admission, TRUNK), 0)
        response = self.asked(admission, NOBODY)
        assert response is not None
        self.assertEqual(response.code, 403)
        self.assertEqual(
            response.header("Reason"),
            'SIP;cause=403;text="anonymous: it is of no trunk and no phone here; name its network '
            'in a [trunk.NAME], or let anybody call: anonymous = \\"app\\""',
        )
        self.assertIn("by 203.0.113.99:5060", self.texts[-1])
        self.assertIn('anonymous = "app"', self.texts[-1])

    def test_anonymousSaysOtherwise(self) -> None:
        trunk = Trunk("office", TRUNK[0])
        self.assertEqual(self.code(self.build(trunk, anonymous="app"), NOBODY), 0)
        self.assertEqual(self.code(self.build(anonymous="reject"), NOBODY), 403)

    def test_OPTIONSAreAnsweredToAnybody(self) -> None:
        admission = self.build(Trunk("office", TRUNK[0]))
        self.assertEqual(self.code(admission, NOBODY, method="OPTIONS"), 0)

    def test_aPhoneIsAskedForItsPassword(self) -> None:
        admission = self.build(phones=True)
        response = self.asked(admission, user="alice")
        assert response is not None
        self.assertEqual(response.code, 401)
        challenge = parseChallenges(response.headers.getLines("WWW-Authenticate"))[0]
        for password, code in (("wrong", 401), ("wonderland", 0)):
            answering = Answering(challenge, "alice", password, "1")
            answer = str(answering.answer("INVITE", "sip:app@192.0.2.10"))
            self.assertEqual(self.code(admission, user="alice", authorization=answer), code)
        self.assertEqual(admission.callerOf(self.request, self.peer(ALICE)).phone, "alice")

    def test_aPhoneIsNoOtherPhone(self) -> None:
        """A right password is that of the caller named in From."""
        PHONES["bob"] = "builder"
        self.addCleanup(PHONES.pop, "bob")
        admission = self.build(phones=True)
        response = self.asked(admission, user="alice")
        assert response is not None
        challenge = parseChallenges(response.headers.getLines("WWW-Authenticate"))[0]
        answer = Answering(challenge, "bob", "builder", "1").answer("INVITE", "sip:app@192.0.2.10")
        self.assertEqual(self.code(admission, user="alice", authorization=str(answer)), 401)

    def test_whoIsNoPhoneIsAskedLikeOne(self) -> None:
        """Or the answer would tell which names there are; where all may call, only our own are."""
        for anonymous, code in (("auto", 401), ("app", 0)):
            admission = self.build(phones=True, anonymous=anonymous)
            self.assertEqual(self.code(admission, user="eve"), code)
            self.assertEqual(self.code(admission, user="alice"), code)
        ours = self.build(phones=True, anonymous="app", isOurs=lambda uri, peer: True)
        self.assertEqual(self.code(ours, user="eve"), 401)

    def test_whoGuessesIsRefused(self) -> None:
        """For a while; who only asks is told nothing of that."""
        admission, codes = self.build(phones=True), []
        for _ in range(6):
            response = self.asked(admission, user="alice")
            assert response is not None
            self.assertEqual(response.code, 401)
            challenge = parseChallenges(response.headers.getLines("WWW-Authenticate"))[0]
            answer = Answering(challenge, "alice", "x", "1").answer("INVITE", "sip:app@192.0.2.10")
            codes.append(self.code(admission, user="alice", authorization=str(answer)))
        self.assertEqual(codes, [401] * 5 + [403])
        self.assertIn("too many wrong passwords", str(self.texts))

    def test_lists(self) -> None:
        net, host = ip_network("198.51.100.0/24"), ip_network("198.51.100.20/32")
        self.assertEqual(self.code(self.build(deny=(host,))), 403)
        self.assertEqual(self.code(self.build(deny=(host,)), NOBODY), 0)
        self.assertEqual(self.code(self.build(allow=(net,))), 0)
        self.assertEqual(self.code(self.build(allow=(net,)), NOBODY), 403)
        self.assertEqual(self.code(self.build(allow=(net,), deny=(host,))), 403)
        trunk = Trunk("office", TRUNK[0])
        self.assertEqual(self.code(self.build(trunk, deny=(ip_network(TRUNK[0]),)), TRUNK), 403)

    def test_callerOf(self) -> None:
        admission = self.build(Trunk("office", TRUNK[0]), phones=True)
        self.code(admission, TRUNK)
        caller = admission.callerOf(self.request, self.peer(TRUNK))
        assert caller.trunk is not None
        self.assertEqual((caller.trunk.trunk.name, caller.phone), ("office", None))
        self.code(admission, NOBODY)
        self.assertEqual(admission.callerOf(self.request, self.peer(NOBODY)), (None, None))
