# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The first process of a sandbox host, remembered in a file across programs."""

from __future__ import annotations

import os
import select
import signal
from dataclasses import dataclass
from pathlib import Path

DEFAULT_DIRECTORY = "/run/virtnet-sandbox"


class SandboxError(Exception):
    """A sandbox host could not be made, found or used; the text says why."""


def directory() -> Path:
    """Where the pid files are: ``VIRTNET_SANDBOX_DIR``, else below /run."""
    return Path(os.environ.get("VIRTNET_SANDBOX_DIR", DEFAULT_DIRECTORY))


def boot_id() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def _stat_fields(pid: int) -> list[str]:
    """The fields of /proc/PID/stat that follow the command's name, see proc_pid_stat(5)."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


def start_time(pid: int) -> int:
    """When a process started, in clock ticks since boot.

    :raises FileNotFoundError, ProcessLookupError: there is no such process
    """
    return int(_stat_fields(pid)[19])


def children(pid: int) -> list[int]:
    """The children of a process (read from every stat file: not all kernels have ``children``)."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            parent = int(_stat_fields(int(entry.name))[1])
        except (FileNotFoundError, ProcessLookupError):
            continue
        if parent == pid:
            found.append(int(entry.name))
    return found


@dataclass(frozen=True)
class InitProcess:
    """A process told apart from any later one that gets the same pid."""

    pid: int
    started: int
    boot: str

    @classmethod
    def of(cls, pid: int) -> InitProcess:
        return cls(pid, start_time(pid), boot_id())

    @classmethod
    def read(cls, path: Path) -> InitProcess | None:
        """What a pid file says, or None when there is none or it is damaged."""
        try:
            pid, started, boot = path.read_text().split()
            return cls(int(pid), int(started), boot)
        except (FileNotFoundError, ValueError):
            return None

    def write(self, path: Path) -> None:
        path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        new = path.with_name(f".{path.name}.{os.getpid()}")
        new.write_text(f"{self.pid} {self.started} {self.boot}\n")
        new.replace(path)

    def alive(self) -> bool:
        try:
            fields = _stat_fields(self.pid)
        except (FileNotFoundError, ProcessLookupError):
            return False
        return fields[0] not in "XZ" and int(fields[19]) == self.started and boot_id() == self.boot

    def kill(self, timeout: float = 30.0) -> None:
        """Kill it, and with it all of its pid namespace; return when all are gone.

        :param timeout: seconds
        :raises SandboxError: it still lives after the timeout
        """
        try:
            handle = os.pidfd_open(self.pid)
        except ProcessLookupError:
            return
        try:
            # Asked after the handle is open, the answer stays true until the signal is sent.
            if not self.alive():
                return
            signal.pidfd_send_signal(handle, signal.SIGKILL)
            poll = select.poll()
            poll.register(handle, select.POLLIN)
            if not poll.poll(timeout * 1000):
                raise SandboxError(f"process {self.pid} does not end {timeout:.0f} s after SIGKILL")
        finally:
            os.close(handle)
