"""The server as a twisted.application service.

Lives here: DougService; it opens nothing before it is started, since twistd forks in between.
Not here: the server (doug.application), options (doug.options, doug.tap).
"""

from __future__ import annotations

from typing import Any

from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.logger import Logger

from doug.application import DougApplication
from doug.checks import neededDescriptors, raiseDescriptorLimit, startUpNotes, startUpWarnings
from doug.settings import Settings
from doug.voiceapp import VoiceApp


class DougService(Service):
    """Serves an application from startService() to stopService().

    voiceappClass: the application, unless settings.apps has it. application: one of your own, made
    already, instead of all other arguments.
    """

    log = Logger()

    def __init__(
        self,
        voiceappClass: type[VoiceApp] | None = None,
        *,
        reactor: Any = None,
        settings: Settings | None = None,
        application: DougApplication | None = None,
    ) -> None:
        self.setName("doug")
        if application is None:
            application = DougApplication(voiceappClass, reactor=reactor, settings=settings)
        self.application = application

    def startService(self) -> None:
        """Listens. Raises StartFailed, with all ports closed again, if one cannot be had."""
        self.application.start()
        super().startService()
        raiseDescriptorLimit(neededDescriptors(self.application.settings))
        for warning in startUpWarnings(self.application.settings):
            self.log.warn("{finding}", finding=warning)
        for note in startUpNotes():
            self.log.info("{note}", note=note)

    def stopService(self) -> Deferred[None]:
        """No new calls; those that are up are left. Fires when nothing is open any more."""
        super().stopService()
        return self.application.shutdown()
