# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Processes that are told apart from any later one with the same pid, and watched through pidfd_open(2).

Times are in seconds.
"""

from __future__ import annotations

import ctypes
import os
import select
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .._spec.service import DIGEST_VARIABLE

#: <sys/inotify.h>
_IN_CREATE = 0x100
_IN_MOVED_TO = 0x80
_libc = ctypes.CDLL(None, use_errno=True)


def identity(pid: int | str) -> str:
    """Pid, start time in clock ticks since boot (field 22 of proc_pid_stat(5)) and boot id, as a pid file has them."""
    started = _stat(pid)[19]
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    return f"{pid} {started} {boot}\n"


def running(pid_file: Path) -> int | None:
    """The pid of the process that a pid file is about, while it runs; a zombie does not."""
    try:
        text = pid_file.read_text()
        pid = int(text.split()[0])
        return pid if identity(pid) == text and _stat(pid)[0] not in "XZ" else None
    except (OSError, ValueError, IndexError):
        return None


def _stat(pid: int | str) -> list[str]:
    """The fields of /proc/PID/stat that follow the command's name (which may itself contain spaces)."""
    return Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()


def digest(pid: int) -> str | None:
    """The digest of the service that a process was started from."""
    try:
        environment = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:
        return None
    prefix = f"{DIGEST_VARIABLE}=".encode()
    return next((entry[len(prefix) :].decode() for entry in environment if entry.startswith(prefix)), None)


def in_netns(pid: int, netns: str | None) -> bool:
    """Whether a process is in that network namespace; ``None`` is the one we are in."""
    try:
        there = os.stat(f"/run/netns/{netns}" if netns else "/proc/thread-self/ns/net")
        return os.path.samestat(os.stat(f"/proc/{pid}/ns/net"), there)
    except FileNotFoundError:
        return False


@contextmanager
def opened(pid_file: Path) -> Iterator[int | None]:
    """A pidfd of the process that a pid file is about, or ``None`` when it does not run."""
    pid = running(pid_file)
    fd = pidfd(pid) if pid else None
    try:
        # Asked again with the handle open, the answer holds for the process that the handle is of.
        yield fd if running(pid_file) == pid else None
    finally:
        if fd is not None:
            os.close(fd)


def pidfd(pid: int) -> int | None:
    try:
        return os.pidfd_open(pid)
    except ProcessLookupError:
        return None


def send(pid_file: Path, number: signal.Signals) -> None:
    """Signal the process that a pid file is about, if it runs."""
    with opened(pid_file) as process:
        if process is not None:
            signal.pidfd_send_signal(process, number)


def ended(pid_file: Path, deadline: float) -> bool:
    """Wait until the process has ended; false when it still runs at `deadline` (of time.monotonic())."""
    with opened(pid_file) as process:
        left = max(0.0, deadline - time.monotonic())
        return process is None or bool(select.select([process], [], [], left)[0])


def await_file(path: Path, pid: int, deadline: float) -> bool:
    """Wait until a file is there; false when the process ended before, or at `deadline` (of time.monotonic())."""
    process = pidfd(pid)
    if process is None:
        return False
    watch = _libc.inotify_init1(os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        _libc.inotify_add_watch(watch, os.fsencode(path.parent), _IN_CREATE | _IN_MOVED_TO)
        while not path.exists():
            left = max(0.0, deadline - time.monotonic())
            events = select.select([watch, process], [], [], left)[0]
            if not events or process in events:
                return False
            os.read(watch, 65536)
        return True
    finally:
        os.close(watch)
        os.close(process)
