# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What boot files say of what earlier runs had made. Pure."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any, Callable

from .._spec.base import Resource, SpecError
from .._spec.extra_address import ExtraAddress
from . import boot, boot_links, boot_rules, boot_units
from .boot_path import path_of

#: The states of a run's resources by key, each before and after it.
States = Mapping[Any, tuple[Any, Any]]


def recorded(
    wants: Iterable[Resource],
    world: Any,
    there: Mapping[str, str],
    states: Callable[[list[Resource], Any], States],
) -> dict[Any, Any]:
    """Each of `wants`, and what belongs to it, as an earlier run would leave it in `world`, by its key."""
    found: dict[Any, Any] = {}
    scratch = _scratch(world)
    for want in wants:
        text = there.get(path_of(want.boot_folder, want.boot_places(), "sh")) if want.boot_folder else None
        if text is None:
            continue
        if isinstance(want, ExtraAddress):
            found[want.key] = _with_noted(want.have(world), text)
            continue
        try:
            earlier = boot_links.noted_resource(type(want), text)
            sides = states(type(want).gathered([earlier]), scratch) if earlier else {}
        except SpecError:
            # That cannot be any more; if it is still wanted, the run itself says so.
            continue
        found.update({key: side[1] for key, side in sides.items()})
    return found


def _scratch(world: Any) -> Any:
    """The same world, to plan in what is nobody's wish now."""
    scratch = copy.copy(world)
    for name in ("missing", "warnings"):
        if isinstance(vars(world).get(name), list):
            setattr(scratch, name, [])
    if hasattr(world, "taken"):
        scratch.taken = set()
    return scratch


def _with_noted(have: ExtraAddress | None, text: str) -> ExtraAddress | None:
    noted = [address for _netns, address in boot_links.noted_addresses([text])]
    return have and replace(have, addresses=tuple(sorted({*have.addresses, *noted})))


def repaired(
    spec: type[Resource],
    wants: Iterable[Resource],
    states: States,
    world: Any,
    pairs: Iterable[tuple[Any, Any]],
    there: Mapping[str, str],
) -> list[str]:
    """What of rules and of files this run repairs; `pairs` are files before and after it."""
    settled = {key for key, (have, after) in states.items() if have is not None and have == after}
    if spec.boot_folder in boot.OF_RULES:
        sides = [(key, states[key][1]) for key in settled]
        paths = set(boot_rules.of_tables(spec.boot_folder, sides, world, there))
        return [*_rules(spec.boot_folder, states, world, there), *_files(spec, pairs, paths, there)]
    paths = {path_of(w.boot_folder, w.boot_places(), "sh") for w in wants if w.boot_folder and w.key in settled}
    return list(_files(spec, pairs, paths, there))


def _rules(folder: str, states: States, world: Any, there: Mapping[str, str]) -> Iterator[str]:
    """The rules that were changed by hand and that this run puts right, in words."""
    for key, (have, after) in states.items():
        if after is None:
            continue
        sides = [boot_rules.of_tables(folder, [(key, side)], world, there) for side in (have, after)]
        for path in sides[1]:
            now, wanted = (set(_lines(side.get(path))) for side in sides)
            where = f"rules of {after.layout.TABLE}" + (f" in namespace {key[0]}" if key[0] else "")
            noted = _lines(there.get(path))
            if noted and wanted and not now:
                yield f"{where}: all were gone"
                continue
            yield from (f"{where}: '{line}' was gone" for line in noted if line in wanted and line not in now)
            known = wanted.union(noted)
            yield from (f"{where}: '{line}' was added" for line in sorted(now - known) if noted)


def _lines(text: str | None) -> list[str]:
    return [line for line in (text or "").splitlines() if not line.startswith("#")]


def _files(
    spec: type[Resource], pairs: Iterable[tuple[Any, Any]], settled: Iterable[str], there: Mapping[str, str]
) -> Iterator[str]:
    """The files that were changed by hand, in words. `settled` are the places, as files are named after them, that
    this run leaves as they are."""
    others = [path for path in there if path not in boot_units.all_files()]
    for before, after in pairs:
        if after is None:
            continue
        if before is None and after.unit:
            yield from [f"unit {after.unit}: was removed or disabled"] if others else []
        elif before is None:
            yield from [f"file {after.path}: was gone"] if there and after.path in settled else []
        elif not after.unit and _was_edited(spec, before, after.path in settled):
            yield f"file {after.path}: was changed"


def _was_edited(spec: type[Resource], before: Any, settled: bool) -> bool:
    """Whether a file is not what a run would write: by its own note of options, or as its rules are unchanged."""
    try:
        made = boot_links.noted_resource(spec, before.text)
    except SpecError:
        return settled
    if made is None:
        return settled
    return not getattr(made, "uplink", None) and not boot_links.is_as_noted(spec, before.text)
