# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A network as the inventory gives it (``virtnet_networks``), and the resources it is made of. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any

from . import address
from .base import SpecError
from .mac_address import derived_mac

#: The keys of one entry of ``forwards``.
_FORWARD_KEYS = {"port", "guest", "address", "guest_port", "protocol"}


@dataclass(frozen=True)
class Forward:
    """An inbound port: ``port`` of the host leads to ``guest_port`` of ``address``; both are ``N`` or ``N-M``."""

    port: str
    guest_port: str
    protocol: str
    address: str

    @property
    def name(self) -> str:
        return f"{self.protocol}-{self.port}"


@dataclass(frozen=True)
class Reservation:
    """A static DHCP lease."""

    mac: str
    address: str
    hostname: str


@dataclass(frozen=True)
class Network:
    """One network of a host, complete: every default is filled in.

    ``address`` is the host's own in the network, with prefix length; ``dhcp_range`` the first and last address
    that is given out; ``nat_address`` a fixed source for what leaves (``None``: that of the way out); ``mtu`` in bytes.
    """

    name: str
    model: str
    bridge: str
    subnet: str
    address: str
    dhcp: bool = True
    dhcp_range: tuple[str, str] | None = None
    dns: bool = True
    domain: str | None = None
    dns_servers: tuple[str, ...] | None = None
    mtu: int | None = None
    stp: bool | None = None
    nat_address: str | None = None
    forwards: tuple[Forward, ...] = ()
    reservations: tuple[Reservation, ...] = field(default=())

    @property
    def gateway(self) -> str:
        return self.address.partition("/")[0]


def parse_networks(entries: list[dict[str, Any]], guests: list[dict[str, Any]], host: str, fleet: str) -> list[Network]:
    """The networks of one host. `guests` tells reservations and where forwards lead; `host` and `fleet` their MACs."""
    networks = []
    for number, entry in enumerate(entries, 1):
        name = entry.get("name")
        if not isinstance(name, str):
            raise SpecError(f"virtnet_networks: entry {number} has no 'name'")
        try:
            networks.append(_parse(entry, _members(name, guests, host, fleet)))
        except SpecError as exc:
            raise SpecError(f"virtnet_networks, '{name}': {exc}") from exc
    _check_apart(networks)
    return networks


def _parse(entry: dict[str, Any], members: list[Reservation]) -> Network:
    import netaddr

    known = {f.name for f in fields(Network)} - {"reservations"}
    if unknown := sorted(set(entry) - known):
        raise SpecError(f"'{unknown[0]}' is not a key of a network; the keys are {', '.join(sorted(known))}")
    name = entry["name"]
    address.netns_name("name", name)
    bridge = entry.get("bridge") or f"br-{name}"
    if "bridge" not in entry and len(bridge) > address.IFNAME_MAX:
        raise SpecError(f"name: 'br-{name}' would be too long for a bridge (15 bytes); give 'bridge' too")
    if not entry.get("subnet"):
        raise SpecError("subnet: it is missing; give one such as 192.168.4.0/24")
    subnet = netaddr.IPNetwork(address.network("subnet", entry["subnet"]))
    if subnet.version != 4 or subnet.size < 4:
        raise SpecError(f"subnet: '{subnet}' has no room for a host and a guest; give an IPv4 network up to /30")
    own = _inside("address", str(entry.get("address") or subnet[1]).partition("/")[0], subnet)
    return Network(
        name=name,
        model=entry["model"],
        bridge=address.ifname("bridge", bridge),
        subnet=str(subnet),
        address=f"{own}/{subnet.prefixlen}",
        dhcp=bool(entry.get("dhcp", True)),
        dhcp_range=_range(entry.get("dhcp_range"), subnet, own),
        dns=bool(entry.get("dns", True)),
        domain=entry.get("domain"),
        dns_servers=_addresses("dns_servers", entry.get("dns_servers")),
        mtu=address.mtu("mtu", entry.get("mtu")),
        stp=entry.get("stp"),
        nat_address=address.address("nat_address", entry["nat_address"]) if entry.get("nat_address") else None,
        forwards=tuple(_forward(f, members, subnet) for f in entry.get("forwards") or ()),
        reservations=_reservations(members, subnet, own),
    )


def _inside(option: str, value: str, subnet: Any) -> str:
    import netaddr

    ip = netaddr.IPAddress(address.address(option, value))
    if ip not in subnet or ip in (subnet.network, subnet.broadcast):
        raise SpecError(f"{option}: '{value}' is not a host address of {subnet}")
    return str(ip)


def _range(given: Any, subnet: Any, own: str) -> tuple[str, str]:
    import netaddr

    if given is None:
        first = subnet[2] if own == str(subnet[1]) else subnet[1]
        return str(first), str(subnet[-2])
    if not isinstance(given, (list, tuple)) or len(given) != 2:
        raise SpecError(
            f"dhcp_range: {given!r} is not a first and a last address, as in [192.168.4.100, 192.168.4.199]"
        )
    first, last = (_inside("dhcp_range", str(end), subnet) for end in given)
    if netaddr.IPAddress(first) > netaddr.IPAddress(last):
        raise SpecError(f"dhcp_range: {first} comes after {last}; give the lower address first")
    return first, last


def _addresses(option: str, values: list[str] | None) -> tuple[str, ...] | None:
    return None if values is None else tuple(address.address(option, v) for v in values)


def _members(network: str, guests: list[dict[str, Any]], host: str, fleet: str) -> list[Reservation]:
    """The guests' NICs on that network; the address is empty where the guest asks for none."""
    found = []
    for guest in guests:
        for index, nic in enumerate(guest.get("nics") or ()):
            if nic.get("network") == network:
                mac = nic.get("mac") or derived_mac(fleet, host, guest["name"], index)
                found.append(Reservation(address.mac("mac", mac), nic.get("address") or "", guest["name"]))
    return found


def _reservations(members: list[Reservation], subnet: Any, own: str) -> tuple[Reservation, ...]:
    taken = {own: "the host"}
    reserved = []
    for member in members:
        if not member.address:
            continue
        ip = _inside(f"address of guest '{member.hostname}'", member.address, subnet)
        if ip in taken:
            raise SpecError(f"address: {ip} is given to guest '{member.hostname}' and to {taken[ip]}; choose another")
        taken[ip] = f"guest '{member.hostname}'"
        reserved.append(Reservation(member.mac, ip, member.hostname))
    return tuple(reserved)


def _forward(entry: dict[str, Any], members: list[Reservation], subnet: Any) -> Forward:
    if unknown := sorted(set(entry) - _FORWARD_KEYS):
        raise SpecError(f"forwards: '{unknown[0]}' is not a key; the keys are {', '.join(sorted(_FORWARD_KEYS))}")
    if "port" not in entry:
        raise SpecError("forwards: an entry has no 'port'")
    return Forward(
        port=str(entry["port"]),
        guest_port=str(entry.get("guest_port") or entry["port"]),
        protocol=entry.get("protocol", "tcp"),
        address=_forward_address(entry, members, subnet),
    )


def _forward_address(entry: dict[str, Any], members: list[Reservation], subnet: Any) -> str:
    if entry.get("address"):
        return _inside("forwards", entry["address"], subnet)
    guest = entry.get("guest")
    addresses = [m.address for m in members if m.hostname == guest]
    if not addresses:
        raise SpecError(f"forwards: port {entry['port']} leads to guest '{guest}', which has no NIC on this network")
    if not addresses[0]:
        raise SpecError(
            f"forwards: port {entry['port']} leads to guest '{guest}'; give its NIC on this network an 'address'"
        )
    return addresses[0]


def _check_apart(networks: list[Network]) -> None:
    """No two networks of a host share a name, a bridge, an inbound port or an address."""
    _check_single("name", [(n.name, n.name) for n in networks])
    _check_single("bridge", [(n.bridge, n.name) for n in networks])
    _check_single("forwards: port", [(f.name, n.name) for n in networks for f in n.forwards])
    _check_subnets(networks)


def _check_single(what: str, uses: list[tuple[str, str]]) -> None:
    """Refuse a value that two networks use; `uses` are pairs of value and network."""
    users: dict[str, str] = {}
    for value, network in uses:
        if value in users:
            both = f"'{users[value]}' and '{network}'"
            raise SpecError(f"virtnet_networks: {what} '{value}' is used twice, by {both}; choose another")
        users[value] = network


def _check_subnets(networks: list[Network]) -> None:
    """Of subnets in order, one that overlaps any other overlaps the one before it: they are nested or apart."""
    import netaddr

    ordered = sorted(networks, key=lambda n: netaddr.IPNetwork(n.subnet))
    for lower, upper in zip(ordered, ordered[1:]):
        if netaddr.IPNetwork(upper.subnet) in netaddr.IPNetwork(lower.subnet):
            raise SpecError(
                f"virtnet_networks: subnet {upper.subnet} of '{upper.name}' overlaps {lower.subnet} of '{lower.name}'; "
                "choose another"
            )


def resources(networks: list[Network], host: str, fleet: str) -> dict[str, list[dict[str, Any]]]:
    """What the modules are to make of the networks: a ``config`` list for each kind of resource."""
    return {
        "bridges": [_bridge(n, host, fleet) for n in networks],
        "firewalls": [_firewall(n) for n in networks],
        "nat_rules": [rule for n in networks if n.model == "nat" for rule in _nat_rules(n)],
        "dnsmasq": [_dnsmasq(n) for n in networks if n.dhcp or n.dns],
    }


def _bridge(network: Network, host: str, fleet: str) -> dict[str, Any]:
    bridge = {
        "name": network.bridge,
        "addresses": [network.address],
        "mac": derived_mac(fleet, host, network.bridge, 0),
        "stp": network.stp,
        "mtu": network.mtu,
    }
    return {k: v for k, v in bridge.items() if v is not None}


def _firewall(network: Network) -> dict[str, Any]:
    return {
        "name": network.name,
        "bridge": network.bridge,
        "model": network.model,
        "subnets": [network.subnet],
        "dhcp": network.dhcp,
        "dns": network.dns,
    }


def _nat_rules(network: Network) -> list[dict[str, Any]]:
    way_out = {"network": network.name, "source": network.subnet, "destination": f"!{network.subnet}"}
    if network.nat_address:
        rules = [{"name": "out", "action": "snat", "to_address": network.nat_address, **way_out}]
    else:
        rules = [{"name": "out", "action": "masquerade", **way_out}]
    for forward in network.forwards:
        rules.append(
            {
                "name": forward.name,
                "network": network.name,
                "action": "dnat",
                "protocol": forward.protocol,
                "destination_port": forward.port,
                "to_address": forward.address,
                "to_port": forward.guest_port,
                "hairpin": network.subnet,
            }
        )
    return rules


def _dnsmasq(network: Network) -> dict[str, Any]:
    instance: dict[str, Any] = {
        "name": network.name,
        "interface": network.bridge,
        "addresses": [network.address],
        "dns": network.dns,
        "reservations": [vars(r) for r in network.reservations],
    }
    if network.dhcp:
        instance["ranges"] = [{"start": network.dhcp_range[0], "end": network.dhcp_range[1]}]
    optional = {"domain": network.domain, "upstream": network.dns_servers, "mtu": network.mtu}
    return {**instance, **{k: list(v) if isinstance(v, tuple) else v for k, v in optional.items() if v is not None}}
