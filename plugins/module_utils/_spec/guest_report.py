# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a user is told of a guest after each run. Pure."""

from __future__ import annotations

from typing import Any

from . import guest_paths as paths


def as_dict(guest: Any, pid: int | None) -> dict[str, Any]:
    """`pid` is that of a QEMU that runs; in check mode a guest that would run has none yet."""
    definition = guest.definition
    sockets = {"qmp": paths.socket(guest.name, "qmp"), "console": paths.socket(guest.name, "console")}
    if definition.guest_agent:
        sockets["agent"] = paths.socket(guest.name, "agent")
    if definition.display.socket:
        sockets["vnc"] = definition.display.socket
    return {
        "name": guest.name,
        "running": guest.running,
        "pid": pid if guest.running else None,
        "accel": guest.argv[guest.argv.index("-accel") + 1],
        "uuid": definition.uuid,
        "argv": list(guest.argv),
        "macs": [nic.mac for nic in definition.nics],
        "sockets": sockets,
        "restart_required": guest.restart_required,
    }
