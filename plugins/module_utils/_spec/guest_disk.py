# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A guest's disks and CD-ROMs. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from . import guest_paths as paths
from .base import SpecError
from .size import parse_size

INTERFACES = ("virtio", "scsi", "sata", "ide")
CACHES = ("writeback", "none", "writethrough", "directsync", "unsafe")
FORMATS = ("qcow2", "raw", "vmdk", "vdi", "vhdx", "qed")

DISK_OPTIONS = {
    "file": {"type": "str", "required": True},
    "base": {"type": "str"},
    "size": {"type": "str"},
    "format": {"type": "str", "choices": list(FORMATS)},
    "interface": {"type": "str", "choices": list(INTERFACES)},
    "cache": {"type": "str", "choices": list(CACHES)},
    "read_only": {"type": "bool", "default": False},
    "cdrom": {"type": "bool", "default": False},
}


@dataclass(frozen=True)
class Disk:
    """``size`` is in bytes, the least that the guest is to see. The formats are None until a file was looked at."""

    file: str
    base: str | None = None
    base_format: str | None = None
    size: int | None = None
    format: str | None = None
    interface: str = "virtio"
    cache: str | None = None
    read_only: bool = False
    cdrom: bool = False

    @property
    def can_be_made(self) -> bool:
        return self.base is not None or self.size is not None

    @property
    def written(self) -> bool:
        return not (self.read_only or self.cdrom)


def parse_disks(entries: list[dict[str, Any]] | None, guest: str) -> tuple[Disk, ...] | None:
    if entries is None:
        return None
    disks = tuple(_parse(f"disks[{index}]", entry, guest) for index, entry in enumerate(entries))
    files = [disk.file for disk in disks if disk.written]
    for file in files:
        if files.count(file) > 1:
            raise SpecError(f"disks: '{file}' is listed twice; a file can be one disk only")
    return disks


def _parse(where: str, entry: dict[str, Any], guest: str) -> Disk:
    cdrom, base = entry["cdrom"], entry["base"]
    if not entry["file"]:
        raise SpecError(f"{where}.file: it is empty; give the disk's file")
    if cdrom and (base or entry["size"]):
        raise SpecError(f"{where}: a CD-ROM is not made; leave out 'base' and 'size', or 'cdrom'")
    if base and entry["format"] not in (None, "qcow2"):
        raise SpecError(
            f"{where}.format: '{entry['format']}' cannot be an overlay over 'base'; leave it out or use qcow2"
        )
    interface = entry["interface"] or ("sata" if cdrom else "virtio")
    if cdrom and interface == "virtio":
        raise SpecError(f"{where}.interface: there is no CD-ROM drive of type 'virtio'; use scsi, sata or ide")
    made = base or entry["size"]
    return Disk(
        file=paths.image(entry["file"]) if cdrom else _file(entry["file"], guest),
        base=paths.image(base) if base else None,
        size=_size(f"{where}.size", entry["size"]) if entry["size"] else None,
        format="qcow2" if made and not entry["format"] else entry["format"],
        interface=interface,
        cache=entry["cache"],
        read_only=entry["read_only"] or cdrom,
        cdrom=cdrom,
    )


def _size(option: str, value: str) -> int:
    """In whole sectors of 512 bytes, as qemu-img makes images."""
    return -(-parse_size(option, value) // 512) * 512


def _file(file: str, guest: str) -> str:
    """What is not absolute is in the guest's own directory."""
    return file if file.startswith("/") else paths.data(guest, file)
