# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which UDP sockets processes have: ss(8)."""

from __future__ import annotations

import re

from . import namespace
from .command import run


def udp(netns: str | None) -> dict[int, set[str]]:
    """Pid -> local ends such as ``192.168.4.1:53`` or, of a socket of one interface, ``0.0.0.0%br0:67``."""
    with namespace.entered(netns):
        said = run(["ss", "--no-header", "--udp", "--all", "--numeric", "--processes"])
    found: dict[int, set[str]] = {}
    for line in said.splitlines():
        for pid in re.findall(r"\bpid=(\d+)", line):
            found.setdefault(int(pid), set()).add(line.split()[3])
    return found
