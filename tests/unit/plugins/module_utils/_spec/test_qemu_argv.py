# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest

from ansible_collections.virtnet.qemu.plugins.module_utils._spec.guest_definition import Identity
from ansible_collections.virtnet.qemu.plugins.module_utils._spec.qemu_argv import Choices, qemu_argv, tap_descriptors
from tests.unit.guests import want

CHOICES = Choices("/usr/bin/qemu-system-x86_64", "tcg", vhost=False, bridge_helper="/usr/lib/qemu/qemu-bridge-helper")
IDENTITY = Identity("fleet", "hv1", "x86_64")


def definition(**options):
    return want(**options).definition.completed("web1", None, IDENTITY)


def argv(choices=CHOICES, **options):
    return qemu_argv("web1", definition(**options), choices)


def values(words, option):
    return [value for name, value in zip(words, words[1:]) if name == option]


def netdev(choices=CHOICES, **nic):
    (value,) = values(argv(choices, nics=[nic]), "-netdev")
    return value


def device(**nic):
    return values(argv(nics=[{"bridge": "b", "mac": "52:54:00:00:00:01", **nic}]), "-device")[-1]


def test_the_command_line_of_a_small_guest():
    options = {"uuid": "2f0c1e9a-6f0b-4d1e-9a52-0d3b5f3c7a11", "memory": "192M", "hotplug_slots": 1}
    assert argv(**options, guest_agent=False, rng=False) == (
        *("/usr/bin/qemu-system-x86_64", "-name", "web1", "-no-user-config", "-nodefaults"),
        *("-machine", "q35,hpet=off", "-accel", "tcg", "-cpu", "max", "-smp", "1", "-m", "192"),
        *("-uuid", "2f0c1e9a-6f0b-4d1e-9a52-0d3b5f3c7a11"),
        *("-chardev", "socket,id=qmp,path=/run/virtnet/guests/web1/qmp.sock,server=on,wait=off"),
        *("-mon", "chardev=qmp,mode=control"),
        *("-chardev", "socket,id=console,path=/run/virtnet/guests/web1/console.sock,server=on,wait=off"),
        *("-serial", "chardev:console", "-display", "none"),
        *("-device", "pcie-root-port,id=nicport0,bus=pcie.0,addr=14.0,multifunction=on,chassis=1"),
    )


def test_the_processor_of_the_host_with_kvm():
    assert values(argv(Choices("q", "kvm", vhost=False)), "-cpu") == ["host"]
    assert values(argv(cpu="EPYC,-svm"), "-cpu") == ["EPYC,-svm"]


@pytest.mark.parametrize(
    ("nic", "expected"),
    [
        ({"bridge": "br-lab"}, "tap,id=net-nic0,ifname=web1-0,script=no,downscript=no"),
        ({"ifname": "tap,7"}, "tap,id=net-nic0,ifname=tap,,7,script=no,downscript=no"),
        ({"bridge": "b", "queues": 2}, "tap,id=net-nic0,ifname=web1-0,script=no,downscript=no,queues=2"),
        ({"bridge": "b", "vhost": True}, "tap,id=net-nic0,ifname=web1-0,script=no,downscript=no,vhost=on"),
        ({"type": "bridge", "bridge": "b"}, "bridge,id=net-nic0,br=b,helper=/usr/lib/qemu/qemu-bridge-helper"),
        ({"type": "user"}, "user,id=net-nic0"),
        (
            {
                "type": "user",
                "restrict": True,
                "hostfwd": [{"port": 2222, "guest_port": 22}, {"port": 53, "protocol": "udp"}],
            },
            "user,id=net-nic0,restrict=on,hostfwd=tcp:127.0.0.1:2222-:22,hostfwd=udp:127.0.0.1:53-:53",
        ),
    ],
)
def test_what_is_behind_a_nic(nic, expected):
    assert netdev(**nic) == expected


@pytest.mark.parametrize(
    ("nic", "on"), [({}, True), ({"model": "e1000"}, False), ({"vhost": False}, False), ({"model": "virtio"}, True)]
)
def test_vhost_where_there_is_one(nic, on):
    assert ("vhost=on" in netdev(Choices("q", "kvm", vhost=True), bridge="b", **nic)) is on


def test_open_taps_are_passed_by_number():
    guest = definition(nics=[{"bridge": "b"}, {"type": "user"}, {"bridge": "b", "queues": 2}])
    numbers = tap_descriptors(guest)
    assert numbers == {"web1-0": (100,), "web1-2": (101, 102)}
    netdevs = values(qemu_argv("web1", guest, Choices("q", "tcg", False, None, numbers)), "-netdev")
    assert netdevs == ["tap,id=net-nic0,fd=100", "user,id=net-nic1", "tap,id=net-nic2,fds=101:102"]


@pytest.mark.parametrize(
    ("nic", "expected"),
    [
        ({}, "virtio-net-pci,id=nic0,netdev=net-nic0,mac=52:54:00:00:00:01,bus=nicport0"),
        ({"model": "rtl8139", "id": "lan"}, "rtl8139,id=lan,netdev=net-lan,mac=52:54:00:00:00:01,bus=nicport0"),
        (
            {"queues": 4},
            "virtio-net-pci,id=nic0,netdev=net-nic0,mac=52:54:00:00:00:01,mq=on,vectors=10,bus=nicport0",
        ),
        (
            {"pci_address": "7", "vectors": 0, "romfile": "off"},
            "virtio-net-pci,id=nic0,netdev=net-nic0,mac=52:54:00:00:00:01,vectors=0,addr=07.0,romfile=",
        ),
    ],
)
def test_nic_devices(nic, expected):
    assert device(**nic) == expected


@pytest.mark.parametrize(
    ("machine", "disk", "drive", "devices"),
    [
        (
            "q35",
            {"file": "/a,b.img", "cache": "none", "format": "raw"},
            "id=disk0,file=/a,,b.img,if=none,format=raw,cache=none",
            ["virtio-blk-pci,id=drive0,drive=disk0"],
        ),
        (
            "q35",
            {"file": "/a.iso", "cdrom": True},
            "id=disk0,file=/a.iso,if=none,readonly=on,media=cdrom",
            ["ide-cd,id=drive0,drive=disk0"],
        ),
        (
            "pc",
            {"file": "/a", "interface": "sata", "read_only": True},
            "id=disk0,file=/a,if=none,readonly=on",
            ["ahci,id=sata", "ide-hd,id=drive0,drive=disk0,bus=sata.0"],
        ),
        (
            "q35",
            {"file": "/a", "interface": "scsi"},
            "id=disk0,file=/a,if=none",
            ["virtio-scsi-pci,id=scsi", "scsi-hd,id=drive0,drive=disk0"],
        ),
    ],
)
def test_disks(machine, disk, drive, devices):
    words = argv(machine=machine, disks=[disk], guest_agent=False, rng=False, hotplug_slots=0)
    assert values(words, "-drive") == [drive]
    assert values(words, "-device") == devices


def test_each_sata_disk_has_its_port():
    words = argv(machine="pc", disks=[{"file": f"/{i}", "interface": "sata"} for i in range(2)], rng=False)
    assert [device[-6:] for device in values(words, "-device")[-2:]] == ["sata.0", "sata.1"]


def test_the_seed_is_the_last_disk():
    words = argv(disks=[{"file": "/a"}], seed={"hostname": "x"})
    first, seed = values(words, "-drive")
    assert first.startswith("id=disk0,file=/a,")
    assert "file=/var/lib/virtnet/guests/web1/seed-" in seed and "readonly=on" in seed


@pytest.mark.parametrize(
    ("display", "vnc"),
    [
        ({"type": "vnc", "number": 1}, "127.0.0.1:1"),
        ({"type": "vnc", "number": 2, "address": "fd00::1"}, "[fd00::1]:2"),
        ({"type": "vnc"}, "unix:/run/virtnet/guests/web1/vnc.sock"),
        ({"type": "vnc", "socket": "/run/a,b"}, "unix:/run/a,,b"),
    ],
)
def test_vnc(display, vnc):
    assert values(argv(display=display), "-vnc") == [vnc]


def test_a_vnc_password_is_in_a_file():
    words = argv(display={"type": "vnc", "number": 1, "password": "sesame"})
    assert not any("sesame" in word for word in words)
    assert values(words, "-vnc") == ["127.0.0.1:1,password-secret=vnc-password"]
    assert "secret,id=vnc-password,file=/etc/virtnet/guests/web1.vnc-password" in values(words, "-object")


def test_boot():
    words = argv(boot={"order": "cd", "once": "d", "menu": True}, kernel="k", initrd="/i", append="a, b")
    assert values(words, "-boot") == ["order=cd,once=d,menu=on"]
    assert values(words, "-kernel") == ["/var/lib/virtnet/images/k"]
    assert (values(words, "-initrd"), values(words, "-append")) == (["/i"], ["a, b"])


def test_arguments_of_the_users_own_come_last():
    assert argv(arguments=["-device", "virtio-balloon-pci"])[-2:] == ("-device", "virtio-balloon-pci")
