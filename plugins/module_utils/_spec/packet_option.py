# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a user gives of a packet rule, checked and brought to one form. Pure."""

from __future__ import annotations

import re

from . import address
from .base import SpecError
from .packet_rule import WITH_PORTS, negation


def rule_name(option: str, value: str) -> str:
    """A name that fits into a comment of nft, which has 128 bytes for it and ours beside it."""
    if re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.:@+-]{0,47}", value):
        return value
    raise SpecError(
        f"{option}: {value!r} is not a rule's name; use up to 48 letters, digits, '_', '-', '.', ':', '@' and '+', "
        "the first a letter, digit or '_'"
    )


def network_name(option: str, value: str) -> str:
    if re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}", value):
        return value
    raise SpecError(
        f"{option}: {value!r} is not a network's name; use up to 64 letters, digits, '_', '-' and '.', "
        "the first a letter, digit or '_'"
    )


def interface(option: str, value: str | None) -> str | None:
    """An interface name, which a leading '!' negates."""
    if value is None:
        return None
    mark, plain = _split(value)
    address.ifname(option, plain)
    # Wildcards of nft and iptables, and what ends or escapes a quoted word.
    if bad := re.search(r'["\\*+!]', plain):
        raise SpecError(
            f"{option}: '{value}' has a '{bad[0]}'; give the name of one interface, with '!' before it for all others"
        )
    return mark + plain


def addresses(option: str, value: str | None) -> str | None:
    """An address or network, which a leading '!' negates. A network of one address is that address."""
    if value is None:
        return None
    mark, plain = _split(value)
    text = address.network(option, plain) if "/" in plain else address.address(option, plain)
    host, _slash, prefix = text.partition("/")
    if prefix == "0" and mark:
        raise SpecError(f"{option}: '{value}' would match nothing")
    return mark + (host if prefix == ("128" if ":" in text else "32") else text)


def _split(value: str) -> tuple[str, str]:
    negated, plain = negation(value.strip())
    return "!" * negated, plain.strip()


def version_of(value: str | None) -> int | None:
    """4 or 6, of an address or network that was parsed before."""
    return value and address.ip_version(value)


def is_everything(value: str) -> bool:
    """Whether a network is all of IPv4 or IPv6, which is no condition at all."""
    return value.endswith("/0")


def port_range(option: str, value: str | None) -> str | None:
    """A port, or a range of ports as first-last."""
    if value is None:
        return None
    found = re.fullmatch(r"(\d{1,5})(?:-(\d{1,5}))?", value.strip())
    first, last = bounds(value) if found else (0, 0)
    if not 1 <= first <= last <= 65535:
        raise SpecError(f"{option}: '{value}' is not a port from 1 to 65535, nor a range such as 8000-8010")
    return str(first) if first == last else f"{first}-{last}"


def bounds(ports: str) -> tuple[int, int]:
    first, _dash, last = ports.strip().partition("-")
    return int(first), int(last or first)


def has_ports(protocol: str | None) -> bool:
    return protocol in WITH_PORTS
