# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a DHCP server hands out: address ranges, reservations, routes and options, checked. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from . import address
from .address import ip_version
from .base import SpecError

#: IPv6 only, as dnsmasq(8) names them under --dhcp-range; ``dhcp`` is ours for none of them.
RANGE_MODES = ("dhcp", "slaac", "ra-only", "ra-stateless")
#: Seconds: dnsmasq makes a shorter lease this long.
_SHORTEST_LEASE = 120
_UNITS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}

RANGE_SPEC = {
    "start": {"type": "str", "required": True},
    "end": {"type": "str"},
    "lease_time": {"type": "str"},
    "mode": {"type": "str", "choices": list(RANGE_MODES), "default": "dhcp"},
    "constructor": {"type": "bool", "default": False},
}
RESERVATION_SPEC = {
    "mac": {"type": "str", "required": True},
    "address": {"type": "str"},
    "hostname": {"type": "str"},
}
ROUTE_SPEC = {
    "destination": {"type": "str", "required": True},
    "gateway": {"type": "str", "required": True},
}
OPTION_SPEC = {
    "option": {"type": "str", "required": True},
    "value": {"type": "list", "elements": "str", "required": True},
    "ip_version": {"type": "str", "choices": ["ipv4", "ipv6"], "default": "ipv4"},
}


@dataclass(frozen=True)
class Range:
    """Addresses for guests. ``subnet`` is that of the interface's address, ``None`` for one with a constructor."""

    start: str
    end: str | None
    lease_time: str | None
    mode: str
    subnet: str | None

    @property
    def version(self) -> int:
        return ip_version(self.start)

    @property
    def size(self) -> int:
        """The number of addresses."""
        import netaddr

        return int(netaddr.IPAddress(self.end)) - int(netaddr.IPAddress(self.start)) + 1 if self.end else 0


@dataclass(frozen=True)
class Reservation:
    """What the guest with a MAC address always gets."""

    mac: str
    address: str | None = None
    hostname: str | None = None


@dataclass(frozen=True)
class Route:
    """A classless static route for guests (RFC 3442)."""

    destination: str
    gateway: str


@dataclass(frozen=True)
class Option:
    """Any other DHCP option: its name or number, and its values as dnsmasq(8) takes them."""

    option: str
    value: tuple[str, ...]
    version: int


def ranges(entries: list[dict[str, Any]], addresses: tuple[str, ...]) -> tuple[Range, ...]:
    """`addresses` are the interface's own, with prefix length."""
    parsed = tuple(_range(entry, addresses) for entry in entries)
    spans = sorted((_number(r.start), _number(r.end), r) for r in parsed if r.end and r.subnet)
    for (_start, last, one), (first, _end, other) in zip(spans, spans[1:]):
        if first <= last:
            raise SpecError(
                f"ranges: {one.start} to {one.end} and {other.start} to {other.end} overlap; "
                "every address may be in one only"
            )
    return parsed


def _range(entry: dict[str, Any], addresses: tuple[str, ...]) -> Range:
    start = address.address("ranges", entry["start"])
    end = address.address("ranges", entry["end"]) if entry["end"] else None
    mode, version = entry["mode"], ip_version(start)
    if version == 4 and (mode != "dhcp" or entry["constructor"]):
        raise SpecError(f"ranges: 'mode' and 'constructor' are for IPv6, and {start} is IPv4; leave them out")
    if mode in ("dhcp", "slaac") and end is None:
        raise SpecError(f"ranges: {start} has no 'end'; give the last address, or for IPv6 'mode: ra-only'")
    if mode.startswith("ra-") and end is not None:
        raise SpecError(f"ranges: 'mode: {mode}' hands out no addresses, so {start} may have no 'end'")
    if end and (ip_version(end) != version or _number(end) < _number(start)):
        raise SpecError(f"ranges: {end} is not after {start}; give the first address as 'start' and the last as 'end'")
    subnet = None if entry["constructor"] else subnet_of("ranges", start, addresses)
    if subnet and end:
        if subnet_of("ranges", end, addresses) != subnet:
            raise SpecError(f"ranges: {start} and {end} are not in one subnet; a range has to be")
        for edge in (start, end):
            _refuse_edge("ranges", edge, subnet)
    return Range(start, end, _lease_time(entry["lease_time"]), mode, subnet)


def reservations(entries: list[dict[str, Any]], addresses: tuple[str, ...]) -> tuple[Reservation, ...]:
    """Sorted; none of their values is in two of them, but one guest may have an IPv4 and an IPv6 address."""
    parsed = sorted((_reservation(entry, addresses) for entry in entries), key=lambda r: (r.mac, r.address or ""))
    taken: dict[tuple[str, Any], Reservation] = {}
    for one in parsed:
        version = one.address and ip_version(one.address)
        for option, value, identity in (
            ("mac", one.mac, (one.mac, version)),
            ("address", one.address, one.address),
            ("hostname", one.hostname, (one.hostname, version)),
        ):
            other = taken.setdefault((option, identity), one)
            if value is not None and other is not one:
                raise SpecError(f"reservations: {option} '{value}' is in two of them; keep one")
    return tuple(parsed)


def _reservation(entry: dict[str, Any], addresses: tuple[str, ...]) -> Reservation:
    mac = address.mac("reservations", entry["mac"])
    where = address.address("reservations", entry["address"]) if entry["address"] else None
    name = hostname("reservations", entry["hostname"]) if entry["hostname"] else None
    if where is None and name is None:
        raise SpecError(f"reservations: '{mac}' has neither 'address' nor 'hostname'; give one of them")
    if where is not None:
        _refuse_edge("reservations", where, subnet_of("reservations", where, addresses))
        if where in [own.partition("/")[0] for own in addresses]:
            raise SpecError(f"reservations: {where} is the host's own address; choose another")
    return Reservation(mac, where, name)


def routes(entries: list[dict[str, Any]]) -> tuple[Route, ...]:
    parsed = []
    for entry in entries:
        destination = address.network("routes", entry["destination"])
        gateway = address.address("routes", entry["gateway"])
        if ip_version(destination) != 4 or ip_version(gateway) != 4:
            raise SpecError(f"routes: {destination} via {gateway} is not IPv4; DHCP carries only IPv4 routes")
        parsed.append(Route(destination, gateway))
    return tuple(parsed)


def options(entries: list[dict[str, Any]]) -> tuple[Option, ...]:
    return tuple(
        Option(_option(e["option"]), tuple(plain("dhcp_options", v) for v in e["value"]), int(e["ip_version"][-1]))
        for e in entries
    )


def _option(name: str) -> str:
    if not re.fullmatch(r"[0-9]{1,5}|[a-z0-9]+(-[a-z0-9]+)*", name):
        raise SpecError(
            f"dhcp_options: '{name}' is no DHCP option; give its number, or a name that 'dnsmasq --help dhcp' lists"
        )
    return name


def plain(option: str, value: str) -> str:
    """A text that fits on one line of dnsmasq's configuration, where a quote would end a quoted text."""
    if not value.isprintable() or '"' in value or "\\" in value:
        raise SpecError(f"{option}: {value!r} contains a quote, a backslash or a control character; leave those out")
    return value


def hostname(option: str, value: str) -> str:
    """One or more labels of letters, digits and '-' (RFC 1123, section 2.1), in lower case."""
    label = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
    if len(value) > 253 or not re.fullmatch(rf"{label}(\.{label})*", value.lower()):
        raise SpecError(
            f"{option}: '{value}' is not a host name; use letters, digits and '-', with dots between labels"
        )
    return value.lower()


def _lease_time(value: str | None) -> str | None:
    """As dnsmasq(8) takes it: seconds, or with a unit; ``infinite``."""
    if value in (None, "infinite"):
        return value
    match = re.fullmatch(r"([0-9]{1,9})([smhdw]?)", value)
    if not match or int(match[1]) * _UNITS[match[2]] < _SHORTEST_LEASE:
        raise SpecError(
            f"ranges: lease_time '{value}' is no time of {_SHORTEST_LEASE} s or more; "
            "write it as in 3600, 45m, 12h, 7d or infinite"
        )
    return f"{match[1]}{match[2].replace('s', '')}"


def subnet_of(option: str, value: str, addresses: tuple[str, ...]) -> str:
    import netaddr

    for own in addresses:
        if netaddr.IPAddress(value) in netaddr.IPNetwork(own).cidr:
            return str(netaddr.IPNetwork(own).cidr)
    known = f"none of those is in a subnet of {', '.join(addresses)}" if addresses else "'addresses' is not given"
    raise SpecError(f"{option}: {value} must be in a subnet of one of the interface's 'addresses', but {known}")


def _refuse_edge(option: str, value: str, subnet: str) -> None:
    """The network and the broadcast address are no guest's."""
    import netaddr

    net = netaddr.IPNetwork(subnet)
    if net.version == 4 and net.prefixlen < 31 and _number(value) in (net.first, net.last):
        raise SpecError(f"{option}: {value} is the network or the broadcast address of {subnet}; no guest can have it")


def _number(value: str | None) -> int:
    import netaddr

    return int(netaddr.IPAddress(value))
