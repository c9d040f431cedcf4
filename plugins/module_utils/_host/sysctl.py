# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Kernel parameters below /proc/sys, and a file of sysctl.d(5)."""

from __future__ import annotations

from pathlib import Path

from .._persist import sysctl as persist
from .._spec.base import Step
from .._spec.sysctl import DEFAULT_FILE, Sysctl as Want, SysctlWorld
from . import files, namespace
from .errors import HostError


class Sysctl:
    """The host adapter of the module."""

    def close(self) -> None:
        """Nothing is held open."""

    def observe(self, wants: list[Want], everything: bool = False) -> SysctlWorld:
        path = wants[0].sysctl_file if wants else DEFAULT_FILE
        entries = persist.parse(files.read(Path(path)) or "")
        names = {want.name for want in wants} | (set(entries) if everything else set())
        try:
            values = namespace.read_sysctls(None, names)
        except OSError as exc:
            raise HostError(f"{exc.filename} cannot be read: {exc.strerror}") from exc
        return SysctlWorld(path, {name: " ".join(value.split()) for name, value in values.items()}, entries)

    def commit(self, steps: list[Step]) -> None:
        entries = [step.args for step in steps if step.op == "entry_set"]
        if entries:
            path = Path(entries[0]["sysctl_file"])
            text = persist.edit(files.read(path) or "", {args["name"]: args["entry"] for args in entries})
            files.write(path, text) if text else files.remove(path)
        for step in steps:
            if step.op == "value_set":
                _set(step.args["name"], step.args["value"])


def _set(name: str, value: str) -> None:
    try:
        namespace.write_sysctl(None, name, value)
    except OSError as exc:
        raise HostError(f"value: the kernel refuses '{value}' for '{name}': {exc.strerror}") from exc
