# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The supervisor for hosts where PID 1 is not systemd: plain daemons with pid files.

It starts, watches the start, and stops. Nothing brings a process back by itself, nor at boot: the next run does.
"""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path

from .._spec.service import Service, ServiceState
from . import files, process, spawn
from .errors import HostError

DEFINITIONS = Path("/etc/virtnet/services")
PIDS = Path("/run/virtnet/services")
LOGS = Path("/var/log/virtnet")
#: Seconds that the kernel may take to end a process after SIGKILL.
_KILL_TIMEOUT = 10


class Daemon:
    kind = "daemon"

    def installed(self) -> list[str]:
        return sorted(path.stem for path in DEFINITIONS.glob("*.json"))

    def states(self, names: Iterable[str]) -> dict[str, ServiceState]:
        return {name: self._state(name) for name in names}

    def _state(self, name: str) -> ServiceState:
        pid = process.running(_pid_file(name))
        return ServiceState(files.read(_definition(name)), pid, process.digest(pid) if pid else None)

    def definition(self, service: Service) -> str:
        return service.as_json()

    def install(self, definitions: Mapping[str, str]) -> None:
        for name, text in definitions.items():
            files.write(_definition(name), text)

    def start(self, names: Iterable[str]) -> None:
        begun = [_installed(name) for name in names if process.running(_pid_file(name)) is None]
        for service in begun:
            spawn.start(service, _pid_file(service.name), _log(service.name))
        for service in begun:
            self._await_ready(service)

    def _await_ready(self, service: Service) -> None:
        if service.ready_file is None:
            return
        deadline = time.monotonic() + service.start_timeout
        pid = process.running(_pid_file(service.name))
        if pid and process.await_file(Path(service.ready_file), pid, deadline):
            return
        runs = process.running(_pid_file(service.name)) is not None
        raise HostError(not_ready(service.name, service.start_timeout if runs else None, self.log(service.name)))

    def restart(self, names: Iterable[str]) -> None:
        names = list(names)
        self.stop(names)
        self.start(names)

    def reload(self, names: Iterable[str]) -> None:
        for name in names:
            process.send(_pid_file(name), signal.SIGHUP)

    def stop(self, names: Iterable[str]) -> None:
        """End them all at once; returns when all have ended."""
        running = {name: _stopped_by(name) for name in names if process.running(_pid_file(name)) is not None}
        helpers = [(spawn.helper(s), s.stop_timeout) for s in running.values() if s.stop_argv]
        for helper, timeout in helpers:
            try:
                helper.wait(timeout)
            except subprocess.TimeoutExpired:
                helper.kill()
                helper.wait()
        for name in running:
            process.send(_pid_file(name), signal.SIGTERM)
        begun = time.monotonic()
        for name, service in running.items():
            self._end(name, begun + service.stop_timeout)

    def _end(self, name: str, deadline: float) -> None:
        pid_file = _pid_file(name)
        if not process.ended(pid_file, deadline):
            process.send(pid_file, signal.SIGKILL)
            if not process.ended(pid_file, time.monotonic() + _KILL_TIMEOUT):
                raise HostError(f"service '{name}' does not end, not even {_KILL_TIMEOUT} s after SIGKILL")
        files.remove(pid_file)

    def remove(self, names: Iterable[str]) -> None:
        names = list(names)
        self.stop(names)
        for name in names:
            for path in (_pid_file(name), _definition(name), _log(name)):
                files.remove(path)
        for directory in (PIDS, DEFINITIONS, LOGS):
            # Not empty: other services are there.
            with suppress(OSError):
                directory.rmdir()

    def log(self, name: str) -> str:
        """The last lines that the service printed."""
        return "\n".join((files.read(_log(name)) or "").splitlines()[-10:])


def not_ready(name: str, waited: int | None, log: str) -> str:
    """`waited`: for how many seconds; ``None`` when the process ended."""
    what = f"was not ready within {waited} s" if waited else "ended right after its start"
    return f"service '{name}' {what}; its last words: {log or '(none)'}"


def _definition(name: str) -> Path:
    return DEFINITIONS / f"{name}.json"


def _pid_file(name: str) -> Path:
    return PIDS / f"{name}.pid"


def _log(name: str) -> Path:
    return LOGS / f"{name}.log"


def _installed(name: str) -> Service:
    text = files.read(_definition(name))
    if text is None:
        raise HostError(f"service '{name}' is not installed: there is no {_definition(name)}")
    try:
        return Service.from_json(text)
    except (ValueError, TypeError) as exc:
        raise HostError(f"{_definition(name)} is damaged ({exc}); remove it and run again") from exc


def _stopped_by(name: str) -> Service:
    """What says how a running service is stopped; one whose definition is gone is stopped by a signal."""
    return _installed(name) if _definition(name).exists() else Service(name, "", ())
