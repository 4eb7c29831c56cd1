"""Races of calls that go out, a test a row: an application dials the trunk."""

from __future__ import annotations

from doug.events import CallAnsweredEvent, CallEndedEvent, CallRejectedEvent
from test.races.case import RaceCase


class CancelRaces(RaceCase):
    """The application gives up (RFC 3261 9.1)."""

    def test_CANCELAgainst200(self) -> None:
        """The 200 on its way makes a call: ACK, then BYE; the application hears no answer."""
        app, call = self.rung()
        call.says(200, body=self.trunk.answer)
        app.leg.hangupCall()
        self.trunk.reply(self.trunk.request("CANCEL"), 481)
        self.settle()
        self.assertEqual(self.trunk.labels(), ["INVITE", "CANCEL", "ACK", "BYE"])
        self.trunk.reply(self.trunk.request("BYE"), 200)
        self.assertEqual(app.got(CallAnsweredEvent), [])
        self.assertOver()

    def test_CANCELAgainst200Lost(self) -> None:
        """The 200 comes only when the far end repeats it: the same, later."""
        app, call = self.rung()
        app.leg.hangupCall()
        self.trunk.reply(self.trunk.request("CANCEL"), 200)
        self.lose("200 INVITE", 2)
        call.says(200, body=self.trunk.answer)
        self.settle(0.5)
        self.again("200 INVITE")
        self.settle(1.0)
        self.assertEqual(self.trunk.labels(), ["INVITE", "CANCEL"])
        self.again("200 INVITE")
        self.trunk.reply(self.trunk.request("BYE"), 200)
        self.again("200 INVITE")
        self.settle()
        self.assertEqual(self.trunk.labels(), ["INVITE", "CANCEL", "ACK", "BYE", "ACK"])
        self.assertOver()

    def test_CANCELAfter200(self) -> None:
        """Once the 200 was seen the way out is BYE."""
        app, _ = self.dialled()
        app.leg.hangupCall()
        self.trunk.reply(self.trunk.request("BYE"), 200)
        self.settle(5.0)
        self.assertEqual(self.trunk.labels(), ["INVITE", "ACK", "BYE"])
        self.assertOver()

    def test_CANCELAgainstARefusal(self) -> None:
        """486 and CANCEL cross: ACK, and one end."""
        app, call = self.rung()
        call.says(486)
        app.leg.hangupCall()
        self.trunk.reply(self.trunk.request("CANCEL"), 481)
        self.settle()
        self.assertEqual(self.trunk.labels(), ["INVITE", "CANCEL", "ACK"])
        self.assertOver()

    def test_CANCELTwice(self) -> None:
        """The application hangs up twice, and its CANCEL is lost: one transaction, repeated."""
        app, call = self.rung()
        self.lose("CANCEL")
        app.leg.hangupCall()
        app.leg.hangupCall()
        cancel = self.trunk.request("CANCEL", within=0.6)
        self.trunk.reply(cancel, 200)
        call.says(487)
        self.settle(5.0)
        self.assertEqual(self.trunk.labels(), ["INVITE", "CANCEL", "ACK"])
        self.assertOver()

    def test_hangUpBeforeAnyProvisional(self) -> None:
        """No CANCEL may go before a provisional response (9.1); the first lets it go."""
        app, call = self.unanswered()
        app.leg.hangupCall()
        self.settle(0.7)
        self.assertEqual(app.names, ["CallEndedEvent"])
        self.assertEqual(self.trunk.labels(), ["INVITE", "INVITE"])
        call.says(100)
        self.trunk.reply(self.trunk.request("CANCEL"), 200)
        call.says(487)
        self.settle(5.0)
        self.assertEqual(self.trunk.labels()[2:], ["CANCEL", "ACK"])
        self.assertOver()

    def test_hangUpAndThen200WithoutProvisional(self) -> None:
        """ACK and BYE."""
        app, call = self.unanswered()
        app.leg.hangupCall()
        call.says(200, body=self.trunk.answer)
        self.trunk.reply(self.trunk.request("BYE"), 200)
        self.assertEqual(self.trunk.labels(), ["INVITE", "ACK", "BYE"])
        self.assertOver()

    def test_hangUpAndThenARefusalWithoutProvisional(self) -> None:
        """ACK, nothing else."""
        app, call = self.unanswered()
        app.leg.hangupCall()
        call.says(486)
        self.settle(5.0)
        self.assertEqual(self.trunk.labels(), ["INVITE", "ACK"])
        self.assertOver()

    def test_hangUpBeforeTheINVITE(self) -> None:
        """An application that dials and hangs up in one breath sends nothing."""
        self.lab.application.placeCall("sip:200@203.0.113.30", None)
        leg = self.app.getDefaultLeg()
        assert leg is not None
        leg.hangupCall()
        self.settle(5.0)
        self.assertEqual(self.trunk.labels(), [])
        self.assertOver()

    def test_CANCELUnknownThere(self) -> None:
        """481 to it and then nothing: 64*T1 later the INVITE is given up (9.1)."""
        app, _ = self.rung()
        app.leg.hangupCall()
        self.trunk.reply(self.trunk.request("CANCEL"), 481)
        self.settle(31.0)
        self.assertEqual(len(self.lab.application.exchange.agent.calls), 1)
        self.settle(1.5)
        self.assertEqual(self.lab.application.exchange.agent.calls, set())
        self.assertEqual(self.trunk.labels(), ["INVITE", "CANCEL"])
        self.assertOver()

    def test_1xxAfterTheCANCEL(self) -> None:
        """They change nothing, and bring no second CANCEL."""
        app, call = self.rung()
        app.leg.hangupCall()
        for code in (180, 183, 100):
            call.says(code)
        self.trunk.reply(self.trunk.request("CANCEL"), 200)
        call.says(487)
        self.settle(5.0)
        self.assertEqual(self.trunk.labels(), ["INVITE", "CANCEL", "ACK"])
        self.assertEqual(app.names, ["CallProgressEvent", "CallEndedEvent"])
        self.assertOver()

    def test_200AgainstOurTimeout(self) -> None:
        """Nobody answered in time, just when somebody does: ACK and BYE, one rejection."""
        self.dial(timeout=5.0)
        call = self.trunk.takes(self.trunk.request("INVITE"))
        call.says(180)
        self.settle(4.9995)
        call.says(200, body=self.trunk.answer)
        self.settle()
        self.trunk.reply(self.trunk.request("BYE"), 200)
        self.assertEqual(self.trunk.labels()[-2:], ["ACK", "BYE"])
        self.assertOver(CallRejectedEvent)


class AnswerRaces(RaceCase):
    """The 200, its repeats, its forks (RFC 3261 13.2.2.4)."""

    def test_ACKLost(self) -> None:
        """The far end repeats its 200; each gets its ACK, the application one answer."""
        app, call = self.unanswered()
        self.lose("ACK", 2)
        call.says(200, body=self.trunk.answer)
        for pause in (0.5, 1.0, 2.0):
            self.settle(pause)
            self.again("200 INVITE")
        self.settle()
        self.assertEqual(self.trunk.labels(), ["INVITE", "ACK", "ACK"])
        self.assertEqual(app.names, ["CallAnsweredEvent"])
        self.hangUp(call)
        self.assertOver()

    def test_200Lost(self) -> None:
        """Our INVITE is repeated until anything comes; then the repeated 200 is the answer."""
        app, call = self.unanswered()
        self.lose("200 INVITE")
        call.says(200, body=self.trunk.answer)
        self.settle(0.6)
        self.assertEqual(self.trunk.labels(), ["INVITE"] * 2)
        self.again("200 INVITE")
        self.settle(5.0)
        self.assertEqual(self.trunk.labels(), ["INVITE"] * 2 + ["ACK"])
        self.assertEqual(app.names, ["CallAnsweredEvent"])
        self.hangUp(call)
        self.assertOver()

    def test_200RepeatedAfterBYE(self) -> None:
        """Whoever sent the BYE: the late 200 gets its ACK and nothing else (RFC 6026 7.2)."""
        app, call = self.dialled()
        app.leg.hangupCall()
        self.again("200 INVITE")
        self.settle()
        self.trunk.reply(self.trunk.request("BYE"), 200)
        self.again("200 INVITE")
        self.settle()
        self.assertEqual(self.trunk.labels(), ["INVITE", "ACK", "BYE", "ACK", "ACK"])
        self.trunk.forget()
        app, call = self.dialled()
        self.hangUp(call)
        self.again("200 INVITE")
        self.settle()
        self.assertEqual(self.trunk.labels(), ["INVITE", "ACK", "200 BYE", "ACK"])
        self.assertOver(CallEndedEvent, CallEndedEvent)

    def test_1xxAfter2xx(self) -> None:
        """Overtaken by the answer, ringing is of no interest: no event, no answer to it."""
        app, call = self.unanswered()
        call.says(200, body=self.trunk.answer)
        for code in (180, 183, 100):
            call.says(code, body=self.trunk.answer)
        self.settle(5.0)
        self.assertEqual(self.trunk.labels(), ["INVITE", "ACK"])
        self.assertEqual(app.names, ["CallAnsweredEvent"])
        self.hangUp(call)
        self.assertOver()

    def test_aRefusalAfter2xx(self) -> None:
        """The first final response counts; the call stays up."""
        app, call = self.dialled()
        for code in (486, 487, 603):
            call.says(code)
        self.settle(5.0)
        self.assertEqual(self.trunk.labels(), ["INVITE", "ACK"])
        self.assertEqual(app.names, ["CallAnsweredEvent"])
        call.tag = "t1"
        self.hangUp(call)
        self.assertOver()

    def test_2xxAfterARefusal(self) -> None:
        """The call was refused: a 200 that comes then is nobody's."""
        _, call = self.unanswered()
        call.says(486)
        call.says(200, body=self.trunk.answer)
        self.settle(5.0)
        self.assertEqual(self.trunk.labels(), ["INVITE", "ACK"])
        self.assertOver(CallRejectedEvent)

    def test_responsesAfterAllTimers(self) -> None:
        """Whatever the far end has said is nothing any more: no answer, no event (17.1.3)."""
        app, call = self.unanswered()
        call.says(180)
        call.says(200, body=self.trunk.answer)
        self.settle()
        app.leg.hangupCall()
        self.trunk.reply(self.trunk.request("BYE"), 200)
        self.settle(70.0)
        heard, names = self.trunk.labels(), app.names
        for response in ("180 INVITE", "200 INVITE", "200 BYE"):
            self.again(response)
        self.settle(5.0)
        self.assertEqual((self.trunk.labels(), app.names), (heard, names))
        self.assertEqual(self.lab.application.exchange.agent.layer.counts["stray"], 3)
        self.assertOver()

    def test_aRefusalRepeated(self) -> None:
        """Our ACK was lost: it goes out again each time; one rejection (17.1.1.2)."""
        app, call = self.unanswered()
        self.lose("ACK", 2)
        call.says(486)
        for pause in (0.5, 1.0, 2.0):
            self.settle(pause)
            self.again("486 INVITE")
        self.settle()
        self.assertEqual(self.trunk.labels(), ["INVITE", "ACK", "ACK"])
        self.assertEqual(app.names, ["CallRejectedEvent"])
        self.assertOver(CallRejectedEvent)

    def test_anotherForkAnswers(self) -> None:
        """A second and a third phone: ACK and one BYE for each; the first call goes on."""
        app, call = self.dialled()
        for tag in ("t2", "t3"):
            call.says(200, tag, body=self.trunk.answer)
            self.settle()
            self.again("200 INVITE")
            self.settle()
        self.assertEqual(self.trunk.labels(), ["INVITE", "ACK"] + ["ACK", "BYE", "ACK"] * 2)
        for tag in ("t2", "t3"):
            bye = self.trunk.request("BYE")
            self.assertEqual(bye.toAddress.tag, tag)
            self.trunk.reply(bye, 200)
        self.settle(5.0)
        self.assertEqual(app.names, ["CallAnsweredEvent"])
        call.tag = "t1"
        self.hangUp(call)
        self.assertOver()

    def test_anotherForkAnswersAtOnce(self) -> None:
        """Both 200 arrive in one breath, the call is left: one BYE for each phone."""
        app, call = self.unanswered()
        call.says(200, "t1", body=self.trunk.answer)
        call.says(200, "t2", body=self.trunk.answer)
        self.settle()
        app.leg.hangupCall()
        self.settle()
        byes = [self.trunk.request("BYE") for _ in range(2)]
        self.assertEqual({bye.toAddress.tag for bye in byes}, {"t1", "t2"})
        for bye in byes:
            self.trunk.reply(bye, 200)
        self.assertOver()

    def test_anotherForkAnswersAfterTheCANCEL(self) -> None:
        """One phone is cancelled, another has answered: ACK and BYE for that, one end."""
        app, call = self.rung()
        app.leg.hangupCall()
        self.trunk.reply(self.trunk.request("CANCEL"), 200)
        for tag in ("t1", "t2"):
            call.says(200, tag, body=self.trunk.answer)
        self.settle()
        byes = [self.trunk.request("BYE") for _ in range(2)]
        self.assertEqual({bye.toAddress.tag for bye in byes}, {"t1", "t2"})
        self.assertEqual(app.names, ["CallProgressEvent", "CallEndedEvent"])
        self.assertOver()

    def test_anotherForkAnswersAfterTheEnd(self) -> None:
        """The call is over, whoever ended it: ACK and BYE all the same (RFC 6026 7.2)."""
        for weHangUp in (True, False):
            app, call = self.dialled()
            if weHangUp:
                app.leg.hangupCall()
                self.trunk.reply(self.trunk.request("BYE"), 200)
            else:
                self.hangUp(call)
            self.settle(20.0)
            call.says(200, "t2", body=self.trunk.answer)
            self.trunk.request("ACK")
            bye = self.trunk.request("BYE")
            self.assertEqual(bye.toAddress.tag, "t2")
            self.trunk.reply(bye, 200)
        self.assertOver(CallEndedEvent, CallEndedEvent)

    def test_anotherForkThatIsSilent(self) -> None:
        """It answers our BYE never: given up after 64*T1, the call itself is unharmed."""
        app, call = self.dialled()
        call.says(200, "t2", body=self.trunk.answer)
        self.settle(40.0)
        self.assertEqual(len(self.trunk.labels("BYE")), 11)
        self.assertEqual(app.names, ["CallAnsweredEvent"])
        call.tag = "t1"
        self.hangUp(call)
        self.assertOver()


class ByeRaces(RaceCase):
    """The far end hangs up (RFC 3261 15)."""

    def test_BYEAgainstOurACK(self) -> None:
        """It answers and hangs up in one breath: 200 for the BYE, an answer and an end."""
        app, call = self.unanswered()
        call.says(200, body=self.trunk.answer)
        call.bye()
        self.settle(5.0)
        self.assertEqual(self.trunk.labels(), ["INVITE", "ACK", "200 BYE"])
        self.assertEqual(app.names, ["CallAnsweredEvent", "CallEndedEvent"])
        self.assertOver()

    def test_BYECrossesBYE(self) -> None:
        """Both are answered; one end."""
        app, call = self.dialled()
        app.leg.hangupCall()
        call.bye()
        self.trunk.reply(self.trunk.request("BYE"), 481)
        self.settle()
        self.assertEqual(self.trunk.labels(), ["INVITE", "ACK", "BYE", "200 BYE"])
        self.assertOver()

    def test_BYEOvertakesThe200(self) -> None:
        """Who hangs up has answered: the call that rang is over, and its 200 is left (15)."""
        app, call = self.rung()
        call.bye()
        call.says(200, body=self.trunk.answer)
        self.settle()
        for request in ("CANCEL", "BYE"):
            self.trunk.reply(self.trunk.request(request), 481)
        self.settle(5.0)
        self.assertEqual(self.trunk.labels(), ["INVITE", "200 BYE", "CANCEL", "ACK", "BYE"])
        self.assertEqual(app.names, ["CallProgressEvent", "CallRejectedEvent"])
        self.assertOver(CallRejectedEvent)

    def test_BYEAnd200Lost(self) -> None:
        """The same if the 200 never comes: nobody waits for the end of the dial time."""
        app, call = self.rung()
        call.bye()
        self.settle()
        self.trunk.reply(self.trunk.request("CANCEL"), 481)
        self.settle(5.0)
        self.assertEqual(app.names, ["CallProgressEvent", "CallRejectedEvent"])
        self.assertOver(CallRejectedEvent)

    def test_BYEOfNoDialog(self) -> None:
        """Before any tag was seen it is for a dialog that nobody knows: 481."""
        _, call = self.unanswered()
        call.bye()
        self.settle()
        self.assertEqual(self.trunk.labels(), ["INVITE", "481 BYE"])
        call.says(200, body=self.trunk.answer)
        self.settle()
        self.hangUp(call)
        self.assertOver()


class OfferRaces(RaceCase):
    """Requests before the call is up (RFC 3261 14.2, RFC 3311 5.2)."""

    def test_reINVITEWithThe200(self) -> None:
        """It comes in one breath with the 200, before our ACK is there: it is served."""
        app, call = self.unanswered()
        call.says(200, body=self.trunk.answer)
        call.reinvite()
        self.settle()
        self.assertEqual(self.trunk.labels()[-2:], ["ACK", "200 INVITE"])
        call.ack()
        self.settle()
        self.assertEqual(app.names, ["CallAnsweredEvent"])
        self.hangUp(call)
        self.assertOver()

    def test_offersWhileItRings(self) -> None:
        """Our offer is open: theirs gets 491 (RFC 3311 5.2); OPTIONS is answered."""
        app, call = self.rung()
        for method in ("INVITE", "UPDATE"):
            call.ask(method, body=self.trunk.offer)
            self.trunk.response(f"491 {method}")
        call.ask("OPTIONS")
        self.trunk.response("200 OPTIONS")
        call.says(200, body=self.trunk.answer)
        self.settle()
        self.assertIn("CallAnsweredEvent", app.names)
        self.hangUp(call)
        self.assertOver()
