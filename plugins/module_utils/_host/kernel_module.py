# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Kernel modules: what the kernel has, and what is loaded now and at boot (modprobe(8), modules-load.d(5))."""

from __future__ import annotations

import os
import platform
from contextlib import suppress
from pathlib import Path

from .._spec.base import Step
from .._spec.kernel_module import FILE, KernelModule as Want, ModulesWorld
from . import files
from .command import attempt, run, which

#: Built in, these leave no trace in /sys/module, but a device that can be opened. For a module the device may be
#: there before the module is (modules.devname), so it is asked last.
_DEVICES = {"tun": "/dev/net/tun", "vhost_net": "/dev/vhost-net", "vhost_vsock": "/dev/vhost-vsock", "kvm": "/dev/kvm"}
_HEAD = "# Written by virtnet.qemu; changes here are lost.\n"


class KernelModule:
    """The host adapter of the module."""

    def close(self) -> None:
        """Nothing is held open."""

    def observe(self, wants: list[Want], everything: bool = False) -> ModulesWorld:
        release = platform.release()
        directory = Path("/lib/modules", release)
        at_boot = _at_boot()
        names = {want.name for want in wants} | (at_boot if everything else set())
        builtin = {_name(line) for line in (files.read(directory / "modules.builtin") or "").splitlines()}
        status = {name: _status(name, builtin) for name in names}
        return ModulesWorld(status, frozenset(at_boot), release, directory.is_dir())

    def commit(self, steps: list[Step]) -> None:
        listed = [step.args for step in steps if step.op == "at_boot_set"]
        if listed:
            names = _at_boot() - {args["name"] for args in listed} | {a["name"] for a in listed if a["at_boot"]}
            text = _HEAD + "".join(f"{name}\n" for name in sorted(names))
            files.write(Path(FILE), text) if names else files.remove(Path(FILE))
        for step in steps:
            if step.op == "load":
                run(["modprobe", step.args["name"]])


def _at_boot() -> set[str]:
    lines = (line.strip() for line in (files.read(Path(FILE)) or "").splitlines())
    return {line.replace("-", "_") for line in lines if line and line[0] not in "#;"}


def _name(path: str) -> str:
    """The name of the module in a line such as kernel/drivers/net/tun.ko."""
    return path.rpartition("/")[2].partition(".")[0].replace("-", "_")


def _status(name: str, builtin: set[str]) -> str:
    known = Path("/sys/module", name)
    # As libkmod does: only a module that was loaded has a state of its own.
    if (known / "initstate").exists():
        return "loaded"
    if name in builtin or known.is_dir():
        return "builtin"
    if _loadable(name):
        return "loadable"
    return "builtin" if _opens(_DEVICES.get(name)) else "missing"


def _loadable(name: str) -> bool:
    return which("modprobe") is not None and attempt(["modprobe", "--dry-run", "--quiet", name]).code == 0


def _opens(device: str | None) -> bool:
    with suppress(OSError):
        if device:
            os.close(os.open(device, os.O_RDWR | os.O_CLOEXEC))
            return True
    return False
