#!/usr/bin/env python3
"""Says what this machine gives a server: versions, addresses, codecs, limits, and what is missing.

shtoominfo.py --listen=udp:*:5060 --rtp-ports=10000-20000

The options are those of the server that is meant; its SIP ports are opened for a moment, to see
whether they can be had. Exit code 0; 1 for a mistake on this line.
"""

import platform
import resource
import shutil
import socket
import sys
from importlib.metadata import PackageNotFoundError, version

from twisted.internet.error import CannotListenError
from twisted.python import usage

from doug._version import __version__
from doug.checks import ANYWHERE, besideCalls, neededDescriptors, startUpWarnings
from doug.exchange import portTrouble
from doug.natcheck import askNow, sightFindings
from doug.script import ScriptOptions
from doug.voiceapp import VoiceApp
from shtoom import codecs
from shtoom.sip.transport import localAddressFor
from shtoom.sip.uri import hostPort

PACKAGES = ("twisted", "zope.interface", "numpy", "pydub", "soundfile")
ROUTES = {"IPv4": ANYWHERE, "IPv6": "2001:db8::1", "this machine": "127.0.0.1"}
PROGRAMS = {
    "ffmpeg": ("m4a and other sound files", "ffmpeg"),
    "espeak-ng": ("making prompts (scripts/make_prompts.py)", "espeak-ng"),
    "sipp": ("tests against sipp", "sip-tester"),
    "baresip": ("tests against baresip, a phone on the command line", "baresip-core"),
    "tshark": ("looking into captured calls", "tshark"),
}


def versionOf(package):
    """Its version, or how to get it."""
    try:
        return version(package)
    except PackageNotFoundError:
        return f"missing: pip install {package}"


def addressTowards(host):
    """Our address on the way to a host."""
    try:
        return localAddressFor(host)
    except OSError as e:
        return f"none ({e.strerror or e})"


def portWarnings(settings):
    """SIP ports that this server could not have now, and what to do about it."""
    for endpoint in settings.listen:
        family = socket.AF_INET6 if ":" in endpoint.host else socket.AF_INET
        with socket.socket(family, socket.SOCK_DGRAM) as tried:
            try:
                tried.bind((endpoint.host, endpoint.port))
            except OSError as e:
                trouble = portTrouble(CannotListenError(endpoint.host, endpoint.port, e))
                yield f"--listen={endpoint}: {trouble}"


def main():
    """Prints all of it."""
    options = ScriptOptions(__doc__)
    try:
        options.parseOptions()
        settings = options.settings(VoiceApp)
    except usage.UsageError as e:
        return options.complain(e)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    first, last = settings.rtpPorts
    calls = neededDescriptors(settings) - besideCalls(settings)
    print(f"Doug {__version__}, Python {platform.python_version()}, {platform.platform()}")
    print("\nPackages")
    for package in PACKAGES:
        print(f"  {package:15} {versionOf(package)}")
    print("\nAddresses")
    for name, host in ROUTES.items():
        print(f"  {name:15} {addressTowards(host)}")
    print(f"  {'SIP':15} {', '.join(str(endpoint) for endpoint in settings.listen)}")
    print(f"  {'told to phones':15} {settings.advertise or 'the one on the way to each phone'}")
    print("\nCodecs")
    for name in codecs.names():
        unused = "" if name in settings.codecs else ", not with --codecs as given"
        print(f"  {name:15} {codecs.find(name).rate} Hz{unused}")
    for name, need in codecs.missing().items():
        print(f"  {name:15} {need}")
    print("\nLimits")
    print(f"  {'media ports':15} {first}-{last}, for {calls} calls")
    print(f"  {'open files':15} {soft}, may be raised to {hard}")
    print("\nPrograms")
    for program, (use, package) in PROGRAMS.items():
        where = shutil.which(program) or f"missing: apt-get install {package}, for {use}"
        print(f"  {program:15} {where}")
    sights = list(askNow(settings))
    if sights:
        print("\nNAT findings")
    for sight in sights:
        seen = hostPort(*sight.seen) if sight.seen is not None else "not known"
        print(f"  {hostPort(*sight.local)}, seen by {sight.server} as: {seen}")
        for finding in sightFindings(settings, sight):
            print(f"  {finding}")
    print("\nFindings")
    findings = [*portWarnings(settings), *startUpWarnings(settings)]
    for finding in findings or ["nothing that will hurt"]:
        print(f"  {finding}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
