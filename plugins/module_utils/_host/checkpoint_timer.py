# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What starts the restore program when its time is over, whatever becomes of the connection."""

from __future__ import annotations

import shlex
import signal
import time

from .._persist import checkpoint as units
from .._spec.service import Service
from . import checkpoint_store as store, files, process, spawn
from .command import attempt, run
from .supervisor import booted
from .systemd import UNITS, sync_enabled

#: Seconds that a process may take to end that was told to.
_PATIENCE = 10
#: The same for a whole restore.
_RESTORE = 300


class SystemdTimer:
    """A transient timer; and a unit for the case that the host is rebooted meanwhile."""

    supervised = True

    def __init__(self, argv: list[str]) -> None:
        self._argv = argv

    def lines(self, seconds: int) -> list[str]:
        timer = units.timer([*self._argv, "timeout"], seconds)
        return [f"systemctl enable {units.BOOT_UNIT}", shlex.join(timer)]

    def start(self, seconds: int) -> None:
        files.write(UNITS / units.BOOT_UNIT, units.boot_unit([*self._argv, "boot"]))
        run(["systemctl", "enable", units.BOOT_UNIT])
        sync_enabled()
        run(units.timer([*self._argv, "timeout"], seconds))

    def stop(self) -> None:
        attempt(["systemctl", "stop", units.TIMER])
        attempt(["systemctl", "reset-failed", units.SERVICE])
        if (UNITS / units.BOOT_UNIT).exists():
            attempt(["systemctl", "disable", "--no-reload", units.BOOT_UNIT])
            files.remove(UNITS / units.BOOT_UNIT)
            attempt(["systemctl", "daemon-reload"])

    def runs(self) -> bool:
        return attempt(["systemctl", "is-active", "--quiet", units.TIMER]).code == 0

    def fire(self) -> None:
        """Returns when the host has restored itself; it does so even if nobody is there any more to see it."""
        unit = f"--unit={units.UNIT}-now"
        attempt(["systemd-run", "--quiet", "--wait", "--collect", unit, "--", *self._argv, "timeout"], timeout=_RESTORE)
        if store.pending():
            # It waits by D-Bus, which a small host may not have; the timer's own service needs none.
            attempt(["systemctl", "start", units.SERVICE], timeout=_RESTORE)
        attempt(["systemctl", "stop", units.TIMER])


class ProcessTimer:
    """A process that waits."""

    supervised = False

    def __init__(self, argv: list[str]) -> None:
        self._argv = argv

    def lines(self, seconds: int) -> list[str]:
        return [f"setsid {shlex.join([*self._argv, 'timeout', str(seconds)])} &"]

    def start(self, seconds: int) -> None:
        words = (*self._argv, "timeout", *([str(seconds)] if seconds else []))
        spawn.start(Service("checkpoint", "", words), store.PID_FILE, store.LOG)

    def stop(self) -> None:
        process.send(store.PID_FILE, signal.SIGTERM)
        process.ended(store.PID_FILE, time.monotonic() + _PATIENCE)

    def runs(self) -> bool:
        return process.running(store.PID_FILE) is not None

    def fire(self) -> None:
        self.stop()
        self.start(0)
        process.ended(store.PID_FILE, time.monotonic() + _RESTORE)


def find(argv: list[str]) -> SystemdTimer | ProcessTimer:
    return SystemdTimer(argv) if booted() else ProcessTimer(argv)
