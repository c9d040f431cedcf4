# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The networks to be probed, as a user gives them. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from . import address
from .base import SpecError

#: The addresses of both probes.
Pair = tuple[tuple[str, ...], tuple[str, ...]]
MODELS = ("isolated", "routed", "nat", "bridged")
#: RFC 2544 and RFC 5180: networks for tests of network equipment.
_FOR_TESTS = {4: "198.18.0.0/15", 6: "2001:2::/48"}
_TARGET = {
    "address": {"type": "str", "required": True},
    "port": {"type": "int"},
    "name": {"type": "str"},
}
NETWORK = {
    "name": {"type": "str", "required": True},
    "bridge": {"type": "str", "required": True},
    "model": {"type": "str", "required": True, "choices": list(MODELS)},
    "host_access": {"type": "bool"},
    "gateways": {"type": "list", "elements": "str", "default": []},
    "host_addresses": {"type": "list", "elements": "str"},
    "dhcp": {"type": "bool"},
    "dns": {"type": "bool", "default": False},
    "dns_servers": {"type": "list", "elements": "str"},
    "addresses": {"type": "list", "elements": "str", "default": []},
    "lan": {"type": "list", "elements": "dict", "options": _TARGET, "default": []},
}
ARGUMENT_SPEC = {
    "config": {"type": "list", "elements": "dict", "options": NETWORK},
    "dns_name": {"type": "str"},
    "timeout": {"type": "float", "default": 2.0},
    "dhcp_timeout": {"type": "float", "default": 15.0},
    "state": {"type": "str", "choices": ["probed", "present", "absent"], "default": "probed"},
}


@dataclass(frozen=True)
class Target:
    """Something outside the host that guests ask: by ping, or for a TCP connection where there is a `port`."""

    address: str
    port: int | None
    name: str


@dataclass(frozen=True)
class ProbedNetwork:
    """A network and what it promises.

    ``addresses`` are those of the two probes, with prefix length; ``host_addresses`` the host's own that the promise
    ``host_access`` is about (``None``: found on the host); with ``dhcp`` ``None`` a lease is tried but not promised;
    ``dns_servers`` are ``None`` where the lease or the gateways tell.
    """

    name: str
    bridge: str
    model: str
    host_access: bool
    gateways: tuple[str, ...] = ()
    host_addresses: tuple[str, ...] | None = None
    dhcp: bool | None = None
    dns: bool = False
    dns_servers: tuple[str, ...] | None = None
    addresses: Pair = ((), ())
    lan: tuple[Target, ...] = ()

    @property
    def asks_for_lease(self) -> bool:
        return self.dhcp is not False and not any(address.ip_version(a) == 4 for a in self.addresses[0])

    @property
    def leaves(self) -> bool:
        """Whether guests reach what is beyond the network."""
        return self.model != "isolated"

    @property
    def versions(self) -> set[int]:
        """The IP versions that its probes have addresses of, or may get."""
        return {address.ip_version(a) for a in self.addresses[0]} | ({4} if self.asks_for_lease else set())


def parse(params: Mapping[str, Any]) -> list[ProbedNetwork]:
    for option in ("timeout", "dhcp_timeout"):
        if not 0 < params[option] <= 3600:
            raise SpecError(f"{option}: {params[option]:g} is not a time-out; give seconds, more than 0")
    networks = []
    for number, entry in enumerate(params["config"] or ()):
        try:
            networks.append(_network(entry, number))
        except SpecError as exc:
            raise SpecError(f"config, '{entry['name']}': {exc}") from exc
    for option in ("name", "bridge"):
        _check_single(option, [getattr(network, option) for network in networks])
    return networks


def _check_single(option: str, values: list[str]) -> None:
    for value in values:
        if values.count(value) > 1:
            raise SpecError(f"config: {option} '{value}' is listed twice; keep one of them")


def _network(entry: Mapping[str, Any], number: int) -> ProbedNetwork:
    model, dhcp, host_access = entry["model"], entry["dhcp"], entry["host_access"]
    if dhcp is None and model != "bridged":
        dhcp = False
    if host_access is None:
        host_access = model != "isolated"
    return ProbedNetwork(
        name=address.netns_name("name", entry["name"]),
        bridge=address.ifname("bridge", entry["bridge"]),
        model=model,
        host_access=host_access,
        gateways=tuple(address.address("gateways", a) for a in entry["gateways"]),
        host_addresses=_addresses("host_addresses", entry["host_addresses"]),
        dhcp=dhcp,
        dns=entry["dns"],
        dns_servers=_addresses("dns_servers", entry["dns_servers"]),
        addresses=_probe_addresses(entry["addresses"], model == "isolated" and not host_access, dhcp, number),
        lan=tuple(_target(target) for target in entry["lan"]),
    )


def _addresses(option: str, given: list[str] | None) -> tuple[str, ...] | None:
    return None if given is None else tuple(address.address(option, a) for a in given)


def _one_each(given: list[str]) -> Pair:
    """The first of each family is the first probe's, the second the other's, where there is one."""
    import netaddr

    parsed = [address.interface_address("addresses", a) for a in given]
    families = [[a for a in parsed if address.ip_version(a) == version] for version in (4, 6)]
    for both in filter(None, families):
        if len(both) > 2 or len(set(both)) < len(both):
            raise SpecError(f"addresses: {', '.join(both)}: give two of each IP version, one for each probe")
        if netaddr.IPNetwork(both[0]).cidr != netaddr.IPNetwork(both[-1]).cidr:
            raise SpecError(f"addresses: {both[0]} and {both[-1]} are not in one subnet")
    return tuple(tuple(both[n] for both in families if len(both) > n) for n in (0, 1))  # type: ignore[return-value]


def _probe_addresses(given: list[str], alone: bool, dhcp: bool | None, number: int) -> Pair:
    """Those given. Where guests are `alone` with one another, they choose their own."""
    pair = _one_each(given)
    versions = {address.ip_version(a) for a in pair[0]}
    if not versions and dhcp is False and not alone:
        raise SpecError("addresses: without 'dhcp: true' the probes need two free addresses, with prefix length")
    if alone and 4 not in versions and dhcp is False:
        pair = _joined(pair, _own_choice(4, number, 30))
    if alone and 6 not in versions:
        pair = _joined(pair, _own_choice(6, number, 64))
    return pair


def _own_choice(version: int, number: int, prefixlen: int) -> Pair:
    """Two addresses of the subnet `number` of those that are set aside for tests."""
    import netaddr

    whole = netaddr.IPNetwork(_FOR_TESTS[version])
    size = 2 ** ((32 if version == 4 else 128) - prefixlen)
    first = whole.first + number * size % whole.size
    one, two = (f"{netaddr.IPAddress(first + n, version)}/{prefixlen}" for n in (1, 2))
    return (one,), (two,)


def _joined(pair: Pair, more: Pair) -> Pair:
    return pair[0] + more[0], pair[1] + more[1]


def without_ipv6(networks: list[ProbedNetwork]) -> list[ProbedNetwork]:
    """For a host that has only IPv4."""
    return [
        replace(n, addresses=tuple(tuple(a for a in own if address.ip_version(a) == 4) for own in n.addresses))
        for n in networks
    ]


def _target(entry: Mapping[str, Any]) -> Target:
    ip, port = address.address("lan", entry["address"]), entry["port"]
    if port is not None and not 0 < port < 65536:
        raise SpecError(f"lan: {port} is not a port; it is from 1 to 65535")
    where = f"{'[' + ip + ']' if ':' in ip else ip}:{port}" if port else ip
    return Target(ip, port, f"{entry['name']} ({where})" if entry["name"] else where)
