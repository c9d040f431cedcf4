# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Names of boot files: below one folder for each kind, after what the file makes. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Optional

Place = tuple[Optional[str], str]

FOLDER = "/etc/virtnet/boot"
#: The first line of each file.
HEAD = "# Written by virtnet.qemu; changes here are lost.\n"


def path_of(folder: str, places: Iterable[Place], suffix: str) -> str:
    """The file of what is at these places, such as both ends of a veth."""
    return f"{FOLDER}/{folder}/{'+'.join(sorted(word(*place) for place in places))}.{suffix}"


def shares_place(path: str, other: str) -> bool:
    """Whether two files of one kind make something at the same place."""
    return bool(set(_words(path)) & set(_words(other)))


def is_inside(path: str, netns: str) -> bool:
    """Whether something that the file makes is in that namespace."""
    return any(one.partition("@")[2] == netns for one in _words(path))


def folder_of(path: str) -> str:
    return path.split("/")[-2]


def name_of(path: str) -> str:
    """The name of the file without its suffix."""
    return path.rpartition("/")[2].rpartition(".")[0]


def word(netns: str | None, name: str) -> str:
    """Safe for a shell and its patterns, and for what parts words here."""
    safe = re.sub(r"[^A-Za-z0-9_.-]|^[.-]", lambda found: "".join(f"%{byte:02X}" for byte in found[0].encode()), name)
    return f"{safe}@{netns}" if netns else safe


def _words(path: str) -> list[str]:
    return name_of(path).split("+")
