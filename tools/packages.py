# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The distribution's packages that bindep.txt names, installed when one is missing."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

from .places import REPOSITORY


def wanted() -> list[str]:
    lines = (REPOSITORY / "bindep.txt").read_text().splitlines()
    return [line.split()[0] for line in lines if line.strip() and not line.startswith("#")]


def installed() -> set[str]:
    argv = ["dpkg-query", "--show", "--showformat=${Package} ${db:Status-Status}\n"]
    listed = subprocess.check_output(argv, text=True)
    return {line.split()[0] for line in listed.splitlines() if line.endswith(" installed")}


def install_missing() -> None:
    """Install them by apt-get; anything else is only told what it needs.

    :raises SystemExit: not root, or apt-get fails
    """
    if shutil.which("dpkg-query") is None:
        print("packages: not a Debian; what is needed is listed in bindep.txt", flush=True)
        return
    present = installed()
    missing = [name for name in wanted() if name not in present]
    if not missing:
        print("packages: all there", flush=True)
        return
    print(f"packages: installing {' '.join(missing)}", flush=True)
    if os.geteuid() != 0:
        sys.exit("error: only root may install packages: run this as root, or install them yourself")
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for step in (["update"], ["install", "--yes", "--no-install-recommends", *missing]):
        if subprocess.run(["apt-get", "--quiet", *step], env=environment, check=False).returncode != 0:
            sys.exit(f"error: apt-get {step[0]} failed; its messages are above")
