# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json

import pytest

from ansible_collections.virtnet.qemu.plugins.module_utils._spec.base import SpecError
from ansible_collections.virtnet.qemu.plugins.module_utils._spec.guest_definition import Definition, Identity
from ansible_collections.virtnet.qemu.plugins.module_utils._spec.mac_address import derived_mac, derived_uuid
from tests.unit.guests import want

IDENTITY = Identity("fleet", "hv1", "x86_64")
FULL = {
    "memory": "1.5G",
    "cpus": 2,
    "disks": [{"file": "a.qcow2", "base": "b.qcow2", "size": "10G"}, {"file": "x.iso", "cdrom": True}],
    "boot": {"order": "cd", "once": "d"},
    "kernel": "vmlinuz",
    "append": "quiet",
    "nics": [{"bridge": "br-lab"}, {"type": "user", "hostfwd": [{"port": 2222, "guest_port": 22}]}],
    "display": {"type": "vnc", "number": 1, "password": "sesame"},
    "seed": {"hostname": "web1"},
    "arguments": ["-S"],
}


def completed(have=None, **options):
    return want(**options).definition.completed("web1", have, IDENTITY)


def test_defaults_of_a_new_guest():
    new = completed()
    assert (new.machine, new.accel, new.cpus, new.memory, new.user) == ("q35,hpet=off", "auto", 1, 1024, "virtnet-qemu")
    assert (new.disks, new.nics, new.autostart, new.supervisor) == ((), (), True, "auto")
    assert new.uuid == derived_uuid("fleet", "hv1", "web1")


def test_a_machine_without_q35_gets_its_own_default():
    assert want().definition.completed("web1", None, Identity("f", "h", "aarch64")).machine == "virt"


def test_what_is_not_given_is_left_alone():
    have = completed(**FULL)
    assert completed(have) == have
    assert completed(have, memory="2G").memory == 2048
    assert completed(have, memory="2G").disks == have.disks


@pytest.mark.parametrize(
    "option", ["memory", "disks", "boot", "kernel", "append", "nics", "display", "seed", "arguments"]
)
def test_empty_is_the_default_again(option):
    empty = {"memory": "1G", "kernel": "", "append": "", "disks": [], "nics": [], "arguments": []}.get(option, {})
    assert getattr(completed(completed(**FULL), **{option: empty}), option) == getattr(completed(), option)


def test_macs_are_derived_where_none_is_given():
    nics = completed(nics=[{"bridge": "a"}, {"bridge": "b", "mac": "52:54:00:00:00:02"}, {"bridge": "c"}]).nics
    assert [nic.mac for nic in nics] == [
        derived_mac("fleet", "hv1", "web1", 0),
        "52:54:00:00:00:02",
        derived_mac("fleet", "hv1", "web1", 2),
    ]


def test_a_format_that_was_found_is_kept():
    have = completed(disks=[{"file": "/a", "format": "raw"}])
    assert completed(have, disks=[{"file": "/a"}]).disks[0].format == "raw"
    assert completed(have, disks=[{"file": "/b"}]).disks[0].format is None


def test_saved_and_read_again():
    have = completed(**FULL)
    assert Definition.from_data(json.loads(json.dumps(have.as_data()))) == have


def test_no_secret_is_saved_or_shown():
    have = completed(**FULL)
    assert "sesame" not in json.dumps([have.as_data(), have.as_dict()])
    assert have.as_dict()["memory"] == "1536M"
    assert have.as_dict()["disks"][0]["size"] == "10G"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"memory": "none"}, ["memory", "512M"]),
        ({"memory": "1536K"}, ["memory", "MiB"]),
        ({"cpus": 0}, ["cpus", "0"]),
        ({"cpus": 1_000_000}, ["cpus", "4096"]),
        ({"stop_timeout": 0}, ["stop_timeout", "0"]),
        ({"uuid": "1234"}, ["uuid", "1234"]),
        ({"emulator": "qemu"}, ["emulator", "absolute"]),
        ({"name": "a b"}, ["name", "'a b'"]),
        ({"name": "-a"}, ["name", "'-a'"]),
        ({"name": "a" * 64}, ["name", "64", "63"]),
        ({"name": ""}, ["name"]),
    ],
)
def test_refused(options, words):
    with pytest.raises(SpecError) as caught:
        want(**options)
    assert [word for word in words if word not in str(caught.value)] == []


@pytest.mark.parametrize("option", ["initrd", "append"])
def test_what_goes_with_a_kernel_needs_one(option):
    with pytest.raises(SpecError, match=f"{option}: it goes with a 'kernel'"):
        completed(**{option: "x"}).check_complete()
