# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A cpio archive of the kind the kernel unpacks as its initramfs. Pure.

Format "newc", as in the kernel's Documentation/driver-api/early-userspace/buffer-format.rst. Owner, inode numbers
and times do not come from the building machine, so that the same content gives the same bytes.
"""

from __future__ import annotations

import stat
from collections.abc import Mapping
from typing import NamedTuple


class Entry(NamedTuple):
    """A file's type and permission bits (inode(7)), its content (of a link: the target), and device numbers."""

    mode: int
    data: bytes = b""
    device: tuple[int, int] = (0, 0)


def regular(data: bytes, permissions: int = 0o644) -> Entry:
    return Entry(stat.S_IFREG | permissions, data)


def symlink(target: str) -> Entry:
    return Entry(stat.S_IFLNK | 0o777, target.encode())


def directory(permissions: int = 0o755) -> Entry:
    return Entry(stat.S_IFDIR | permissions)


def character_device(major: int, minor: int, permissions: int = 0o600) -> Entry:
    return Entry(stat.S_IFCHR | permissions, device=(major, minor))


def archive(entries: Mapping[str, Entry]) -> bytes:
    """The archive of `entries` (path without a leading '/' -> entry); missing parent directories are added."""
    everything = {parent: directory() for path in entries for parent in _parents(path)}
    everything.update(entries)
    # Sorted, a directory comes before what is in it.
    records = [_record(inode, path, everything[path]) for inode, path in enumerate(sorted(everything), start=1)]
    return b"".join((*records, _record(0, "TRAILER!!!", Entry(0))))


def _parents(path: str) -> list[str]:
    parts = path.split("/")
    return ["/".join(parts[:n]) for n in range(1, len(parts))]


def _record(inode: int, path: str, entry: Entry) -> bytes:
    name = path.encode() + b"\0"
    links = 2 if stat.S_ISDIR(entry.mode) else 1
    numbers = (inode, entry.mode, 0, 0, links, 0, len(entry.data), 0, 0, *entry.device, len(name), 0)
    header = b"070701" + b"".join(b"%08X" % n for n in numbers)
    return _padded(header + name) + _padded(entry.data)


def _padded(data: bytes) -> bytes:
    return data + b"\0" * (-len(data) % 4)
