# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A table of packet rules as a resource: what is ours in one namespace, changed in one transaction. Pure.

A layout is the module that says how entries of one kind are kept in a backend's table. It has ``TABLE``, ``FAMILIES``
and what `nft` or `iptables` gives it: ``parse``, ``script``, ``tool``, ``typed``, ``title``, ``comment_of``.
"""

from __future__ import annotations

import shlex
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from .base import Resource, Step
from .ruleset import Ruleset, views


@dataclass(frozen=True)
class Table(Resource):
    """``rulesets``: our rules by family; a family without any is left out."""

    kind = "table"

    key: tuple[str | None, str]
    layout: ModuleType
    rulesets: Mapping[str, Ruleset]

    @property
    def netns(self) -> str | None:
        return self.key[0]

    @classmethod
    def observed(cls, world: RuleWorld, key: tuple[str | None, str]) -> Any:
        rulesets = world.rulesets(key)
        return cls(key, world.layout(key), rulesets) if rulesets else None

    @staticmethod
    def views(before: Table | None, after: Table | None) -> list[tuple[Any, Any]]:
        some = before or after
        syntax = some.layout.SYNTAX
        found = []
        for family in syntax.FAMILIES:
            where = f"{family} {some.layout.TABLE}" + (f" in namespace {some.netns}" if some.netns else "")
            found += views(where, *(ruleset(side, family) or Ruleset() for side in (before, after)), syntax.title)
        return found

    @staticmethod
    def steps(before: Table | None, after: Table | None) -> list[Step]:
        some = before or after
        syntax, table = some.layout.SYNTAX, some.layout.TABLE
        steps = []
        for family in syntax.FAMILIES:
            old, new = ruleset(before, family), ruleset(after, family)
            tool = syntax.tool(family)
            for line in syntax.script(table, old, new) if old != new else ():
                args = {"netns": some.netns, "tool": tool, "table": table, "line": line}
                steps.append(Step("rule", args, inside(some.netns, syntax.typed(tool, table, line))))
        return steps


@dataclass(frozen=True)
class Entries(Resource, ABC):
    """What a user lists for one place; what else is there stays, unless it is purged.

    A subclass gives ``argument_spec``, ``parse``, ``table`` (its kind of `Table`) and ``assembled``.
    """

    table = Table

    key: tuple[str | None, str]
    entries: tuple[Any, ...]

    @classmethod
    def gathered(cls, wants: list[Any]) -> list[Any]:
        by_place: dict[tuple[str | None, str], list[Any]] = {}
        for entry in wants:
            by_place.setdefault((entry.netns, entry.backend), []).append(entry)
        return [cls(key, tuple(entries)) for key, entries in by_place.items()]

    @classmethod
    def owned_keys(cls, world: RuleWorld) -> list[tuple[str | None, str]]:
        return world.owned()

    @classmethod
    def observed(cls, world: RuleWorld, key: tuple[str | None, str]) -> Any:
        return cls.table.observed(world, key)

    @property
    def only_removes(self) -> bool:
        return all(entry.state == "absent" for entry in self.entries)

    def target(self, world: RuleWorld, have: Table | None) -> Any:
        if have is None and all(entry.state == "absent" for entry in self.entries):
            return None
        world.require_place(self.key)
        layout = world.layout(self.key)
        rulesets = {}
        for family in layout.SYNTAX.FAMILIES:
            there = None if world.everything else ruleset(have, family)
            if rules := world.assembled(self, layout, family, there):
                rulesets[family] = rules.spelled(world.spelling)
        return self.table(self.key, layout, rulesets) if rulesets else None

    @abstractmethod
    def assembled(self, layout: ModuleType, family: str, there: Ruleset) -> Ruleset | None:
        """What is to be in a family's table, in place of what is `there`."""


def ruleset(table: Table | None, family: str) -> Ruleset | None:
    return table.rulesets.get(family) if table else None


def inside(netns: str | None, line: str) -> str:
    """A shell's line as one types it to run it in a namespace."""
    if netns is None:
        return line
    return f"ip netns exec {netns} " + (f"sh -c {shlex.quote(line)}" if line.startswith("for ") else line)


class RuleWorld:
    """The tables of ours that were found.

    `found`: for each place the layout of its backend and the rulesets; ``None`` for a namespace that does not exist.
    ``spelling``: how the host's tool prints what we write, as far as it differs. ``everything``: rules that nobody
    lists are to go.
    """

    def __init__(
        self,
        found: Mapping[tuple[str | None, str], tuple[ModuleType, Mapping[str, Ruleset]] | None],
        fallback: ModuleType,
        everything: bool = False,
        conntrack: bool = True,
    ):
        self._found = dict(found)
        self._fallback = fallback
        self._conntrack = conntrack
        self.everything = everything
        self.spelling: dict[str, str] = {}
        self.missing: list[str] = []
        self.warnings: list[str] = []
        #: By namespace, as far as somebody asked: the firewalls of other programs.
        self.others: dict[str | None, Any] = {}
        #: Beside each result what it was made of, as it goes by their identity.
        self._assembled: dict[tuple[int, ModuleType, str, int], tuple[Ruleset | None, Any, Any]] = {}

    def assembled(self, entries: Entries, layout: ModuleType, family: str, there: Ruleset | None) -> Ruleset | None:
        """What is to be in a family's table. A run asks for it several times."""
        key = id(entries), layout, family, id(there)
        if key not in self._assembled:
            self._assembled[key] = entries.assembled(layout, family, there or Ruleset()), entries, there
        return self._assembled[key][0]

    def rulesets(self, key: tuple[str | None, str]) -> Mapping[str, Ruleset]:
        return self._found[key][1] if self._found.get(key) else {}

    def layout(self, key: tuple[str | None, str]) -> ModuleType:
        return self._found[key][0] if self._found.get(key) else self._fallback

    def places(self) -> list[tuple[str | None, str]]:
        return [key for key, found in self._found.items() if found]

    def keep_as(self, key: tuple[str | None, str], layout: ModuleType) -> None:
        """Let the rules of a place be kept in another layout of the same table."""
        self._found[key] = layout, self.rulesets(key)

    def owned(self) -> list[tuple[str | None, str]]:
        return [key for key in self._found if self.rulesets(key)]

    def require_place(self, key: tuple[str | None, str]) -> None:
        if self._found.get(key) is None:
            self._miss(f"netns: namespace '{key[0]}' does not exist; make it with virtnet.qemu.netns first")

    def require_conntrack(self) -> None:
        if not self._conntrack:
            self._miss(
                "the command 'conntrack' is missing, which makes a changed forward hold for connections that are open; "
                "install the package 'conntrack'"
            )

    def _miss(self, text: str) -> None:
        if text not in self.missing:
            self.missing.append(text)
