# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is noted of PCI devices in tables, one that a unit reads at boot, and one that is gone by then."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

from . import files, supervisor
from .command import run


class Notes:
    """:param persist: the module that renders and reads the table, and has the unit and its script"""

    def __init__(self, persist: ModuleType) -> None:
        self._persist = persist
        self._lasting, self._passing = Path(persist.TABLE), Path(persist.PASSING_TABLE)
        self._texts = {Path(persist.SCRIPT_FILE): persist.SCRIPT, Path(persist.UNIT_FILE): persist.UNIT_TEXT}
        self._wanted = Path(persist.UNIT_FILE).parent / f"{persist.TARGET}.wants" / persist.UNIT

    def read(self) -> list[Any]:
        """The records. As one that holds at boot counts only what a boot finds its unit and its script for."""
        whole = self._wanted.is_symlink() and all(files.read(path) == text for path, text in self._texts.items())
        return self._records(whole)

    def change(self, old: Any, new: Any) -> None:
        """Put one in the place of another; ``None`` is none."""
        kept = [record for record in self._records(True) if old is None or not _same(record, old)]
        self._save([*kept, *([new] if new else [])])

    def _records(self, boot: bool) -> list[Any]:
        lasting = self._persist.records(files.read(self._lasting), boot)
        return lasting + self._persist.records(files.read(self._passing), False)

    def _save(self, records: list[Any]) -> None:
        lasting = [record for record in records if record.boot]
        passing = [record for record in records if not record.boot]
        if lasting:
            self._install(self._persist.table(lasting))
        else:
            self._uninstall()
        files.write(self._passing, self._persist.table(passing)) if passing else files.remove(self._passing)

    def _install(self, table: str) -> None:
        files.write(self._lasting, table)
        for path, text in self._texts.items():
            if files.read(path) != text:
                files.write(path, text)
        if not self._wanted.is_symlink():
            run(["systemctl", "enable", self._persist.UNIT])

    def _uninstall(self) -> None:
        there = [path for path in (*self._texts, self._lasting) if path.exists()]
        if not there:
            return
        if supervisor.booted() and self._wanted.is_symlink():
            run(["systemctl", "disable", self._persist.UNIT])
        for path in there:
            files.remove(path)
        if supervisor.booted():
            run(["systemctl", "daemon-reload"])


def _same(one: Any, other: Any) -> bool:
    return replace(one, boot=False) == replace(other, boot=False)
