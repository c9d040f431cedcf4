# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Refuses disks that QEMU or qemu-img would refuse later. Pure."""

from __future__ import annotations

import posixpath

from . import guest_paths as paths
from .base import SpecError
from .guest_definition import Definition
from .guest_disk import Disk
from .guest_world import File, GuestWorld
from .size import show_size


def check(where: str, disk: Disk, guest: Definition, world: GuestWorld) -> None:
    file = world.file(guest.user, disk.file)
    if file is None and disk.can_be_made:
        _check_making(where, disk, guest, world)
    elif file is None:
        world.missing.append(
            f"{where}.file: '{disk.file}' does not exist; put the image there first"
            + ("" if disk.cdrom else ", or say with 'base' or 'size' how to make it")
        )
    else:
        world.require_readable(f"{where}.file", disk.file, guest.user)
        _check_image(where, disk, file, guest, world)


def _check_making(where: str, disk: Disk, guest: Definition, world: GuestWorld) -> None:
    world.require(
        world.facts.tools.get("qemu-img"), f"{where}: there is no 'qemu-img' on this host; install QEMU first"
    )
    if not disk.file.startswith(f"{paths.DATA}/"):
        _check_folder(f"{where}.file", posixpath.dirname(disk.file), guest, world)
    if disk.base is None:
        return
    base = world.require_readable(f"{where}.base", disk.base, guest.user)
    if base is None:
        return
    _require_format(f"{where}.base", disk.base, base, None)
    if disk.size and disk.size < base.image.virtual_size:
        raise SpecError(
            f"{where}.size: {show_size(disk.size)} is less than the {show_size(base.image.virtual_size)} of its base; "
            "give more, or leave it out"
        )


def _check_folder(option: str, path: str, guest: Definition, world: GuestWorld) -> None:
    folder = world.require(world.file(guest.user, path), f"{option}: the folder '{path}' does not exist; make it first")
    if folder and not folder.executable:
        raise SpecError(
            f"{option}: user '{guest.user}' cannot enter the folder '{path}'; let that user in, or take another"
        )


def _require_format(option: str, path: str, file: File, wanted: str | None) -> None:
    image = file.image
    if image is None:
        return
    if image.format is None:
        raise SpecError(f"{option}: '{path}' is not a disk image that qemu-img can read: {image.error}")
    if wanted not in (None, image.format):
        raise SpecError(f"{option}: '{path}' is not a {wanted} image but {image.format}; correct 'format' or the file")
    if image.format == "raw" and (file.size == 0 or file.size % 512):
        # Of a raw image qemu-img can only say that it is nothing else; disks have whole sectors.
        raise SpecError(
            f"{option}: '{path}' is not a disk image: it has {file.size} bytes, which is no number of sectors"
        )


def _check_image(where: str, disk: Disk, file: File, guest: Definition, world: GuestWorld) -> None:
    _require_format(f"{where}.file", disk.file, file, disk.format)
    if disk.written and not file.writable:
        raise SpecError(
            f"{where}.file: user '{guest.user}' cannot write '{disk.file}'; "
            "give it to that user, or use 'read_only: true'"
        )
    image = file.image
    if image is None:
        return
    if disk.base and image.backing != world.real_path(guest.user, disk.base):
        raise SpecError(
            f"{where}.base: '{disk.file}' exists already, as an overlay over {image.backing or 'nothing'}; "
            f"correct 'base', or remove the file to have it made anew over '{disk.base}'"
        )
    if disk.size and disk.size < image.virtual_size and not disk.read_only:
        raise SpecError(
            f"{where}.size: '{disk.file}' has {show_size(image.virtual_size)} already, and to make it smaller would "
            "cut off data; give that size, or leave it out"
        )
