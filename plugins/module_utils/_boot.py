# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What makes a module's resources again when the host boots: planned and made beside them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from ._host import boot as boot_host
from ._host.manager import NO_MANAGERS, Managers
from ._persist import boot, boot_record
from ._persist.native import Natives
from ._plan import Change, states
from ._spec.base import Resource


class Boot:
    """For one run. `entries`: the options of each resource; `managers`: those that may have a part in it."""

    def __init__(
        self,
        spec: type[Resource],
        entries: list[dict[str, Any]],
        params: Mapping[str, Any],
        managers: Managers = NO_MANAGERS,
    ) -> None:
        self._spec = spec
        self._entries = entries
        self.managers = managers
        self._purge = params["purge"]
        self._wanted = params["persist"] == "auto"
        #: The files as they were when the changes were last planned.
        self._there: dict[str, str] = {}
        #: By the NIC that they are about.
        self.warnings: dict[str, str] = {}

    def changes(self, wants: list[Resource], world: Any) -> list[Change]:
        """Those that lead to what is to be in `world`."""
        there = self._there = boot_host.observe(self.managers)
        kept = [want for want in wants if want.boot_folder]
        after = {key: sides[1] for key, sides in states(kept, world).items()}
        asked = (self._configured, self.managers.keeper) if self._wanted else (_nobody, _nobody)
        natives = Natives(self.managers.renderers(), *asked)
        files = boot.wanted(self._spec, self._entries, after, world, there, self._purge, natives)
        if not self._wanted:
            files = boot.unwanted(files, natives)
        pairs = boot.files(files, there)
        return [Change((after or before).key, before, after) for before, after in pairs if before != after]

    def recorded(self, wants: list[Resource], world: Any) -> dict[Any, Any]:
        """The resources as an earlier run had left them."""
        return boot_record.recorded(wants, world, self._there, states)

    def repaired(self, wants: list[Resource], world: Any, at_boot: list[Change]) -> list[str]:
        """What of rules and files was changed by hand."""
        sides = states([want for want in wants if want.boot_folder], world)
        pairs = [(change.before, change.after) for change in at_boot]
        return boot_record.repaired(self._spec, wants, sides, world, pairs, self._there)

    def _configured(self, nic: str, bridge: str, there: Mapping[str, str]) -> Any:
        found = self.managers.managed(nic, bridge, there)
        if found is None:
            self.warnings[nic] = (
                f"uplink: after a reboot the bridge of '{nic}' is gone until the next run: that NIC is configured by "
                f"no host network manager that this collection can write files for, such as {self.managers.names()}"
            )
        return found

    @contextmanager
    def prepared(self, changes: list[Change]) -> Iterator[None]:
        """The host network manager does not interfere with what the body does."""
        boot_host.prepare([step for change in changes for step in change.steps], self.managers)
        try:
            yield
        finally:
            boot_host.give_up(self.managers)

    def commit(self, changes: list[Change]) -> None:
        boot_host.commit([step for change in changes for step in change.steps], self.managers)


def _nobody(*_asked: Any) -> None:
    return None
