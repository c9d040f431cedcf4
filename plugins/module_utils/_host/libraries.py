# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Libraries that a distribution has no package of: the role ``host_setup`` puts them into a virtual environment.

Ansible's own way, ``respawn_module``, hangs when the module's options fill more than a pipe holds (64 KiB).
"""

from __future__ import annotations

import os
import sys

VENV = "/opt/virtnet/venv"


def find_more() -> None:
    """Let imports look into the virtual environment too, after everything else; this Python's version must be its."""
    version = "python{}.{}".format(*sys.version_info)
    folder = os.path.join(VENV, "lib", version, "site-packages")
    if folder not in sys.path and os.path.isdir(folder):
        sys.path.append(folder)


def interpreter() -> str:
    """A Python to run programs that need the same libraries as this one."""
    own = os.path.join(VENV, "bin", "python")
    return own if any(entry.startswith(f"{VENV}/") for entry in sys.path) else sys.executable
