# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""vfio_bind and sriov on a bus of plain files: what they would do, and what they refuse; Molecule has real devices."""

from __future__ import annotations

import pytest

from tests.integration.support import fails
from tests.integration.support.examples import examples
from tests.integration.support.pci_tree import PciTree

pytestmark = pytest.mark.newest_end

MAC = "52:54:00:aa:01:01"
NIC = "0000:04:00.0"


def bind(*names, **options):
    return {"virtnet.qemu.vfio_bind": {"config": [{"name": name, **options} for name in names]}}


@pytest.fixture
def tree(host):
    tree = PciTree(host)
    tree.plug(NIC, "e1000e", "3", nic="enp4s0", mac=MAC)
    return tree


def test_the_examples_say_what_they_would_do(play, host, tree):
    tree.plug("0000:05:00.0", "igb", "4", nic="enp5s0", mac="52:54:00:aa:03:00", sriov_totalvfs=7)
    tree.plug("0000:06:00.0", "igb", "5", nic="enp6s0", mac="52:54:00:aa:04:00")
    tree.plug("0000:06:10.0", None, "6")
    tree.function("0000:06:00.0", 0, "0000:06:10.0")
    before = host.snapshot()
    one, two, back = play(host, examples("vfio_bind"), check=True)
    assert one.commands == [
        f"# note {NIC} as bound by virtnet.qemu",
        "modprobe vfio-pci",
        f"echo vfio-pci > /sys/bus/pci/devices/{NIC}/driver_override",
        f"echo {NIC} > /sys/bus/pci/devices/{NIC}/driver/unbind",
        f"echo {NIC} > /sys/bus/pci/drivers_probe",
    ]
    assert [shown["address"] for shown in two["after"]] == ["0000:05:00.0", "0000:06:10.0"]
    assert not back.changed
    made, removed = play(host, examples("sriov"), check=True)
    assert "echo 2 > /sys/bus/pci/devices/0000:05:00.0/sriov_numvfs" in made.commands
    assert "ip link set dev enp5s0 vf 1 mac 52:54:00:aa:03:02 vlan 20 spoofchk on" in made.commands
    assert not removed.changed
    assert host.snapshot() == before


def test_a_driver_that_does_not_take_the_device_is_told_and_all_is_as_before(play, host, tree):
    (result,) = play(host, [fails(bind("enp4s0"))])
    assert f"the driver vfio-pci did not take {NIC}, which has e1000e now" in result.msg
    assert "Everything is as it was before" in result.msg
    assert tree.read(f"devices/{NIC}/driver_override") == ""
    assert not host.path("/run/virtnet/vfio.table").exists()


def test_a_shared_group_is_refused_with_the_names_of_the_others(play, host, tree):
    for function, driver in (("0", "lpc_ich"), ("2", "ahci"), ("3", "i801_smbus")):
        tree.plug(f"0000:00:1f.{function}", driver, "9")
    (result,) = play(host, [fails(bind("00:1f.2"))])
    assert "0000:00:1f.0 with the driver lpc_ich, 0000:00:1f.3 with the driver i801_smbus" in result.msg


def test_the_nic_of_the_default_route_and_the_port_of_a_bridge_are_refused(play, host, tree):
    host.run(["ip", "address", "add", "192.0.2.2/24", "dev", "enp4s0"])
    host.run(["ip", "link", "set", "enp4s0", "up"])
    host.run(["ip", "route", "add", "default", "dev", "enp4s0"])
    (routed,) = play(host, [fails(bind(MAC))])
    assert "has the interface enp4s0, which the host's default route leads out of; it stays with the host" in routed.msg
    host.run(["ip", "route", "del", "default"])
    host.run(["ip", "link", "add", "br-lan", "type", "bridge"])
    host.run(["ip", "link", "set", "enp4s0", "master", "br-lan"])
    (bridged,) = play(host, [fails(bind(MAC))])
    assert "which 'br-lan' is made of" in bridged.msg


def test_without_an_iommu_nothing_is_bound(play, host):
    PciTree(host, iommu=False).plug(NIC, "e1000e", "3", nic="enp4s0")
    (result,) = play(host, [fails(bind("enp4s0"))])
    assert "no IOMMU, or it is off" in result.msg


def test_a_device_that_is_not_there_is_told_plainly(play, host, tree):
    missing, absent, unable = play(
        host,
        [
            fails(bind("enp9s0")),
            bind("enp9s0", state="absent"),
            fails({"virtnet.qemu.sriov": {"name": NIC, "count": 1}}),
        ],
    )
    assert "there is no PCI device 'enp9s0' on this host" in missing.msg
    assert not absent.changed
    assert "has no SR-IOV" in unable.msg


def test_a_guest_gets_only_what_is_bound(play, host, tree):
    host.run(["useradd", "--system", "virtnet-qemu"])
    task = {"virtnet.qemu.qemu_guest": {"name": "fw1", "accel": "tcg", "host_devices": [{"device": MAC}]}}
    (result,) = play(host, [fails(task)])
    assert f"'{MAC}' ({NIC}) is not bound to vfio-pci; bind it first" in result.msg


def test_the_role_makes_functions_first_and_binds_what_guests_have(play, host, tree):
    tree.plug("0000:05:00.0", "igb", "4", nic="enp5s0", mac="52:54:00:aa:03:00", sriov_totalvfs=7)
    guests = [{"name": "fw1", "host_devices": [{"device": MAC}]}]
    given = {"virtnet_guests": guests, "virtnet_sriov": [{"name": "enp5s0", "count": 1}]}
    role = {"ansible.builtin.import_role": {"name": "virtnet.qemu.passthrough"}}
    teardown = {"ansible.builtin.import_role": {"name": "virtnet.qemu.passthrough", "tasks_from": "teardown"}}
    *_checked, made, bound = play(host, [role], vars=given, check=True)
    assert "echo 1 > /sys/bus/pci/devices/0000:05:00.0/sriov_numvfs" in made.commands
    assert f"echo {NIC} > /sys/bus/pci/drivers_probe" in bound.commands
    assert not any(result.changed for result in play(host, [teardown], vars=given))
