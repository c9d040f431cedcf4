# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""N networks made, kept, added to and removed, by every contender in turn."""

from __future__ import annotations

import itertools
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.integration.support.libvirt_host import run_libvirt
from tests.sandbox import Sandbox

from . import libvirt
from .contenders import PHASES, ByHand, Loops, Ours, Raw
from .measure import Cost, cost
from .plays import Plays

_NUMBERS = itertools.count(1)
#: More networks than that by loops take minutes.
LOOPS_UP_TO = 10


@contextmanager
def fresh_host() -> Iterator[Sandbox]:
    with Sandbox(f"bench-{os.getpid()}-{next(_NUMBERS)}") as host:
        yield host


class Networks:
    """The measurements for one number of networks. Each gives a figure: where it belongs, and what it cost."""

    def __init__(self, folder: Path, count: int, dhcp: bool) -> None:
        self._key = {"count": count, "dhcp": dhcp}
        self._plays = Plays(folder / "plays")
        self._ours = Ours(self._plays, count, dhcp)
        self._witness()
        self._contenders: dict[str, tuple[Any, Sequence[str]]] = {"ours": (self._ours, PHASES)}
        if not dhcp:
            self._contenders["raw"] = Raw(folder / "raw", self.results), PHASES
            self._contenders["by hand"] = ByHand(folder / "hand", count), PHASES
            if count <= LOOPS_UP_TO:
                self._contenders["loops"] = Loops(self._plays, count), PHASES[:1]
        self._libvirt = dhcp and libvirt.usable()

    def _witness(self) -> None:
        """Run our own play once, to know what it does: the first run is not measured, as it fills caches."""
        self.results, self.modules = {}, {}
        with fresh_host() as host:
            for phase in PHASES:
                self.results[phase], self.modules[phase] = self._ours.witnessed(host, phase)
                changed = any(result.changed for result in self.results[phase])
                if changed != (phase != "nothing"):
                    raise SystemExit(f"error: {self._key}: phase '{phase}' of our play: changed is {changed}")

    def notes(self) -> Iterator[dict[str, Any]]:
        for phase, found in self.modules.items():
            total = Cost(sum(m.wall for m in found), sum(m.cpu for m in found), max(m.peak for m in found))
            yield {**self._key, "phase": phase, "who": "our modules", "cost": vars(total)}

    def figures(self) -> Iterator[dict[str, Any]]:
        for who, (contender, phases) in self._contenders.items():
            with fresh_host() as host:
                for phase in phases:
                    yield {**self._key, "phase": phase, "who": who, "cost": vars(contender.run(host, phase))}
                if not self._key["dhcp"] and len(phases) == len(PHASES):
                    _check_empty(host, who)
        if self._libvirt:
            with fresh_host() as host:
                run_libvirt(host)
                found = libvirt.converge(host, self._key["count"])
            yield {**self._key, "phase": "converge", "who": "libvirt", "cost": vars(found)}
        empty = {tasks: self._empty(tasks) for tasks in {len(found) for found in self.results.values()}}
        for phase in PHASES:
            found = empty[len(self.results[phase])]
            yield {**self._key, "phase": phase, "who": "empty play", "cost": vars(found)}

    def _empty(self, count: int) -> Cost:
        """As many tasks that do nothing."""
        tasks = [{"name": f"Nothing {number}", "ansible.builtin.ping": None} for number in range(count)]
        with fresh_host() as host:
            return self._plays.cost([host], tasks)


def _check_empty(host: Sandbox, who: str) -> None:
    left = host.run(["sh", "-c", "ip -brief link; nft list ruleset"]).stdout.splitlines()
    if len(left) != 1:
        raise SystemExit(f"error: the teardown of '{who}' left: {left[:5]}")


def imports() -> dict[str, Any]:
    """What a module in Python has to load."""
    modules = "ansible.module_utils.basic, pyroute2.iproute, netaddr"
    return {"who": "imports", "phase": "imports", "cost": vars(cost([sys.executable, "-c", f"import {modules}"]))}
