# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The networks of one host, and whether they can be side by side. Pure."""

from __future__ import annotations

from bisect import bisect
from collections.abc import Iterable
from typing import Any

from .base import SpecError
from .network import Network, parse_network


def parse_networks(entries: list[dict[str, Any]], guests: list[dict[str, Any]], host: str, fleet: str) -> list[Network]:
    networks = []
    for number, entry in enumerate(entries, 1):
        name = entry.get("name")
        if not isinstance(name, str):
            raise SpecError(f"virtnet_networks: entry {number} has no 'name'")
        try:
            networks.append(parse_network(entry, guests, host, fleet))
        except SpecError as exc:
            raise SpecError(f"virtnet_networks, '{name}': {exc}") from exc
    _check_apart(networks)
    return networks


def _check_apart(networks: list[Network]) -> None:
    """No two share a name, a bridge, a namespace or an uplink, nor, where they meet, a port or an address."""
    _check_single("name", ((n.name, n.name) for n in networks))
    _check_single("bridge", ((n.bridge, n.name) for n in networks))
    _check_single("netns", ((n.netns, n.name) for n in networks if n.netns))
    _check_single("uplink", ((n.uplink, n.name) for n in networks if n.model == "bridged"))
    _check_single("forwards: port", ((f.name, n.name) for n in networks if not n.netns for f in n.forwards))
    _check_single("one_to_one:", ((o.external, n.name) for n in networks for o in n.one_to_one))
    _check_single(
        "external_addresses:", ((a.partition("/")[0], n.name) for n in networks for a in n.external_addresses)
    )
    check_subnets([(subnet.network, f"'{n.name}'") for n in networks if n.meets == "" for subnet in n.subnets])
    for network in networks:
        _check_outside(network)


def _check_outside(network: Network) -> None:
    """A virtual router's inside and outside are two networks."""
    import netaddr

    outside = [(str(netaddr.IPNetwork(a).cidr), "'external_addresses'") for a in network.external_addresses]
    check_subnets([*((subnet.network, f"'{network.name}'") for subnet in network.subnets), *outside])


def _check_single(what: str, uses: Iterable[tuple[str, str]]) -> None:
    """Refuse a value that is used twice; `uses` are pairs of value and network."""
    users: dict[str, str] = {}
    for value, network in uses:
        if value in users:
            both = f"'{users[value]}' and '{network}'" if users[value] != network else f"'{network}'"
            raise SpecError(f"virtnet_networks: {what} '{value}' is used twice, by {both}; choose another")
        users[value] = network


def check_subnets(used: list[tuple[Any, str]]) -> None:
    """Refuse two that overlap; `used` are pairs of subnet and whose it is.

    Of subnets in order, one that overlaps any other overlaps the one before it: they are nested or apart.
    """
    import netaddr

    ordered = sorted((netaddr.IPNetwork(subnet), whose) for subnet, whose in used)
    for (lower, one), (upper, other) in zip(ordered, ordered[1:]):
        if upper in lower:
            raise SpecError(f"virtnet_networks: subnet {upper} of {other} overlaps {lower} of {one}; choose another")


def check_against_host(networks: list[Network], there: list[tuple[str, str]]) -> None:
    """Refuse subnets that the host already has another way to; `there` are pairs of interface and subnet."""
    import netaddr

    own = {name for n in networks for name in (n.bridge, n.uplink)}
    meeting = [(subnet.network, f"'{n.name}'") for n in networks if n.meets == "" for subnet in n.subnets]
    ordered = sorted((netaddr.IPNetwork(subnet), whose) for subnet, whose in meeting)
    for interface, subnet in there:
        if interface not in own:
            found = netaddr.IPNetwork(subnet).cidr, f"the host's interface '{interface}'"
            # As these are apart, no other than its neighbours can overlap it.
            place = bisect(ordered, found)
            check_subnets([*ordered[max(place - 1, 0) : place + 1], found])
