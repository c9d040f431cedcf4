# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What networks keep busy of a host once they are made: processes and their memory."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from tests.integration.support.libvirt_host import run_libvirt
from tests.sandbox import Sandbox

from . import libvirt
from .bulk import fresh_host
from .contenders import Ours
from .measure import Cost
from .plays import Plays

COUNT = 20


def figures(folder: Path) -> Iterator[dict[str, Any]]:
    """For each way of having networks, processes and MB for one of them."""
    for who, dhcp in (("ours", False), ("ours with DHCP", True)):
        ours = Ours(Plays(folder), COUNT, dhcp)
        with fresh_host() as host:
            yield _figure(who, host, lambda ours=ours, host=host: ours.run(host, "converge"))
    if libvirt.usable():
        with fresh_host() as host:
            run_libvirt(host)
            yield _figure("libvirt", host, lambda: libvirt.converge(host, COUNT))


def _figure(who: str, host: Sandbox, make: Callable[[], Cost]) -> dict[str, Any]:
    before = _processes(host)
    make()
    own = {pid: size for pid, size in _processes(host).items() if pid not in before}
    return {
        "count": COUNT,
        "phase": "memory",
        "who": who,
        "cost": vars(Cost(len(own) / COUNT, 0, sum(own.values()) / COUNT)),
    }


def _processes(host: Sandbox) -> dict[str, float]:
    """The share of memory of each process of the host, in MB, what several share parted among them."""
    space = os.readlink(f"/proc/{host.pid}/ns/pid")
    found = {}
    for process in Path("/proc").glob("[0-9]*"):
        # One that has ended meanwhile, or that is not ours to look at.
        with suppress(FileNotFoundError, ProcessLookupError, PermissionError):
            if os.readlink(process / "ns/pid") == space:
                size = re.search(r"^Pss: +(\d+) kB", (process / "smaps_rollup").read_text(), re.MULTILINE)
                found[process.name] = int(size[1]) / 1024 if size else 0.0
    return found
