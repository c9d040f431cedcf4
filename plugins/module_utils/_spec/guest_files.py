# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which files a guest needs made, and how large its disks are to be. Pure."""

from __future__ import annotations

from dataclasses import replace

from .base import SpecError
from .guest_definition import Definition
from .guest_disk import Disk
from .guest_world import GuestWorld


def with_formats(definition: Definition, world: GuestWorld) -> Definition:
    """The format of an existing image is looked up once and then kept: a guest could turn a raw disk into another."""

    def found(path: str | None) -> str | None:
        file = world.file(definition.user, path) if path else None
        return file.image.format if file and file.image else None

    disks = (
        replace(d, format=d.format or found(d.file), base_format=d.base_format or found(d.base))
        for d in definition.disks
    )
    return replace(definition, disks=tuple(disks))


def made(definition: Definition, world: GuestWorld, before: tuple[str, ...]) -> tuple[str, ...]:
    """The paths of all disks that were, or are to be, made for the guest."""
    missing = {d.file for d in definition.disks if d.can_be_made and world.file(definition.user, d.file) is None}
    return tuple(sorted({*before, *missing}))


def wanted_files(name: str, definition: Definition, world: GuestWorld, grow: bool) -> tuple[tuple[str, int], ...]:
    """Paths and virtual sizes in bytes; ``grow`` says that no running guest has the disks open."""
    files = {d.file: _size(d, definition.user, world, grow) for d in definition.disks if d.can_be_made}
    if seed := definition.seed:
        path = seed.path(name)
        if not seed.files and world.file(definition.user, path) is None:
            raise SpecError(f"seed: {path} is gone; give the seed again")
        files[path] = 0
    return tuple(sorted(files.items()))


def observed_files(name: str, definition: Definition, world: GuestWorld) -> tuple[tuple[str, int], ...]:
    files = {}
    for disk in definition.disks:
        file = world.file(definition.user, disk.file)
        if disk.can_be_made and file is not None:
            files[disk.file] = file.image.virtual_size if file.image else 0
    if definition.seed and world.file(definition.user, definition.seed.path(name)):
        files[definition.seed.path(name)] = 0
    return tuple(sorted(files.items()))


def _size(disk: Disk, user: str, world: GuestWorld, grow: bool) -> int:
    file = world.file(user, disk.file)
    if file is not None:
        size = file.image.virtual_size if file.image else 0
        return max(size, disk.size or 0) if grow and disk.written else size
    base = world.file(user, disk.base) if disk.base else None
    return disk.size or (base.image.virtual_size if base and base.image else 0)
