"""The server as a twisted.application service.

Lives here: DougService; it opens nothing before it is started, since twistd forks in between.
Not here: the server (doug.application), options (doug.options, doug.tap).
"""

from __future__ import annotations

from typing import Any

from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorThreads
from twisted.logger import Logger

from doug.application import DougApplication
from doug.checks import neededDescriptors, raiseDescriptorLimit, startUpNotes, startUpWarnings
from doug.settings import Settings
from doug.voiceapp import VoiceApp
from doug.watchdog import ReactorWatch


class DougService(Service):
    """Serves an application from startService() to stopService().

    voiceappClass: the application, unless settings.apps has it. application: one of your own, made
    already, instead of all other arguments. A reactor of threads is watched meanwhile: what holds
    it is named (doug.watchdog).
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
        self._watch: ReactorWatch | None = None

    def startService(self) -> None:
        """Listens. Raises StartFailed, with all ports closed again, if one cannot be had."""
        application = self.application
        if IReactorThreads.providedBy(application.reactor) and application.watch is None:
            application.watch = self._watch = ReactorWatch(
                application.reactor, lambda: bool(application.listVoiceapps())
            )
        application.start()
        if self._watch is not None:
            self._watch.start()
        super().startService()
        raiseDescriptorLimit(neededDescriptors(self.application.settings))
        for warning in startUpWarnings(self.application.settings):
            self.log.warn("{finding}", finding=warning)
        for note in startUpNotes():
            self.log.info("{note}", note=note)

    def stopService(self) -> Deferred[None]:
        """No new calls; those that are up are left. Fires when nothing is open any more."""
        super().stopService()
        return self.application.shutdown().addBoth(self._unwatch)

    def _unwatch(self, outcome: Any) -> Any:
        watch, self._watch = self._watch, None
        if watch is not None:
            self.application.watch = None
            watch.stop()
        return outcome
