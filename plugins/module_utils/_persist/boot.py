# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which boot files there are to be after a run. Pure."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from typing import Any

from .._spec.base import Resource
from .._spec.boot_file import BootFile
from . import boot_links, boot_rules, boot_units
from .boot_path import folder_of, is_inside


def wanted(
    spec: type[Resource],
    entries: Iterable[Mapping[str, Any]],
    states: Mapping[Hashable, Any],
    world: Any,
    there: Mapping[str, str],
) -> dict[str, str | None]:
    """The files of a run's resources, by path; ``None`` for one that is to go. `states`: what each is to be."""
    folder = spec.boot_folder
    own = {path: text for path, text in there.items() if folder_of(path) == folder}
    if folder == "address":
        return boot_links.of_addresses(states.items())
    if folder in ("network_firewall", "nat_rule", "nic_guard"):
        return boot_rules.of_tables(folder, states.items(), world, own)
    files = boot_links.of_options(spec, entries, own)
    if folder == "netns":
        gone = [entry["name"] for entry in entries if entry["state"] == "absent"]
        files.update({path: None for path in there for netns in gone if is_inside(path, netns)})
    return files


def files(
    wanted_files: Mapping[str, str | None], purge: str | None, there: Mapping[str, str]
) -> list[tuple[BootFile | None, BootFile | None]]:
    """Each file of ours as it is and as it is to be. `purge`: the folder whose other files go."""
    texts = {path: None for path in there if folder_of(path) == purge}
    texts = {**there, **texts, **wanted_files}
    with_units = any(text is not None and path not in boot_units.all_files() for path, text in texts.items())
    texts.update({path: text if with_units else None for path, text in boot_units.all_files().items()})
    return [(_file(path, there.get(path)), _file(path, texts[path])) for path in texts]


def _file(path: str, text: str | None) -> BootFile | None:
    return None if text is None else BootFile(path, text, boot_units.unit_of(path))
