# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Sends pings to a neighbour that is to pass them on, whatever the routes say, by packet(7)."""

from __future__ import annotations

import functools
import json
import socket
from dataclasses import dataclass

from .._spec import probe_packet
from .._spec.address import ip_version
from . import command, kernel_events
from .errors import HostError

_FAMILIES = {4: socket.AF_INET, 6: socket.AF_INET6}
_ETHERTYPES = {4: 0x0800, 6: 0x86DD}
#: RFC 863; it is only sent to so that the kernel looks for the neighbour.
_DISCARD = 9
#: Seconds.
_PATIENCE = 3.0


@dataclass(frozen=True)
class NextHop:
    """A neighbour on one of our interfaces, and our own address there."""

    address: str
    interface: str
    mac: str
    own: str

    def send(self, destination: str, identifier: int, sequence: int) -> None:
        packet = probe_packet.echo_from(self.own, destination, identifier, sequence)
        kind = _ETHERTYPES[ip_version(destination)]
        with socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM) as line:
            line.sendto(packet, (self.interface, kind, 0, 0, bytes.fromhex(self.mac.replace(":", ""))))


@functools.cache
def find(address: str) -> NextHop:
    """:raises HostError: it is no neighbour, or does not answer"""
    version = ip_version(address)
    (route,) = json.loads(command.run(["ip", "-json", f"-{version}", "route", "get", address]))
    if "gateway" in route or route.get("type") == "local":
        raise HostError(f"via: {address} is not a neighbour of this host; give an address on the LAN of both")
    with socket.socket(_FAMILIES[version], socket.SOCK_DGRAM) as line:
        line.connect((address, _DISCARD))
        own = line.getsockname()[0]
        line.send(b"")
    interface = route["dev"]
    mac = kernel_events.wait_until(lambda: _mac(address, interface), kernel_events.NEIGHBOURS, _PATIENCE)
    if mac is None:
        raise HostError(f"via: {address} does not answer on {interface}; is it the host's address on this LAN?")
    return NextHop(address, interface, mac, own)


def _mac(address: str, interface: str) -> str | None:
    version = ip_version(address)
    shown = command.run(["ip", "-json", f"-{version}", "neighbour", "show", "to", address, "dev", interface])
    return next((entry["lladdr"] for entry in json.loads(shown or "[]") if "lladdr" in entry), None)
