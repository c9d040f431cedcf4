# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Guests as an inventory gives them (``virtnet_guests``), made into what the module qemu_guest takes. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from . import address, pci
from .base import SpecError
from .guest_nic import tap_name
from .mac_address import check_macs, derived_mac

#: What a NIC in an inventory has besides the options of the module: the network role makes a reservation of the
#: addresses, and what is sent from behind its tap is held to them.
_ADDRESSES = ("address", "address6")
_OF_NETWORKS = ("network", *_ADDRESSES, "anti_spoofing")


def with_macs(guests: list[dict[str, Any]], fleet: str, host: str) -> list[dict[str, Any]]:
    """Every NIC with its MAC address, derived where none is given; one that two NICs have is refused."""
    done = [_with_nics(guest, lambda i, nic, g=guest: _with_mac(nic, fleet, host, g["name"], i)) for guest in guests]
    check_macs(
        (f"guest '{guest['name']}', nics[{index}]", address.mac("mac", nic["mac"]))
        for guest in done
        for index, nic in enumerate(guest.get("nics") or ())
        if nic.get("mac")
    )
    return done


def on_bridges(guests: list[dict[str, Any]], networks: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Every NIC with the bridge of its network in place of the network's name."""
    bridges = {network["name"]: network.get("bridge") or f"br-{network['name']}" for network in networks}
    return [
        _with_nics(guest, lambda i, nic, g=guest: _on_bridge(nic, bridges, f"guest '{g['name']}': nics[{i}]"))
        for guest in guests
    ]


def host_devices(guests: list[dict[str, Any]], listed: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What the module vfio_bind is to bind: what is listed, and what guests have. One that two have is refused."""
    owners: dict[str, str] = {}
    for guest in guests:
        for where, device in _devices_of(guest):
            name = pci.selector(where, device)
            if name in owners:
                raise SpecError(f"{where}: '{device}' is also the device of {owners[name]}; give it to one of them")
            owners[name] = f"guest '{guest['name']}'"
    named = {pci.selector("passthrough_devices", entry["name"]): entry for entry in listed}
    return [*named.values(), *({"name": name} for name in owners if name not in named)]


def _devices_of(guest: dict[str, Any]) -> Iterator[tuple[str, str]]:
    if guest.get("state") == "absent":
        return
    entries = guest.get("host_devices") or []
    if not isinstance(entries, list) or not all(isinstance(_device(entry), str) for entry in entries):
        raise SpecError(
            f"guest '{guest['name']}': host_devices: {entries!r} is not a list of dictionaries such as "
            "[{device: '0000:04:00.0'}]"
        )
    for index, entry in enumerate(entries):
        yield f"guest '{guest['name']}': host_devices[{index}].device", entry["device"]


def _device(entry: Any) -> Any:
    return entry.get("device") if isinstance(entry, dict) else None


def nic_guards(guests: list[dict[str, Any]], default: bool) -> list[dict[str, Any]]:
    """What the module nic_guard is to see to: each NIC on a tap that its guest makes. `default`: for those that are
    silent about it. The guests have been through `with_macs` and `on_bridges` knows the rest of their NICs' keys.
    """
    return [
        _guard(f"guest '{guest['name']}': nics[{index}]", guest, index, nic, default)
        for guest in guests
        for index, nic in enumerate(guest.get("nics") or ())
        if nic.get("type", "tap") == "tap" and (nic.get("network") or nic.get("bridge"))
    ]


def _guard(where: str, guest: dict[str, Any], index: int, nic: dict[str, Any], default: bool) -> dict[str, Any]:
    wanted = nic.get("anti_spoofing", default)
    if not isinstance(wanted, bool):
        raise SpecError(f"{where}.anti_spoofing: {wanted!r} is neither true nor false")
    return {
        "name": nic.get("ifname") or tap_name(guest["name"], nic.get("id") or index),
        "guest": guest["name"],
        "mac": nic["mac"],
        "addresses": [address.address(f"{where}.{key}", nic[key]) for key in _ADDRESSES if nic.get(key)],
        "state": "present" if wanted and guest.get("state") != "absent" else "absent",
    }


def _with_nics(guest: Any, change: Any) -> dict[str, Any]:
    if not isinstance(guest, dict) or not isinstance(guest.get("name"), str):
        raise SpecError(f"virtnet_guests: {guest!r} has no 'name'; each guest is a dictionary with at least a name")
    if "nics" not in guest:
        return guest
    nics = guest["nics"] or []
    if not isinstance(nics, list) or not all(isinstance(nic, dict) for nic in nics):
        raise SpecError(
            f"guest '{guest['name']}': nics: {nics!r} is not a list of dictionaries such as [{{network: lab}}]"
        )
    return {**guest, "nics": [change(index, nic) for index, nic in enumerate(nics)]}


def _with_mac(nic: dict[str, Any], fleet: str, host: str, guest: str, index: int) -> dict[str, Any]:
    if nic.get("mac") or nic.get("type") == "none":
        return nic
    return {**nic, "mac": derived_mac(fleet, host, guest, nic.get("id") or index)}


def _on_bridge(nic: dict[str, Any], bridges: dict[str, str], where: str) -> dict[str, Any]:
    own = {key: value for key, value in nic.items() if key not in _OF_NETWORKS}
    network = nic.get("network")
    if network is None:
        return own
    if nic.get("bridge"):
        raise SpecError(f"{where}: it has a 'network' and a 'bridge'; leave one of them out")
    if network not in bridges:
        known = ", ".join(sorted(bridges)) or "none"
        raise SpecError(f"{where}.network: there is no network '{network}' on this host; there are: {known}")
    return {**own, "bridge": bridges[network]}
