# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The firewalls around networks, and those of other programs on the same host."""

from __future__ import annotations

import json
from pathlib import Path

from .._spec import firewall_marked, firewall_nftables, nat_nftables
from .._spec.firewall_table import LAYOUTS
from .._spec.other_firewall import (
    HOOKS,
    TABLE,
    IptablesChain,
    OtherFirewalls,
    iptables_chains,
    native_chains,
)
from .._spec.table import RuleWorld
from . import command, iptables, namespace, nftables
from .packet_rules import PacketRules

_FAMILIES = {"ip": "iptables", "ip6": "ip6tables"}
_OURS = (firewall_nftables.TABLE, nat_nftables.TABLE)
_BRIDGE_CALLS = {4: "bridge-nf-call-iptables", 6: "bridge-nf-call-ip6tables"}


class FirewallRules(PacketRules):
    """Beside the rules of ours: what other firewalls there are where they apply."""

    def __init__(self) -> None:
        super().__init__(LAYOUTS)

    def look_around(self, world: RuleWorld) -> None:
        for key in world.places():
            if key[0] not in world.others:
                with namespace.entered(key[0]):
                    world.others[key[0]] = _others()
            if world.others[key[0]].drop and world.layout(key) is firewall_nftables:
                world.keep_as(key, firewall_marked)


def _others() -> OtherFirewalls:
    listing = _listing()
    in_nft = {family: _chains(f"{tool}-nft") for family, tool in _FAMILIES.items() if _has_iptables(listing, family)}
    legacy = [chain for tool in _FAMILIES.values() for chain in _legacy_chains(tool)]
    # What iptables cannot read of its own table is somebody's by nft.
    known = [(family, TABLE) for family, chains in in_nft.items() if chains]
    return OtherFirewalls(
        (*(chain for chains in in_nft.values() for chain in chains), *legacy),
        tuple(native_chains(listing, known)),
        frozenset(filter(_bridge_calls, _BRIDGE_CALLS)),
    )


def _listing() -> dict:
    """The tables of nftables that others made, without the elements of their sets; nothing where there is no nftables.

    Ours are the large ones, and are known.
    """
    if command.which("nft") is None:
        return {"nftables": []}
    others = [(family, table) for family, table in nftables.tables() if table not in _OURS]
    return {"nftables": [entry for other in others for entry in _entries(*other)]}


def _entries(family: str, table: str) -> list[dict]:
    done = command.attempt(["nft", "--json", "--terse", "list", "table", family, table])
    return json.loads(done.output)["nftables"] if done.code == 0 and done.output else []


def _has_iptables(listing: dict, family: str) -> bool:
    """Whether the family's table is one that iptables made in nftables, and can be edited by it."""
    chains = (entry["chain"] for entry in listing["nftables"] if "chain" in entry)
    made = any((c["family"], c["table"]) == (family, TABLE) and c["name"] in HOOKS for c in chains)
    return made and command.which(f"{_FAMILIES[family]}-nft-save") is not None


def _legacy_chains(tool: str) -> list[IptablesChain]:
    name = f"{tool}-legacy"
    if command.which(f"{name}-save") is None or iptables.is_unmade(name, TABLE):
        return []
    return _chains(name)


def _chains(tool: str) -> list[IptablesChain]:
    return iptables_chains(tool, iptables.saved(tool, TABLE))


def _bridge_calls(version: int) -> bool:
    path = Path("/proc/sys/net/bridge", _BRIDGE_CALLS[version])
    return path.is_file() and path.read_text().strip() == "1"
