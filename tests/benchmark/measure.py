# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a command costs: time on the clock, time of the processors, memory."""

from __future__ import annotations

import os
import statistics
import subprocess
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Cost:
    """``wall`` and ``cpu`` in seconds, that with all children that were waited for; ``peak`` in MB, of the largest."""

    wall: float
    cpu: float
    peak: float = 0.0

    def less(self, other: Cost) -> Cost:
        """What is left of it without another one; never nothing, so that it can be divided by."""
        return Cost(max(self.wall - other.wall, 0.001), max(self.cpu - other.cpu, 0.001), self.peak)


class Failed(RuntimeError):
    """A measured command failed, so that its time says nothing."""


def cost(argv: Sequence[str], environment: Mapping[str, str] | None = None, folder: Path | None = None) -> Cost:
    """Run a command to its end.

    :raises Failed: it returned something else than 0; with the end of what it said
    """
    began = time.monotonic()
    said = Path(f"/proc/self/fd/{os.memfd_create('said')}")
    with said.open("w+b") as output:
        process = subprocess.Popen(
            argv, stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=environment, cwd=folder
        )
        _pid, status, usage = os.wait4(process.pid, 0)
        wall = time.monotonic() - began
        process.returncode = os.waitstatus_to_exitcode(status)
        text = said.read_text(errors="replace")
    os.close(int(said.name))
    if process.returncode != 0:
        raise Failed(f"{' '.join(argv)[:300]} ended with {process.returncode}:\n{text[-3000:]}")
    return Cost(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


def median(costs: Iterable[Cost]) -> Cost:
    """Each figure's median by itself."""
    found = list(costs)
    return Cost(*(statistics.median(getattr(one, field) for one in found) for field in ("wall", "cpu", "peak")))
