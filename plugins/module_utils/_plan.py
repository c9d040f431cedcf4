# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""From what is wanted and what is there to ordered changes. Pure."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from ._spec.base import Resource, SpecError, Step


@dataclass(frozen=True)
class Change:
    """One resource from one state to another; ``None`` is "not there". Its undo is the way back."""

    key: Hashable
    before: Any
    after: Any

    @cached_property
    def steps(self) -> list[Step]:
        return type(self.after or self.before).steps(self.before, self.after)

    @property
    def views(self) -> list[tuple[Any, Any]]:
        return type(self.after or self.before).views(self.before, self.after)

    def undo(self, world: Any) -> Change:
        """The change that leads back to ``before`` from `world`, however far this one had come."""
        now = (self.after or self.before).have(world)
        if now is None or self.before is None or self.after is None:
            return Change(self.key, now, self.before)
        return Change(self.key, now, self.before.undone(self.after, now))


def plan(wants: list[Resource], world: Any, strays: Iterable[Resource] = ()) -> list[Change]:
    """The changes that lead from `world` to `wants` and without `strays`, in the order of the user's list.

    Several wants may speak of one key (rules of one chain); each adds to what the ones before it left.
    """
    changes = [Change(stray.key, stray, None) for stray in strays]
    changes += [Change(key, *sides) for key, sides in states(wants, world).items() if sides[0] != sides[1]]
    return sorted(changes, key=_rank)


def states(wants: list[Resource], world: Any) -> dict[Hashable, tuple[Any, Any]]:
    """What each wanted resource is and is to be, by its key."""
    before: dict[Hashable, Any] = {}
    after: dict[Hashable, Any] = {}
    for want in wants:
        if want.key not in before:
            before[want.key] = after[want.key] = want.have(world)
        after[want.key] = want.target(world, after[want.key])
    return {key: (before[key], after[key]) for key in before}


def _rank(change: Change) -> int:
    if change.after is not None:
        return 0
    return 1 if change.before.removed_last else -1


def check_unique(wants: list[Resource]) -> None:
    """Refuse a list that names one thing twice: the second would silently win."""
    seen: set[Hashable] = set()
    for want in wants:
        for name, claim in want.claims():
            if claim in seen:
                raise SpecError(f"config: '{name}' is listed twice; keep one of them")
            seen.add(claim)


def shown(changes: list[Change], side: str) -> list[Mapping[str, Any]]:
    """The resources on one side (``before`` or ``after``) of the changes, as a user sees them."""
    pairs = [pair for change in changes for pair in change.views]
    return [pair[side == "after"] for pair in pairs if pair[side == "after"] is not None]
