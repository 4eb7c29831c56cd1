"""The plug-in by which `twistd doug` serves applications.

Lives here: what has to be set before numpy is imported, and the hand-over of the reactor, which is
imported as late as `--reactor` asks for. Not here: options and service (doug.tap).
"""

import os
import sys
from functools import partial
from signal import SIGHUP, SIGUSR2
from typing import Any

from twisted.application.service import IService, IServiceMaker
from twisted.plugin import IPlugin
from twisted.python import usage
from zope.interface import implementer


@implementer(IServiceMaker, IPlugin)
class DougServiceMaker:
    """What twistd looks for; imports Doug only when it is asked to."""

    tapname = "doug"
    description = "Doug, a telephony application server: SIP calls answered by Python"

    @property
    def options(self) -> type[usage.Options]:
        """The command line."""
        os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # read when numpy is imported
        from doug.tap import Options

        return Options

    def makeService(self, options: Any) -> IService:
        """The server, on the reactor that twistd was told to use."""
        from twisted.internet import reactor

        from doug.application import StartFailed
        from doug.outlet import withoutWaiting
        from doug.process import onSignal, stopOnce, tellInOneLine, tune
        from doug.reloading import reread
        from doug.tap import makeService

        tellInOneLine(StartFailed, "twistd doug")
        stopOnce(reactor)
        service = makeService(options, reactor)
        sys.stdout = withoutWaiting(sys.stdout, reactor)  # where twistd -n logs to
        onSignal(reactor, SIGUSR2, service.application.toggleTrace)
        if options.configFile is not None:  # else it ends the process, as it always did
            onSignal(reactor, SIGHUP, partial(reread, options, service.application))
        tune(reactor)  # now that the application is imported
        return service


doug = DougServiceMaker()
