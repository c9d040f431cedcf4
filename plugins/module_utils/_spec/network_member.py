# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The NICs that guests have on a network, and the addresses that are reserved for them. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from . import address
from .base import SpecError
from .mac_address import derived_mac
from .network_subnet import Subnet


@dataclass(frozen=True)
class Member:
    """A guest's NIC on a network, with the addresses that the inventory gives it, by IP version."""

    guest: str
    mac: str
    addresses: tuple[tuple[int, str], ...]

    def address(self, version: int) -> str | None:
        return dict(self.addresses).get(version)


@dataclass(frozen=True)
class Reservation:
    """A static DHCP lease."""

    mac: str
    address: str
    hostname: str


def members_of(network: str, guests: list[dict[str, Any]], host: str, fleet: str) -> list[Member]:
    found = []
    for guest in guests:
        for index, nic in enumerate(guest.get("nics") or ()):
            if nic.get("network") == network:
                mac = nic.get("mac") or derived_mac(fleet, host, guest["name"], nic.get("id") or index)
                given = ((version, nic.get(key)) for version, key in ((4, "address"), (6, "address6")))
                found.append(Member(guest["name"], address.mac("mac", mac), tuple(pair for pair in given if pair[1])))
    return found


def reservations(members: list[Member], subnets: tuple[Subnet, ...]) -> tuple[Reservation, ...]:
    taken = {subnet.gateway: "the host" for subnet in subnets}
    reserved = []
    for member in members:
        for version, given in member.addresses:
            ip = _inside(member, version, given, subnets)
            if ip in taken:
                raise SpecError(f"address: {ip} is given to guest '{member.guest}' and to {taken[ip]}; choose another")
            taken[ip] = f"guest '{member.guest}'"
            reserved.append(Reservation(member.mac, ip, member.guest))
    return tuple(reserved)


def _inside(member: Member, version: int, given: str, subnets: tuple[Subnet, ...]) -> str:
    option = f"address of guest '{member.guest}'"
    for subnet in subnets:
        if subnet.version == version:
            return subnet.host_address(option, given)
    raise SpecError(f"{option}: '{given}' is in no subnet of this network; give the network one, or take it away")
