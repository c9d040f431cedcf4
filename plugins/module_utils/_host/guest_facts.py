# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Looks up what the guests that are wanted depend on: accounts, files, images, ports, tools."""

from __future__ import annotations

import errno
import os
import platform
import posixpath
import socket
import stat
from collections.abc import Iterable, Iterator

from .._spec.guest_claims import places
from .._spec.guest_definition import Definition
from .._spec.guest_world import Emulator, Facts, File
from .._spec.pci import PciBus
from . import command, disk, guest_bridge_helper, guest_user, libraries, pci, supervisor, vfio
from .errors import HostError

_TOOLS = ("qemu-img", "xorriso")
#: Names that Linux gives to one and the same machine.
_ARCHITECTURES = {"i486": "i386", "i586": "i386", "i686": "i386"}


def hostname() -> str:
    return platform.node()


def arch() -> str:
    machine = os.uname().machine
    return _ARCHITECTURES.get(machine, machine)


def gather(definitions: list[tuple[str, Definition]], emulators: dict[str | None, Emulator | None]) -> Facts:
    """`definitions` are pairs of the guest's name and its definition, `emulators` those looked up already."""
    whole = [definition for _name, definition in definitions]
    users = {definition.user for definition in whole}
    return Facts(
        hostname=hostname(),
        arch=arch(),
        memory=os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"),
        unprivileged_port=_unprivileged_port(),
        python=libraries.interpreter(),
        supervisors={choice: supervisor.find(choice).kind for choice in {d.supervisor for d in whole}},
        emulators=emulators,
        accounts={user: guest_user.account(user, arch()) for user in users},
        files={(user, path): file for user in users for path, file in _files(user, definitions)},
        taken=dict(_taken({place for definition in whole for place in places(definition)})),
        tools={tool: command.which(tool) for tool in _TOOLS},
        bridge_helper=guest_bridge_helper.find(),
        devices=_devices(whole),
    )


def _devices(definitions: list[Definition]) -> PciBus:
    """Those of the host, if any guest has one."""
    if not any(definition.host_devices for definition in definitions):
        return PciBus()
    return pci.bus(record.identity for record in vfio.NOTES.read())


def _unprivileged_port() -> int:
    """ip-sysctl: the first port that programs without privilege may listen on."""
    try:
        with open("/proc/sys/net/ipv4/ip_unprivileged_port_start", encoding="ascii") as file:
            return int(file.read())
    except OSError:
        return 1024


def _files(user: str, definitions: list[tuple[str, Definition]]) -> Iterator[tuple[str, File]]:
    images: set[str] = set()
    others: set[str] = set()
    for name, definition in definitions:
        if definition.user == user:
            images.update(path for d in definition.disks for path in (d.file, d.base) if path)
            others.update(_other_files(name, definition))
    found = sorted(path for path in images | others if os.path.exists(path))
    access = guest_user.access(user, found) if found else {}
    has_qemu_img = command.which("qemu-img") is not None
    for path in found:
        status = os.stat(path)
        device = stat.S_ISBLK(status.st_mode)
        regular = device or stat.S_ISREG(status.st_mode)
        image = disk.inspect(path) if path in images and regular and has_qemu_img else None
        size = image.virtual_size if device and image else status.st_size
        yield path, File(regular, size, *access[path], real_path=os.path.realpath(path), image=image)


def _other_files(name: str, definition: Definition) -> Iterator[str]:
    yield from filter(None, (definition.kernel, definition.initrd))
    yield from (posixpath.dirname(d.file) for d in definition.disks)
    for nic in definition.nics:
        yield from filter(None, (nic.romfile, nic.script, nic.downscript))
    yield from (device.romfile for device in definition.host_devices if device.romfile)
    if definition.seed:
        yield definition.seed.path(name)


def _taken(wanted: Iterable[tuple[str, str, int]]) -> Iterator[tuple[tuple[str, str, int], str]]:
    """The ports among those `wanted` that cannot be listened on, and why."""
    for protocol, address, port in wanted:
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        kind = socket.SOCK_STREAM if protocol == "tcp" else socket.SOCK_DGRAM
        with socket.socket(family, kind) as attempt:
            if protocol == "tcp":
                attempt.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                attempt.bind((address, port))
            except OSError as exc:
                yield (protocol, address, port), _why(exc)


def _why(error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return "is in use by another program"
    if error.errno == errno.EADDRNOTAVAIL:
        return "cannot be used: the address is not one of this host"
    raise HostError(f"a port cannot be tried: {error.strerror}") from error
