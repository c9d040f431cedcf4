# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Names and addresses as users write them, checked and brought to one form (by netaddr). Pure."""

from __future__ import annotations

import re

from .base import SpecError

#: IFNAMSIZ of <linux/if.h> is 16 bytes, the last of them NUL.
IFNAME_MAX = 15
_MAC = re.compile(r"([0-9a-fA-F]{1,2}[:-]){5}[0-9a-fA-F]{1,2}|([0-9a-fA-F]{4}\.){2}[0-9a-fA-F]{4}|[0-9a-fA-F]{12}")


def ifname(option: str, value: str) -> str:
    """An interface name that the kernel accepts and keeps: dev_valid_name, __dev_alloc_name in net/core/dev.c."""
    if not value.isprintable() or re.search(rb"[\s\xa0/:%]", value.encode()):
        raise SpecError(
            f"{option}: {value!r} is not an interface name; "
            "it may not contain '/', ':', '%', white space, control characters or the byte A0"
        )
    # The last two are folders of /proc/sys/net/ipv4/conf, next to those of the interfaces.
    if value in ("", ".", "..", "all", "default"):
        raise SpecError(
            f"{option}: '{value}' is not an interface name; it may not be empty, '.', '..', 'all' or 'default'"
        )
    if len(value.encode()) > IFNAME_MAX:
        raise SpecError(
            f"{option}: '{value}' has {len(value.encode())} bytes; an interface name has at most {IFNAME_MAX}"
        )
    return value


def netns_name(option: str, value: str | None) -> str | None:
    """A name for ip-netns(8): it becomes a file below /run/netns."""
    if value is None or re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}", value):
        return value
    raise SpecError(f"{option}: '{value}' is not a namespace name; use letters, digits, '_', '-' and '.'")


def mac(option: str, value: str | None) -> str | None:
    """A unicast Ethernet address as aa:bb:cc:dd:ee:ff."""
    import netaddr

    if value is None:
        return None
    # netaddr takes three groups for an address too, and any number: what YAML makes of 52:54:00:12:34:56 unquoted.
    if not _MAC.fullmatch(value):
        raise SpecError(f"{option}: '{value}' is not a MAC address such as 52:54:00:12:34:56; in YAML, quote it")
    eui = netaddr.EUI(value, version=48, dialect=netaddr.mac_unix_expanded)
    if eui.words[0] & 1:
        raise SpecError(
            f"{option}: '{value}' is a multicast MAC address; the first octet must be even, as in 52:54:00:…"
        )
    if not any(eui.words):
        raise SpecError(f"{option}: '{value}' is no usable MAC address; 52:54:00:… is QEMU's range")
    return str(eui)


def address(option: str, value: str) -> str:
    """An IPv4 or IPv6 address without prefix length, in its canonical form."""
    import netaddr

    # netaddr 0.8 does not say "invalid" of an empty text, but fails.
    if not value or not (netaddr.valid_ipv4(value, netaddr.INET_PTON) or netaddr.valid_ipv6(value)):
        raise SpecError(f"{option}: '{value}' is not an IP address such as 192.168.4.11 or fd00:4::11")
    return str(netaddr.IPAddress(value))


def network(option: str, value: str) -> str:
    """An IPv4 or IPv6 network in CIDR notation, with no host bits set."""
    parsed = _cidr(option, value, "192.168.4.0/24")
    if parsed.ip != parsed.network:
        raise SpecError(f"{option}: '{value}' has host bits set; the network is {parsed.cidr}")
    return str(parsed.cidr)


def interface_address(option: str, value: str) -> str:
    """An address with its prefix length, as an interface has it."""
    parsed = _cidr(option, value, "192.168.4.1/24")
    if parsed.version == 4 and parsed.prefixlen < 31 and parsed.ip in (parsed.network, parsed.broadcast):
        which = "network" if parsed.ip == parsed.network else "broadcast"
        raise SpecError(
            f"{option}: '{value}' is the {which} address of its subnet; give a host address in {parsed.cidr}"
        )
    if parsed.ip.is_multicast() or not parsed.ip:
        raise SpecError(f"{option}: '{value}' is not an address that an interface can have; give a host address")
    return str(parsed)


def _cidr(option: str, value: str, example: str):
    import netaddr

    text, slash, prefix = value.partition("/")
    address(option, text)
    if not slash:
        raise SpecError(f"{option}: '{value}' has no prefix length; write it as in {example}")
    longest = 128 if ":" in text else 32
    if not re.fullmatch(r"[0-9]{1,3}", prefix) or int(prefix) > longest:
        raise SpecError(f"{option}: '{value}' has no prefix length from 0 to {longest}; write it as in {example}")
    return netaddr.IPNetwork(value)


def interface_addresses(option: str, values: list[str] | None) -> tuple[str, ...] | None:
    if values is None:
        return None
    return tuple(sorted({interface_address(option, v) for v in values}))


def ip_version(value: str) -> int:
    """4 or 6, of an address or network that was parsed before."""
    return 6 if ":" in value else 4


def mtu(option: str, value: int | None) -> int | None:
    """Bytes; 68 (RFC 791) to 65535."""
    if value is not None and not 68 <= value <= 65535:
        raise SpecError(f"{option}: {value} is not an MTU; it is from 68 to 65535 bytes")
    return value
