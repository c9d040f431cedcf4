# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The links that a run is about to make and has not marked yet.

The kernel takes no IFLA_IFALIAS with the message that makes a link, so a run that is killed in between leaves a
link without our mark. The next run finds it here and knows it for ours. Like the links, this is gone after a reboot.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Optional

from . import files

Place = tuple[Optional[str], str]

_PATH = Path("/run/virtnet/unfinished.json")
#: Namespace and address of those of ours that the kernel takes no mark of; they too are gone after a reboot.
ADDRESSES = Path("/run/virtnet/addresses.json")


def read(path: Path = _PATH) -> set[Place]:
    """Namespace and name of each; the lock of the host must be held to rely on it."""
    return set(map(tuple, json.loads(files.read(path) or "[]")))


def write(places: Iterable[Place], path: Path = _PATH) -> None:
    listed = sorted(places, key=str)
    if listed:
        files.write(path, json.dumps(listed))
    else:
        files.remove(path)
