# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Runs real playbooks by real ``ansible-playbook`` against sandbox hosts."""

from __future__ import annotations

import itertools
import json
import os
import select
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

from tests.sandbox import Sandbox

from .processes import MANAGED, ColdPython, Forked, ForkServer, WarmPython, separate
from .results import TaskResult, read_results

REPOSITORY = Path(__file__).resolve().parents[3]
CALLBACKS = Path(__file__).with_name("callback_plugins")
# What a user's shell or the test run itself needs, and a playbook run must not depend on.
# With PYTHONUNBUFFERED Python reads a module byte by byte.
DROPPED = ("ANSIBLE_", "PYTHONPATH", "PYTHONDONTWRITEBYTECODE", "PYTHONUNBUFFERED")

Hosts = Sandbox | Sequence[Sandbox]


def fails(task: dict[str, Any]) -> dict[str, Any]:
    """The same task, expected to fail: the play goes on after it."""
    return {**task, "ignore_errors": True}


class Run:
    """One run of ansible-playbook, going on while the test does."""

    def __init__(self, process: Forked | subprocess.Popen, output: Path, results: Path) -> None:
        self.process = process
        self._output = output
        self._results = results

    @property
    def results(self) -> list[TaskResult]:
        """The results so far."""
        return read_results(self._results)

    def wait_for(self, signal: Path, timeout: float = 60.0) -> None:
        """Wait until the play writes to a FIFO, made by the test with :func:`os.mkfifo`.

        :param timeout: seconds
        :raises AssertionError: nothing was written until then
        """
        # Opened without blocking, so that a play that fails earlier does not block the test for ever.
        descriptor = os.open(signal, os.O_RDONLY | os.O_NONBLOCK)
        readable, _none, _none = select.select([descriptor], [], [], timeout)
        os.close(descriptor)
        if not readable:
            raise AssertionError(f"the play wrote nothing to {signal}:\n{self._killed()}")

    def finish(self, timeout: float = 300.0) -> list[TaskResult]:
        """Wait for the end, and return all results, good or bad.

        :param timeout: seconds
        :raises AssertionError: Ansible itself could not run the play; or it takes too long
        """
        try:
            status = self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"the play did not end within {timeout:.0f} s:\n{self._killed()}") from None
        results = self.results
        # 2: a host failed, 4: a host was unreachable; both are among the results.
        if status not in (0, 2, 4) or not results:
            raise AssertionError(f"ansible-playbook ended with {status}:\n{self._said()}")
        return results

    def _killed(self) -> str:
        """End it, and return what it said."""
        self.process.kill()
        self.process.wait()
        return self._said()

    def _said(self) -> str:
        return self._output.read_text(errors="replace")


class Player:
    """Plays lists of tasks, or playbooks, on sandbox hosts; to be used in a ``with`` statement.

    :param folder: for all files of the runs
    :param python: the interpreter on the managed side
    :param warm: it is one of this machine, and kept running
    """

    def __init__(self, folder: Path, python: str, warm: bool = True) -> None:
        self._folder = folder
        self._numbers = itertools.count(1)
        link = folder / "tree/ansible_collections/virtnet/qemu"
        link.parent.mkdir(parents=True)
        link.symlink_to(REPOSITORY)
        configuration = folder / "ansible.cfg"
        # A pause between two looks at a worker's result, in seconds: 0.001 by default, which keeps a busy machine busy.
        configuration.write_text("[defaults]\ninternal_poll_interval = 0.01\n")
        kept = {key: value for key, value in os.environ.items() if not key.startswith(DROPPED)}
        self._environment = kept | {
            "ANSIBLE_CALLBACK_PLUGINS": str(CALLBACKS),
            "ANSIBLE_COLLECTIONS_PATH": str(folder / "tree"),
            "ANSIBLE_CONFIG": str(configuration),
            "ANSIBLE_HOME": str(folder / "home"),
            "ANSIBLE_INVENTORY_ENABLED": "yaml",
            "ANSIBLE_NOCOLOR": "1",
            "ANSIBLE_PIPELINING": "1",
            "ANSIBLE_REMOTE_TMP": "/run/ansible",
            "ANSIBLE_STDOUT_CALLBACK": "virtnet_results",
            # Ansible passes its variables on to what it runs in a sandbox host.
            "PYTHONPATH": str(MANAGED),
        }
        self._python = WarmPython(folder / "warm", python, self._environment) if warm else ColdPython(python)
        self._environment |= self._python.variables
        self._server = ForkServer(self._environment)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self._server.close()
        self._python.close()

    def __call__(self, hosts: Hosts, tasks: Sequence[dict[str, Any]], **options: Any) -> list[TaskResult]:
        """Run tasks in one play and return a result for each task and host, in order.

        The options are those of :meth:`start`.

        :raises AssertionError: a task failed (wrap one that shall in :func:`fails`), one that should have
            failed did not, a host was unreachable, or a traceback reached the user
        """
        return checked(self.start(hosts, tasks, **options).finish())

    def playbook(self, hosts: Hosts, name: str, **options: Any) -> list[TaskResult]:
        """Run a playbook, named by FQCN or path, with the hosts in group ``hypervisors``; else as a call."""
        return checked(self.start_playbook(hosts, name, **options).finish())

    def start_playbook(self, hosts: Hosts, name: str, **options: Any) -> Run:
        """Begin to run a playbook; what follows is up to the test."""
        return self._run(hosts, name, **options)

    def start(self, hosts: Hosts, tasks: Sequence[dict[str, Any]], gather_facts: bool = False, **options: Any) -> Run:
        """Begin to run tasks; what follows is up to the test.

        Options: ``check``, ``diff`` (bool), ``vars`` (host variables), ``env`` (of ansible-playbook),
        ``arguments`` (more of its command line).
        """
        play = {"name": "Test", "hosts": "all", "gather_facts": gather_facts, "tasks": list(tasks)}
        path = self._folder / f"play{next(self._numbers)}.json"
        path.write_text(json.dumps([play], indent=2))
        return self._run(hosts, str(path), **options)

    def _run(
        self,
        hosts: Hosts,
        playbook: str,
        check: bool = False,
        diff: bool = False,
        vars: dict[str, Any] | None = None,
        env: dict[str, str] | None = None,
        arguments: Sequence[str] = (),
    ) -> Run:
        number = next(self._numbers)
        inventory = self._folder / f"inventory{number}.json"
        inventory.write_text(json.dumps(self._inventory(hosts, vars or {}), indent=2))
        results = self._folder / f"results{number}.jsonl"
        output = self._folder / f"output{number}.txt"
        words = ["playbook", "--inventory", str(inventory), playbook, *arguments]
        words += ["--check"] * check + ["--diff"] * diff
        told = {"VIRTNET_RESULTS": str(results)}
        with output.open("wb") as out:
            if env:
                process = separate(words, self._environment | env | told, out)
            else:
                process = self._server.start(words, told, out)
        return Run(process, output, results)

    def _inventory(self, hosts: Hosts, variables: dict[str, Any]) -> dict[str, Any]:
        given = [hosts] if isinstance(hosts, Sandbox) else hosts
        python = {"ansible_python_interpreter": str(self._python.program)}
        connection = {"ansible_connection": "virtnet.qemu.sandbox", **python}
        return {"hypervisors": {"hosts": {host.name: {} for host in given}, "vars": connection | variables}}


def checked(results: list[TaskResult]) -> list[TaskResult]:
    """The same results, when all are as they should be."""
    for result in results:
        reason = "unreachable" if result.status == "unreachable" else result.unexpected()
        if reason is not None:
            raise AssertionError(f"{reason}: {result}")
    return results
