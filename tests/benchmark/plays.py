# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Plays, run by real ``ansible-playbook`` against sandbox hosts."""

from __future__ import annotations

import json
import os
import stat
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.integration.support.results import TaskResult, read_results
from tests.sandbox import Sandbox

from .measure import Cost, cost

CALLBACKS = Path(__file__).parents[1] / "integration/support/callback_plugins"
#: Runs a module as Ansible would, and writes down what it cost.
WITNESS = """#!{python}
import os, sys, time
began = time.monotonic()
pid = os.fork()
if pid == 0:
    os.execv({python!r}, [{python!r}, *sys.argv[1:]])
_pid, status, usage = os.wait4(pid, 0)
with open({log!r}, "a") as log:
    print(time.monotonic() - began, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, file=log)
sys.exit(os.waitstatus_to_exitcode(status))
"""

Tasks = Sequence[dict[str, Any]]


class Plays:
    """Writes plays into a folder and measures their runs."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        kept = {key: value for key, value in os.environ.items() if key != "PYTHONUNBUFFERED"}
        self._environment = kept | {
            "ANSIBLE_INVENTORY_ENABLED": "yaml",
            "ANSIBLE_NOCOLOR": "1",
            "ANSIBLE_PIPELINING": "1",
            "ANSIBLE_REMOTE_TMP": "/run/ansible",
        }

    def _argv(
        self, hosts: Sequence[Sandbox], tasks: Tasks, variables: dict[str, Any], python: str, forks: int
    ) -> list[str]:
        given = {"ansible_connection": "virtnet.qemu.sandbox", "ansible_python_interpreter": python, **variables}
        inventory = {"hypervisors": {"hosts": {host.name: {} for host in hosts}, "vars": given}}
        play = {"name": "Benchmark", "hosts": "all", "gather_facts": False, "tasks": list(tasks)}
        for name, content in (("inventory.json", inventory), ("play.json", [play])):
            (self._folder / name).write_text(json.dumps(content))
        words = ["--inventory", str(self._folder / "inventory.json"), f"--forks={forks}"]
        return [sys.executable, "-m", "ansible", "playbook", *words, str(self._folder / "play.json")]

    def cost(
        self, hosts: Sequence[Sandbox], tasks: Tasks, variables: dict[str, Any] | None = None, forks: int = 5
    ) -> Cost:
        return cost(self._argv(hosts, tasks, variables or {}, sys.executable, forks), self._environment)

    def witnessed(
        self, hosts: Sequence[Sandbox], tasks: Tasks, variables: dict[str, Any] | None = None
    ) -> tuple[list[TaskResult], list[Cost]]:
        """The results of a run, and what each module cost by itself."""
        results, log, witness = (self._folder / name for name in ("results.jsonl", "modules.txt", "witness"))
        for path in (results, log):
            path.unlink(missing_ok=True)
        witness.write_text(WITNESS.format(python=sys.executable, log=str(log)))
        witness.chmod(witness.stat().st_mode | stat.S_IXUSR)
        told = {
            "ANSIBLE_CALLBACK_PLUGINS": str(CALLBACKS),
            "ANSIBLE_STDOUT_CALLBACK": "virtnet_results",
            "VIRTNET_RESULTS": str(results),
        }
        cost(self._argv(hosts, tasks, variables or {}, str(witness), 5), self._environment | told)
        modules = [Cost(*map(float, line.split())) for line in log.read_text().splitlines()]
        return [result for result in read_results(results) if result.status == "ok"], modules
