# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""qemu-bridge-helper(8): where it is, whether it has its privilege, and which bridges its configuration allows."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from .._spec.guest_world import BridgeHelper

_PATHS = (
    "/usr/lib/qemu/qemu-bridge-helper",
    "/usr/libexec/qemu-bridge-helper",
    "/usr/local/libexec/qemu-bridge-helper",
)
#: An xattr with file capabilities: capabilities(7).
_CAPABILITY = "security.capability"


def find() -> BridgeHelper | None:
    path = next((p for p in _PATHS if os.path.isfile(p)), None)
    if path is None:
        return None
    # The folder is fixed when QEMU is built, with the rest of its prefix.
    config = "/usr/local/etc/qemu/bridge.conf" if path.startswith("/usr/local/") else "/etc/qemu/bridge.conf"
    return BridgeHelper(path, _privileged(path), config, tuple(_rules(Path(config), depth=8)))


def _privileged(path: str) -> bool:
    found = os.stat(path)
    return (found.st_uid == 0 and bool(found.st_mode & stat.S_ISUID)) or _CAPABILITY in os.listxattr(path)


def _rules(config: Path, depth: int) -> list[tuple[str, str]]:
    """Pairs of allow or deny and a bridge; ``include`` leads to another file, which may lead back."""
    try:
        lines = config.read_text(encoding="utf-8").splitlines()
    except OSError:
        return []
    rules = []
    for words in (line.split("#")[0].split() for line in lines):
        if len(words) == 2 and words[0] == "include" and depth:
            rules += _rules(Path(words[1]), depth - 1)
        elif len(words) == 2:
            rules.append((words[0], words[1]))
    return rules
