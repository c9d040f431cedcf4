# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""N networks, as each contender wants to be told of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

BRIDGE_MAC = "52:54:00:{:02x}:{:02x}:01"


def names(count: int) -> list[str]:
    return [f"n{number}" for number in range(count)]


def subnet(number: int) -> str:
    return f"10.{100 + number // 256}.{number % 256}"


def networks(count: int, dhcp: bool = False) -> list[dict[str, Any]]:
    """What a user of the collection writes: NAT networks, each with one forward."""
    return [
        {
            "name": name,
            "model": "nat",
            "subnet": f"{subnet(number)}.0/24",
            "dhcp": dhcp,
            "dns": dhcp,
            "forwards": [{"port": 10000 + number, "address": f"{subnet(number)}.11", "guest_port": 22}],
        }
        for number, name in enumerate(names(count))
    ]


def taps(count: int) -> list[dict[str, Any]]:
    return [{"name": f"tap-{name}", "bridge": f"br-{name}"} for name in names(count)]


def link_lines(count: int, first: int = 0) -> Iterator[str]:
    """For ``ip -batch``: a bridge with its address, and a tap on it."""
    for number, name in list(enumerate(names(count)))[first:]:
        mac = BRIDGE_MAC.format(number // 256, number % 256)
        yield f"link add dev br-{name} address {mac} type bridge"
        yield f"address add {subnet(number)}.1/24 dev br-{name}"
        yield f"link set dev br-{name} up"
        yield f"tuntap add dev tap-{name} mode tap"
        yield f"link set dev tap-{name} master br-{name} up"


def rule_lines(count: int, first: int = 0) -> Iterator[str]:
    """For ``nft -f``, what a person who wants it fast writes: maps, no rule for each network in a packet's way."""
    if first == 0:
        yield "add table ip lab"
        yield "add map ip lab forwards { type inet_service : ipv4_addr . inet_service; }"
        yield "add set ip lab subnets { type ipv4_addr; flags interval; }"
        yield "add chain ip lab pre { type nat hook prerouting priority dstnat; }"
        yield "add chain ip lab post { type nat hook postrouting priority srcnat; }"
        yield "add rule ip lab pre fib daddr type local dnat ip to tcp dport map @forwards"
        yield "add rule ip lab post ip saddr @subnets masquerade"
    chosen = range(first, count)
    yield f"add element ip lab subnets {{ {', '.join(f'{subnet(n)}.0/24' for n in chosen)} }}"
    yield f"add element ip lab forwards {{ {', '.join(f'{10000 + n} : {subnet(n)}.11 . 22' for n in chosen)} }}"


def loop_commands(count: int) -> list[str]:
    """What the write-ups say, for a playbook that loops over it; rules by iptables, as they have them."""
    lines = [f"ip {line}" for line in link_lines(count)]
    for number in range(count):
        lines.append(f"iptables -w -t nat -A POSTROUTING -s {subnet(number)}.0/24 -j MASQUERADE")
        target = f"{subnet(number)}.11:22"
        lines.append(
            f"iptables -w -t nat -A PREROUTING -p tcp --dport {10000 + number} -j DNAT --to-destination {target}"
        )
    return [*lines, "sysctl -w net.ipv4.ip_forward=1"]
