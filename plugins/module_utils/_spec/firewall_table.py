# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The filters around all networks of one namespace, as one resource. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from types import ModuleType
from typing import Any

from . import firewall, firewall_iptables, firewall_nftables
from .admission import Admission
from .base import SpecError
from .firewall import NetworkFirewall
from .firewall_layout import Shield, bridges_of, tagged
from .ruleset import Ruleset
from .table import Entries
from .tag import token

LAYOUTS = {"nftables": firewall_nftables, "iptables": firewall_iptables}


@dataclass(frozen=True)
class NetworkFirewalls(Entries):
    """The networks that a user lists for one namespace."""

    kind = "network_firewall"
    boot_folder = "network_firewall"
    argument_spec = firewall.ARGUMENT_SPEC
    run_options = firewall.RUN_OPTIONS

    @classmethod
    def gathered(cls, wants: list[Any]) -> list[Any]:
        tables = super().gathered(wants)
        return [*tables, *map(Admission.of, tables)]

    @classmethod
    def strays(cls, wants: list[Any], world: Any) -> list[Any]:
        return [*super().strays(wants, world), *Admission.strays(wants, world)]

    @staticmethod
    def parse(params: dict[str, Any]) -> NetworkFirewall:
        return firewall.parse(params)

    def assembled(self, layout: ModuleType, family: str, there: Ruleset) -> Ruleset | None:
        listed = {token(network.name) for network in self.entries}
        shields = [shield for shield in layout.read(there) if shield.network not in listed]
        shields += [_shield(layout, family, network) for network in self.entries if network.state == "present"]
        _check_bridges(shields)
        return layout.assemble(family, sorted(shields, key=lambda shield: shield.network))


# One run asks several times what is wanted.
@cache
def _shield(layout: ModuleType, family: str, network: NetworkFirewall) -> Shield:
    version = layout.SYNTAX.FAMILIES[family]
    name = token(network.name)
    lines: dict[str, tuple[str, ...]] = {}
    for place, rule in firewall.rules(network):
        if version is None or rule.version in (None, version):
            text = layout.SYNTAX.rule_text(
                replace(rule, version=version or rule.version), tagged(name, len(lines.get(place, ())))
            )
            lines[place] = (*lines.get(place, ()), text)
    return Shield(name, network.bridge, lines)


def _check_bridges(shields: list[Shield]) -> None:
    pairs = bridges_of(shields)
    for (bridge, network), (other_bridge, other) in zip(pairs, pairs[1:]):
        if bridge == other_bridge:
            raise SpecError(
                f"bridge: '{bridge}' belongs to network '{network}' and to '{other}'; change or remove one of them"
            )
