# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The LAN that the VM hosts are plugged into, on the sandbox host that they run in."""

from __future__ import annotations

from tests.sandbox import LanHost


class VmLan(LanHost):
    """A LAN host whose first process all VM hosts depend on: they end with it, whatever happened before."""

    NAME = "vmhosts-lan"

    def __init__(self) -> None:
        super().__init__(self.NAME, detached=True)

    def configure(self) -> None:
        super().configure()
        self.serve_guests()
