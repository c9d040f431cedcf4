# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a packet filter's table holds, as text that its own tool prints and reads. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Callable


@dataclass(frozen=True)
class Ruleset:
    """One table, or the chains that are ours in it.

    ``declared``: what hooked chains, maps and sets say of themselves. ``chains``: the rules of each chain, in order.
    ``elements``: for each map or set, its elements by their key.
    """

    declared: Mapping[str, str] = field(default_factory=dict)
    chains: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    elements: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    def spelled(self, spelling: Mapping[str, str]) -> Ruleset:
        """The same rules in the words of the host's own tool: `spelling` says how it prints what we write."""
        if not spelling:
            return self
        return replace(
            self,
            declared={name: spelling.get(text, text) for name, text in self.declared.items()},
            chains={name: tuple(spelling.get(line, line) for line in lines) for name, lines in self.chains.items()},
        )


def spelling(ours: Ruleset, printed: Ruleset) -> dict[str, str]:
    """From what we write to what the host's tool makes of it."""
    words = dict(_pairs(ours.declared, printed.declared))
    for name, lines in ours.chains.items():
        words.update(zip(lines, printed.chains.get(name, ())))
    return {text: said for text, said in words.items() if text != said}


def _pairs(ours: Mapping[str, str], printed: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    return ((text, printed[name]) for name, text in ours.items() if name in printed)


def views(
    where: str, before: Ruleset, after: Ruleset, title: Callable[[str], str] = str
) -> list[tuple[dict | None, dict | None]]:
    """The chains and maps that differ, each reduced to the rules that do; a chain only reordered is shown whole.

    `title`: the name of a chain as a user knows it.
    """
    found = []
    for name in _differing(before.chains, after.chains):
        sides = [side.chains.get(name, ()) for side in (before, after)]
        common = set(sides[0]) & set(sides[1])
        reduced = [[line for line in lines if line not in common] for lines in sides]
        found.append(_view({"table": where, "chain": title(name)}, "rules", reduced if any(reduced) else sides))
    for name in _differing(before.elements, after.elements):
        sides = [side.elements.get(name, {}) for side in (before, after)]
        keys = list(_differing(*sides))
        reduced = [[side[key] for key in keys if key in side] for side in sides]
        found.append(_view({"table": where, "map": name}, "elements", reduced))
    return found


def _differing(before: Mapping, after: Mapping) -> Iterator[str]:
    return (name for name in {**before, **after} if before.get(name) != after.get(name))


def _view(place: dict, what: str, sides: list) -> tuple[dict | None, dict | None]:
    return tuple({**place, what: list(side)} if side else None for side in sides)
