# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest

from ansible_collections.virtnet.qemu.plugins.module_utils._spec.base import SpecError
from ansible_collections.virtnet.qemu.plugins.module_utils._spec.size import GIB
from tests.unit.guests import want


def disk(**entry):
    return want(disks=[entry]).definition.disks[0]


def test_names_are_looked_for_where_they_belong():
    made = disk(file="a.qcow2", base="debian.qcow2")
    assert made.file == "/var/lib/virtnet/guests/web1/a.qcow2"
    assert made.base == "/var/lib/virtnet/images/debian.qcow2"
    assert disk(file="/srv/a.img").file == "/srv/a.img"
    assert disk(file="netinst.iso", cdrom=True).file == "/var/lib/virtnet/images/netinst.iso"


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ({"base": "b.img"}, {"format": "qcow2", "interface": "virtio", "written": True}),
        ({"size": "1G"}, {"format": "qcow2", "size": GIB}),
        ({"size": "1G", "format": "raw"}, {"format": "raw"}),
        ({"size": "1000"}, {"size": 1024}),
        ({}, {"format": None, "can_be_made": False}),
        ({"cdrom": True}, {"interface": "sata", "read_only": True, "written": False}),
        ({"read_only": True}, {"written": False}),
    ],
)
def test_defaults(entry, expected):
    made = disk(file="a", **entry)
    assert {key: getattr(made, key) for key in expected} == expected


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ({"file": ""}, ["disks[0].file", "empty"]),
        ({"file": "a", "cdrom": True, "size": "1G"}, ["disks[0]", "CD-ROM"]),
        ({"file": "a", "cdrom": True, "interface": "virtio"}, ["disks[0].interface", "scsi"]),
        ({"file": "a", "base": "b", "format": "raw"}, ["disks[0].format", "overlay"]),
        ({"file": "a", "size": "much"}, ["disks[0].size", "10G"]),
    ],
)
def test_refused(entry, words):
    with pytest.raises(SpecError) as caught:
        disk(**entry)
    assert [word for word in words if word not in str(caught.value)] == []


def test_one_file_is_one_disk():
    with pytest.raises(SpecError, match="listed twice"):
        want(disks=[{"file": "/a"}, {"file": "/a"}])
    want(disks=[{"file": "/a", "read_only": True}, {"file": "/a", "read_only": True}])
