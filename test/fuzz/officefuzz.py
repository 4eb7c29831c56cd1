"""The same fuzz of a server that has phones, trunks and TCP.

Lives here: that server, its honest trunk and phone for the checks in between. Not here: messages
(office.py), connections (wires.py), the bare server (sipfuzz.py).
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from random import Random

from twisted.internet.defer import Deferred, execute

from doug.bindings import BindingStore
from doug.settings import Settings, parseEndpoint
from doug.trunks import Trunk
from shtoom.agent.credentials import Account
from shtoom.agent.registrar import Binding
from shtoom.agent.registrar import Phone as Known
from shtoom.agent.registration import Registration, RegistrationState
from shtoom.sip.uri import parseURI
from test.fuzz.office import PHONES, STREAMED, TRUNK, OfficeGenerator, answerTo
from test.fuzz.peers import SERVER, Address
from test.fuzz.sipfuzz import SIPFuzz
from test.fuzz.wires import Wires

RECOVERS = 700.0  # seconds: the longest wait of a registration that failed, twice
PINGS = 8  # transactions of a server at rest: OPTIONS and REGISTERs of the last seconds


def settings() -> Settings:
    """Of a server with phones, accounts at a trunk, and a trunk that is told by a password."""
    phones = {user.decode(): Known(password.decode(), 3) for user, password in PHONES.items()}
    trunks = [
        Trunk(
            f"gw{n}", TRUNK[0], user=f"t{n}", password="p", register=True, expires=60, qualify=ping
        )
        for n, ping in enumerate((10.0, *[None] * 5))
    ]
    trunks.append(Trunk("pw", "203.0.113.31", user="pbx", password="secret", inbound="password"))
    return Settings(
        listen=(parseEndpoint("udp:*:5060"), parseEndpoint("tcp:*:5060")),
        phones={**phones, "carol": Known("honest")},
        trunks={trunk.name: trunk for trunk in trunks},
        anonymous="app",
        sourceRate=0.0,
        maxGuesses=0,
    )


class OfficeFuzz(SIPFuzz):
    """Phones register, call and are called; a trunk answers; all of them wrongly, too.

    office: who sends. wires: the connections of those that come over TCP.
    """

    settings = settings()
    called = ("sip:far@198.18.0.8:5070", "sip:200@203.0.113.30", "sip:u1@doug", "sip:u2@doug")

    def __init__(self, seed: int) -> None:
        self.office = OfficeGenerator(seed)
        self._isHonest = False
        super().__init__(seed, self.office)
        self.wires = Wires(self.lab, STREAMED, Random(f"wires {seed}"), self.heard)
        self._carol = self.lab.phone("carol")
        self._registration = Registration(
            self._carol.agent,
            "carol",
            parseURI(f"sip:{SERVER}"),
            parseURI(f"sip:carol@{SERVER}"),
            Account("carol", "honest", self._carol.rng),
            expires=3600,
        )
        self._registration.start()
        self.lab.reactor.advance(0.5)

    def deliver(self, data: bytes, source: Address) -> None:
        """In a datagram, or over a connection."""
        if self.wires.takes(source):
            self.wires.send(data, source)
        else:
            super().deliver(data, source)

    def heard(self, data: bytes, destination: Address) -> None:
        """The trunk is as it should be while checks are made."""
        super().heard(data, destination)
        if self._isHonest and destination[0] == TRUNK[0] and data[:3] in (b"REG", b"OPT"):
            answer = b"SIP/2.0 200 OK\r\n%sExpires: 60\r\nContent-Length: 0\r\n\r\n" % answerTo(
                data
            )
            self.lab.network.send(answer, TRUNK, (SERVER, 5060))

    def assertWell(self) -> None:
        """The plain call works; so does one to a phone that has been registered all the time.

        What the others have registered can be called, and outlives a restart.
        """
        super().assertWell()
        self._assertBindings()
        self._carol.calls.clear()
        self.lab.application.placeCall("sip:carol@doug")
        self.lab.reactor.advance(0.05)
        if [call.state for call in self._carol.calls] != ["answered"]:
            raise AssertionError(f"seed {self.seed}: carol was not called: {self._carol.calls}")
        self._carol.calls[0].hangUp()
        self.lab.reactor.advance(0.1)
        self._carol.calls.clear()
        self.assertNoFault()

    def settle(self) -> None:
        """Time for all calls to end, and for an honest trunk to be registered at again."""
        self._isHonest = True
        self.lab.reactor.advance(RECOVERS)
        self._isHonest = False
        self.lab.results.clear()
        exchange = self.lab.application.exchange
        for trunk in exchange.relations.trunking.trunks.values():
            state = trunk.registration and trunk.registration.state
            if state not in (None, RegistrationState.REGISTERED) or trunk.isUp is False:
                raise AssertionError(f"seed {self.seed}: {trunk.trunk.name} is {trunk.state()}")
        agent = exchange.agent
        if len(agent.layer) > PINGS or agent.calls or self.lab.application.listVoiceapps():
            raise AssertionError(
                f"seed {self.seed}: left are {len(agent.layer)} transactions, {agent.calls}, "
                f"{self.lab.application.listVoiceapps()}"
            )

    def _assertBindings(self) -> None:
        registrar = self.lab.application.exchange.relations.registrar
        assert registrar is not None
        found = {user: registrar.bindings(user) for user in registrar.registered()}
        with tempfile.TemporaryDirectory() as folder:
            store = BindingStore(Path(folder, "bindings"), execute)
            for user, bindings in found.items():
                for binding in bindings:
                    binding.check()
                store.save(user, bindings)
            kept = store.load()
        if _written(kept) != _written(found):
            raise AssertionError(f"seed {self.seed}: on the disk are other bindings")

    def close(self) -> None:
        """The end: nothing is left of server, calls and phones; the trunk is left in order."""
        self.wires.close()
        self._registration.abandon()
        self._isHonest = True
        trunking = self.lab.application.exchange.relations.trunking
        stopped = Deferred.fromCoroutine(trunking.stop(2.0))
        self.lab.reactor.advance(40.0)
        if not stopped.called:
            raise AssertionError(f"seed {self.seed}: the trunk is not left")
        super().close()


def _written(users: dict[str, list[Binding]]) -> dict[str, list[tuple[str, tuple[str, ...], str]]]:
    """What of bindings came from the wire."""
    return {
        user: [(binding.contact, binding.path, binding.callID) for binding in bindings]
        for user, bindings in users.items()
    }
