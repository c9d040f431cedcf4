# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The filter around a network, as a user gives it, and the packet rules it comes to. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from . import address, packet_option
from .base import Resource, SpecError
from .packet_rule import PacketRule

ARGUMENT_SPEC = {
    "name": {"type": "str"},
    "netns": {"type": "str"},
    "bridge": {"type": "str"},
    "model": {"type": "str", "choices": ["nat", "routed", "isolated", "bridged"]},
    "subnets": {"type": "list", "elements": "str", "default": []},
    "dhcp": {"type": "bool", "default": False},
    "dns": {"type": "bool", "default": False},
    "tftp": {"type": "bool", "default": False},
    "host_access": {"type": "bool"},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
}
RUN_OPTIONS = {
    "backend": {"type": "str", "choices": ["auto", "nftables", "iptables"], "default": "auto"},
    "foreign_drop": {"type": "str", "choices": ["refuse", "warn", "ignore"], "default": "refuse"},
}

#: Where packets of a network are looked at: to the host, from the host, sent on from its guests, sent on to them.
PLACES = ("in", "out", "from", "to")
#: Chains that all networks share: one rejects everything, one what comes from a network of ours.
REFUSE, CROSS = "goto refuse", "jump cross"

_ANSWERS = "established,related"
#: Host and guest must find each other's MAC addresses, and guests the router: RFC 4861.
_NEIGHBOURS = ("nd-neighbor-solicit", "nd-neighbor-advert")


@dataclass(frozen=True)
class NetworkFirewall(Resource):
    """``host_access``: guests may reach the host, and it them."""

    kind = "network_firewall"

    name: str
    netns: str | None = None
    bridge: str | None = None
    model: str | None = None
    subnets: tuple[str, ...] = ()
    dhcp: bool = False
    dns: bool = False
    tftp: bool = False
    host_access: bool = False
    state: str = "present"
    backend: str = "auto"
    foreign_drop: str = "refuse"

    @property
    def key(self) -> tuple[str | None, str]:
        return self.netns, self.name


def parse(params: dict[str, Any]) -> NetworkFirewall:
    known = NetworkFirewall(
        name=packet_option.network_name("name", params["name"]),
        netns=address.netns_name("netns", params["netns"]),
        state=params["state"],
        backend=params["backend"],
        foreign_drop=params["foreign_drop"],
    )
    # For a removal the name is enough, and what else is given need not fit any more.
    return known if known.state == "absent" else _complete(known, params)


def _complete(known: NetworkFirewall, params: dict[str, Any]) -> NetworkFirewall:
    for option in ("bridge", "model"):
        if not params[option]:
            raise SpecError(f"{option}: it is missing")
    if params["model"] in ("nat", "routed") and not params["subnets"]:
        raise SpecError(f"subnets: 'model: {params['model']}' needs them, else no guest could send anything")
    bridge = packet_option.interface("bridge", params["bridge"])
    if bridge.startswith("!"):
        raise SpecError(f"bridge: '{bridge}' cannot be negated")
    if params["model"] == "bridged":
        return replace(known, bridge=bridge, model="bridged")
    host_access = params["host_access"]
    return replace(
        known,
        bridge=bridge,
        model=params["model"],
        subnets=tuple(sorted({address.network("subnets", s) for s in params["subnets"]})),
        dhcp=params["dhcp"],
        dns=params["dns"],
        tftp=params["tftp"],
        host_access=params["model"] != "isolated" if host_access is None else host_access,
    )


def rules(network: NetworkFirewall) -> Iterator[tuple[str, PacketRule]]:
    """Place and rule, in order."""
    if network.model == "bridged":
        yield "from", PacketRule("accept", out_interface=network.bridge)
        yield "to", PacketRule("accept", in_interface=network.bridge)
        return
    yield from (("in", rule) for rule in _to_host(network))
    yield from (("out", rule) for rule in _from_host(network))
    yield from (("from", rule) for rule in _from_guests(network))
    yield from (("to", rule) for rule in _to_guests(network))


def _to_host(network: NetworkFirewall) -> Iterator[PacketRule]:
    if network.host_access:
        # A host that does not forward IPv6 would take any guest for its router.
        yield PacketRule("drop", 6, protocol="ipv6-icmp", icmp_type="nd-router-advert")
        yield PacketRule("accept")
        return
    if network.dhcp:
        yield PacketRule("accept", 4, protocol="udp", destination_port="67")
        yield PacketRule("accept", 6, protocol="udp", destination_port="547")
    if network.dns:
        yield from (PacketRule("accept", protocol=protocol, destination_port="53") for protocol in ("udp", "tcp"))
    if network.tftp:
        yield PacketRule("accept", protocol="udp", destination_port="69")
    yield from _icmpv6("nd-router-solicit", *_NEIGHBOURS)
    yield PacketRule(REFUSE)


def _from_host(network: NetworkFirewall) -> Iterator[PacketRule]:
    if network.host_access:
        yield PacketRule("accept")
        return
    yield PacketRule("accept", state=_ANSWERS)
    if network.dhcp:
        # Answers to a broadcast belong to no connection.
        yield PacketRule("accept", 4, protocol="udp", source_port="67")
        yield PacketRule("accept", 6, protocol="udp", source_port="547")
    # What `REFUSE` tells a guest belongs to no connection either.
    yield PacketRule("accept", 4, protocol="icmp", icmp_type="destination-unreachable")
    yield from _icmpv6("destination-unreachable", "nd-router-advert", *_NEIGHBOURS)
    yield PacketRule(REFUSE)


def _icmpv6(*types: str) -> Iterator[PacketRule]:
    return (PacketRule("accept", 6, protocol="ipv6-icmp", icmp_type=one) for one in types)


def _from_guests(network: NetworkFirewall) -> Iterator[PacketRule]:
    yield PacketRule("accept", out_interface=network.bridge)
    if network.model == "nat":
        # Translation passes over what belongs to no connection; it would leave with the guest's own address.
        yield PacketRule("drop", state="invalid")
    if network.model != "isolated":
        yield PacketRule("accept", state=_ANSWERS)
        yield from (_about(subnet, PacketRule("return", source=subnet)) for subnet in network.subnets)
    yield PacketRule(REFUSE)


def _to_guests(network: NetworkFirewall) -> Iterator[PacketRule]:
    yield PacketRule("accept", in_interface=network.bridge)
    if network.model != "isolated":
        yield PacketRule("accept", state=_ANSWERS)
        yield PacketRule("accept", dnatted=True)
    if network.model == "routed":
        yield PacketRule(CROSS)
        yield from (_about(subnet, PacketRule("accept", destination=subnet)) for subnet in network.subnets)
    yield PacketRule(REFUSE)


def _about(subnet: str, rule: PacketRule) -> PacketRule:
    return replace(rule, version=packet_option.version_of(subnet))


#: What the chain that rejects does: at once, so that no one waits for a time-out.
REFUSAL = (
    PacketRule("reject with tcp-reset", protocol="tcp"),
    PacketRule("reject with admin-prohibited"),
)
