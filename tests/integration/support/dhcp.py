# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Bridges by hand, and namespaces in guests' places that ask for leases and names."""

from __future__ import annotations

import random
import shlex
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from tests.sandbox import Sandbox

SCRIPT = "/run/udhcpc-script"
ASKED = ("mtu", "staticroutes", "ntpsrv")


def make_bridge(host: Sandbox, bridge: str, addresses: Sequence[str], netns: str | None = None) -> None:
    """A bridge that is up, with addresses with prefix length, and a MAC address that guests who come do not change."""
    mac = "52:54:01:" + random.randbytes(3).hex(":")
    lines = [f"link add {bridge} address {mac} type bridge stp_state 0 forward_delay 0", f"link set {bridge} up"]
    lines += [f"address add {address} dev {bridge}{' nodad' if ':' in address else ''}" for address in addresses]
    host.run(["ip", *(["-n", netns] if netns else []), "-batch", "-"], input="\n".join(lines) + "\n")


def plug(host: Sandbox, guest: str, bridge: str, mac: str | None = None, netns: str | None = None) -> None:
    """A namespace `guest` whose ``eth0``, still down and without address, is a port of the bridge."""
    host.run(["ip", "netns", "add", guest])
    host.run(
        ["ip", *(["-n", netns] if netns else []), "link", "add", guest, "master", bridge, "up"]
        + ["type", "veth", "peer", "name", "eth0", "netns", guest]
    )
    if mac:
        host.run(["ip", "-n", guest, "link", "set", "eth0", "address", mac])


@contextmanager
def plugged(host: Sandbox, guest: str, bridge: str) -> Iterator[None]:
    plug(host, guest, bridge)
    try:
        yield
    finally:
        host.run(["ip", "netns", "delete", guest])


def up(host: Sandbox, guest: str) -> None:
    host.run(["ip", "-n", guest, "link", "set", "eth0", "up"])


def lease(host: Sandbox, guest: str, hostname: str | None = None, tries: int = 5) -> dict[str, str] | None:
    """What a DHCP server gives to the guest, as udhcpc names it (``ip``, ``router``, ``dns``, ...); None for nothing.

    :param tries: of one second each
    """
    up(host, guest)
    script = host.path(SCRIPT)
    script.write_text(f'#!/bin/sh\nif [ "$1" = bound ]; then env > /run/lease-{guest}; fi\n')
    script.chmod(0o755)
    argv = ["busybox", "udhcpc", "-f", "-q", "-n", "-t", str(tries), "-T", "1", "-i", "eth0", "-s", SCRIPT]
    argv += [word for option in ASKED for word in ("-O", option)]
    argv += ["-x", f"hostname:{hostname}"] if hostname else []
    done = host.run(["ip", "netns", "exec", guest, *argv], check=False)
    if done.returncode != 0:
        return None
    lines = host.path(f"/run/lease-{guest}").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if "=" in line)


def resolve(host: Sandbox, guest: str | None, server: str, name: str) -> list[str]:
    """The addresses that a name server has for a name, asked from a guest or from the host itself."""
    enter = ["ip", "netns", "exec", guest] if guest else []
    said = host.run([*enter, "busybox", "nslookup", name, server], check=False).stdout
    # The server's own address comes first, with its port.
    _server, _name, answer = said.partition(f"Name:\t{name}")
    return sorted(line.split()[1] for line in answer.splitlines() if line.startswith("Address: "))


def await_lines(host: Sandbox, follow: str, text: str, times: int = 1, timeout: float = 20.0) -> None:
    """Return when a log has that many lines with that text.

    :param follow: a shell command that prints the log so far, and goes on
    :raises subprocess.TimeoutExpired: they did not come
    """
    # `follow` ends when it next prints something; the shell does not wait for it.
    host.run(["bash", "-c", f"grep -c -m {times} -F {shlex.quote(text)} < <({follow})"], timeout=timeout)
