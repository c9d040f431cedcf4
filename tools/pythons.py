# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The Python interpreters of this machine that really run."""

from __future__ import annotations

import itertools
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

OLDEST, NEWEST = (3, 9), (3, 14)
OLDEST_CONTROLLER = (3, 11)
# A version manager's shim may be found and yet not run, and a bare one may lack what venv needs.
PROBE = "import ensurepip, ssl, sys, venv; print(*sys.version_info[:2]); print(sys.executable)"


@dataclass(frozen=True, order=True)
class Interpreter:
    version: tuple[int, int]
    path: str

    def __str__(self) -> str:
        return f"{self.version[0]}.{self.version[1]}"


def probe(path: str) -> Interpreter | None:
    try:
        done = subprocess.run([path, "-c", PROBE], capture_output=True, text=True, check=False, timeout=30)
    except OSError:
        return None
    if done.returncode != 0:
        return None
    version, executable = done.stdout.splitlines()
    major, minor = version.split()
    return Interpreter((int(major), int(minor)), executable)


def candidates() -> list[str]:
    names = [f"python3.{minor}" for minor in range(OLDEST[1], NEWEST[1] + 1)]
    on_path = [shutil.which(name) for name in [*names, "python3"]]
    # A shim on the path hides the system's own interpreter of that name.
    of_system = [f"/usr/bin/{name}" for name in names]
    of_pyenv = sorted(str(path) for path in Path.home().glob(".pyenv/versions/3.*/bin/python3"))
    return [path for path in itertools.chain(on_path, of_system, of_pyenv, [sys.executable]) if path]


def interpreters() -> list[Interpreter]:
    """One of each version from the oldest to the newest supported, sorted.

    :raises SystemExit: none may run a controller
    """
    found: dict[tuple[int, int], Interpreter] = {}
    for path in candidates():
        interpreter = probe(path)
        if interpreter and OLDEST <= interpreter.version <= NEWEST:
            found.setdefault(interpreter.version, interpreter)
    usable = sorted(found.values())
    if not usable or usable[-1].version < OLDEST_CONTROLLER:
        sys.exit(f"error: no Python from 3.{OLDEST_CONTROLLER[1]} to 3.{NEWEST[1]} with venv: install python3-venv")
    return usable
