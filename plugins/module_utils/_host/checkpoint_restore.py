# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The program that a checkpoint leaves on the host, to restore it. It needs Python's own library and nothing else.

usage: restore.pyz timeout [SECONDS] | boot | check
"""

from __future__ import annotations

import base64
import fcntl
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TextIO

from .._persist.checkpoint import BOOT_UNIT
from .._spec import checkpoint_files, checkpoint_plan
from .._spec.base import Step
from .._spec.checkpoint import command
from . import checkpoint_state, checkpoint_store as store, files, managers
from .command import attempt
from .errors import HostError
from .lock import PATH as HOST_LOCK
from .supervisor import booted

#: Seconds. Whoever has the host's lock may hang, and so may any program.
_PATIENCE_FOR_LOCK = 5
_PATIENCE_FOR_STEP = 15
#: A slow machine that boots took more than 15 for it.
_PATIENCE_FOR_SYSTEMD = 60
#: A NIC that was a port stays at work for networkd, though all is done (seen with systemd 252).
_PATIENCE_FOR_MANAGER = 3
#: What one step undoes of another's work is put back in the next round.
_ROUNDS = 3
_UNITS = Path("/etc/systemd/system")
#: Who reads what is there.
_SYSTEMD = "systemd"


def main(argv: list[str]) -> None:
    """Whoever confirms, or is asked for it, is quicker or too late: `store.decided` tells."""
    reason, seconds = argv[0], int(argv[1]) if len(argv) > 1 else 0
    if reason == "check":
        return
    # Where no systemd counts the seconds, this process is the timer.
    time.sleep(seconds)
    if not store.pending():
        _leave_boot_unit()
        return
    with store.busy():
        if not store.decided(store.RESTORING) and not store.RESTORING.exists():
            _leave_boot_unit()
            store.leave_empty()
            return
        saved = store.read(store.RESTORING)
        with _host_lock():
            report = Restore(saved, at_boot=reason == "boot").run()
        report["reason"] = "somebody asked for it" if store.ASKED.exists() else _REASONS[reason]
        store.write(store.REPORT, report)
        # In this order, so that whoever breaks off here leaves nothing that a later run or boot takes for unfinished.
        store.done()
        _leave_boot_unit()
        store.forget_all_but_report()


_REASONS = {"timeout": "its time was over", "boot": "the host was rebooted meanwhile"}


@contextmanager
def _host_lock() -> Iterator[None]:
    """The lock of the host. Whoever keeps it would go on to change what is being restored, and is killed."""
    HOST_LOCK.parent.mkdir(mode=0o755, exist_ok=True)
    with open(HOST_LOCK, "a", opener=lambda path, flags: os.open(path, flags, 0o600), encoding="utf-8") as lock:
        if not _locked(lock) and (holder := _holder(lock)):
            with suppress(ProcessLookupError):
                os.kill(holder, signal.SIGKILL)
            _locked(lock)
        yield


def _locked(lock: TextIO) -> bool:
    """Whether it is to be had in time."""
    end = time.monotonic() + _PATIENCE_FOR_LOCK
    while time.monotonic() < end:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        except BlockingIOError:
            # flock(2) has no time-out.
            time.sleep(0.05)
    return False


def _holder(lock: TextIO) -> int | None:
    """The process that has it, if this one can see that: proc_locks(5)."""
    status = os.fstat(lock.fileno())
    wanted = f"{os.major(status.st_dev):02x}:{os.minor(status.st_dev):02x}:{status.st_ino}"
    for line in Path("/proc/locks").read_text(encoding="ascii").splitlines():
        _number, kind, _mode, _access, pid, place = line.split()[:6]
        if kind == "FLOCK" and place == wanted and int(pid) > 1:
            return int(pid)
    return None


def _leave_boot_unit() -> None:
    link, unit = _UNITS / "multi-user.target.wants" / BOOT_UNIT, _UNITS / BOOT_UNIT
    for path in (link, unit):
        with suppress(HostError):
            files.remove(path)
    if booted():
        # The host is restored whatever comes of it.
        with suppress(HostError):
            _reload_units()


def _reload_units() -> None:
    attempt(["systemctl", "daemon-reload"], timeout=_PATIENCE_FOR_SYSTEMD)


class Restore:
    """One way back. What fails is noted, and the next step is taken."""

    def __init__(self, saved: dict[str, Any], at_boot: bool) -> None:
        self._saved = saved
        self._at_boot = at_boot
        self._systemd = booted()
        #: What was read and cannot have changed since by what is done here.
        self._seen: dict[str, Any] = {}
        self._lines: list[str] = []
        self._failed: list[str] = []

    def run(self) -> dict[str, Any]:
        self._try("files", self._files)
        differs: list[str] = []
        if not self._at_boot:
            self._try("network", self._network)
            if self._systemd:
                self._try("network managers", _await_managers)
                self._try("network", self._network)
                self._bring_managers_back()
                self._try("units", self._units)
            differs = self._try("comparison", self._differences) or []
        return {
            "by": self._saved["by"],
            "armed": self._saved["armed"],
            "restored": time.strftime("%Y-%m-%d %H:%M:%S %z"),
            "commands": self._lines,
            "failed": self._failed,
            "differs": differs,
        }

    def _try(self, what: str, part: Callable[..., Any], *arguments: Any) -> Any:
        """What cannot be read, or an error in this program itself, must not keep the rest from being done."""
        try:
            return part(*arguments)
        except Exception as exc:
            traceback.print_exc()
            self._failed.append(f"{what}: {exc}")
            return None

    def _files(self) -> None:
        wanted, there = self._saved["files"], checkpoint_state.files()
        if self._at_boot:
            wanted, there = map(checkpoint_files.outlasting, (wanted, there))
        steps = checkpoint_files.filed(wanted, there)
        readers = self._readers(steps)
        self._take(steps)
        if not self._systemd:
            return
        if _SYSTEMD in readers:
            self._try(_SYSTEMD, _reload_units)
            if self._at_boot:
                self._start_at_boot(wanted)
        if not self._at_boot:
            self._tell_managers(readers)

    def _readers(self, steps: list[Step]) -> set[str]:
        """Whose files are put back; noted before, as who goes on with a restore that broke off finds them in place."""
        folders = {_SYSTEMD: (str(_UNITS),), **{manager.files.NAME: manager.folders for manager in managers.ALL}}
        readers = {name for name, places in folders.items() if any(checkpoint_files.touched(steps, p) for p in places)}
        readers.update(self._saved.get("readers", ()))
        if readers:
            self._saved["readers"] = sorted(readers)
            self._try("note", store.write, store.RESTORING, self._saved)
        return readers

    def _tell_managers(self, readers: set[str]) -> None:
        """The host network managers read their files again."""
        for manager in managers.ALL:
            name = manager.files.NAME
            if name in readers:
                self._try(name, manager.told, self._saved_of(name))
                # What it is in the middle of is better not changed under its hands.
                self._try(name, _await_managers)

    def _bring_managers_back(self) -> None:
        for manager in managers.ALL:
            name = manager.files.NAME
            self._lines += self._try(name, manager.brought_back, self._saved_of(name)) or []

    def _saved_of(self, name: str) -> Any:
        return self._saved["managers"].get(name)

    def _start_at_boot(self, wanted: dict[str, Any]) -> None:
        """What systemd did not know of when it began to boot."""
        names = [path.rpartition("/")[2] for path in wanted if "multi-user.target.wants/virtnet-" in path]
        if names:
            attempt(["systemctl", "start", "--no-block", *names], timeout=_PATIENCE_FOR_STEP)

    def _network(self) -> None:
        self._seen.clear()
        earlier = list(self._failed)
        for _round in range(_ROUNDS):
            # What failed for want of something that came later in the round.
            self._failed[:] = earlier
            # A list: all are to have their turn.
            if not sum(
                [self._try(phase.__name__, self._phase, phase, names) or 0 for phase, names in checkpoint_plan.PHASES]
            ):
                return

    def _phase(self, phase: Any, names: tuple[str, ...]) -> int:
        self._seen.update(checkpoint_state.live([name for name in names if name not in self._seen]))
        taken = self._take(phase(self._saved, self._seen))
        if taken:
            self._seen.clear()
        return taken

    def _units(self) -> None:
        active = checkpoint_state.active_units()
        installed = checkpoint_files.units(self._saved["files"])
        gone = [name for name in active if name not in installed and (_UNITS / name).parent == _UNITS]
        back = [name for name in self._saved["units"] if name not in active]
        for verb, names in (("stop", gone), ("start", back)):
            if names:
                self._take([command(["systemctl", verb, "--no-block", "--", *names])])

    def _differences(self) -> list[str]:
        left = checkpoint_plan.differences(self._saved, checkpoint_state.live())
        left += checkpoint_files.filed(self._saved["files"], checkpoint_state.files())
        return [step.line for step in left]

    def _take(self, steps: list[Step]) -> int:
        """Do them all; returns how many there were that can be done."""
        for step in steps:
            try:
                _OPERATIONS[step.op](**step.args)
                self._lines.append(step.line)
            except (HostError, OSError) as exc:
                failure = f"{step.line}: {exc}"
                if failure not in self._failed:
                    self._failed.append(failure)
        return sum(step.op != "impossible" for step in steps)


def _await_managers() -> None:
    """They do what they were told some time after they were told."""
    end = time.monotonic() + _PATIENCE_FOR_MANAGER
    while time.monotonic() < end and any(manager.at_work() for manager in managers.ALL):
        # They tell nobody but by D-Bus, which a host need not have.
        time.sleep(0.1)


def _run(argv: list[str], input: str) -> None:
    done = attempt(argv, input=input, timeout=_PATIENCE_FOR_STEP)
    if done.code:
        raise HostError(done.errors or f"it ended with {done.code}")


def _sysctl(path: str, value: str) -> None:
    Path(path).write_text(value)


def _put(path: str, entry: dict[str, Any]) -> None:
    if "link" in entry:
        # Who disables a unit removes the folder of its links too.
        files.make_directory(Path(path).parent)
        files.link(Path(path), entry["link"])
    elif "text" in entry:
        files.replace(Path(path), base64.b64decode(entry["text"]), entry["mode"], (entry["uid"], entry["gid"]))
    else:
        files.make_directory(Path(path))
        os.chown(path, entry["uid"], entry["gid"])
        os.chmod(path, entry["mode"])


def _remove(path: str, entry: dict[str, Any]) -> None:
    if "link" in entry or "text" in entry:
        files.remove(Path(path))
    else:
        files.remove_directory(Path(path))


def _impossible() -> None:
    raise HostError("left as it is")


_OPERATIONS: dict[str, Callable[..., None]] = {
    "run": _run,
    "sysctl": _sysctl,
    "put": _put,
    "remove": _remove,
    "impossible": _impossible,
}


if __name__ == "__main__":
    main(sys.argv[1:])
