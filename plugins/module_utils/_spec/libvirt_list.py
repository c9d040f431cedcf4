# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Networks of libvirt as an inventory gives them (``virtnet_libvirt_networks``), for the module. Pure."""

from __future__ import annotations

from typing import Any

from .base import SpecError
from .guest_list import with_macs
from .libvirt_network import network_name

#: The network that comes with libvirt, and its bridge. Whoever lists it has made up their mind about it.
DEFAULT = "default"
_BRIDGE_OF_DEFAULT = "virbr0"
#: The inventory is the whole truth: what it no longer says of these is none.
_EMPTY = ("routes", "forwarders", "records")


def libvirt_networks(
    networks: list[dict[str, Any]], guests: list[dict[str, Any]], fleet: str, host: str
) -> list[dict[str, Any]]:
    """The entries as options of the module libvirt_network; NICs with an address have a reservation."""
    reserved = _reservations(with_macs(guests, fleet, host))
    made = []
    for number, entry in enumerate(networks, 1):
        if not isinstance(entry, dict) or not isinstance(entry.get("name"), str):
            raise SpecError(f"virtnet_libvirt_networks: entry {number} has no 'name'")
        made.append(_made(entry, reserved.get(entry["name"], [])))
    _check_single(made, "name")
    _check_single([entry for entry in made if entry.get("mode") != "bridge"], "bridge")
    return made


def bridge(entry: dict[str, Any]) -> str:
    name = entry["name"]
    return entry.get("bridge") or (_BRIDGE_OF_DEFAULT if name == DEFAULT else f"br-{name}")


def _made(entry: dict[str, Any], reserved: list[dict[str, Any]]) -> dict[str, Any]:
    name = network_name("virtnet_libvirt_networks: name", entry["name"])
    common = {"adopt": name == DEFAULT, "autostart": True, **entry, "bridge": bridge(entry)}
    if entry.get("mode") == "bridge":
        if reserved:
            raise SpecError(
                f"virtnet_libvirt_networks, '{name}': guests have an 'address' there, and with the mode 'bridge' "
                "libvirt has no DHCP; take the addresses out"
            )
        return common
    own = {option: entry.get(option) or [] for option in _EMPTY}
    return {**common, **own, "reservations": [*(entry.get("reservations") or []), *reserved]}


def _reservations(guests: list[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    """By the network's name."""
    found: dict[str, list[dict[str, Any]]] = {}
    for guest in guests:
        for nic in guest.get("nics") or ():
            if nic.get("network") and nic.get("address") and guest.get("state") != "absent":
                one = {"mac": nic["mac"], "address": nic["address"], "hostname": guest["name"]}
                found.setdefault(nic["network"], []).append(one)
    return found


def _check_single(entries: list[dict[str, Any]], key: str) -> None:
    values = [entry[key] for entry in entries]
    for value in values:
        if values.count(value) > 1:
            raise SpecError(f"virtnet_libvirt_networks: {key} '{value}' is used twice; choose another")
