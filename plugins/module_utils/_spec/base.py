# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What every kind of resource has in common. Pure: nothing here touches a machine.

A resource is a frozen dataclass. One and the same class says what is *wanted* (``None`` means
"leave alone") and what *is there* (every field known). Fields made with `control()` steer the
module (``state``, ``adopt``); they are no part of the resource, are not compared and not shown.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

#: What this collection writes into IFLA_IFALIAS (see ip-link(8), ``alias``) of what it makes.
MARK = "virtnet.qemu"
#: How the mark of a bridge with an uplink begins.
UPLINK_MARK = f"{MARK} uplink="


class SpecError(ValueError):
    """The user asked for something that cannot be. The text names option, value and remedy."""


@dataclass(frozen=True)
class Step:
    """One change of the machine: the host operation, its arguments, and the line a person would type."""

    op: str
    args: Mapping[str, Any]
    line: str


def control(default: Any = None) -> Any:
    """A dataclass field that steers the module and is no part of the resource."""
    return field(default=default, compare=False, metadata={"control": True})  # pylint: disable=invalid-field-call


def hidden(default: Any = None) -> Any:
    """A dataclass field that is compared, but is an internal of ours that no user needs to see."""
    return field(default=default, metadata={"hidden": True})  # pylint: disable=invalid-field-call


class Resource:
    """Base of the resource dataclasses; see `Bridge` for a complete one.

    A subclass gives ``kind``, ``argument_spec``, ``parse``, ``key``, ``owned_keys``, ``observed``, ``target``
    and ``steps``.
    """

    kind = ""
    #: A removal comes first, to make room for what is added; or last, when all the rest has worked, where that
    #: cannot be in its way and what hangs on the removed thing (processes, guests) cannot be brought back.
    removed_last = False
    #: The argument spec of what holds for a whole run and is given beside ``config``, not in its entries.
    run_options: Mapping[str, Any] = {}
    #: Where the files are kept that make it again at boot; empty for what needs none.
    boot_folder = ""

    @classmethod
    def gathered(cls, wants: list[Any]) -> list[Any]:
        """The resources that the entries of the user's list stand for, where several make up one (rules of a table)."""
        return wants

    @staticmethod
    def views(before: Any, after: Any) -> list[tuple[Mapping[str, Any] | None, Mapping[str, Any] | None]]:
        """What a user is shown of a change, before and after: the whole resource, or only the parts that differ."""
        return [tuple(resource and resource.as_dict() for resource in (before, after))]

    def claims(self) -> list[tuple[Any, Hashable]]:
        """What no other resource of the same list may be about: its name for the user, and what it is known by."""
        identity = getattr(self, "identity", self.key)
        return [(getattr(self, "name", identity), identity)]

    def boot_places(self) -> list[tuple[str | None, str]]:
        """Namespace and name of each thing that its boot file makes."""
        return [self.key]

    @classmethod
    def with_earlier(cls, given: Mapping[str, Any], earlier: Mapping[str, Any]) -> dict[str, Any]:
        """The options of a run, and where it leaves something alone those of the runs before."""
        return {name: _with_earlier(value, earlier.get(name)) for name, value in given.items()}

    def have(self, world: Any) -> Any:
        """This resource as `world` has it, or ``None``."""
        return self.observed(world, self.key)

    @classmethod
    def strays(cls, wants: list[Any], world: Any) -> list[Any]:
        """What carries our mark in `world` and nobody wants: the things that ``purge`` removes."""
        wanted = {want.key for want in wants}
        return [cls.observed(world, key) for key in cls.owned_keys(world) if key not in wanted]

    @classmethod
    def report(cls, wants: list[Any], world: Any, changes: list[Any]) -> dict[str, Any]:
        """More for the module's result; in check mode `world` is the one before the changes."""
        return {}

    @classmethod
    def data_fields(cls) -> list[str]:
        return [f.name for f in fields(cls) if not f.metadata.get("control")]

    def overlay(self, have: Any, **forced: Any) -> Any:
        """`have` with every field that this resource specifies, and with `forced`."""
        given = {n: getattr(self, n) for n in self.data_fields() if getattr(self, n) is not None}
        return replace(have, **{**given, **forced})

    def undone(self, after: Any, now: Any) -> Any:
        """What `now` is led to when the change from this to `after` is undone.

        What the change did not touch stays as it is now: a value that the kernel chose must not be pinned.
        """
        compared = [f.name for f in fields(self) if f.compare]
        return replace(now, **{n: getattr(self, n) for n in compared if getattr(self, n) != getattr(after, n)})

    def recorded(self, after: Any) -> Any:
        """This, which is there, as a run of ours had left it, as far as what it keeps on the host says so and a change
        to `after` brings that back; ``None`` where nothing says so. Boot files are looked at elsewhere."""
        return None

    def as_dict(self) -> dict[str, Any]:
        """What a user is shown of the resource: the data fields that are known."""
        shown = {}
        for f in fields(self):
            value = getattr(self, f.name)
            if value is None or f.metadata.get("control") or f.metadata.get("hidden"):
                continue
            shown[f.name] = list(value) if isinstance(value, tuple) else value
        return shown


def _with_earlier(given: Any, earlier: Any) -> Any:
    if isinstance(given, dict) and isinstance(earlier, dict):
        return {name: _with_earlier(given.get(name), earlier.get(name)) for name in {**earlier, **given}}
    return earlier if given is None else given
