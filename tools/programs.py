# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Replaces itself by a program of tests/, or one that ``make setup`` installed, with its Python; see tools/virtnet."""

from __future__ import annotations

import os
import sys

from . import places

PROGRAMS = ("benchmark", "sandbox", "quickstart", "vmhosts")
INSTALLED = ("molecule",)


def main(arguments: list[str]) -> None:
    if not arguments or arguments[0] not in PROGRAMS + INSTALLED:
        sys.exit(f"usage: tools/virtnet {'|'.join(PROGRAMS + INSTALLED)} ARGUMENT...")
    tools = places.environment("controller") / "bin"
    if not tools.exists():
        sys.exit("error: the tools are not installed yet: run 'make setup' first")
    # No PYTHONPATH: the managed side inherits it, and there only what Ansible sent may be found.
    variables = places.variables(PATH=f"{tools}:{os.environ['PATH']}")
    program, *rest = arguments
    argv = ["python", "-m", f"tests.{program}"] if program in PROGRAMS else [program]
    os.execve(tools / argv[0], [*argv, *rest], variables)


if __name__ == "__main__":
    main(sys.argv[1:])
