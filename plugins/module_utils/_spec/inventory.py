# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""All hosts of an inventory together: what is wrong with their networks and guests. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from . import address
from .base import SpecError
from .guest_list import host_devices, on_bridges, with_macs
from .libvirt_list import libvirt_networks
from .mac_address import check_macs
from .network_list import parse_networks


def problems(hosts: Mapping[str, Mapping[str, Any]], fleet: str) -> list[str]:
    """A sentence for each; `hosts` has ``networks``, ``libvirt_networks`` and ``guests`` of each host, by its name."""
    found = [problem for host, entry in hosts.items() for problem in _of_host(host, entry, fleet)]
    return found or list(_sentence("", _check_macs, hosts, fleet))


def _of_host(host: str, entry: Mapping[str, Any], fleet: str) -> Iterator[str]:
    networks, guests = entry.get("networks") or [], entry.get("guests") or []
    libvirts = entry.get("libvirt_networks") or []
    bad = list(_sentence(f"host '{host}': ", with_macs, guests, fleet, host))
    # What follows takes guests for granted that are well formed.
    yield from bad or _sentence(f"host '{host}': ", parse_networks, networks, guests, host, fleet)
    yield from () if bad else _sentence(f"host '{host}': ", _check_devices, networks, guests)
    if not bad and all(isinstance(network.get("name"), str) for network in networks):
        yield from _sentence(f"host '{host}': ", _with_libvirts, networks, libvirts, guests, fleet, host)


def _with_libvirts(
    networks: list[dict[str, Any]], libvirts: list[dict[str, Any]], guests: list[dict[str, Any]], fleet: str, host: str
) -> None:
    """The two kinds side by side, and every NIC on one of them."""
    made = libvirt_networks(libvirts, guests, fleet, host)
    bridges = {network.get("bridge") or f"br-{network['name']}" for network in networks}
    for network in made:
        if network["name"] in [other["name"] for other in networks]:
            raise SpecError(f"virtnet_libvirt_networks: '{network['name']}' is in virtnet_networks too; rename one")
        if network["bridge"] in bridges and network.get("mode") != "bridge":
            raise SpecError(
                f"virtnet_libvirt_networks, '{network['name']}': bridge '{network['bridge']}' is that of a network in "
                "virtnet_networks; choose another, or the mode 'bridge'"
            )
    on_bridges(guests, [*networks, *made])


def _check_devices(networks: list[Any], guests: list[dict[str, Any]]) -> None:
    """One guest each, and none that a network needs."""
    given = {device["name"] for device in host_devices(guests, [])}
    for network in networks:
        if isinstance(network, dict) and network.get("uplink") in given:
            raise SpecError(
                f"host_devices: '{network['uplink']}' is the uplink of network '{network.get('name')}'; "
                "a guest cannot have it too"
            )


def _sentence(prefix: str, check: Callable[..., Any], *args: Any) -> Iterator[str]:
    try:
        check(*args)
    except SpecError as exc:
        yield f"{prefix}{exc}"


def _check_macs(hosts: Mapping[str, Mapping[str, Any]], fleet: str) -> None:
    """The hosts may share a LAN, and then one MAC address twice takes both guests off it."""
    check_macs(
        (f"guest '{guest['name']}' of host '{host}', nics[{index}]", address.mac("mac", nic["mac"]))
        for host, entry in hosts.items()
        for guest in with_macs(entry.get("guests") or [], fleet, host)
        for index, nic in enumerate(guest.get("nics") or ())
        if nic.get("mac")
    )
