# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""From the networks of an inventory to the options of the module network_probe. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from .base import SpecError
from .network import Network
from .network_subnet import Subnet

#: Probes in a network.
_PROBES = 2


def probed(
    networks: list[Network], lan: list[Mapping[str, Any]], addresses: Mapping[str, list[str]]
) -> list[dict[str, Any]]:
    """A ``config`` list; `addresses` are the probes' by network, where a user chose them."""
    unknown = sorted(set(addresses) - {network.name for network in networks})
    if unknown:
        raise SpecError(f"verify_addresses: there is no network '{unknown[0]}'")
    return [_probed(network, lan, addresses.get(network.name)) for network in networks]


def _probed(network: Network, lan: list[Mapping[str, Any]], given: list[str] | None) -> dict[str, Any]:
    probe = {"name": network.name, "bridge": network.bridge, "model": network.model, "lan": list(lan)}
    if network.model == "bridged":
        return {**probe, "addresses": given or []}
    served = [subnet.gateway for subnet in network.subnets]
    # A virtual router is in the LAN like any other neighbour of the host, which promises nothing of itself then.
    own = {"host_addresses": []} if network.netns and network.routes else {}
    return {
        **probe,
        **own,
        "host_access": network.host_access,
        "gateways": served if network.routes or network.host_access else [],
        "dhcp": network.dhcp and any(subnet.version == 4 for subnet in network.subnets),
        "dns": network.dns,
        "dns_servers": served,
        "addresses": given or [a for subnet in network.subnets for a in _free(network, subnet)],
    }


def _free(network: Network, subnet: Subnet) -> Iterator[str]:
    """Addresses that no guest has, from the end of the subnet; none where the probes get a lease."""
    import netaddr

    if network.dhcp and subnet.version == 4:
        return
    whole = netaddr.IPNetwork(subnet.network)
    taken = {subnet.gateway, *(reservation.address for reservation in network.reservations)}
    first, last = (netaddr.IPAddress(end) for end in subnet.dhcp_range)
    found = 0
    # The last one is IPv4's broadcast address.
    for offset in range(2, min(whole.size, 65536)):
        ip = whole[-offset]
        if str(ip) not in taken and not (network.dhcp and first <= ip <= last):
            yield f"{ip}/{whole.prefixlen}"
            found += 1
        if found == _PROBES:
            return
