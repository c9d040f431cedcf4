# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The supervisor systemd: units below /etc/systemd/system, by systemctl(1)."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterable
from pathlib import Path

from .._persist import unit
from .._spec.service import Service, ServiceState
from . import files, process
from .daemon import not_ready
from .errors import HostError

UNITS = Path("/etc/systemd/system")


class Systemd:
    kind = "systemd"

    def installed(self) -> list[str]:
        paths = UNITS.glob(f"{unit.PREFIX}*.service")
        return sorted(path.name[len(unit.PREFIX) : -len(".service")] for path in paths)

    def states(self, names: Iterable[str]) -> dict[str, ServiceState]:
        names = list(names)
        shown = _show(names, "MainPID", "UnitFileState")
        return {name: _state(name, shown[name]) for name in names}

    def definition(self, service: Service) -> str:
        return unit.render(service)

    def install(self, services: list[Service]) -> None:
        """Write the units and have systemd load them; what runs goes on as it is."""
        for service in services:
            files.write(_path(service.name), unit.render(service))
        for verb, enabled in (("enable", True), ("disable", False)):
            names = [service.name for service in services if service.enabled is enabled]
            _systemctl_units(names, verb, "--no-reload")
        _systemctl("daemon-reload")

    def start(self, services: list[Service]) -> None:
        """Those that run already are left alone."""
        states = self.states([service.name for service in services])
        self._begin("start", [service for service in services if states[service.name].pid is None])

    def restart(self, services: list[Service]) -> None:
        self._begin("restart", services)

    def _begin(self, verb: str, services: list[Service]) -> None:
        if not services:
            return
        names = [service.name for service in services]
        if any(values["NeedDaemonReload"] == "yes" for values in _show(names, "NeedDaemonReload").values()):
            # A run that was killed after it had written the units.
            _systemctl("daemon-reload")
        if verb == "restart":
            _systemctl_units(names, "stop")
        for service in services:
            if service.ready_file:
                files.remove(Path(service.ready_file))
        _systemctl_units(names, "reset-failed")
        # One that fails to start is told apart below, with its last words.
        _systemctl_units(names, "start", check=False)
        deadline = time.monotonic() + max(service.start_timeout for service in services)
        states = self.states(names)
        for service in services:
            self._await_ready(service, states[service.name].pid, deadline)

    def _await_ready(self, service: Service, pid: int | None, deadline: float) -> None:
        if pid and (service.ready_file is None or process.await_file(Path(service.ready_file), pid, deadline)):
            return
        runs = self.states([service.name])[service.name].pid is not None
        raise HostError(not_ready(service, runs and time.monotonic() >= deadline, self.log(service.name)))

    def reload(self, names: Iterable[str]) -> None:
        _systemctl_units(list(names), "reload")

    def stop(self, names: Iterable[str]) -> None:
        _systemctl_units(list(names), "stop")

    def remove(self, names: Iterable[str]) -> None:
        names = [name for name in names if _path(name).exists()]
        if not names:
            return
        _systemctl_units(names, "disable", "--now", "--no-reload")
        for name in names:
            files.remove(_path(name))
        _systemctl("daemon-reload")
        _systemctl_units(names, "reset-failed", check=False)

    def log(self, name: str) -> str:
        """The last lines that the service and systemd wrote about it to the journal."""
        argv = ["journalctl", "--no-pager", "--quiet", "--output=cat", "--lines=10", f"--unit={unit.unit_name(name)}"]
        return _run(argv, check=False).strip()


def _path(name: str) -> Path:
    return UNITS / unit.unit_name(name)


def _state(name: str, shown: dict[str, str]) -> ServiceState:
    pid = int(shown["MainPID"]) or None
    enabled = shown["UnitFileState"] == "enabled"
    return ServiceState(files.read(_path(name)), enabled, pid, process.digest(pid) if pid else None)


def _show(names: list[str], *properties: str) -> dict[str, dict[str, str]]:
    """The properties of each service, in one call: blocks of lines in the order of the names."""
    if not names:
        return {}
    units = [unit.unit_name(name) for name in names]
    text = _systemctl("show", f"--property={','.join(properties)}", "--", *units)
    blocks = [dict(line.split("=", 1) for line in block.splitlines()) for block in text.strip().split("\n\n")]
    return dict(zip(names, blocks))


def _systemctl_units(names: list[str], *words: str, check: bool = True) -> None:
    if names:
        _systemctl(*words, "--", *(unit.unit_name(name) for name in names), check=check)


def _systemctl(*words: str, check: bool = True) -> str:
    return _run(["systemctl", "--no-pager", "--quiet", *words], check)


def _run(argv: list[str], check: bool) -> str:
    done = subprocess.run(argv, capture_output=True, text=True, check=False, env={**os.environ, "LC_ALL": "C"})
    if check and done.returncode:
        raise HostError(f"'{' '.join(argv)}' failed: {done.stderr.strip() or done.returncode}")
    return done.stdout
