# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Networks and their guests, read from an inventory's variables, and what the model of each promises. Pure."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.sandbox import LanHost

#: Its web server: the addresses, by IP version, and the name.
LAN = {4: LanHost.ADDRESS, 6: LanHost.ADDRESS6}
LAN_NAME = LanHost.WEB_NAME
VERSIONS = (4, 6)


@dataclass(frozen=True)
class Network:
    """``host`` (its hypervisor on the LAN), ``subnets``, ``gateways`` (who serves it) and ``outside`` (its virtual
    router on the LAN) are by IP version.

    ``forwards`` are triples of IP version, port and guest.
    """

    name: str
    model: str
    guests: tuple[str, ...]
    host: dict[int, str]
    subnets: dict[int, str]
    gateways: dict[int, str]
    outside: dict[int, str]
    host_address: bool = False
    forwards: tuple[tuple[int, int, str], ...] = ()

    @property
    def served_by_host(self) -> bool:
        """Whether what the host's firewall lets through is all that parts it from others like it."""
        return self.host_address or (self.model in ("nat", "routed") and not self.outside)

    @property
    def meets_host(self) -> bool:
        return self.model != "isolated" or self.host_address

    @property
    def met_by_host(self) -> bool:
        return self.served_by_host or self.open

    @property
    def leaves(self) -> bool:
        return self.model != "isolated"

    @property
    def open(self) -> bool:
        """Whether the LAN reaches its guests."""
        return self.model in ("routed", "bridged")

    def reaches(self, other: Network) -> bool:
        """Through the LAN only, and as the LAN's members do."""
        return self.leaves and other.open and not (self.served_by_host and other.served_by_host)

    @property
    def described(self) -> str:
        more = ", own router" if self.outside else ", with host" if self.host_address else ""
        return self.model + more

    @property
    def entrance(self) -> dict[int, str]:
        """Where the LAN finds whoever stands between it and the guests."""
        return self.outside or self.host

    @property
    def seen_as(self) -> dict[int, str]:
        """As whom the LAN sees its guests; empty: as themselves."""
        return self.entrance if self.model == "nat" else {}


def read(path: Path, number: int = 10) -> list[Network]:
    """:param number: that of the hypervisor on the LAN"""
    variables = yaml.safe_load(path.read_text())
    host = {4: f"192.0.2.{number}", 6: f"2001:db8:1::{number}"}
    return [_network(entry, variables["virtnet_guests"], host) for entry in variables.get("virtnet_networks", ())]


def _network(entry: dict[str, Any], guests: list[dict[str, Any]], host: dict[int, str]) -> Network:
    subnets = {version: entry[key] for version, key in ((4, "subnet"), (6, "subnet6")) if key in entry}
    outside = [ipaddress.ip_interface(text).ip for text in entry.get("external_addresses", ())]
    nics = {guest["name"]: guest["nics"][0] for guest in guests if guest["nics"][0].get("network") == entry["name"]}
    forwards = [
        (version, forward["port"], forward["guest"])
        for forward in entry.get("forwards", ())
        for version, key in ((4, "address"), (6, "address6"))
        if key in nics[forward["guest"]]
    ]
    return Network(
        name=entry["name"],
        model=entry["model"],
        guests=tuple(nics),
        host=host,
        subnets=subnets,
        gateways={version: str(ipaddress.ip_network(subnet)[1]) for version, subnet in subnets.items()},
        outside={address.version: str(address) for address in outside},
        host_address=bool(entry.get("host_address")),
        forwards=tuple(forwards),
    )
