# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Puts the repository's Python files into the form that ``make lint`` asks for."""

from __future__ import annotations

import subprocess
import sys

from . import places

if __name__ == "__main__":
    ruff = str(places.environment("controller") / "bin/ruff")
    steps = (["check", "--fix"], ["format"])
    codes = [
        subprocess.run([ruff, *step, "--no-cache"], cwd=places.REPOSITORY, check=False).returncode for step in steps
    ]
    sys.exit(max(codes))
