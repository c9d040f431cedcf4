# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where the tool chain keeps what it makes: all of it in one cache, outside the repository."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
COLLECTION = Path("ansible_collections/virtnet/qemu")


def cache() -> Path:
    """``VIRTNET_CACHE``, else a folder of the user's cache; shared by all checkouts."""
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return Path(os.environ.get("VIRTNET_CACHE") or base / "virtnet")


def checkout() -> Path:
    """What belongs to this checkout alone: links to its environments, its copy, its results."""
    return cache() / "checkouts" / hashlib.sha256(os.fsencode(REPOSITORY)).hexdigest()[:12]


def tree() -> Path:
    """The folder to name in ``ANSIBLE_COLLECTIONS_PATH`` and ``PYTHONPATH``: a link to the repository."""
    return checkout() / "tree"


def environment(role: str) -> Path:
    """The virtual environment that has this role."""
    return checkout() / "environments" / role


def variables(**more: str) -> dict[str, str]:
    """The variables for everything that is run.

    A user's Ansible settings do not count here. Bytecode is kept, and kept out of the
    repository: without it, importing pyroute2 takes twice as long.
    """
    unwanted = ("ANSIBLE_", "PYTHONPATH", "PYTHONDONTWRITEBYTECODE", "PYTHONHOME", "VIRTUAL_ENV")
    kept = {key: value for key, value in os.environ.items() if not key.startswith(unwanted)}
    return {
        **kept,
        "ANSIBLE_COLLECTIONS_PATH": str(tree()),
        "ANSIBLE_HOME": str(checkout() / "ansible"),
        "HYPOTHESIS_STORAGE_DIRECTORY": str(checkout() / "hypothesis"),
        "PYTHONPYCACHEPREFIX": str(cache() / "bytecode"),
        "PYTHONUNBUFFERED": "1",
        "VIRTNET_CACHE": str(cache()),
        "VIRTNET_COMPILED": str(cache() / "compiled"),
        **more,
    }
