# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A real copy of the repository for the linters: ansible-test refuses a link, others leave files behind."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from . import places


def listed() -> list[str]:
    """All files of the work tree that git does not ignore, committed or not."""
    argv = ["git", "-C", str(places.REPOSITORY), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    return [os.fsdecode(name) for name in subprocess.check_output(argv).split(b"\0") if name]


def make_copy() -> Path:
    """Copy them to a fresh folder whose path ends in the collection's name, and return it."""
    target = places.checkout() / "copy" / places.COLLECTION
    shutil.rmtree(target, ignore_errors=True)
    for name in listed():
        source = places.REPOSITORY / name
        if not source.exists():
            continue
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(source, target / name, follow_symlinks=False)
    return target
