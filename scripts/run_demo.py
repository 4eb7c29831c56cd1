#!/usr/bin/env python3
"""Serves the demo with twistd on the first free port from 5060 on, and says what to dial.

`make run` is this script. Only it looks for a free port; `twistd doug` takes the one it is told.
"""

import argparse
import os
import socket
import sys
from errno import EADDRINUSE
from ipaddress import ip_address
from pathlib import Path

FIRST_PORT, TRIES = 5060, 50


def whyNot(host: str, port: int) -> OSError | None:
    """Why that UDP port cannot be had; None: it can."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as s:
        try:
            s.bind((host if host != "*" else "", port))
        except OSError as e:
            return e
    return None


def freePort(host: str, first: int) -> int:
    """The first UDP port from `first` on that nobody holds."""
    for port in range(first, first + TRIES):
        trouble = whyNot(host, port)
        if trouble is None:
            return port
        if trouble.errno != EADDRINUSE:
            sys.exit(
                f"HOST={host}: {trouble.strerror}: name an address of this machine, or * for all"
            )
    sys.exit(f"No free UDP port from {first} to {first + TRIES - 1}: name one with PORT=")


def namedPort(host: str, text: str) -> int:
    """The port that was asked for, if it can be had."""
    if not (text.isascii() and text.isdigit() and 0 < int(text) < 65536):
        sys.exit(f"PORT={text}: wanted a UDP port, 1 to 65535")
    trouble = whyNot(host, int(text))
    if trouble is not None:
        sys.exit(f"HOST={host} PORT={text}: {trouble.strerror}: name another one")
    return int(text)


def addressOnNetwork() -> str:
    """Our address as a phone on the same network sees it. Nothing is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        try:
            s.connect(("192.0.2.1", 9))  # the route decides; RFC 5737's address is nobody's
        except OSError:
            return "127.0.0.1"
        return str(s.getsockname()[0])


def main() -> None:
    """Prints what to dial, then becomes twistd."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", help="UDP port (default: the first free one from 5060)")
    parser.add_argument("--host", default="*", help="address to listen on (default: all)")
    parser.add_argument("--app", default="doug.demo.Demo", help="module.Class (default: the demo)")
    options = parser.parse_args()
    options.host = options.host.strip("[]")
    try:
        ip_address("0.0.0.0" if options.host == "*" else options.host)
    except ValueError:
        sys.exit(f"HOST={options.host}: wanted an IP address of this machine, or * for all")
    if options.port:
        port = namedPort(options.host, options.port)
    else:
        port = freePort(options.host, FIRST_PORT)
    reach = options.host if options.host != "*" else addressOnNetwork()
    shown = f"[{reach}]" if ":" in reach else reach
    print(f"\n  Doug serves {options.app}. Dial with any SIP phone:\n")
    print(f"      sip:demo@{shown}:{port}")
    if options.host == "*" and reach != "127.0.0.1":
        print(f"      sip:demo@127.0.0.1:{port}   from this machine")
    print("\n  No account and no registration is needed. Ctrl-C stops the server.\n", flush=True)
    twistd = str(Path(sys.executable).parent / "twistd")
    listen = f"udp:{f'[{options.host}]' if ':' in options.host else options.host}:{port}"
    arguments = [
        twistd,
        "--nodaemon",
        "--pidfile=",
        "doug",
        f"--app={options.app}",
        f"--listen={listen}",
    ]
    os.execv(twistd, arguments)


if __name__ == "__main__":
    main()
