# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The LAN that the VM hosts are plugged into, on the sandbox host that they run in."""

from __future__ import annotations

from pathlib import Path

from tests.sandbox import LanHost

from . import emulator


class VmLan(LanHost):
    """A LAN host whose first process all VM hosts depend on: they end with it, whatever happened before."""

    NAME = "vmhosts-lan"

    def __init__(self, packages: Path | None = None) -> None:
        """:param packages: folder for packages of QEMU; only who starts the host needs it"""
        super().__init__(self.NAME, detached=True)
        self._packages = packages

    def configure(self) -> None:
        super().configure()
        self.serve_guests()
        newer = emulator.packages(self._packages)
        if newer:
            # Inside, /usr and /var are copies of the machine's.
            self.run(["dpkg", "--install", *map(str, newer)])
