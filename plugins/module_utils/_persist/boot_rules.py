# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Boot files of packet rules, each read by the tool that the rules are for. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from types import ModuleType
from typing import Optional

from .._spec import iptables
from .._spec.ruleset import Ruleset
from .._spec.table import RuleWorld, Table, ruleset
from .boot_path import HEAD, is_inside, path_of

Key = tuple[Optional[str], str]


def of_tables(folder: str, states: Iterable[tuple[Key, Table | None]], world: RuleWorld, there: Iterable[str]) -> dict:
    """The files of all rules of one kind in the namespaces of `states`, by path; ``None`` for one that is to go."""
    files: dict[str, str | None] = {}
    for key, table in states:
        netns = key[0]
        if key not in world.places():
            # With the namespace all rules are gone, whatever they were kept by.
            files.update({path: None for path in there if netns and is_inside(path, netns)})
            continue
        layout = table.layout if table else world.layout(key)
        for family in layout.SYNTAX.FAMILIES:
            rules = ruleset(table, family)
            path = path_of(folder, [(netns, family)], layout.SYNTAX.tool(family))
            files[path] = render(layout, family, rules) if rules else None
    return files


def render(layout: ModuleType, family: str, rules: Ruleset) -> str:
    """The rules as one transaction of their tool."""
    lines = _iptables_lines if layout.SYNTAX is iptables else _nft_lines
    return HEAD + "".join(f"{line}\n" for line in lines(layout, family, rules))


def _nft_lines(layout: ModuleType, family: str, rules: Ruleset) -> Iterator[str]:
    """In place of the same table, which may be there or not."""
    yield f"add table {family} {layout.TABLE}"
    yield f"delete table {family} {layout.TABLE}"
    yield from layout.SYNTAX.script(layout.TABLE, None, rules)


def _iptables_lines(layout: ModuleType, _family: str, rules: Ruleset) -> Iterator[str]:
    yield f"*{layout.TABLE}"
    yield from layout.SYNTAX.script(layout.TABLE, None, rules)
    yield "COMMIT"
