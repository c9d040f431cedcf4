# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A package repository in a folder, for sandbox hosts, whose network leads nowhere."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path

from tests.sandbox import Sandbox


def cache() -> Path:
    """The folder, outside of the work tree, that survives test runs."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(os.environ.get("VIRTNET_CACHE") or f"{base}/virtnet")


class Repository:
    """Packages and all that they depend on, of the release this machine runs, offered by apt's ``file:``.

    This machine's own apt fetches what is not there yet; with an empty list of installed
    packages, so that it finds all dependencies missing.
    """

    def __init__(self, folder: Path, names: Iterable[str]) -> None:
        self.folder = folder
        (folder / "partial").mkdir(parents=True, exist_ok=True)
        # Test processes that run side by side share the folder.
        with open(folder / "lock", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            self._fetch(names)

    def _fetch(self, names: Iterable[str]) -> None:
        folder = self.folder
        nothing = folder / "partial/status"
        nothing.touch()
        done = subprocess.run(
            ["apt-get", "install", "--quiet", "--yes", "--download-only", "--no-install-recommends"]
            + ["--option", f"Dir::State::status={nothing}", "--option", f"Dir::Cache::archives={folder}/"]
            + ["--option", "Debug::NoLocking=1", *names],
            env={**os.environ, "LC_ALL": "C"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"apt-get cannot fetch packages for the tests: {done.stderr}"
        index = folder / "partial/Packages"
        index.write_text("\n".join(self._record(package) for package in sorted(folder.glob("*.deb"))))
        # A host of another test process may be reading it.
        index.replace(folder / "Packages")

    @staticmethod
    def _record(package: Path) -> str:
        fields = subprocess.run(["dpkg-deb", "--field", package], capture_output=True, text=True, check=True).stdout
        content = package.read_bytes()
        checksum = hashlib.sha256(content).hexdigest()
        return f"{fields}Filename: ./{package.name}\nSize: {len(content)}\nSHA256: {checksum}\n"

    def offer(self, host: Sandbox, folder: Path | str | None = None) -> None:
        """Make it (or another place of it, `folder`) the host's only source of packages; its lists are emptied."""
        apt = host.path("/etc/apt")
        shutil.rmtree(apt / "sources.list.d", ignore_errors=True)
        (apt / "sources.list").write_text(f"deb [trusted=yes] file:{folder or self.folder} ./\n")
        # The folder is below someone's home, where apt's own user may not look.
        (apt / "apt.conf.d/99virtnet-test").write_text('APT::Sandbox::User "root";\n')
        host.run(["find", "/var/lib/apt/lists", "-type", "f", "-delete"])
