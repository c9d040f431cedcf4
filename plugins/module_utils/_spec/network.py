# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A network as the inventory gives it (``virtnet_networks``), parsed and complete. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from . import address, network_forward
from .base import SpecError
from .network_forward import Forward, OneToOne
from .network_member import Member, Reservation, members_of, reservations
from .network_subnet import Subnet, parse_subnets

#: What the entry of every network may have, what those with a subnet, and what those of each model.
_COMMON = ("name", "model", "bridge", "mtu", "stp")
_SUBNET = (
    *("subnet", "address", "dhcp_range", "subnet6", "address6", "dhcp6_range", "dhcp6_mode", "netns"),
    *("dhcp", "dns", "domain", "dns_servers", "lease_time", "records", "routes", "dhcp_options"),
    *("boot_file", "tftp_root"),
)
_ROUTER = ("gateway", "external_bridge", "external_addresses", "external_gateways")
_KEYS = {
    "isolated": (*_COMMON, *_SUBNET, "host_address"),
    "routed": (*_COMMON, *_SUBNET, *_ROUTER),
    "nat": (
        *_COMMON,
        *_SUBNET,
        *_ROUTER,
        "nat_address",
        "nat_address6",
        "nat_ipv6",
        "forwards",
        "one_to_one",
        "uplink",
    ),
    "bridged": (*_COMMON, "uplink", "addresses", "dhcp_client"),
}
MODELS = tuple(_KEYS)
#: The interfaces inside a network's namespace: to the guests, and of a virtual router to the outside.
INSIDE, OUTSIDE = "eth0", "eth1"


@dataclass(frozen=True)
class Network:
    """One network of a host, complete: every default is filled in.

    ``netns`` is the namespace that serves the network in the host's place (``None``: the host does so); ``serves`` the
    options of dnsmasq that are passed on as they are; ``external_addresses`` have a prefix length; ``uplink`` is the
    interface that a bridged network takes as a port, and that one-to-one addresses are put on; ``mtu`` in bytes.
    """

    name: str
    model: str
    bridge: str
    mtu: int | None = None
    stp: bool | None = None
    subnets: tuple[Subnet, ...] = ()
    netns: str | None = None
    host_access: bool = True
    dhcp: bool = False
    dns: bool = False
    serves: tuple[tuple[str, Any], ...] = ()
    external_bridge: str | None = None
    external_addresses: tuple[str, ...] = ()
    external_gateways: tuple[str, ...] = ()
    nat_addresses: tuple[str, ...] = ()
    nat_ipv6: bool = True
    forwards: tuple[Forward, ...] = ()
    one_to_one: tuple[OneToOne, ...] = ()
    reservations: tuple[Reservation, ...] = ()
    uplink: str | None = None
    addresses: tuple[str, ...] = ()
    dhcp_client: bool = False

    @property
    def interface(self) -> str:
        """What the guests are behind, where the network is served."""
        return INSIDE if self.netns else self.bridge

    @property
    def routes(self) -> bool:
        return self.model in ("routed", "nat")

    @property
    def outside(self) -> str | None:
        """The interface that one-to-one addresses are put on."""
        return OUTSIDE if self.netns else self.uplink

    @property
    def meets(self) -> str | None:
        """Where its subnets must be apart from those of others: a namespace, "" for the host, None for nowhere."""
        return self.netns or ("" if self.host_access and self.subnets else None)


def parse_network(entry: dict[str, Any], guests: list[dict[str, Any]], host: str, fleet: str) -> Network:
    """`guests` tells reservations and where forwards lead; `host` and `fleet` their MAC addresses."""
    name = address.netns_name("name", entry["name"])
    model = entry.get("model")
    if model not in _KEYS:
        raise SpecError(f"model: {model!r} is not a model; the models are {', '.join(_KEYS)}")
    if unknown := sorted(set(entry) - set(_KEYS[model])):
        raise SpecError(
            f"'{unknown[0]}' is not a key of a network with the model {model}; "
            f"the keys are {', '.join(sorted(_KEYS[model]))}"
        )
    common = {
        "name": name,
        "model": model,
        "bridge": bridge_of(entry),
        "mtu": address.mtu("mtu", entry.get("mtu")),
        "stp": entry.get("stp"),
    }
    if model == "bridged":
        return _bridged(entry, common)
    return _served(entry, common, members_of(name, guests, host, fleet))


def bridge_of(entry: dict[str, Any]) -> str:
    bridge = entry.get("bridge") or f"br-{entry['name']}"
    if not entry.get("bridge") and len(bridge.encode()) > address.IFNAME_MAX:
        raise SpecError(f"name: '{bridge}' would be too long for a bridge (15 bytes); give 'bridge' too")
    return address.ifname("bridge", bridge)


def _bridged(entry: dict[str, Any], common: dict[str, Any]) -> Network:
    if not entry.get("uplink"):
        raise SpecError("uplink: it is missing; name the interface that leads to the LAN")
    return Network(
        **common,
        uplink=address.ifname("uplink", entry["uplink"]),
        addresses=tuple(address.interface_address("addresses", a) for a in entry.get("addresses") or ()),
        dhcp_client=bool(entry.get("dhcp_client")),
    )


def _served(entry: dict[str, Any], common: dict[str, Any], members: list[Member]) -> Network:
    subnets = parse_subnets(entry, required=common["model"] != "isolated")
    router = _router(entry, common)
    serves = ("domain", "dns_servers", "lease_time", "records", "routes", "dhcp_options", "boot_file", "tftp_root")
    return Network(
        **common,
        **router,
        subnets=subnets,
        dhcp=bool(subnets) and bool(entry.get("dhcp", True)),
        dns=bool(subnets) and bool(entry.get("dns", True)),
        serves=tuple((key, entry[key]) for key in serves if entry.get(key) is not None),
        nat_addresses=_nat_addresses(entry),
        nat_ipv6=bool(entry.get("nat_ipv6", True)),
        forwards=network_forward.forwards(entry.get("forwards") or (), members, subnets),
        one_to_one=network_forward.one_to_one(entry.get("one_to_one") or (), members, subnets),
        reservations=reservations(members, subnets),
        uplink=_uplink(entry, router["netns"]),
    )


def _uplink(entry: dict[str, Any], netns: str | None) -> str | None:
    uplink = entry.get("uplink")
    if entry.get("one_to_one") and not netns and not uplink:
        raise SpecError("uplink: it is missing; name the interface that the addresses of 'one_to_one' are put on")
    return address.ifname("uplink", uplink) if uplink else None


def _nat_addresses(entry: dict[str, Any]) -> tuple[str, ...]:
    keys = ("nat_address", "nat_address6")
    return tuple(address.address(key, entry[key]) for key in keys if entry.get(key))


def _router(entry: dict[str, Any], common: dict[str, Any]) -> dict[str, Any]:
    """Who serves the network, and the outside of the one who does so in the host's place."""
    isolated = common["model"] == "isolated"
    gateway = entry.get("gateway", "host")
    if gateway not in ("host", "namespace"):
        raise SpecError(f"gateway: {gateway!r} is neither 'host' nor 'namespace'")
    if isolated and entry.get("host_address"):
        return {"netns": None, "host_access": True}
    if not isolated and gateway == "host":
        _refuse(entry, ("netns", *_ROUTER[1:]), "'gateway: namespace'")
        return {"netns": None, "host_access": True}
    serves = bool(entry.get("subnet") or entry.get("subnet6"))
    netns = address.netns_name("netns", entry.get("netns") or f"vn-{common['name']}") if serves else None
    outside = {} if isolated else _outside(entry)
    return {"netns": netns, "host_access": False, **outside}


def _refuse(entry: dict[str, Any], keys: tuple[str, ...], needed: str) -> None:
    for key in keys:
        if entry.get(key):
            raise SpecError(f"{key}: it is of use with {needed} only; give that too, or take '{key}' away")


def _outside(entry: dict[str, Any]) -> dict[str, Any]:
    for key in ("external_bridge", "external_addresses"):
        if not entry.get(key):
            raise SpecError(f"{key}: it is missing; with 'gateway: namespace' the virtual router is plugged in there")
    gateways = entry.get("external_gateways") or ()
    return {
        "external_bridge": address.ifname("external_bridge", entry["external_bridge"]),
        "external_addresses": tuple(
            address.interface_address("external_addresses", a) for a in entry["external_addresses"]
        ),
        "external_gateways": tuple(address.address("external_gateways", a) for a in gateways),
    }
