# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One packet rule, whatever the backend; `nft` and `iptables` write it in their languages. Pure."""

from __future__ import annotations

from dataclasses import dataclass

#: Transport protocols that have ports.
WITH_PORTS = ("tcp", "udp", "sctp", "dccp")


@dataclass(frozen=True)
class PacketRule:
    """What a packet must be, and what becomes of it.

    A leading '!' negates an address or interface. Ports are ``N`` or ``N-M``. ``version`` is 4 or 6, ``None`` for both.
    ``local``: addressed to this host. ``dnatted``: its connection went through a forward. ``icmp_type``: of ICMP or
    ICMPv6, by nft's name. ``verdict``: accept, drop, return, masquerade, snat, dnat, redirect, or "jump CHAIN",
    "goto CHAIN", "reject with REASON" (``tcp-reset`` or ``admin-prohibited``). ``to_address`` with a prefix length
    maps a whole network one to one.
    """

    verdict: str
    version: int | None = None
    in_interface: str | None = None
    out_interface: str | None = None
    source: str | None = None
    destination: str | None = None
    local: bool = False
    protocol: str | None = None
    source_port: str | None = None
    destination_port: str | None = None
    icmp_type: str | None = None
    state: str | None = None
    dnatted: bool = False
    to_address: str | None = None
    to_port: str | None = None


def negation(value: str) -> tuple[bool, str]:
    """Whether `value` is negated, and the value without its '!'."""
    return value.startswith("!"), value.lstrip("!")


def target(rule: PacketRule) -> str:
    """``to_address`` and ``to_port`` in one, as nft and iptables write them; IPv6 is bracketed beside a port."""
    if not rule.to_port:
        return rule.to_address
    return f"[{rule.to_address}]:{rule.to_port}" if ":" in rule.to_address else f"{rule.to_address}:{rule.to_port}"
