#!/usr/bin/env python3
"""Voicemail: plays a greeting, records a message, keeps it as a WAV and sends it by mail.

shtam.py --args=spool=/var/spool/doug --args=mailto=me@example.com --args=smtp=localhost:25

Messages are in the folder new/ of the spool. Arguments (--args=NAME=VALUE): spool, a folder
[voicemail]; greeting, a sound file; longest, seconds of a message [120]; mailto, the address that
gets a copy [none]; smtp, HOST[:PORT] of the mail server [localhost:25]; mailfrom, the sender
[voicemail@localhost].
"""

import sys
from email.headerregistry import Address
from email.message import EmailMessage
from pathlib import Path

from twisted.logger import Logger

import doug.demo
from doug import VoiceApp
from doug.events import (
    CallAnsweredEvent,
    CallEndedEvent,
    CallStartedEvent,
    MediaPlayDoneEvent,
    MediaRecordDoneEvent,
    MediaRecordRemoteClosedEvent,
    MediaRecordStoreFailedEvent,
)
from doug.script import serve
from doug.scriptargs import seconds, sound
from doug.spool import Spool
from shtoom.audio.frames import RATE
from shtoom.audio.wav import wavHeader
from shtoom.sip.uri import parseHostPort

PROMPTS = Path(doug.demo.__file__).parent / "prompts"
SHORTEST = 1.0  # seconds; less is a caller who hung up at the tone
LEAST = len(wavHeader(0)) + int(SHORTEST * RATE) * 2  # bytes of such a message
MAIL_TIME = 30.0  # seconds that the mail server has


class VoicemailApp(VoiceApp):
    """One caller, one message at most."""

    spool = "voicemail"
    greeting = str(PROMPTS / "voicemail.wav")
    longest = 120.0
    mailto = ""
    smtp = "localhost:25"
    mailfrom = "voicemail@localhost"
    log = Logger()
    draft = message = None

    def __start__(self):
        return [(CallStartedEvent, self.answerCall)]

    def answerCall(self, event):
        """A call comes in."""
        self.leg = event.getLeg()
        self.caller = self.leg.getDialog().getCaller()
        self.leg.answerCall(self)
        return [(CallAnsweredEvent, self.greet), (CallEndedEvent, self.allDone)]

    def greet(self, event):
        """The caller is there."""
        self.leg.mediaPlay(self.greeting)
        return [(MediaPlayDoneEvent, self.record), (CallEndedEvent, self.allDone)]

    async def record(self, event):
        """The greeting is over; #, silence or the time end the message."""
        self.draft = await self.deferToThread(
            Spool(self.spool).create, self.caller.username, ".wav"
        )
        self.leg.mediaRecord(
            self.draft, beep=True, terminators="#", maxSilence=5.0, maxDuration=float(self.longest)
        )
        return [
            (MediaRecordRemoteClosedEvent, self.keep),
            (MediaRecordDoneEvent, self.thank),
            (CallEndedEvent, self.allDone),
        ]

    async def thank(self, event):
        """The caller is still there."""
        self.leg.mediaPlay(str(PROMPTS / "goodbye.wav"))
        await self.keep(event)
        return [(MediaPlayDoneEvent, self.hangUp), (CallEndedEvent, self.allDone)]

    def hangUp(self, event):
        """The caller has been thanked."""
        self.leg.hangupCall()
        return [(CallEndedEvent, self.allDone)]

    async def keep(self, event):
        """The message is complete, or as much of it as the disk took."""
        if isinstance(event, MediaRecordStoreFailedEvent):
            self.log.error("a message was cut short: {reason}", reason=event.reason)
        self.seconds = event.duration
        if self.seconds >= SHORTEST:
            draft, self.draft = self.draft, None
            self.message = await self.deferToThread(draft.keep)
            self.log.info("a message of {s:.0f} s: {path}", s=self.seconds, path=self.message)

    async def allDone(self, event):
        """Nobody is there any more; the mail server may take its time."""
        if self.draft is not None:
            await self.deferToThread(self.draft.discard)
        if self.message is not None and self.mailto:
            await self.send(self.message, f"{self.seconds:.0f} seconds from {str(self.caller)!r}")
        for path in await self.deferToThread(Spool(self.spool).recover, LEAST):
            self.log.warn("a message that was left unfinished is kept: {path}", path=path)
            if self.mailto:
                await self.send(path, "A message that was left unfinished")
        self.returnResult("done")

    async def send(self, path, words):
        """A copy by mail; if that fails it is still on the disk."""
        from twisted.mail.smtp import sendmail

        message = EmailMessage()
        message["Subject"] = f"Voice message from {path.name.split('-', 1)[1].rpartition('-')[0]}"
        message["From"], message["To"] = self.mailfrom, self.mailto
        message.set_content(f"{words}, kept as {path}\n")
        sound = await self.deferToThread(path.read_bytes)
        message.add_attachment(sound, "audio", "wav", filename=path.name)
        host, port = mailServer(self.smtp)
        sending = sendmail(
            host, self.mailfrom, [self.mailto], bytes(message), port=port, reactor=self.reactor
        )
        try:
            await sending.addTimeout(MAIL_TIME, self.reactor)
        except Exception as error:
            self.log.error(
                "{path} was not sent by {smtp}: {error}", path=path, smtp=self.smtp, error=error
            )


def someTime(text):
    """More than none."""
    if not seconds(text):
        raise ValueError("wanted seconds above 0, such as 120")


def mailServer(text):
    """Its host and port."""
    host, port = parseHostPort(text, "mail server", text)
    return host, port or 25


def mailbox(text):
    """One that mail can be sent to, and come from."""
    try:
        Address(addr_spec=text)
    except Exception:  # some of those are bugs of the standard library's parser
        raise ValueError("wanted a mail address, such as me@example.com") from None


def folder(text):
    """One that messages can be kept in; those of a server that was killed are."""
    try:
        Spool(text).create("check", ".wav").discard()
        for path in Spool(text).recover(LEAST):
            print(f"a message that was left unfinished is kept: {path}")
    except OSError as error:
        raise ValueError(f"{error.strerror}: name a folder that this user may write to") from None


CHECKS = {
    "spool": folder,
    "greeting": sound(VoicemailApp),
    "longest": someTime,
    "mailto": mailbox,
    "smtp": mailServer,
    "mailfrom": mailbox,
}

if __name__ == "__main__":
    from twisted.internet import reactor

    sys.exit(serve(VoicemailApp, reactor, __doc__, checks=CHECKS))
