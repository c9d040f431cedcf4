# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A newer QEMU for the VM hosts than Debian 12's, which is a third slower under TCG and has no igb."""

from __future__ import annotations

import os
import platform
import re
import subprocess
import tempfile
from pathlib import Path

WANTED = 8
PACKAGES = ("qemu-system-x86", "qemu-system-common", "qemu-system-data", "qemu-utils", "seabios")
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"


def packages(folder: Path) -> list[Path]:
    """The distribution's backports of QEMU, downloaded once; none where the machine's own is new enough.

    :param folder: where they are kept
    """
    said = subprocess.check_output(["qemu-system-x86_64", "--version"], text=True)
    if int(re.search(r"version (\d+)", said)[1]) >= WANTED:
        return []
    suite = f"{platform.freedesktop_os_release()['VERSION_CODENAME']}-backports"
    made = folder / suite
    if not made.exists():
        folder.mkdir(parents=True, exist_ok=True)
        print(f"downloading QEMU from {suite} ...", flush=True)
        with tempfile.TemporaryDirectory(dir=folder) as work:
            _download(suite, Path(work))
            ready = Path(work, "ready")
            os.rename(ready, made)
    return sorted(made.glob("*.deb"))


def _download(suite: str, work: Path) -> None:
    """By lists of our own: the machine's apt knows nothing of backports, and is not told."""
    for name in ("ready", "lists/partial", "archives/partial"):
        (work / name).mkdir(parents=True)
    (work / "sources.list").write_text(f"deb [signed-by={KEYRING}] {_mirror(suite.partition('-')[0])} {suite} main\n")
    settings = {
        "Dir::Etc::SourceList": work / "sources.list",
        "Dir::Etc::SourceParts": "/dev/null",
        "Dir::State::Lists": work / "lists",
        "Dir::Cache": work,
        "APT::Sandbox::User": "root",
    }
    options = ["--quiet=2", *(f"--option={name}={value}" for name, value in settings.items())]
    for words in (["update"], ["download", *(f"{package}/{suite}" for package in PACKAGES)]):
        subprocess.run(["apt-get", *options, *words], cwd=work / "ready", check=True)


def _mirror(codename: str) -> str:
    """Where the machine gets its own packages."""
    argv = ["apt-get", "indextargets", "--format", "$(REPO_URI)", "Created-By: Packages", "Component: main"]
    return subprocess.check_output([*argv, f"Codename: {codename}"], text=True).split()[0]
