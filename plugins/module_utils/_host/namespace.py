# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Network namespaces by name (ip-netns(8)): enter, make, remove, and their sysctls."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from . import command
from .errors import HostError

_DIRECTORY = Path("/run/netns")
_CLONE_NEWNET = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)


def names() -> list[str]:
    return sorted(p.name for p in _DIRECTORY.iterdir()) if _DIRECTORY.is_dir() else []


@contextmanager
def descriptor(netns: str | None) -> Iterator[int]:
    """An open file of the namespace; ``None`` is the one this process is in."""
    path = _DIRECTORY / netns if netns else Path("/proc/thread-self/ns/net")
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        raise HostError(f"namespace '{netns}' does not exist") from None
    try:
        yield fd
    finally:
        os.close(fd)


@contextmanager
def entered(netns: str | None) -> Iterator[None]:
    """Run the body, and the processes it starts, in the namespace (setns(2))."""
    if netns is None:
        yield
        return
    with descriptor(None) as home, descriptor(netns) as there:
        try:
            _setns(there)
        except PermissionError:
            raise HostError(f"namespace '{netns}' cannot be entered; run as root ('become: true')") from None
        except OSError as exc:
            raise HostError(
                f"namespace '{netns}' cannot be entered ({exc.strerror}); a left-over goes by 'ip netns delete {netns}'"
            ) from exc
        try:
            yield
        finally:
            _setns(home)


def _setns(fd: int) -> None:
    if _libc.setns(fd, _CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def create(name: str) -> None:
    command.run(["ip", "netns", "add", name])


def remove(name: str) -> None:
    """Processes would keep a namespace alive that has no name any more."""
    if running := processes(name):
        raise HostError(f"processes still run in namespace '{name}': {running}; stop them first")
    command.run(["ip", "netns", "delete", name])


def processes(name: str) -> str:
    """The processes inside, as "PID (command), …"; empty when there is none."""
    pids = command.run(["ip", "netns", "pids", name]).split()
    return ", ".join(f"{pid} ({_command(pid)})" for pid in pids)


def _command(pid: str) -> str:
    try:
        return Path("/proc", pid, "comm").read_text().strip()
    except OSError:
        return "ended"


def _path(key: str) -> Path:
    # In sysctl names '.' parts the words; an interface name with a dot is written with '/' (sysctl(8)).
    return Path("/proc/sys", key.translate(str.maketrans("./", "/.")))


def read_sysctls(netns: str | None, keys: Iterable[str]) -> dict[str, str]:
    """The values of those `keys` that exist, words parted by one tab as the kernel shows them."""
    with entered(netns):
        return {key: _read(key) for key in keys if _path(key).is_file()}


def _read(key: str) -> str:
    try:
        return "\t".join(_path(key).read_text().split())
    except OSError as exc:
        raise HostError(f"sysctls: '{key}' cannot be read ({exc.strerror}), so it cannot be kept at a value") from exc


def write_sysctl(netns: str | None, key: str, value: str) -> None:
    with entered(netns):
        try:
            _path(key).write_text(value)
        except FileNotFoundError:
            raise HostError(f"sysctls: this kernel has no '{key}'") from None
