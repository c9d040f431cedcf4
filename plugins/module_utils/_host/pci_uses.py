# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What this host has its PCI devices for: mounted disks, interfaces that it is reached by or that others use."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import suppress
from functools import cached_property
from pathlib import Path

from . import files
from .command import attempt

_BLOCK = Path("/sys/class/block")
_NET = Path("/sys/class/net")
_PROC = Path("/proc")


class Uses:
    """Looked up once, and only when it is asked for."""

    def of(self, device: Path, interfaces: list[str]) -> Iterator[str]:
        """A sentence's end for each; `device` is a folder of sysfs."""
        for name in interfaces:
            yield from self._of_interface(name)
        if device.name not in self._with_disks:
            return
        for disk in self._with_disks[device.name]:
            for where in sorted(_places(disk, self._mounted)):
                yield f"has the disk {disk}, which is in use at {where}"

    def users(self, group: str | None) -> list[str]:
        """The processes that have that IOMMU group open."""
        return self._groups.get(f"/dev/vfio/{group}", []) if group else []

    # -- interfaces ------------------------------------------------------------------------------

    def _of_interface(self, name: str) -> Iterator[str]:
        uppers = [path.name[len("upper_") :] for path in sorted((_NET / name).glob("upper_*"))]
        if uppers:
            yield f"has the interface {name}, which {' and '.join(map(repr, uppers))} is made of"
        if name in self._default_routes:
            yield f"has the interface {name}, which the host's default route leads out of"
        if name in self._reached_by:
            yield f"has the interface {name}, which this host is managed through"

    @cached_property
    def _default_routes(self) -> set[str]:
        routes = [route for version in ("-4", "-6") for route in _ip(version, "route", "show", "default")]
        hops = [hop for route in routes for hop in (route, *route.get("nexthops", ()))]
        return {hop["dev"] for hop in hops if "dev" in hop}

    @cached_property
    def _reached_by(self) -> set[str]:
        """Where whoever runs us by SSH comes in: the interface with the address, and that of the way back."""
        client, server = _ssh_connection()
        if client is None:
            return set()
        ways = {route["dev"] for route in _ip("route", "get", client) if "dev" in route}
        links = [
            link["ifname"]
            for link in _ip("address", "show")
            for found in link.get("addr_info", ())
            if found.get("local") == server
        ]
        return ways | set(links)

    # -- disks -----------------------------------------------------------------------------------

    @cached_property
    def _with_disks(self) -> dict[str, list[str]]:
        """The block devices that are reached through each PCI device."""
        found: dict[str, list[str]] = {}
        for disk in sorted(_BLOCK.glob("*")):
            for part in Path(os.path.realpath(disk)).parts:
                found.setdefault(part, []).append(disk.name)
        return found

    @cached_property
    def _mounted(self) -> dict[str, str]:
        """Where each block device, by its numbers, is in use."""
        found = {}
        for line in (files.read(_PROC / "self/mountinfo") or "").splitlines():
            words = line.split()
            found.setdefault(words[2], words[4])
        for line in (files.read(_PROC / "swaps") or "").splitlines()[1:]:
            numbers = files.read(_BLOCK / os.path.basename(line.split()[0]) / "dev")
            if numbers:
                found[numbers.strip()] = "swap"
        return found

    # -- processes -------------------------------------------------------------------------------

    @cached_property
    def _groups(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        if not Path("/dev/vfio").is_dir():
            return found
        for process in _PROC.glob("[0-9]*"):
            with suppress(OSError):
                opened = {os.readlink(entry) for entry in (process / "fd").iterdir()}
                name = (process / "comm").read_text(encoding="utf-8").strip()
                for path in opened:
                    if path.startswith("/dev/vfio/"):
                        found.setdefault(path, []).append(f"process {process.name} ({name})")
        return found


def _places(disk: str, mounted: dict[str, str]) -> set[str]:
    """Where it, or what is made of it (holders: of the device mapper, md), is mounted."""
    numbers = (files.read(_BLOCK / disk / "dev") or "").strip()
    own = {mounted[numbers]} if numbers in mounted else set()
    return own.union(*(_places(holder.name, mounted) for holder in (_BLOCK / disk / "holders").glob("*")))


def _ssh_connection() -> tuple[str | None, str | None]:
    """Client and server of the SSH session that we are in; a program that changes users may have hidden it."""
    words = (os.environ.get("SSH_CONNECTION") or _inherited("SSH_CONNECTION") or "").split()
    return (words[0], words[2]) if len(words) == 4 else (None, None)


def _inherited(name: str) -> str | None:
    """An environment variable of the nearest process above us that has it."""
    pid = _parent(os.getpid())
    while pid > 1:
        with suppress(OSError):
            for entry in (_PROC / str(pid) / "environ").read_bytes().split(b"\0"):
                if entry.startswith(f"{name}=".encode()):
                    return os.fsdecode(entry.partition(b"=")[2])
        pid = _parent(pid)
    return None


def _parent(pid: int) -> int:
    with suppress(OSError, ValueError, IndexError):
        stat = (_PROC / str(pid) / "stat").read_text(encoding="utf-8")
        return int(stat.rpartition(")")[2].split()[1])
    return 0


def _ip(*words: str) -> list[dict]:
    done = attempt(["ip", "-json", *words])
    return json.loads(done.output or "[]") if done.code == 0 else []
