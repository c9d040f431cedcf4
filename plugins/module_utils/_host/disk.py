# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Disk images, by qemu-img(1)."""

from __future__ import annotations

import json
import os
import pwd
from pathlib import Path

from .._spec.guest_disk import Disk
from .._spec.guest_world import Image
from . import command, files
from .errors import HostError


def inspect(path: str) -> Image:
    """What image that file is; that of a running guest may be read too (-U)."""
    try:
        info = json.loads(command.run(["qemu-img", "info", "-U", "--output=json", path]))
    except (HostError, ValueError) as exc:
        return Image(format=None, error=str(exc))
    backing = info.get("full-backing-filename") or info.get("backing-filename")
    return Image(info["format"], info["virtual-size"], backing and os.path.realpath(backing))


def create(disk: Disk, user: str) -> None:
    """Make it beside its place and then rename it, so that no half-made disk is ever taken for one."""
    place = Path(disk.file)
    new = place.with_name(f".{place.name}.virtnet-new")
    argv = ["qemu-img", "create", "-q", "-f", disk.format]
    if disk.base:
        argv += ["-b", disk.base, "-F", disk.base_format]
    try:
        new.unlink(missing_ok=True)
        command.run([*argv, str(new), *([str(disk.size)] if disk.size else [])])
        owner = pwd.getpwnam(user)
        os.chown(new, owner.pw_uid, owner.pw_gid)
        new.chmod(0o600)
        new.replace(place)
    except OSError as exc:
        raise HostError(f"'{disk.file}' cannot be made: {exc.strerror}") from exc


def resize(disk: Disk, size: int) -> None:
    """`size` is in bytes."""
    command.run(["qemu-img", "resize", "-q", "-f", disk.format, disk.file, str(size)])


def remove(path: str) -> None:
    files.remove(Path(path))
