# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The guards of all NICs of one namespace, as one resource. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from types import ModuleType
from typing import Any

from . import guard_nftables, nic_guard
from .guard_nftables import Guard
from .nic_guard import NicGuard
from .ruleset import Ruleset
from .table import Entries

LAYOUTS = {"nftables": guard_nftables}


@dataclass(frozen=True)
class NicGuards(Entries):
    """The guards that a user lists for one namespace."""

    kind = "nic_guard"
    boot_folder = "nic_guard"
    argument_spec = nic_guard.ARGUMENT_SPEC
    run_options = nic_guard.RUN_OPTIONS

    @staticmethod
    def parse(params: dict[str, Any]) -> NicGuard:
        return nic_guard.parse(params)

    def assembled(self, layout: ModuleType, family: str, there: Ruleset) -> Ruleset | None:
        guards = [guard for guard in layout.read(there) if not self._replaces(guard)]
        guards += [Guard(e.name, e.mac, e.addresses, e.guest) for e in self.entries if e.state == "present"]
        return layout.assemble(family, sorted(guards, key=lambda guard: guard.name))

    def _replaces(self, guard: Guard) -> bool:
        whole = {entry.guest for entry in self.entries if entry.exclusive and entry.guest}
        return guard.guest in whole or guard.name in {entry.name for entry in self.entries}
