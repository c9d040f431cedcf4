# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The contenders: ways to make, keep, change and remove N networks on a host."""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tests.integration.support.results import TaskResult
from tests.sandbox import Sandbox

from .measure import Cost, cost
from .networks import link_lines, loop_commands, networks, rule_lines, taps
from .plays import Plays

#: What is done to N networks, in order: make them, run again, make one more, remove all.
PHASES = ("converge", "nothing", "added", "teardown")
MAKE = [
    {"name": "Make the networks", "ansible.builtin.import_role": {"name": "virtnet.qemu.networks"}},
    {"name": "Make the taps", "virtnet.qemu.tap": {"config": "{{ taps }}"}},
]
REMOVE = [
    {"name": "Remove the taps", "virtnet.qemu.tap": {"config": "{{ taps }}"}},
    {
        "name": "Remove the networks",
        "ansible.builtin.import_role": {"name": "virtnet.qemu.networks", "tasks_from": "teardown"},
    },
]


class Ours:
    """A play with the role ``networks`` and a list of taps."""

    def __init__(self, plays: Plays, count: int, dhcp: bool) -> None:
        self._plays = plays
        self._count = count
        self._dhcp = dhcp

    def _arguments(self, phase: str) -> tuple[list[dict[str, Any]], dict[str, Any]]:
        count = self._count + (phase in ("added", "teardown"))
        own = taps(count)
        if phase == "teardown":
            own = [{**tap, "state": "absent"} for tap in own]
        return REMOVE if phase == "teardown" else MAKE, {"networks_list": networks(count, self._dhcp), "taps": own}

    def run(self, host: Sandbox, phase: str) -> Cost:
        return self._plays.cost([host], *self._arguments(phase))

    def witnessed(self, host: Sandbox, phase: str) -> tuple[list[TaskResult], list[Cost]]:
        return self._plays.witnessed([host], *self._arguments(phase))


class Raw:
    """The very changes that our modules report, in bulk: all of them to one ``ip -batch`` and one ``nft -f``.

    `results` are those of our own play, by phase.
    """

    def __init__(self, folder: Path, results: dict[str, list[TaskResult]]) -> None:
        self._files = folder
        folder.mkdir(parents=True, exist_ok=True)
        for phase in ("converge", "added", "teardown"):
            lines = [line for result in results[phase] for line in result.get("commands", ())]
            self._write(phase, "ip", _after("ip", lines))
            self._write(phase, "nft", _after("nft", lines))

    def _write(self, phase: str, tool: str, lines: Iterable[str]) -> None:
        (self._files / f"{phase}.{tool}").write_text("".join(f"{line}\n" for line in lines))

    def run(self, host: Sandbox, phase: str) -> Cost:
        if phase == "nothing":
            return _shell(host, "ip -d -j link && ip -j address && nft -s list ruleset")
        steps = [f"ip -batch {self._files}/{phase}.ip", f"nft -f {self._files}/{phase}.nft"]
        if phase == "converge":
            steps.append("sysctl -w net.ipv4.ip_forward=1")
        return _shell(host, " && ".join(steps))


class ByHand(Raw):
    """The least that does it, as an expert writes it: no firewall, no marks."""

    def __init__(self, folder: Path, count: int) -> None:
        self._files = folder
        folder.mkdir(parents=True, exist_ok=True)
        for phase, first, last in (("converge", 0, count), ("added", count, count + 1)):
            self._write(phase, "ip", link_lines(last, first))
            self._write(phase, "nft", rule_lines(last, first))
        gone = (f"link delete dev {kind}-{tap['bridge'][3:]}" for tap in taps(count + 1) for kind in ("tap", "br"))
        self._write("teardown", "ip", gone)
        self._write("teardown", "nft", ["delete table ip lab"])


class Loops:
    """The lines of the write-ups, one ``command`` a line in a loop. It cannot be run twice."""

    def __init__(self, plays: Plays, count: int) -> None:
        self._plays = plays
        self._lines = loop_commands(count)

    def run(self, host: Sandbox, phase: str) -> Cost:
        task = {"name": "Type it", "ansible.builtin.command": "{{ item }}", "loop": self._lines}
        return self._plays.cost([host], [task])


def _after(tool: str, lines: Iterable[str]) -> list[str]:
    """What follows the tool's name, as it reads it itself: nft takes one word, ip several."""
    found = [words for words in map(shlex.split, lines) if words[0] == tool]
    return [" ".join(words[1:]) for words in found]


def _shell(host: Sandbox, script: str) -> Cost:
    return cost([*host.enter(), "sh", "-c", f"{script} > /dev/null"])
