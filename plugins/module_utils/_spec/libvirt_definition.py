# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a network of libvirt consists of, as far as options speak of it. Pure.

See https://libvirt.org/formatnetwork.html, whose words these are.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass, fields, replace
from typing import Any

from . import address, dhcp
from .address import ip_version
from .base import SpecError

MODES = ("nat", "route", "open", "isolated", "bridge")
#: What virNetworkUpdate changes while the network runs. All else needs a restart of it.
LIVE = ("ranges", "reservations", "records")
#: What a network on somebody else's bridge has.
_OF_BRIDGE_MODE = ("mode", "bridge", "uuid")
#: brctl(8) and libvirt alike: seconds.
_LONGEST_DELAY = 30

RANGE_SPEC = {"start": {"type": "str", "required": True}, "end": {"type": "str", "required": True}}
RESERVATION_SPEC = {
    "mac": {"type": "str", "required": True},
    "address": {"type": "str", "required": True},
    "hostname": {"type": "str"},
}
ROUTE_SPEC = {
    "destination": {"type": "str", "required": True},
    "gateway": {"type": "str", "required": True},
    "metric": {"type": "int", "default": 1},
}
RECORD_SPEC = {"name": {"type": "str", "required": True}, "address": {"type": "str", "required": True}}


def _nested(options: dict[str, Any]) -> dict[str, Any]:
    return {"type": "list", "elements": "dict", "options": options}


OPTIONS = {
    "mode": {"type": "str", "choices": list(MODES)},
    "bridge": {"type": "str"},
    "forward_dev": {"type": "str"},
    "nat_ipv6": {"type": "bool"},
    "stp": {"type": "bool"},
    "delay": {"type": "int"},
    "mac": {"type": "str"},
    "mtu": {"type": "int"},
    "uuid": {"type": "str"},
    "domain": {"type": "str"},
    "addresses": {"type": "list", "elements": "str"},
    "ranges": _nested(RANGE_SPEC),
    "reservations": _nested(RESERVATION_SPEC),
    "routes": _nested(ROUTE_SPEC),
    "dns": {"type": "bool"},
    "forwarders": {"type": "list", "elements": "str"},
    "records": _nested(RECORD_SPEC),
}


@dataclass(frozen=True, order=True)
class Range:
    """Addresses that are given out, the first and the last."""

    start: str
    end: str


@dataclass(frozen=True, order=True)
class Reservation:
    """What the guest with a MAC address always gets."""

    mac: str
    address: str
    hostname: str = ""


@dataclass(frozen=True, order=True)
class Route:
    """A route of the host's by way of a guest."""

    destination: str
    gateway: str
    metric: int = 1


@dataclass(frozen=True, order=True)
class Record:
    """A name in the network's DNS."""

    address: str
    name: str


@dataclass(frozen=True)
class Definition:
    """``None`` is left alone, or for libvirt to choose. "" is none, of ``forward_dev`` and ``domain``; so is an
    ``mtu`` of 0. ``delay`` is in seconds, ``mtu`` in bytes.
    """

    mode: str | None = None
    bridge: str | None = None
    forward_dev: str | None = None
    nat_ipv6: bool | None = None
    stp: bool | None = None
    delay: int | None = None
    mac: str | None = None
    mtu: int | None = None
    uuid: str | None = None
    domain: str | None = None
    addresses: tuple[str, ...] | None = None
    ranges: tuple[Range, ...] | None = None
    reservations: tuple[Reservation, ...] | None = None
    routes: tuple[Route, ...] | None = None
    dns: bool | None = None
    forwarders: tuple[str, ...] | None = None
    records: tuple[Record, ...] | None = None

    def given(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if value is not None}

    def over(self, other: Definition) -> Definition:
        """`other` with all that this one says."""
        return replace(other, **self.given())

    def as_dict(self) -> dict[str, Any]:
        return {name: _plain(value) for name, value in self.given().items()}

    def different(self, other: Definition) -> dict[str, Any]:
        """What this one has that `other` has otherwise."""
        return {f.name: getattr(self, f.name) for f in fields(self) if getattr(self, f.name) != getattr(other, f.name)}


def parse(params: dict[str, Any]) -> Definition:
    """Of a module's options."""
    ranges, reservations = params["ranges"], params["reservations"]
    wanted = Definition(
        mode=params["mode"],
        bridge=address.ifname("bridge", params["bridge"]) if params["bridge"] else None,
        forward_dev=params["forward_dev"] and address.ifname("forward_dev", params["forward_dev"]),
        nat_ipv6=params["nat_ipv6"],
        stp=params["stp"],
        delay=_delay(params["delay"]),
        mac=address.mac("mac", params["mac"]),
        mtu=address.mtu("mtu", params["mtu"] or None) if params["mtu"] else params["mtu"],
        uuid=_uuid(params["uuid"]),
        domain=params["domain"] and dhcp.hostname("domain", params["domain"]),
        addresses=address.interface_addresses("addresses", params["addresses"]),
        ranges=None if ranges is None else tuple(sorted({_range(entry) for entry in ranges})),
        reservations=None if reservations is None else _reservations(reservations),
        routes=_sorted(params["routes"], _route),
        dns=params["dns"],
        forwarders=_sorted(params["forwarders"], lambda value: address.address("forwarders", value)),
        records=_sorted(params["records"], _record),
    )
    if wanted.mode == "bridge":
        _only_a_bridge(wanted)
    return wanted


def check(definition: Definition) -> None:
    """Refuse what does not go together: of what is wanted, over what there is."""
    if definition.forward_dev and definition.mode not in ("nat", "route"):
        raise SpecError(f"forward_dev: it is for the modes nat and route, and this is '{definition.mode}'")
    if definition.nat_ipv6 and definition.mode != "nat":
        raise SpecError(f"nat_ipv6: it is for the mode nat, and this is '{definition.mode}'")
    if definition.mode in ("nat", "route") and not definition.addresses:
        raise SpecError(f"addresses: a network of mode '{definition.mode}' needs one; it is the guests' gateway")
    _check_dhcp(definition.addresses or (), definition.ranges or (), definition.reservations or ())


def _check_dhcp(own: tuple[str, ...], ranges: tuple[Range, ...], reservations: tuple[Reservation, ...]) -> None:
    served: dict[int, set[str]] = {}
    for one in ranges:
        first, last = (dhcp.subnet_of("ranges", edge, own) for edge in (one.start, one.end))
        if first != last:
            raise SpecError(f"ranges: {one.start} and {one.end} are not in one subnet; a range has to be")
        served.setdefault(ip_version(first), set()).add(first)
    for one in reservations:
        if one.address in [value.partition("/")[0] for value in own]:
            raise SpecError(f"reservations: {one.address} is the host's own address; choose another")
        served.setdefault(4, set()).add(dhcp.subnet_of("reservations", one.address, own))
    for subnets in served.values():
        if len(subnets) > 1:
            both = " and ".join(sorted(subnets))
            raise SpecError(f"ranges: libvirt serves one subnet of each version of IP, not {both}; keep one")


def _only_a_bridge(wanted: Definition) -> None:
    if not wanted.bridge:
        raise SpecError("bridge: the mode 'bridge' needs the name of a bridge that is there")
    for option in wanted.given():
        if option not in _OF_BRIDGE_MODE:
            raise SpecError(f"{option}: with the mode 'bridge' it is the bridge's own business; leave it out")


def _delay(value: int | None) -> int | None:
    if value is not None and not 0 <= value <= _LONGEST_DELAY:
        raise SpecError(f"delay: {value} is out of range; it is from 0 to {_LONGEST_DELAY} seconds")
    return value


def _uuid(value: str | None) -> str | None:
    if not value:
        return None
    try:
        return str(uuid.UUID(value))
    except ValueError:
        raise SpecError(f"uuid: '{value}' is not a UUID such as 8869cf7a-06e7-404e-8efe-f3a894177df9") from None


def _range(entry: dict[str, Any]) -> Range:
    import netaddr

    start, end = (address.address("ranges", entry[edge]) for edge in ("start", "end"))
    if ip_version(start) != ip_version(end) or netaddr.IPAddress(end) < netaddr.IPAddress(start):
        raise SpecError(f"ranges: {end} is not after {start}; give the first address as 'start' and the last as 'end'")
    return Range(start, end)


def _reservations(entries: list[dict[str, Any]]) -> tuple[Reservation, ...]:
    """Sorted; none of their values is in two of them."""
    parsed = tuple(sorted({_reservation(entry) for entry in entries}))
    for option in ("mac", "address", "hostname"):
        values = [getattr(one, option) for one in parsed if getattr(one, option)]
        for value in values:
            if values.count(value) > 1:
                raise SpecError(f"reservations: {option} '{value}' is in two of them; keep one")
    return parsed


def _reservation(entry: dict[str, Any]) -> Reservation:
    where = address.address("reservations", entry["address"])
    if ip_version(where) != 4:
        raise SpecError(f"reservations: {where} is not IPv4; by MAC address libvirt reserves IPv4 addresses only")
    name = dhcp.hostname("reservations", entry["hostname"]) if entry["hostname"] else ""
    return Reservation(address.mac("reservations", entry["mac"]), where, name)


def _route(entry: dict[str, Any]) -> Route:
    destination = address.network("routes", entry["destination"])
    gateway = address.address("routes", entry["gateway"])
    if ip_version(destination) != ip_version(gateway):
        raise SpecError(f"routes: {destination} and {gateway} are not of one version of IP")
    if entry["metric"] < 1:
        raise SpecError(f"routes: metric {entry['metric']} is too small; it is 1 or more")
    return Route(destination, gateway, entry["metric"])


def _record(entry: dict[str, Any]) -> Record:
    return Record(address.address("records", entry["address"]), dhcp.hostname("records", entry["name"]))


def _sorted(entries: list[Any] | None, parse_one: Any) -> tuple[Any, ...] | None:
    return None if entries is None else tuple(sorted({parse_one(entry) for entry in entries}))


def _plain(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_plain(one) for one in value]
    return {name: one for name, one in vars(value).items() if one != ""} if hasattr(value, "__dict__") else value
