"""Phones that register here (RFC 3261 10.3)."""

from __future__ import annotations

from typing import Any, cast

from twisted.logger import capturedLogs, formatEvent
from twisted.trial.unittest import SynchronousTestCase

from shtoom.agent.gatekeeper import PATIENCE, Gatekeeper
from shtoom.agent.registrar import MOST_HOPS, SPARE, Binding, Phone, Registrar
from shtoom.exceptions import MalformedMessage
from shtoom.sip.digest import Answering, parseChallenges
from shtoom.sip.message import Request, Response
from shtoom.sip.parser import parse
from shtoom.sip.transport import Address, Peer

HOST, PORT = "198.51.100.20", 40123
PHONES = {"alice": Phone("a", 2), "bob": Phone("b")}


class Wire:
    """As much of a transport as a binding knows. flows: connections that peers have opened."""

    def __init__(self, name: str = "UDP") -> None:
        self.name = name
        self.flows: dict[Address, int] = {}

    def flow(self, address: Address) -> int:
        return self.flows.get(address, 0)


class Store:
    """A store in memory."""

    def __init__(self) -> None:
        self.users: dict[str, list[Binding]] = {}
        self.fails = False

    def load(self) -> dict[str, list[Binding]]:
        return self.users

    def save(self, user: str, bindings: list[Binding]) -> None:
        if self.fails:
            raise OSError("No space left on device")
        self.users[user] = bindings


class Asked(dict[str, Phone]):
    """Who may register, and of whom that was asked."""

    def __init__(self, phones: dict[str, Phone], asked: list[str]) -> None:
        super().__init__(phones)
        self._asked = asked

    def get(self, user: str, default: Any = None) -> Any:
        self._asked.append(user)
        return super().get(user, default)


class RegistrarTests(SynchronousTestCase):
    """alice with two devices at most, and bob."""

    def setUp(self) -> None:
        self.now, self.number, self.store = 1000.0, 0, Store()
        self.ahead = 0.0  # of the wall clock
        self.phones = dict(PHONES)
        self.wire = Wire()
        self.registrar = self.build()

    def build(self) -> Registrar:
        self.gate = Gatekeeper("doug", self.passwordOf, b"s")
        return Registrar(self.gate, self.phones.get, self.store, self.time, self.wallTime)

    def time(self) -> float:
        return self.now

    def wallTime(self) -> float:
        return self.now + self.ahead

    def passwordOf(self, user: str) -> str | None:
        phone = self.phones.get(user)
        return phone.password if phone is not None else None

    def register(
        self,
        *contacts: str,
        user: str = "alice",
        who: str | None = None,
        password: str | None = None,
        callID: str = "c",
        number: int | None = None,
        **headers: Any,
    ) -> Response:
        """REGISTER with a right answer to a fresh challenge."""
        self.number = self.number + 1 if number is None else number
        peer = Peer(cast(Any, self.wire), (HOST, PORT))
        lines = [
            "REGISTER sip:doug SIP/2.0",
            f"Via: SIP/2.0/UDP {HOST};branch=z9hG4bK{self.number}",
            f"From: <sip:{user}@doug>;tag=1",
            f"To: <sip:{user}@doug>",
            f"Call-ID: {callID}",
            f"CSeq: {self.number} REGISTER",
            *(f"Contact: {contact}" for contact in contacts),
            *(f"{name}: {value}" for name, value in headers.items()),
        ]
        if password != "":
            who = who or user
            challenge = parseChallenges([v for _, v in self.gate.challenges(HOST, self.now)])[0]
            known = PHONES[who].password if password is None else password
            answering = Answering(challenge, who, known, "1")
            lines.append(f"Authorization: {answering.answer('REGISTER', 'sip:doug')}")
        request = parse("\r\n".join([*lines, "", ""]).encode())
        assert isinstance(request, Request)
        return self.registrar.answer(request, peer)

    def where(self, user: str = "alice") -> list[str]:
        return [binding.contact for binding in self.registrar.bindings(user)]

    def test_withoutCredentialsAChallenge(self) -> None:
        response = self.register("<sip:alice@10.0.0.1>", password="")
        self.assertEqual(response.code, 401)
        self.assertEqual(len(response.headerValues("WWW-Authenticate")), 2)
        self.assertEqual(self.where(), [])

    def test_aPhoneThatDoesNotAnswerIsNamedOnce(self) -> None:
        """The second time in a row, with what may be the matter; a stranger's name is no phone."""
        with capturedLogs() as events:
            for _ in range(4):
                self.register("<sip:alice@10.0.0.1>", password="")
            self.register("<sip:nobody@10.0.0.1>", user="nobody", password="")
            self.register("<sip:nobody@10.0.0.1>", user="nobody", password="")
        [words] = [formatEvent(event) for event in events]
        self.assertIn(f"alice at {HOST}:{PORT} does not answer", words)
        self.assertIn("--digest=MD5", words)

    def test_aPhoneThatAnswersIsNotNamed(self) -> None:
        """Each registration may begin with a challenge."""
        with capturedLogs() as events:
            for _ in range(4):
                self.register("<sip:alice@10.0.0.1>", password="")
                self.register("<sip:alice@10.0.0.1>")
        words = [formatEvent(event) for event in events]
        self.assertNotIn("does not answer", " ".join(words))

    def test_10_3_aBindingAndItsAnswer(self) -> None:
        response = self.register("<sip:alice@10.0.0.1:5062>;expires=120;q=0.5")
        self.assertEqual(response.code, 200)
        self.assertEqual(response.header("Contact"), "<sip:alice@10.0.0.1:5062>;expires=120")
        [binding] = self.registrar.bindings("alice")
        self.assertEqual((binding.until, binding.q), (1120.0, 0.5))
        self.assertEqual((binding.transport, binding.host, binding.port), ("UDP", HOST, PORT))

    def test_10_3_step7_howLong(self) -> None:
        """Contact's own, else Expires, else ours; never too long, refused if too short."""
        table: list[tuple[str, dict[str, Any], int]] = [
            ("<sip:alice@h>;expires=90", {"Expires": "1800"}, 90),
            ("<sip:alice@h>", {"Expires": "1800"}, 1800),
            ("<sip:alice@h>", {}, 600),
            ("<sip:alice@h>;expires=rubbish", {}, 600),
            ("<sip:alice@h>;expires=99999999999", {}, 3600),
        ]
        for contact, headers, seconds in table:
            self.register(contact, **headers)
            self.assertEqual(self.registrar.bindings("alice")[0].until, 1000.0 + seconds, contact)

    def test_10_3_step7_tooShort(self) -> None:
        response = self.register("<sip:alice@h>;expires=10")
        self.assertEqual((response.code, response.header("Min-Expires")), (423, "60"))
        self.assertEqual(self.where(), [])

    def test_10_3_aBindingEnds(self) -> None:
        self.register("<sip:alice@h>;expires=60")
        self.now += 59
        self.assertEqual(self.where(), ["sip:alice@h"])
        self.now += 2
        self.assertEqual(self.where(), [])

    def test_whatHasRunOutIsForgotten(self) -> None:
        """Here and in the store, with a line in the log; what is in force stays."""
        self.register("<sip:alice@h>;expires=60", "<sip:alice@h2>;expires=600")
        self.registrar.expire("alice")
        self.assertEqual(len(self.store.users["alice"]), 2)
        self.now += 61
        with capturedLogs() as events:
            self.registrar.expire("alice")
            self.registrar.expire("nobody")
        self.assertEqual(list(map(formatEvent, events)), ["alice is gone from sip:alice@h"])
        self.assertEqual([b.contact for b in self.store.users["alice"]], ["sip:alice@h2"])
        self.now += 600
        self.registrar.expire("alice")
        self.assertEqual((self.registrar.users(), self.store.users["alice"]), ([], []))

    def test_whereSomebodyIs(self) -> None:
        """By host and by flow, for as long as a binding is in force."""
        here, elsewhere = Peer(cast(Any, Wire()), (HOST, PORT)), Peer(cast(Any, Wire()), (HOST, 1))
        seen = []
        for step in (
            lambda: None,
            lambda: self.register("<sip:alice@h>;expires=60"),
            lambda: self.register("<sip:bob@h>;expires=600", user="bob"),
            lambda: self.register("<sip:alice@h>;expires=0"),
            lambda: self.phones.pop("bob"),
            lambda: self.phones.update(PHONES),
            lambda: self.advance(601),
        ):
            step()
            registrar = self.registrar
            seen.append((registrar.isAt(HOST), registrar.isReachedBy(here)))
            self.assertFalse(registrar.isReachedBy(elsewhere) or registrar.isAt("192.0.2.9"))
        wanted = [False, True, True, True, False, True, False]
        self.assertEqual(seen, [(each, each) for each in wanted])

    def advance(self, seconds: float) -> None:
        self.now += seconds

    def test_whoIsElsewhereIsNotLookedAt(self) -> None:
        """However many they are: a refused stranger's host is looked for, too."""
        self.register("<sip:alice@h>")
        asked: list[str] = []
        self.phones = cast(Any, Asked(self.phones, asked))
        registrar = self.build()
        self.assertTrue(registrar.isAt(HOST))
        self.assertEqual(asked, ["alice"])
        self.assertFalse(registrar.isAt("192.0.2.9"))
        self.assertEqual(asked, ["alice"])

    def test_10_3_refreshedAndNotDoubled(self) -> None:
        self.register("<sip:alice@h>")
        self.now += 100
        response = self.register("<sip:alice@h:5060;transport=udp>")
        self.assertEqual(len(response.contacts), 1)
        self.assertEqual(self.registrar.bindings("alice")[0].until, 1700.0)

    def test_10_3_removed(self) -> None:
        self.register("<sip:alice@h1>", "<sip:alice@h2>")
        response = self.register("<sip:alice@h1>;expires=0")
        self.assertEqual([str(c.uri) for c in response.contacts], ["sip:alice@h2"])

    def test_10_3_step6_allRemoved(self) -> None:
        self.register("<sip:alice@h1>", "<sip:alice@h2>")
        self.assertRaises(MalformedMessage, self.register, "*", Expires="60")
        response = self.register("*", Expires="0")
        self.assertEqual((response.code, self.where()), (200, []))
        self.assertEqual(self.store.users, {"alice": []})

    def test_10_3_asked(self) -> None:
        """Without Contact: what there is."""
        self.register("<sip:alice@h1>")
        self.assertEqual(str(self.register().contacts[0].uri), "sip:alice@h1")

    def test_10_3_step7_outOfOrder(self) -> None:
        self.register("<sip:alice@h>", number=5)
        for expires in ("600", "0"):
            response = self.register("<sip:alice@h>", number=4, Expires=expires)
            self.assertEqual(response.code, 500)
        self.assertEqual(self.register("*", number=3, Expires="0").code, 500)
        self.assertEqual(self.register("<sip:alice@h>", number=1, callID="new").code, 200)

    def test_anotherUsersBindings(self) -> None:
        response = self.register("<sip:bob@h>", user="alice", who="bob")
        self.assertEqual((response.code, self.where()), (403, []))

    def test_anUnknownUserIsAskedLikeAnother(self) -> None:
        """And is never told that there is no such user."""
        self.assertEqual(self.register("<sip:eve@h>", user="eve", password="x").code, 401)

    def test_notMoreDevicesThanAllowed(self) -> None:
        self.register("<sip:alice@h1>", "<sip:alice@h2>")
        response = self.register("<sip:alice@h3>")
        self.assertEqual(response.code, 403)
        self.assertEqual(sorted(self.where()), ["sip:alice@h1", "sip:alice@h2"])

    def test_RFC5626_6_aDeviceIsOneFromWhereverItComes(self) -> None:
        """linphone over TCP: each time its connection breaks it comes from another port.

        The next REGISTER of one row tells that it is the same (10.2: one Call-ID), in whatever row
        if it numbers its ways (reg-id). Its old place is nobody's any more.
        """
        for reg, callIDs in (("", "ccc"), (";reg-id=1", "def")):
            for port, callID in enumerate(callIDs, 40001):
                contact = f"<sip:alice@192.0.2.7:{port};transport=tcp>"
                instance = f';+sip.instance="<urn:uuid:1>"{reg}'
                response = self.register(contact + instance, callID=callID)
                self.assertEqual(response.code, 200)
                self.assertEqual(self.where()[-1], contact[1:-1])
            self.assertEqual(len(self.where()), 1, reg)
            self.registrar = self.build()  # kept over a restart, too
            response = self.register(f"<sip:alice@192.0.2.7:40009>{instance}", callID=callID)
            self.assertEqual(self.where(), ["sip:alice@192.0.2.7:40009"])
            self.assertEqual(self.register("*", Expires="0").code, 200)

    def test_RFC5626_6_aDeviceWithTwoWaysIsReachedByBoth(self) -> None:
        """Those of one REGISTER, those of two reg-ids, and those of two rows without one."""
        device = '+sip.instance="<urn:uuid:1>"'
        for first, second in (
            (("<sip:alice@h1>;" + device, "<sip:alice@h2>;" + device), ()),
            ((f"<sip:alice@h1>;{device};reg-id=1",), (f"<sip:alice@h2>;{device};reg-id=2",)),
            (("<sip:alice@h1>;" + device,), ("<sip:alice@h2>;" + device,)),
            (("<sip:alice@h1>",), ("<sip:alice@h2>",)),
        ):
            self.register(*first, callID="one")
            if second:
                self.register(*second, callID="two")
            self.assertEqual(sorted(self.where()), ["sip:alice@h1", "sip:alice@h2"])
            self.register("*", Expires="0", callID="three")

    def test_RFC5626_6_anOldRequestDoesNotBringTheOldPlaceBack(self) -> None:
        """10.3 step 7, of a device: what comes late is of before."""
        device = '+sip.instance="<urn:uuid:1>"'
        self.register("<sip:alice@h2>;" + device, number=5)
        self.assertEqual(self.register("<sip:alice@h1>;" + device, number=4).code, 500)
        self.assertEqual(self.where(), ["sip:alice@h2"])

    def test_thousandsOfContactsAreNotRead(self) -> None:
        """No more than may be there, and some of before that are taken back."""
        kept = [f"<sip:alice@h{n}>;expires=600" for n in range(2)]
        before = [f"<sip:alice@old{n}>;expires=0" for n in range(SPARE)]
        self.assertEqual(self.register(*kept, *before).code, 200)
        self.assertEqual(self.register(", ".join([*kept, *before, "<not an address>"])).code, 403)
        many = ", ".join(f"<sip:a@h{n}>" for n in range(250))
        self.assertEqual(self.register(*[many] * 10).code, 403)
        self.assertEqual(sorted(self.where()), ["sip:alice@h0", "sip:alice@h1"])

    def test_oneContactTwice(self) -> None:
        """In one REGISTER: the last one counts."""
        response = self.register("<sip:alice@h>;expires=100", "<sip:alice@h>;expires=200")
        self.assertEqual(response.headerValues("Contact"), ["<sip:alice@h>;expires=200"])

    def test_whoGuessesWaits(self) -> None:
        for _ in range(PATIENCE):
            self.assertEqual(self.register("<sip:alice@h>", password="x").code, 401)
        response = self.register("<sip:alice@h>")
        self.assertEqual((response.code, response.header("Retry-After")), (403, "6"))

    def test_theBestComesFirst(self) -> None:
        self.register("<sip:alice@h1>;q=0.1", "<sip:alice@h2>;q=0.9")
        self.assertEqual(self.where(), ["sip:alice@h2", "sip:alice@h1"])

    def test_whereAPhoneIsLookedFor(self) -> None:
        """Over its flow, then at the port that it names, on its own host and no other."""
        table: list[tuple[str, dict[str, Any], list[int]]] = [
            (f"<sip:alice@{HOST}:5062>", {}, [5062]),
            (f"<sip:alice@{HOST}>", {}, [5060]),
            (f"<sip:alice@{HOST}:{PORT}>", {}, []),
            ("<sip:alice@10.0.0.1:5062>", {}, []),
            ("<sip:+1900@gateway.example.com>", {}, []),
            (f"<sip:alice@{HOST}:5062>", {"Path": "<sip:p;lr>"}, []),
        ]
        for contact, headers, own in table:
            self.store.users.clear()
            self.registrar = self.build()
            self.register(contact, **headers)
            [binding] = self.build().bindings("alice")
            wanted = [(HOST, port) for port in (PORT, *own)]
            self.assertEqual(binding.places(self.wire.flow), wanted, contact)

    def test_aConnectionThatIsGoneLeadsNowhere(self) -> None:
        """Somebody else may connect from the same address: NAT, a proxy on this machine. What is
        left is the port that the phone listens at, unless another has connected from that.
        """
        at, listening = (HOST, PORT), (HOST, 5062)
        self.wire = Wire("TCP")
        self.wire.flows[at] = 7
        self.register("<sip:alice@10.0.0.1>", "<sip:alice@198.51.100.20:5062>")
        for now, first, second in (
            ({at: 7}, [at], [at, listening]),
            ({}, [], [listening]),
            ({at: 8}, [], [listening]),
            ({at: 8, listening: 9}, [], []),
            ({at: 7, listening: 9}, [at], [at]),
        ):
            self.wire.flows = now
            one, other = self.registrar.bindings("alice")
            places = one.places(self.wire.flow), other.places(self.wire.flow)
            self.assertEqual(places, (first, second), now)
            peer = Peer(cast(Any, self.wire), at)
            self.assertEqual(self.registrar.isReachedBy(peer), now.get(at) == 7)

    def test_noConnectionOutlivesARestart(self) -> None:
        """Whatever number one has then. Datagrams have no connections."""
        for name, places in (("TCP", []), ("UDP", [(HOST, PORT)])):
            self.wire = Wire(name)
            self.wire.flows = {(HOST, PORT): 7} if name == "TCP" else {}
            self.register("<sip:alice@10.0.0.1>")
            self.registrar = self.build()
            [binding] = self.registrar.bindings("alice")
            self.assertEqual(binding.places(self.wire.flow), places)

    def test_RFC3327_thePathIsKept(self) -> None:
        response = self.register("<sip:alice@h>", Path="<sip:edge.example.com;lr>")
        self.assertEqual(response.header("Path"), "<sip:edge.example.com;lr>")
        [binding] = self.registrar.bindings("alice")
        self.assertEqual(binding.path, ("<sip:edge.example.com;lr>",))

    def test_whatCannotBeCalledIsNotKept(self) -> None:
        """Neither a contact nor a path that no INVITE can have; what was before stays."""
        self.register("<sip:alice@h>", Path="<sip:edge.example.com;lr>")
        before = self.registrar.bindings("alice")
        contacts = (
            "<tel:+49301>",
            "<mailto:a@h>",
            "<http://h/>",
            "<sip:a@b@h>",
            "<sip:alice@h;x=%40@y>",
            "sip:",
        )
        for contact in contacts:
            with self.assertRaises(MalformedMessage, msg=contact):
                self.register("<sip:alice@h2>", contact)
            self.assertEqual(self.registrar.bindings("alice"), before, contact)
        for path in (
            "<sip:e;lr;x=\0>",
            "<sip:e;lr>, <sip:f>;x=\0",
            "<sip:e",
            "<tel:+1>",
            '"\0" <sip:e>',
        ):
            for contact in ("<sip:alice@h2>", "<sip:alice@h>;expires=0"):
                with self.assertRaises(MalformedMessage, msg=path):
                    self.register(contact, Path=path)
            self.assertRaises(MalformedMessage, self.register, Path=path)
            self.assertEqual(self.registrar.bindings("alice"), before, path)
        self.assertEqual(self.store.users, {"alice": before})

    def test_whatIsKeptAndCannotBeCalledIsLeftOut(self) -> None:
        """With one line in the log for each user; the others are there."""
        self.register("<sip:alice@h>", "<sip:alice@h2>")
        [good, other] = self.registrar.bindings("alice")
        for change in (
            {"path": ("<sip:e;x=\0>",)},
            {"path": ("nothing",)},
            {"contact": "sip:a\r\nX: y@h"},
            {"contact": "mailto:a@h"},
            {"host": "not an address"},
        ):
            bad = other._replace(**change)
            self.store.users = {"alice": [bad, good, bad], "bob": [good]}
            with capturedLogs() as events:
                registrar = self.build()
            self.assertEqual(registrar.bindings("alice"), [good], change)
            self.assertEqual(registrar.registered(), {"alice": 1, "bob": 1}, change)
            [words] = [formatEvent(event) for event in events]
            self.assertIn("2 of the bindings kept of alice cannot be used any more", words)
            self.assertTrue(words.isprintable(), words)

    def test_aPathHasAnEnd(self) -> None:
        """What would make each call too long for a datagram is not kept."""
        hops = [f"<sip:p{n};lr>" for n in range(MOST_HOPS + 1)]
        self.assertEqual(self.register("<sip:alice@h>", Path=", ".join(hops[1:])).code, 200)
        long = ", ".join(hops)
        self.assertRaises(MalformedMessage, self.register, "<sip:alice@h>", Path=long)

    def test_aRestart(self) -> None:
        self.register("<sip:alice@h>")
        self.registrar = self.build()
        self.assertEqual(self.where(), ["sip:alice@h"])
        self.assertEqual(self.registrar.registered(), {"alice": 1})

    def test_theWallClockSteps(self) -> None:
        """A binding lasts as long as it was granted, and each answer says how long that is."""
        self.register("<sip:alice@h>;expires=600", "<sip:alice@h2>;expires=3600")
        for self.ahead in (3600.0, -3600.0, 1e9):
            self.assertEqual(len(self.where()), 2)
        self.now += 590
        response = self.register()
        found = [c.param("expires") for c in response.contacts]
        self.assertEqual(found, ["10", "3010"])
        self.now += 11
        for self.ahead in (1e9, 0.0, -1e9):
            self.assertEqual(self.where(), ["sip:alice@h2"])
        self.now += 3000
        self.assertEqual(self.where(), [])

    def test_overARestartTheWallClockCounts(self) -> None:
        """The other one begins anew; what is kept since before a step is kept by the new time."""
        self.ahead = 1e9
        self.register("<sip:alice@h>;expires=600")
        self.ahead += 3600
        self.register("<sip:alice@h2>;expires=1200")
        self.now, self.ahead = 5.0, self.ahead + 1000.0 - 5.0  # no time has passed
        self.registrar = self.build()
        self.assertEqual(len(self.where()), 2)
        self.now += 601
        self.assertEqual(self.where(), ["sip:alice@h2"])
        self.now += 600
        self.assertEqual(self.where(), [])

    def test_theWallClockStepsBackOverARestart(self) -> None:
        """Nothing lasts longer than it may: none that is gone is called for ever."""
        self.register("<sip:alice@h>;expires=600")
        self.ahead = -1e6
        self.registrar = self.build()
        self.assertEqual(self.where(), ["sip:alice@h"])
        self.now += 3601
        self.assertEqual(self.where(), [])

    def test_anIPv6NetworkIsOnePlace(self) -> None:
        """Somebody is at home there: see Scanners."""
        self.register("<sip:alice@h>")
        [binding] = self.registrar.bindings("alice")
        self.store.users = {"alice": [binding._replace(host="2001:db8::1")]}
        registrar = self.build()
        for host, at in (("2001:db8::2", True), ("2001:db8:0:1::1", False), (HOST, False)):
            self.assertEqual(registrar.isAt(host), at, host)

    def test_aPhoneThatIsNotConfiguredAnyMore(self) -> None:
        self.register("<sip:alice@h>")
        del self.phones["alice"]
        self.assertEqual((self.where(), self.registrar.registered()), ([], {}))

    def test_aStoreThatFailsHarmsNobody(self) -> None:
        self.store.fails = True
        self.assertEqual(self.register("<sip:alice@h>").code, 200)
        self.assertEqual(self.where(), ["sip:alice@h"])
        self.assertEqual(len(self.flushLoggedErrors(OSError)), 1)
