# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""All rules of address translation of one namespace, as one resource. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from types import ModuleType
from typing import Any

from . import nat, nat_iptables, nat_nftables
from .base import Step
from .forward import Flush, Forward, check_collisions, flushes, typed
from .nat import NatRule
from .nat_layout import Item
from .nat_lines import placed
from .ruleset import Ruleset
from .table import Entries, RuleWorld, Table, inside
from .tag import Tag, token

LAYOUTS = {"nftables": nat_nftables, "iptables": nat_iptables}


@dataclass(frozen=True)
class NatTable(Table):
    """The table as it is, or is to be."""

    @staticmethod
    def steps(before: NatTable | None, after: NatTable | None) -> list[Step]:
        netns = (before or after).netns
        return Table.steps(before, after) + [_flush_step(netns, flush) for flush in connections(before, after)]


def connections(before: NatTable | None, after: NatTable | None) -> list[Flush]:
    """Which connections a change of the table must make the kernel forget."""
    return [] if before == after else flushes(_forwards(before), _forwards(after))


def _forwards(table: NatTable | None) -> set[Forward]:
    found = (item for rules in table.rulesets.values() for item in table.layout.items(rules)) if table else ()
    return {item.forward for item in found if item.forward}


def _flush_step(netns: str | None, flush: Flush) -> Step:
    return Step("flush", {"netns": netns, "flush": flush}, inside(netns, typed(flush)))


@dataclass(frozen=True)
class NatRules(Entries):
    """The rules that a user lists for one namespace."""

    kind = "nat_rule"
    boot_folder = "nat_rule"
    table = NatTable
    argument_spec = nat.ARGUMENT_SPEC
    run_options = nat.RUN_OPTIONS

    @staticmethod
    def parse(params: dict[str, Any]) -> NatRule:
        return nat.parse(params)

    def target(self, world: RuleWorld, have: NatTable | None) -> NatTable | None:
        after = super().target(world, have)
        if connections(have, after):
            world.require_conntrack()
        return after

    def assembled(self, layout: ModuleType, family: str, there: Ruleset) -> Ruleset | None:
        items = self._kept(layout.items(there)) + self._items(layout, layout.SYNTAX.FAMILIES[family])
        check_collisions((item.tag, item.forward) for item in items if item.forward)
        return layout.assemble(family, items)

    def _kept(self, items: list[Item]) -> list[Item]:
        listed = {(token(rule.network), rule.name) for rule in self.entries}
        whole = {token(rule.network) for rule in self.entries if rule.exclusive}
        # What has no name is derived from what has one.
        return [
            item
            for item in items
            if item.tag.name and item.tag.network not in whole and (item.tag.network, item.tag.name) not in listed
        ]

    def _items(self, layout: ModuleType, version: int | None) -> list[Item]:
        listed = (rule for rule in self.entries if rule.state == "present" and version in (None, rule.version))
        return [item for rule in listed for item in _items_of(layout, rule)]


# One run asks several times what is wanted.
@cache
def _items_of(layout: ModuleType, rule: NatRule) -> tuple[Item, ...]:
    return tuple(
        layout.item(part, Tag(token(rule.network), rule.name, part.rank, rule.hairpin)) for part in placed(rule)
    )
