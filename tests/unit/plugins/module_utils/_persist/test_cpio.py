# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import stat

from ansible_collections.virtnet.qemu.plugins.module_utils._persist import cpio

FIELDS = (
    "inode",
    "mode",
    "uid",
    "gid",
    "links",
    "mtime",
    "size",
    "major",
    "minor",
    "rmajor",
    "rminor",
    "namesize",
    "check",
)


def read(archive):
    """The archive's members in order, by the kernel's buffer-format.rst: name -> (header, data)."""
    members, place = {}, 0
    while True:
        assert archive[place : place + 6] == b"070701"
        numbers = [int(archive[place + 6 + 8 * n : place + 14 + 8 * n], 16) for n in range(13)]
        header = dict(zip(FIELDS, numbers))
        name = archive[place + 110 : place + 110 + header["namesize"]]
        assert name.endswith(b"\0")
        data = place + 110 + header["namesize"]
        data += -data % 4
        place = data + header["size"]
        place += -place % 4
        members[name[:-1].decode()] = (header, archive[data : data + header["size"]])
        if name == b"TRAILER!!!\0":
            assert place == len(archive)
            return members


def test_all_kinds_of_files():
    members = read(
        cpio.archive(
            {
                "etc/rc": cpio.regular(b"#!/bin/sh\n", 0o755),
                "etc/empty": cpio.regular(b""),
                "bin/sh": cpio.symlink("/bin/busybox"),
                "tmp": cpio.directory(0o1777),
                "dev/console": cpio.character_device(5, 1),
            }
        )
    )
    del members["TRAILER!!!"]
    modes = {name: header["mode"] for name, (header, data) in members.items()}
    assert modes == {
        "bin": stat.S_IFDIR | 0o755,
        "bin/sh": stat.S_IFLNK | 0o777,
        "dev": stat.S_IFDIR | 0o755,
        "dev/console": stat.S_IFCHR | 0o600,
        "etc": stat.S_IFDIR | 0o755,
        "etc/empty": stat.S_IFREG | 0o644,
        "etc/rc": stat.S_IFREG | 0o755,
        "tmp": stat.S_IFDIR | 0o1777,
    }
    assert members["etc/rc"][1] == b"#!/bin/sh\n"
    assert members["bin/sh"][1] == b"/bin/busybox"
    assert (members["dev/console"][0]["rmajor"], members["dev/console"][0]["rminor"]) == (5, 1)
    assert {header["uid"] + header["gid"] + header["mtime"] for header, data in members.values()} == {0}


def test_a_directory_comes_before_what_is_in_it():
    names = list(read(cpio.archive({"a/b/c": cpio.regular(b""), "a-b": cpio.regular(b"")})))
    assert names.index("a") < names.index("a/b") < names.index("a/b/c")


def test_the_order_given_does_not_matter():
    one, other = cpio.regular(b"1"), cpio.regular(b"2")
    assert cpio.archive({"a": one, "b/c": other}) == cpio.archive({"b/c": other, "a": one})


def test_inodes_differ():
    members = read(cpio.archive({"a": cpio.regular(b"same"), "b": cpio.regular(b"same")}))
    assert members["a"][0]["inode"] != members["b"][0]["inode"]
