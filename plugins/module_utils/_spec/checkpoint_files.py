# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which files a checkpoint holds, and how they are put back. Pure."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping
from typing import Any

from .base import Step

#: Folder and pattern of what is in it, at any depth.
TREES = (
    ("/etc/systemd/network", "*"),
    ("/run/systemd/network", "*"),
    ("/etc/network", "*"),
    ("/run/network", "*"),
    ("/etc/netplan", "*"),
    ("/etc/NetworkManager/system-connections", "*"),
    ("/etc/NetworkManager/conf.d", "*"),
    ("/etc/iptables", "*"),
    ("/etc/virtnet", "*"),
    ("/etc/systemd/system", "virtnet-*"),
    ("/etc/sysctl.d", "*virtnet*"),
    ("/etc/modules-load.d", "*virtnet*"),
    ("/etc", "nftables.conf"),
)
#: Units of the checkpoint's own are no part of it.
OWN = "virtnet-checkpoint"


def filed(saved: Mapping[str, Any], there: Mapping[str, Any]) -> list[Step]:
    """Folders before what is in them, and what came since last and from the bottom up."""
    put = [_step("put", path, saved[path]) for path in sorted(saved) if saved[path] != there.get(path)]
    return put + [_step("remove", path, there[path]) for path in sorted(there, reverse=True) if path not in saved]


def _step(op: str, path: str, entry: Any) -> Step:
    line = f"rm {path}" if op == "remove" else f"put back {path}"
    return Step(op, {"path": path, "entry": entry}, line)


def outlasting(files: Mapping[str, Any]) -> dict[str, Any]:
    """Those that a reboot does not remove."""
    return {path: entry for path, entry in files.items() if not path.startswith("/run/")}


def touched(steps: list[Step], folder: str) -> bool:
    """Whether any of the steps is about something below that folder."""
    return any(step.args["path"].startswith(f"{folder}/") for step in steps)


def units(files: Mapping[str, Any]) -> set[str]:
    """The units of ours among files."""
    folder = "/etc/systemd/system"
    return {posixpath.basename(path) for path in files if posixpath.dirname(path) == folder}
