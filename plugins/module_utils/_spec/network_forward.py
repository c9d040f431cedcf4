# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What leads into a NAT network: inbound ports, and addresses of the outside that are a guest's own. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from . import address
from .base import SpecError
from .network_member import Member
from .network_subnet import Subnet

_FORWARD_KEYS = {"port", "guest", "address", "guest_port", "protocol"}
_ONE_TO_ONE_KEYS = {"external_address", "guest", "address"}


@dataclass(frozen=True)
class Forward:
    """An inbound port: ``port`` of the host leads to ``guest_port`` of ``address``; both are ``N`` or ``N-M``."""

    port: str
    guest_port: str
    protocol: str
    address: str

    @property
    def name(self) -> str:
        return f"{self.protocol}{'6' if address.ip_version(self.address) == 6 else ''}-{self.port}"


@dataclass(frozen=True)
class OneToOne:
    """``external`` and ``address`` stand for each other, in both directions."""

    external: str
    address: str


def forwards(entries: Iterable[dict[str, Any]], members: list[Member], subnets: tuple[Subnet, ...]) -> tuple[Any, ...]:
    return tuple(forward for entry in entries for forward in _forwards(entry, members, subnets))


def _forwards(entry: dict[str, Any], members: list[Member], subnets: tuple[Subnet, ...]) -> Iterator[Forward]:
    _check_keys("forwards", entry, _FORWARD_KEYS)
    if "port" not in entry:
        raise SpecError("forwards: an entry has no 'port'")
    port = str(entry["port"])
    for target in _targets("forwards", f"port {port}", entry, members, subnets):
        yield Forward(port, str(entry.get("guest_port") or port), entry.get("protocol", "tcp"), target)


def one_to_one(
    entries: Iterable[dict[str, Any]], members: list[Member], subnets: tuple[Subnet, ...]
) -> tuple[OneToOne, ...]:
    return tuple(_one_to_one(entry, members, subnets) for entry in entries)


def _one_to_one(entry: dict[str, Any], members: list[Member], subnets: tuple[Subnet, ...]) -> OneToOne:
    _check_keys("one_to_one", entry, _ONE_TO_ONE_KEYS)
    if not entry.get("external_address"):
        raise SpecError("one_to_one: an entry has no 'external_address'")
    external = address.address("one_to_one", entry["external_address"])
    version = address.ip_version(external)
    for target in _targets("one_to_one", external, entry, members, subnets):
        if address.ip_version(target) == version:
            return OneToOne(external, target)
    raise SpecError(f"one_to_one: {external} leads to nothing that has an IPv{version} address; give one")


def _check_keys(option: str, entry: dict[str, Any], keys: set[str]) -> None:
    if unknown := sorted(set(entry) - keys):
        raise SpecError(f"{option}: '{unknown[0]}' is not a key; the keys are {', '.join(sorted(keys))}")


def _targets(
    option: str, what: str, entry: dict[str, Any], members: list[Member], subnets: tuple[Subnet, ...]
) -> list[str]:
    """The addresses, of each IP version, that an entry leads to."""
    if entry.get("address"):
        return [_inside(option, entry["address"], subnets)]
    guest = entry.get("guest")
    found = [member for member in members if member.guest == guest]
    if not found:
        raise SpecError(f"{option}: {what} leads to guest '{guest}', which has no NIC on this network")
    if not found[0].addresses:
        raise SpecError(f"{option}: {what} leads to guest '{guest}'; give its NIC on this network an 'address'")
    return [_inside(option, given, subnets) for _version, given in found[0].addresses]


def _inside(option: str, value: str, subnets: tuple[Subnet, ...]) -> str:
    version = address.ip_version(address.address(option, value))
    for subnet in subnets:
        if subnet.version == version:
            return subnet.host_address(option, value)
    raise SpecError(f"{option}: '{value}' is in no subnet of this network")
