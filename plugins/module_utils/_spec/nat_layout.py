# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How rules of address translation are kept in a table, as far as both backends do it alike. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from . import packet_option
from .base import SpecError
from .forward import Forward
from .nat_lines import INBOUND, OUTBOUND, Placed, hairpin
from .tag import Tag


@dataclass(frozen=True)
class Item:
    """One rule of ours in the kernel: a line of a chain or an element of a map.

    ``source``: the network whose packets it is for, if only for some. ``forward``: what it does to inbound packets.
    """

    place: str
    tag: Tag
    text: str
    source: str | None = None
    forward: Forward | None = None

    @property
    def version(self) -> int | None:
        return self.forward.version if self.forward else packet_option.version_of(self.source)


def chain_place(name: str) -> tuple[str, str] | None:
    """Place and network of a network's chain, ``None`` for any other chain."""
    place, dash, network = name.partition("-")
    return (place, network) if dash and place in (*INBOUND, *OUTBOUND) else None


def chains(items: Iterable[Item]) -> dict[str, tuple[str, ...]]:
    """The chains of the networks, each in the order of its rules' ranks, which no one's input order has a part in."""
    found: dict[str, list[Item]] = {}
    for item in items:
        found.setdefault(f"{item.place}-{item.tag.network}", []).append(item)
    return {name: tuple(item.text for item in sorted(found[name], key=_order)) for name in sorted(found)}


def _order(item: Item) -> tuple[str, str, str]:
    return item.tag.rank, item.tag.name or "", item.text


def hairpins(items: Iterable[Item]) -> list[tuple[Placed, Tag]]:
    """One rule for each subnet whose members may use a network's forwards, however many forwards those are."""
    wanted = sorted({(item.tag.network, item.tag.hairpin) for item in items if item.tag.hairpin})
    rules = [(network, hairpin(subnet)) for network, subnet in wanted]
    return [(placed, Tag(network, rank=placed.rank)) for network, placed in rules]


def sources(items: Iterable[Item]) -> list[tuple[Any, str]]:
    """What leaves from which network is for which chain: pairs of a network and the name of a network of ours.

    :raises SpecError: two networks claim the same source; between them there is no order
    """
    import netaddr

    claimed: dict[str, set[str]] = {}
    for item in items:
        if item.place == "post" and item.source:
            claimed.setdefault(item.tag.network, set()).add(item.source)
    pairs = [(cidr, network) for network, found in claimed.items() for cidr in netaddr.cidr_merge(sorted(found))]
    pairs.sort()
    for (lower, network), (upper, other) in zip(pairs, pairs[1:]):
        if upper in lower:
            raise SpecError(
                f"source: {upper} of network '{other}' overlaps {lower} of network '{network}'; "
                "give their rules the same 'network', in which the narrower one goes first"
            )
    return pairs
