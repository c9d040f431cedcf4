# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which boot files there are to be after a run. Pure."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from typing import Any

from .._spec.base import Resource
from .._spec.boot_file import BootFile
from .._spec.extra_address import ExtraAddress
from .._spec.netns import Netns
from . import boot_links, boot_rules, boot_units
from .boot_path import FOLDER, folder_of, is_inside, name_of, shares_place
from .native import Files, Natives

#: The kinds whose files are rules.
OF_RULES = ("network_firewall", "nat_rule", "nic_guard")


def wanted(
    spec: type[Resource],
    entries: Iterable[Mapping[str, Any]],
    states: Mapping[Hashable, Any],
    world: Any,
    there: Mapping[str, str],
    purge: bool,
    natives: Natives,
) -> Files:
    """The files of a run's resources, by path; ``None`` for one that is to go. `states`: what each is to be."""
    folder, entries = spec.boot_folder, list(entries)
    own = {path: text for path, text in there.items() if folder_of(path) == folder}
    if folder == ExtraAddress.boot_folder:
        files = boot_links.of_addresses(states.items())
    elif folder in OF_RULES:
        files = boot_rules.of_tables(folder, states.items(), world, own)
    else:
        files = boot_links.of_options(spec, entries, there, natives)
    if purge and folder == "bridge":
        files = _without_others(entries, there, natives, files)
    files = {**(dict.fromkeys(own) if purge else {}), **files}
    return {**dict.fromkeys(_hanging_on(files, there)), **files}


def unwanted(files: Files, natives: Natives) -> Files:
    """What becomes of those of `wanted` when nothing is to be kept."""
    return {path: text if natives.is_native(path) else None for path, text in files.items()}


def _without_others(
    entries: list[Mapping[str, Any]], there: Mapping[str, str], natives: Natives, files: Files
) -> Files:
    """`files`, without what the managers make of bridges that nobody lists."""
    for bridge in natives.bridges(there) - {entry["name"] for entry in entries}:
        now = {path: text for path, text in {**there, **files}.items() if text is not None}
        files = {**files, **natives.without(bridge, now)}
    return files


def _hanging_on(files: Mapping[str, str | None], there: Iterable[str]) -> list[str]:
    """What makes something in a namespace that goes, or on a link that does."""
    gone = [path for path, text in files.items() if text is None]
    kept = [path for path, text in files.items() if text is not None]
    spaces = [name_of(path) for path in gone if folder_of(path) == Netns.boot_folder]
    links = [path for path in gone if folder_of(path) in ("bridge", "veth", "tap")]
    addresses = [path for path in there if folder_of(path) == ExtraAddress.boot_folder]
    return [path for path in there for netns in spaces if is_inside(path, netns)] + [
        path
        for path in addresses
        if any(shares_place(path, link) for link in links) and not any(shares_place(path, link) for link in kept)
    ]


def files(
    wanted_files: Mapping[str, str | None], there: Mapping[str, str]
) -> list[tuple[BootFile | None, BootFile | None]]:
    """Each file of ours as it is and as it is to be."""
    texts = {**there, **wanted_files}
    with_units = any(_is_run(path) and text is not None for path, text in texts.items())
    texts.update({path: text if with_units else None for path, text in boot_units.all_files().items()})
    return [(_file(path, there.get(path)), _file(path, texts[path])) for path in texts]


def _is_run(path: str) -> bool:
    """Whether it is a file that our units run."""
    return path.startswith(f"{FOLDER}/") and path not in boot_units.all_files()


def _file(path: str, text: str | None) -> BootFile | None:
    return None if text is None else BootFile(path, text, boot_units.unit_of(path))
