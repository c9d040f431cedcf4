# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The format of NetworkManager's files: nm-settings-keyfile(5), and that of GLib below it. Pure."""

from __future__ import annotations

import posixpath
import re
import uuid
from collections.abc import Iterable, Mapping

#: Keys with their values as they are written, by section.
Profile = dict[str, dict[str, str]]

#: Where profiles are that outlive a reboot, and that a person writes.
FOLDER = "/etc/NetworkManager/system-connections"
#: What sections are called too.
_ALIASES = {"802-3-ethernet": "ethernet"}
#: NetworkManager's, for the id of a profile that says none of its own.
_NAMESPACE = uuid.UUID("b425e9fb-7598-44b4-9e3b-5a2e3aaa4905")
_ESCAPES = {"\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t"}
_MEANINGS = {"s": " ", "n": "\n", "r": "\r", "t": "\t"}


def parse(text: str) -> Profile:
    """Without comments. A section that is there twice is one, and of a key that is there twice the last counts."""
    profile: Profile = {}
    section: dict[str, str] = {}
    for line in map(str.strip, text.splitlines()):
        if line.startswith("[") and line.endswith("]"):
            section = profile.setdefault(_ALIASES.get(line[1:-1], line[1:-1]), {})
        elif "=" in line and line[0] != "#":
            key, _equals, value = line.partition("=")
            section[key.strip()] = value.strip()
    return profile


def written(sections: Iterable[tuple[str, Mapping[str, str]]]) -> str:
    blocks = ["\n".join([f"[{name}]", *(f"{key}={value}" for key, value in keys.items())]) for name, keys in sections]
    return "\n" + "\n\n".join(blocks) + "\n"


def escaped(value: str) -> str:
    text = "".join(_ESCAPES.get(letter, letter) for letter in value)
    return f"\\s{text[1:]}" if text.startswith(" ") else text


def unescaped(value: str) -> str:
    return re.sub(r"\\(.)", lambda found: _MEANINGS.get(found[1], found[1]), value)


def identity(path: str, profile: Profile) -> str:
    """The UUID by which NetworkManager knows the profile in that file."""
    given = profile.get("connection", {}).get("uuid")
    # Wherever the file is, NetworkManager takes it for one in that folder here.
    seed = f"keyfile\0{FOLDER}/{posixpath.basename(path)}\0"
    return given or str(uuid.uuid3(_NAMESPACE, seed))
