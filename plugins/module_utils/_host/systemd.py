# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The supervisor systemd: units below /etc/systemd/system, by systemctl(1)."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from pathlib import Path

from .._persist import unit
from .._persist.boot_units import BOOT_UNITS
from .._spec.service import Service, ServiceState
from . import files, process
from .command import attempt, run
from .daemon import not_ready
from .errors import HostError

_FOREVER = 86400
UNITS = Path("/etc/systemd/system")
#: What is enabled is linked to from there.
WANTED = UNITS / "multi-user.target.wants"


def sync_enabled() -> None:
    """Have what was enabled and disabled outlast a power cut; systemctl does not see to it."""
    for folder in (UNITS, *UNITS.glob("*.wants")):
        files.sync(folder)


class Systemd:
    kind = "systemd"

    def installed(self) -> list[str]:
        paths = [path for path in UNITS.glob(f"{unit.PREFIX}*.service") if path.name not in BOOT_UNITS]
        return sorted(path.name[len(unit.PREFIX) : -len(".service")] for path in paths)

    def states(self, names: Iterable[str]) -> dict[str, ServiceState]:
        """A unit that is enabled or not against what it says counts as not installed."""
        pids = _pids(list(names))
        return {
            name: ServiceState(_definition(name), pid, process.digest(pid) if pid else None)
            for name, pid in pids.items()
        }

    def definition(self, service: Service) -> str:
        return unit.render(service)

    def install(self, definitions: Mapping[str, str]) -> None:
        for name, text in definitions.items():
            files.write(_path(name), text)
        for verb, enabled in (("enable", True), ("disable", False)):
            names = [name for name, text in definitions.items() if unit.enabled(text) is enabled]
            _systemctl_units(names, verb, "--no-reload")
        sync_enabled()
        _systemctl("daemon-reload")

    def start(self, names: Iterable[str]) -> None:
        self._start([name for name, pid in _pids(list(names)).items() if pid is None])

    def restart(self, names: Iterable[str]) -> None:
        names = list(names)
        self.stop(names)
        self._start(names)

    def _start(self, names: list[str]) -> None:
        if any(values["NeedDaemonReload"] == "yes" for values in _show(names, "NeedDaemonReload").values()):
            # A run that was killed after it had written the units.
            _systemctl("daemon-reload")
        ready = {name: unit.ready(files.read(_path(name)) or "") for name in names}
        for file, _timeout in ready.values():
            if file:
                files.remove(Path(file))
        # Of a unit that is not loaded there is nothing to reset.
        _systemctl_units(names, "reset-failed", check=False)
        begun = time.monotonic()
        # One that fails to start is told apart below, with its last words.
        _systemctl_units(names, "start", check=False)
        for name, pid in _pids(names).items():
            file, timeout = ready[name]
            self._await_ready(name, pid, file, begun, timeout)

    def _await_ready(self, name: str, pid: int | None, file: str | None, begun: float, timeout: int) -> None:
        if pid and (file is None or process.await_file(Path(file), pid, begun + timeout)):
            return
        waited = timeout if pid and time.monotonic() >= begun + timeout else None
        raise HostError(not_ready(name, waited, self.log(name)))

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
        attempt(["journalctl", "--sync"])
        # Not --unit: it leaves out what systemd's child says before it becomes the service, once the child is gone.
        own = unit.unit_name(name)
        found = [f"UNIT={own}", "+", f"_SYSTEMD_UNIT={own}"]
        return attempt(["journalctl", "--no-pager", "--quiet", "--output=cat", "--lines=10", *found]).output.strip()


def _path(name: str) -> Path:
    return UNITS / unit.unit_name(name)


def _definition(name: str) -> str | None:
    text = files.read(_path(name))
    enabled = (WANTED / unit.unit_name(name)).is_symlink()
    return text if text is not None and unit.enabled(text) is enabled else None


def _pids(names: list[str]) -> dict[str, int | None]:
    return {name: int(values["MainPID"]) or None for name, values in _show(names, "MainPID").items()}


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
    argv = ["systemctl", "--no-pager", *words]
    # Each unit has its own time-outs.
    return run(argv, timeout=_FOREVER) if check else attempt(argv, timeout=_FOREVER).output
