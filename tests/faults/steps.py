# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Sandbox hosts whose Python programs count their steps, and can be interrupted at one of them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tests.sandbox import Sandbox

HOOK = Path(__file__).with_name("hook") / "sitecustomize.py"
FOLDER, LIBRARY = "/run/steps", "/usr/local/lib/steps"
INTERPRETER = "/usr/local/bin/stepped-python"
#: For the system's Python: the restore program takes no folder from PYTHONPATH.
SYSTEM, MODULE = "/usr/lib/python3/dist-packages/steps.pth", "steps_of_this_host"
IMPORT = f'import sys; sys.path.append("{LIBRARY}"); import {MODULE}'
#: Of what a step is called, in characters.
_LONGEST = 120


@dataclass(frozen=True)
class Step:
    """What a program was about to do, and how many had come before, one more."""

    number: int
    what: str

    def __str__(self) -> str:
        return f"{self.number} {self.what}"[:_LONGEST]

    @property
    def matters_alive(self) -> bool:
        """Whether somebody notices it before the host loses its power."""
        return not self.what.startswith("fsync ")


def install(host: Sandbox, python: str) -> None:
    """Have a host's Python programs count their steps: modules by `INTERPRETER`, which is `python`."""
    host.path(LIBRARY).mkdir(parents=True)
    host.path(f"{LIBRARY}/sitecustomize.py").write_bytes(HOOK.read_bytes())
    host.path(f"{LIBRARY}/{MODULE}.py").write_bytes(HOOK.read_bytes())
    host.path(SYSTEM).parent.mkdir(parents=True, exist_ok=True)
    host.path(SYSTEM).write_text(f"{IMPORT}\n")
    script = host.path(INTERPRETER)
    script.write_text(f'#!/bin/sh\nPYTHONPATH={LIBRARY}:$PYTHONPATH exec {python} "$@"\n')
    script.chmod(0o755)


def count(host: Sandbox, stop: str = "kill -1") -> None:
    """Begin to count, anew; `stop` is what the hook says of it."""
    forget(host)
    folder = host.path(FOLDER)
    folder.mkdir()
    (folder / "stop").write_text(stop)


def counted(host: Sandbox) -> list[Step]:
    log = host.path(f"{FOLDER}/log")
    lines = log.read_text().splitlines() if log.exists() else []
    return [Step(number, what) for number, what in enumerate(lines, 1)]


def forget(host: Sandbox) -> None:
    host.run(["rm", "--recursive", "--force", FOLDER])
