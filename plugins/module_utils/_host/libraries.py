# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How modules find libraries that are not where, or not as, an import looks for them."""

from __future__ import annotations

import os
import sys
from importlib.machinery import PathFinder
from importlib.util import module_from_spec

VENV = "/opt/virtnet/venv"


def find_more() -> None:
    """Let imports look into the virtual environment too, after everything else; this Python's version must be its.

    It is made by the role ``host_setup``, of what a distribution has no package of. Ansible's own way,
    ``respawn_module``, hangs when the module's options fill more than a pipe holds (64 KiB).
    """
    version = "python{}.{}".format(*sys.version_info)
    folder = os.path.join(VENV, "lib", version, "site-packages")
    if folder not in sys.path and os.path.isdir(folder):
        sys.path.append(folder)


def interpreter() -> str:
    """A Python to run programs that need the same libraries as this one."""
    own = os.path.join(VENV, "bin", "python")
    return own if any(entry.startswith(f"{VENV}/") for entry in sys.path) else sys.executable


def spare_pyroute2() -> None:
    """Let imports of parts of pyroute2 load no others: its own package loads all it has, in twice the time.

    No part of it that is used here reads a name from the package itself.
    """
    if "pyroute2" not in sys.modules:
        spec = PathFinder.find_spec("pyroute2")
        if spec is not None:
            sys.modules["pyroute2"] = module_from_spec(spec)
