# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Virtual environments, one a set of requirements and Python version, shared by all checkouts."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from . import places
from .pythons import OLDEST_CONTROLLER, Interpreter


@dataclass(frozen=True)
class Environment:
    """What a role in the tests is played by.

    :param role: ``controller`` (the newest Ansible), ``controller-oldest``, or ``managed-oldest`` (the oldest
        pyroute2)
    """

    role: str
    python: Interpreter
    requirements: tuple[str, ...]

    @property
    def files(self) -> list[str]:
        return [str(places.REPOSITORY / name) for name in self.requirements]

    @property
    def key(self) -> str:
        content = self.python.path + "".join(Path(name).read_text() for name in self.files)
        return f"{self.python}-{hashlib.sha256(content.encode()).hexdigest()[:12]}"

    def make(self) -> None:
        """Make it, unless it is there and complete, and link the role to it.

        :raises SystemExit: pip failed
        """
        path = places.cache() / "venvs" / self.key
        if not (path / "complete").exists():
            self._build(path)
        link = places.environment(self.role)
        link.parent.mkdir(parents=True, exist_ok=True)
        link.unlink(missing_ok=True)
        link.symlink_to(path)

    def _build(self, path: Path) -> None:
        print(f"environment {self.role}: Python {self.python}, {', '.join(self.requirements)} ...", flush=True)
        began = time.monotonic()
        # Left over from an interrupted run: a half environment is not worth repairing.
        shutil.rmtree(path, ignore_errors=True)
        wanted = [argument for name in self.files for argument in ("--requirement", name)]
        pip = [str(path / "bin/python"), "-m", "pip", "install", "-qq", "--disable-pip-version-check", "--no-input"]
        for argv in ([self.python.path, "-m", "venv", str(path)], pip + wanted):
            if subprocess.run(argv, env=places.variables(), check=False).returncode != 0:
                sys.exit(f"error: {' '.join(argv)} failed; its messages are above")
        (path / "complete").touch()
        print(f"environment {self.role}: done in {time.monotonic() - began:.0f} s", flush=True)


def wanted(found: list[Interpreter]) -> list[Environment]:
    """The environments for the interpreters of a machine: both ends of what is managed, and of what manages."""
    newest, oldest = found[-1], found[0]
    made = [
        Environment(
            "controller", newest, tuple(f"requirements{use}.txt" for use in ("", "-test", "-lint", "-molecule"))
        ),
        Environment("managed-oldest", oldest, ("requirements-oldest.txt", "requirements-test.txt")),
    ]
    made += [
        Environment("controller-oldest", python, ("requirements.txt", "requirements-test.txt"))
        for python in found[:-1]
        if python.version == OLDEST_CONTROLLER
    ]
    return made
