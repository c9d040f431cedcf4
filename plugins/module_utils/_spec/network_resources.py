# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What networks are made of: the ``config`` lists that the modules take. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from typing import Any

from . import address
from .mac_address import derived_mac
from .network import INSIDE, OUTSIDE, Network
from .uplink import setting

#: The keys of an inventory's network that dnsmasq has by another name.
_DNSMASQ = {"dns_servers": "upstream"}
_FORWARDING = {4: "net.ipv4.ip_forward", 6: "net.ipv6.conf.all.forwarding"}


def resources(networks: list[Network], host: str, fleet: str) -> dict[str, Any]:
    """A list for each kind of resource. ``forwarding``: whether the host is to forward, by IP version.

    ``touches_uplink``: whether what they are made of changes the way that the host itself may be reached by.
    """
    served = [n for n in networks if n.subnets]
    behind = [n for n in served if n.netns]
    forwarding = {version: any(_forwarded(n, version) for n in served) for version in _FORWARDING}
    return {
        "forwarding": {f"ipv{version}": forwards for version, forwards in forwarding.items()},
        "touches_uplink": any(n.model == "bridged" or n.external_bridge for n in networks),
        "advertisements": [_advertisements(n) for n in networks if n.model == "bridged" and forwarding[6]],
        "namespaces": [_namespace(n) for n in behind],
        "bridges": [_bridge(n, host, fleet) for n in networks],
        "veths": [veth for n in behind for veth in _veths(n, host, fleet)],
        "firewalls": [firewall for n in networks for firewall in _firewalls(n)],
        "addresses": [a for n in networks for a in _addresses(n)],
        "nat_rules": [rule for n in networks if n.model != "bridged" for rule in _nat_rules(n)],
        "dnsmasq": [_dnsmasq(n) for n in served if n.dhcp or n.dns],
        "dhcp_clients": [{"name": n.name, "interface": n.bridge} for n in networks if n.dhcp_client],
    }


def _forwarded(network: Network, version: int) -> bool:
    """Whether it is the host that forwards."""
    return network.routes and not network.netns and any(subnet.version == version for subnet in network.subnets)


def _advertisements(network: Network) -> dict[str, Any]:
    """A host that forwards passes over the router's, unless it is told not to: on the bridge in its uplink's place.

    That has the uplink's setting, and none at all is somebody's choice.
    """
    return {"name": setting(network.bridge, "accept_ra"), "value": "2", "keep": ["0"]}


def _given(resource: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in resource.items() if value is not None}


def _namespace(network: Network) -> dict[str, Any]:
    forwards = {_FORWARDING[subnet.version]: "1" for subnet in network.subnets} if network.routes else {}
    return {"name": network.netns, "sysctls": forwards}


def _bridge(network: Network, host: str, fleet: str) -> dict[str, Any]:
    bridge = {"name": network.bridge, "stp": network.stp, "mtu": network.mtu}
    if network.model == "bridged":
        flush = "flush" if network.dhcp_client else None
        return _given({**bridge, "uplink": network.uplink, "uplink_addresses": flush, "addresses": network.addresses})
    own = [] if network.netns else [subnet.address for subnet in network.subnets]
    return _given({**bridge, "mac": derived_mac(fleet, host, network.bridge, 0), "addresses": own})


def _veths(network: Network, host: str, fleet: str) -> Iterator[dict[str, Any]]:
    """The legs of the namespace: to the guests' bridge and, of a virtual router, to the outside's."""
    inside = {"addresses": [subnet.address for subnet in network.subnets]}
    yield _veth(
        network, "vi", network.bridge, {**inside, "ifname": INSIDE, "mac": derived_mac(fleet, host, network.bridge, 1)}
    )
    if network.external_bridge:
        outside = {
            "ifname": OUTSIDE,
            "mac": derived_mac(fleet, host, network.bridge, 2),
            "addresses": list(network.external_addresses),
            "routes": [{"dst": "default", "gateway": gateway} for gateway in network.external_gateways],
        }
        yield _veth(network, "vx", network.external_bridge, outside)


def _veth(network: Network, prefix: str, bridge: str, peer: dict[str, Any]) -> dict[str, Any]:
    names = {"name": _port(f"{prefix}h", network.name), "bridge": bridge}
    return {**names, "peer": {"name": _port(f"{prefix}p", network.name), "netns": network.netns, **peer}}


def _port(prefix: str, network: str) -> str:
    """An interface name that says whose it is, as far as 15 bytes can."""
    name = f"{prefix}-{network}"
    if len(name.encode()) <= address.IFNAME_MAX:
        return name
    digest = hashlib.sha256(network.encode()).hexdigest()
    return f"{prefix}-{digest[:8]}"


def _firewalls(network: Network) -> Iterator[dict[str, Any]]:
    if network.model == "bridged":
        yield {"name": network.name, "bridge": network.bridge, "model": "bridged"}
        return
    firewall = {"name": network.name, "subnets": [subnet.network for subnet in network.subnets]}
    served = {"model": network.model, "dhcp": network.dhcp, "dns": network.dns}
    served |= {"tftp": True} if "tftp_root" in dict(network.serves) else {}
    if network.netns or not network.host_access:
        yield {"name": network.name, "bridge": network.bridge, "model": "isolated"}
    else:
        yield {**firewall, **served, "bridge": network.bridge, "host_access": network.host_access}
    if network.netns:
        yield {**firewall, **served, "netns": network.netns, "bridge": INSIDE}


def _addresses(network: Network) -> Iterator[dict[str, Any]]:
    if network.one_to_one:
        own = [f"{one.external}/{128 if address.ip_version(one.external) == 6 else 32}" for one in network.one_to_one]
        yield _given({"name": network.outside, "netns": network.netns, "addresses": own})


def _nat_rules(network: Network) -> list[dict[str, Any]]:
    return [_given({"network": network.name, "netns": network.netns, **rule}) for rule in _rules(network)]


def _rules(network: Network) -> Iterator[dict[str, Any]]:
    if network.model != "nat":
        # It may have been one before.
        yield {"name": "out", "state": "absent"}
        return
    translated = {s.version: s.network for s in network.subnets if s.version == 4 or network.nat_ipv6}
    fixed = {address.ip_version(a): a for a in network.nat_addresses}
    for version, subnet in translated.items():
        way_out = {"name": "out" if version == 4 else "out6", "source": subnet, "destination": f"!{subnet}"}
        to = fixed.get(version)
        yield {**way_out, "action": "snat", "to_address": to} if to else {**way_out, "action": "masquerade"}
    for forward in network.forwards:
        subnet = translated.get(address.ip_version(forward.address))
        if subnet:
            yield {
                "name": forward.name,
                "action": "dnat",
                "protocol": forward.protocol,
                "destination_port": forward.port,
                "to_address": forward.address,
                "to_port": forward.guest_port,
                "hairpin": subnet,
            }
    for one in network.one_to_one:
        yield {"name": f"own-{one.external}", "action": "netmap", **_pair(one.address, one.external)}


def _pair(inner: str, outer: str) -> dict[str, str]:
    whole = 128 if address.ip_version(inner) == 6 else 32
    return {"source": f"{inner}/{whole}", "to_address": f"{outer}/{whole}"}


def _dnsmasq(network: Network) -> dict[str, Any]:
    serves = {_DNSMASQ.get(key, key): value for key, value in network.serves if key != "lease_time"}
    return _given(
        {
            "name": network.name,
            "netns": network.netns,
            "interface": network.interface,
            "addresses": [subnet.address for subnet in network.subnets],
            "dns": network.dns,
            "mtu": network.mtu,
            "reservations": [vars(r) for r in network.reservations],
            "ranges": list(_ranges(network)) if network.dhcp else [],
            **_defaults(network),
            **serves,
        }
    )


def _defaults(network: Network) -> dict[str, Any]:
    """Guests of an isolated network have no way out; a virtual router's way to other names is its own gateway."""
    if not network.routes:
        return {"router": "none", "upstream": []}
    return {"upstream": list(network.external_gateways)} if network.external_gateways else {}


def _ranges(network: Network) -> Iterable[dict[str, Any]]:
    lease_time = dict(network.serves).get("lease_time")
    for subnet in network.subnets:
        first, last = subnet.dhcp_range
        if subnet.mode in ("ra-only", "ra-stateless"):
            yield {"start": subnet.network.partition("/")[0], "mode": subnet.mode}
        else:
            yield _given({"start": first, "end": last, "mode": subnet.mode, "lease_time": lease_time})
