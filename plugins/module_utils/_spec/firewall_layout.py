# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How the filters around networks are kept in a table, as far as both backends do it alike. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from . import tag as tags
from .firewall import PLACES
from .tag import Tag


@dataclass(frozen=True)
class Shield:
    """The rules of one network in the kernel: its bridge and the lines of each of its chains.

    The bridge is ``None`` when someone took out what leads to the chains.
    """

    network: str
    bridge: str | None
    lines: Mapping[str, tuple[str, ...]]

    @property
    def guarded(self) -> bool:
        """Whether it keeps anything out; a bridged network is a part of the LAN, and has rules for its bridge only."""
        return bool(self.lines.get("in"))

    def chains(self) -> dict[str, tuple[str, ...]]:
        return {chain_name(place, self.network): self.lines.get(place, ()) for place in PLACES}


def chain_name(place: str, network: str) -> str:
    return f"{place}-{network}"


def shields(chains: Mapping[str, tuple[str, ...]], bridges: Mapping[str, str], comment_of) -> list[Shield]:
    """The networks whose chains these are; a line of someone else in them is left out. `bridges` by network."""
    found: dict[str, dict[str, tuple[str, ...]]] = {}
    for name, lines in chains.items():
        place, dash, network = name.partition("-")
        if dash and place in PLACES:
            own = [line for line in lines if _is_of(network, comment_of(line))]
            found.setdefault(network, {})[place] = tuple(own)
    return [Shield(network, bridges.get(network), lines) for network, lines in found.items()]


def _is_of(network: str, comment: str | None) -> bool:
    tag = tags.parse(comment)
    return tag is not None and tag.network == network


def tagged(network: str, number: int) -> str:
    """The comment of a network's rule; `number` tells two equal ones apart and shows a reader the order."""
    return str(Tag(network, rank=f"{number:02}"))


def bridges_of(found: Iterable[Shield], guarded: bool = False) -> list[tuple[str, str]]:
    """Pairs of bridge and network, for what leads packets to the chains; or only of networks that are guarded."""
    return sorted((s.bridge, s.network) for s in found if s.bridge and (s.guarded or not guarded))
