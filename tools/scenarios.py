# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""All Molecule scenarios on shared VM hosts, one on each at a time: ``python3 -m tools.scenarios [SCENARIO...]``."""

from __future__ import annotations

import argparse
import os
import queue
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from xml.etree import ElementTree

from . import places

HOSTS = ("hv1", "hv2")
#: Their inventory of both, for scenarios that are about two.
BOTH, FOR_BOTH = "vm_hosts", ("fleet",)
#: The longest first, so that the hosts are ready at about the same time.
ORDER = ("nat", "virtual_router", "isolated", "bridged", "routed", "user", *FOR_BOTH)
#: Run when they are named: the scenario, and the host network manager of its hosts.
NAMED = {
    **{f"models-{manager}": ("models", manager) for manager in ("networkd", "networkmanager", "ifupdown")},
    **{name: (name, "networkd") for name in ("lockout", "power_cut", "libvirt", "passthrough")},
}
#: What molecule does in a scenario, in the order of test_sequence, and the column of each.
STEPS = (
    *(("side_effect", "prepare"), ("check", "check mode"), ("verify", "untouched")),
    *(("converge", "converge"), ("idempotence", "idempotence"), ("verify", "verify")),
    *(("side_effect", "reboot"), ("verify", "verify again"), ("cleanup", "teardown"), ("verify", "nothing left")),
)
COLUMNS = [column for _action, column in STEPS]
#: What a scenario does that does not do all of it in this order.
OTHERWISE = {
    "lockout": ("prepare", "verify", "teardown", "nothing left"),
    "power_cut": ("prepare", "verify"),
    "models": (
        *("prepare", "converge", "verify", "reboot", "verify again"),
        *("idempotence", "teardown", "nothing left"),
    ),
}
NOT_RUN, NO_STEP = "not run", "-"
COLOUR = re.compile(r"\x1b\[[0-9;]*m")
PROGRESS = re.compile(r"^(?:INFO|ERROR|WARNING|CRITICAL)\s+(\w+) ➜ (\w+): (Executing|Executed: (\w+))")
#: Lines of a step that failed that are worth showing.
LAST_LINES = 60


@dataclass
class Run:
    """One scenario on one host (or both): the seconds of each step that went well, by column."""

    scenario: str
    hosts: str
    seconds: dict[str, float] = field(default_factory=dict)
    failed: str | None = None

    @property
    def folder(self) -> str:
        return NAMED.get(self.scenario, (self.scenario,))[0]

    @property
    def columns(self) -> list[str]:
        return list(OTHERWISE.get(self.folder, COLUMNS))

    @property
    def steps(self) -> list[tuple[str, str]]:
        actions = {column: action for action, column in STEPS}
        return [(actions[column], column) for column in self.columns]

    def cell(self, column: str) -> str:
        if column in self.seconds:
            return f"{self.seconds[column]:.0f} s"
        if column not in self.columns:
            return NO_STEP
        return "FAILED" if column == self.failed else NOT_RUN

    @property
    def passed(self) -> bool:
        return list(self.seconds) == self.columns


class Lane:
    """Runs scenarios one after another, and tells how they go."""

    def __init__(self, hosts: str, folder: Path, suite: str) -> None:
        self.hosts = hosts
        self._folder = folder / hosts
        both = folder / BOTH
        if both.exists():
            # With what molecule notes there: these hosts are created already.
            shutil.copytree(both, self._folder)
        self._folder.mkdir(exist_ok=True)
        self._variables = molecule_variables(
            VIRTNET_VM_HOSTS=hosts, VIRTNET_SUITE=suite, MOLECULE_EPHEMERAL_DIRECTORY=str(self._folder)
        )

    def molecule(self, *words: str, **variables: str) -> subprocess.Popen[str]:
        program = places.environment("controller") / "bin/molecule"
        return subprocess.Popen(
            [str(program), *words, "--no-command-borders"],
            cwd=places.REPOSITORY,
            env=self._variables | variables,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def create(self) -> bool:
        """Start the hosts."""
        with self.molecule("create", "--scenario-name", "default") as process:
            said = list(process.stdout)
        if process.returncode != 0:
            print("".join(said[-LAST_LINES:]), flush=True)
        return process.returncode == 0

    def test(self, scenario: str) -> Run:
        run = Run(scenario, self.hosts)
        more = {"VIRTNET_MANAGER": NAMED[scenario][1]} if scenario in NAMED else {}
        with self.molecule("test", "--scenario-name", run.folder, "--destroy=never", **more) as process:
            self._follow(process, run)
        if process.returncode != 0 and run.failed is None:
            run.failed = run.columns[min(len(run.seconds), len(run.columns) - 1)]
        return run

    def _follow(self, process: subprocess.Popen[str], run: Run) -> None:
        began, said = time.monotonic(), []
        log = self._folder.parent / f"{run.scenario}.log"
        with log.open("w", buffering=1) as file:
            for line in process.stdout:
                file.write(line)
                said.append(line)
                found = PROGRESS.match(COLOUR.sub("", line))
                if not found or found[1] != run.folder:
                    continue
                if found[3] == "Executing":
                    began, said = time.monotonic(), []
                elif len(run.seconds) < len(run.steps) and found[2] == run.steps[len(run.seconds)][0]:
                    self._note(run, found[4], time.monotonic() - began, said)

    def _note(self, run: Run, result: str, seconds: float, said: list[str]) -> None:
        column = run.columns[len(run.seconds)]
        if result == "Successful":
            run.seconds[column] = seconds
        else:
            run.failed = column
            print("".join(said[-LAST_LINES:]), flush=True)
        print(
            f"{time.strftime('%H:%M:%S')} {self.hosts:8} {run.scenario:21} {column:12} {run.cell(column)}", flush=True
        )


def molecule_variables(**more: str) -> dict[str, str]:
    tools = places.environment("controller") / "bin"
    return places.variables(PATH=f"{tools}:{os.environ['PATH']}", **more)


def down() -> None:
    """End the VM hosts, also those of a run that did not end them."""
    argv = [str(places.environment("controller") / "bin/python"), "-m", "tests.vmhosts", "down"]
    subprocess.run(argv, cwd=places.REPOSITORY, env=places.variables(), check=True)


def run_all(scenarios: list[str], suite: str, folder: Path) -> list[Run]:
    """Run them; one that was not reached is listed with nothing run."""
    both = Lane(BOTH, folder, suite)
    print(f"{time.strftime('%H:%M:%S')} starting the VM hosts {' and '.join(HOSTS)} ...", flush=True)
    runs: dict[str, Run] = {}
    if both.create():
        runs = side_by_side([name for name in scenarios if name not in FOR_BOTH], suite, folder)
        runs.update({name: both.test(name) for name in scenarios if name in FOR_BOTH})
    return [runs.get(name, Run(name, "-")) for name in scenarios]


def side_by_side(scenarios: list[str], suite: str, folder: Path) -> dict[str, Run]:
    """One on each host at a time."""
    runs: dict[str, Run] = {}
    waiting: queue.SimpleQueue[str] = queue.SimpleQueue()
    for name in scenarios:
        waiting.put(name)

    def work(lane: Lane) -> None:
        for name in _taken(waiting):
            runs[name] = lane.test(name)

    threads = [threading.Thread(target=work, args=(Lane(host, folder, suite),)) for host in HOSTS]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return runs


def _taken(waiting: queue.SimpleQueue[str]) -> Iterator[str]:
    while True:
        try:
            yield waiting.get_nowait()
        except queue.Empty:
            return


def table(runs: list[Run], suite: str) -> str:
    rows = [["scenario", "Debian", "host", *COLUMNS]]
    rows += [[run.scenario, suite, run.hosts, *(run.cell(column) for column in COLUMNS)] for run in runs]
    widths = [max(len(row[n]) for row in rows) for n in range(len(rows[0]))]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in rows)


def write_report(runs: list[Run], path: Path) -> None:
    """JUnit's format, a test for each cell; one that was not run has failed."""
    bad = sum(1 for run in runs for column in run.columns if column not in run.seconds)
    suite = ElementTree.Element("testsuite", tests=str(sum(len(run.columns) for run in runs)), failures=str(bad))
    for run in runs:
        for column in run.columns:
            case = ElementTree.SubElement(suite, "testcase", classname=run.scenario, name=column)
            if column not in run.seconds:
                ElementTree.SubElement(case, "failure", message=run.cell(column))
    path.parent.mkdir(parents=True, exist_ok=True)
    ElementTree.ElementTree(suite).write(path)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python3 -m tools.scenarios", description=__doc__)
    known = (*NAMED, *ORDER)
    of = f"of {', '.join(known)}; by default all but the first {len(NAMED)}"
    parser.add_argument("scenarios", nargs="*", metavar="SCENARIO", help=of)
    parser.add_argument("--suite", default="trixie", help="Debian suite of the VM hosts")
    parser.add_argument("--report", type=Path, help="file for the results in JUnit's format")
    given = parser.parse_args()
    unknown = set(given.scenarios) - set(known)
    if unknown:
        parser.error(f"scenarios are {', '.join(known)}; not known: {', '.join(sorted(unknown))}")
    chosen = [name for name in known if name in (given.scenarios or ORDER)]
    folder = Path(tempfile.mkdtemp(prefix="scenarios-", dir=places.checkout()))
    down()
    try:
        runs = run_all(chosen, given.suite, folder)
    finally:
        down()
    print(f"\n{table(runs, given.suite)}\n\nlogs: {folder}", flush=True)
    if given.report:
        write_report(runs, given.report)
    return int(not all(run.passed for run in runs))


if __name__ == "__main__":
    sys.exit(main())
