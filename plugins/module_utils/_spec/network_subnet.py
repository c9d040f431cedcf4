# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The subnets of a network, one of each IP version at most: who has which address, and what DHCP gives out. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from . import address
from .base import SpecError

#: How guests get IPv6 addresses: the modes of dnsmasq's ranges; SLAAC works with 64 bits only (RFC 4862).
_MODES = ("dhcp", "slaac", "ra-only", "ra-stateless")
#: Where the default range of an IPv6 subnet begins and ends, as far as it is large enough.
_RANGE6 = (0x1000, 0xFFFF)


@dataclass(frozen=True)
class Subnet:
    """``network`` and ``address`` (the host's, or the virtual router's) in CIDR notation; the range's ends included."""

    network: str
    address: str
    dhcp_range: tuple[str, str]
    mode: str | None = None

    @property
    def version(self) -> int:
        return address.ip_version(self.network)

    @property
    def gateway(self) -> str:
        return self.address.partition("/")[0]

    def host_address(self, option: str, value: str) -> str:
        """An address of the subnet that a host may have, in its canonical form."""
        import netaddr

        ip, subnet = netaddr.IPAddress(address.address(option, value)), netaddr.IPNetwork(self.network)
        if ip not in subnet or ip in _reserved(subnet):
            raise SpecError(f"{option}: '{value}' is not a host address of {subnet}")
        return str(ip)


def _reserved(subnet: Any) -> tuple[Any, ...]:
    """What no host may have: RFC 919, and RFC 4291 (the routers' anycast address)."""
    return (subnet.network, subnet.broadcast) if subnet.version == 4 else (subnet.network,)


def parse_subnets(entry: dict[str, Any], required: bool) -> tuple[Subnet, ...]:
    """IPv4 first. Keys of what is not there are refused."""
    found = []
    for key, version in (("subnet", 4), ("subnet6", 6)):
        suffix = key[len("subnet") :]
        if entry.get(key):
            found.append(_parse(entry, key, version, suffix))
        else:
            _refuse_without(entry, key, (f"address{suffix}", f"dhcp{suffix}_range"))
    if required and not found:
        raise SpecError("subnet: it is missing; give one such as 192.168.4.0/24, or 'subnet6' such as fd00:4::/64")
    return tuple(found)


def _refuse_without(entry: dict[str, Any], subnet: str, keys: tuple[str, ...]) -> None:
    for key in keys:
        if entry.get(key):
            raise SpecError(f"{key}: there is no '{subnet}' that it could be in; give that too")


def _parse(entry: dict[str, Any], key: str, version: int, suffix: str) -> Subnet:
    import netaddr

    network = netaddr.IPNetwork(address.network(key, str(entry[key])))
    if network.version != version:
        raise SpecError(f"{key}: '{network}' is IPv{network.version}; give an IPv{version} network")
    if network.size < 4:
        raise SpecError(
            f"{key}: '{network}' has no room for a host and a guest; give one up to /{30 if version == 4 else 126}"
        )
    option = f"address{suffix}"
    given = entry.get(option) or (entry.get("host_address") if not suffix else None)
    own = str(network[1]) if given in (None, True) else str(given).partition("/")[0]
    bare = Subnet(str(network), f"{network[1]}/{network.prefixlen}", (str(network[1]),) * 2)
    own = bare.host_address(option, own)
    ends = _range(f"dhcp{suffix}_range", entry.get(f"dhcp{suffix}_range"), network, own, bare)
    return Subnet(str(network), f"{own}/{network.prefixlen}", ends, _mode(entry, network) if suffix else None)


def _mode(entry: dict[str, Any], network: Any) -> str:
    mode = entry.get("dhcp6_mode") or ("slaac" if network.prefixlen == 64 else "dhcp")
    if mode not in _MODES:
        raise SpecError(f"dhcp6_mode: {mode!r} is not one of {', '.join(_MODES)}")
    if mode != "dhcp" and network.prefixlen != 64:
        raise SpecError(f"dhcp6_mode: '{mode}' takes a subnet of 64 bits, not {network}; take 'dhcp'")
    return mode


def _range(option: str, given: Any, network: Any, own: str, subnet: Subnet) -> tuple[str, str]:
    import netaddr

    if given is None:
        return _default_range(network, own)
    if not isinstance(given, (list, tuple)) or len(given) != 2:
        raise SpecError(f"{option}: {given!r} is not a first and a last address, as in [192.168.4.100, 192.168.4.199]")
    first, last = (subnet.host_address(option, str(end)) for end in given)
    if netaddr.IPAddress(first) > netaddr.IPAddress(last):
        raise SpecError(f"{option}: {first} comes after {last}; give the lower address first")
    return first, last


def _default_range(network: Any, own: str) -> tuple[str, str]:
    if network.version == 6 and network.size > _RANGE6[1]:
        return str(network[_RANGE6[0]]), str(network[_RANGE6[1]])
    first = network[2] if own == str(network[1]) else network[1]
    return str(first), str(network[-2])
