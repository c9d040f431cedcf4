# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The bus as a tree of files has it."""

from __future__ import annotations

import pytest

from ansible_collections.virtnet.qemu.plugins.module_utils._host import pci, pci_uses
from ansible_collections.virtnet.qemu.plugins.module_utils._host.errors import HostError


@pytest.fixture
def sys(tmp_path, monkeypatch):
    monkeypatch.setattr(pci, "SYS", tmp_path)
    monkeypatch.setattr(pci, "DEVICES", tmp_path / "bus/pci/devices")
    monkeypatch.setattr(pci, "GROUPS", tmp_path / "kernel/iommu_groups")
    monkeypatch.setattr(pci_uses, "_BLOCK", tmp_path / "class/block")
    monkeypatch.setattr(pci_uses, "_NET", tmp_path / "class/net")
    monkeypatch.setattr(pci_uses, "_PROC", tmp_path / "proc")
    monkeypatch.setattr(pci_uses, "_ip", lambda *words: ROUTES if words[1:] == ("route", "show", "default") else [])
    pci.DEVICES.mkdir(parents=True)
    (tmp_path / "proc/self").mkdir(parents=True)
    (tmp_path / "proc/self/mountinfo").write_text(
        "22 1 8:1 / / rw - ext4 /dev/sda1 rw\n30 1 0:21 / /proc rw - proc proc rw\n"
    )
    (tmp_path / "proc/swaps").write_text("Filename Type Size Used Priority\n")
    return tmp_path


ROUTES = [{"dst": "default", "dev": "enp3s0"}]


def plug(sys, address, driver=None, group=None, net=(), **values):
    device = pci.DEVICES / address
    device.mkdir()
    given = {"vendor": "0x8086", "device": "0x10d3", "class": "0x020000", "driver_override": "(null)", **values}
    for name, value in given.items():
        (device / name).write_text(f"{value}\n")
    for link, target in (("driver", driver and f"drivers/{driver}"), ("iommu_group", group and f"groups/{group}")):
        if target:
            (device / link).symlink_to(sys / target)
    for name in net:
        (device / "net" / name).mkdir(parents=True)
        (device / "net" / name / "address").write_text("52:54:00:aa:01:01\n")
    return device


def test_a_nic_with_virtual_functions(sys):
    nic = plug(sys, "0000:04:00.0", "igb", "3", ["enp4s0"], sriov_totalvfs="7")
    for number in range(11):
        function = plug(sys, f"0000:04:1{number // 8}.{number % 8}")
        (nic / f"virtfn{number}").symlink_to(function)
        (function / "physfn").symlink_to(nic)
    found = pci.bus().devices
    device = found["0000:04:00.0"]
    assert (device.model, device.kind, device.driver, device.override) == ("8086:10d3", 0x0200, "igb", None)
    assert (device.group, device.most_vfs, device.macs) == ("3", 7, {"52:54:00:aa:01:01"})
    # By number, not by name.
    assert (device.vfs[2], device.vfs[10]) == ("0000:04:10.2", "0000:04:11.2")
    assert found["0000:04:10.2"].parent == "0000:04:00.0"
    assert device.uses == ()


def test_what_is_bound_says_so(sys):
    plug(sys, "0000:04:00.0", "vfio-pci", driver_override="vfio-pci")
    (device,) = pci.bus().devices.values()
    assert (device.driver, device.override) == ("vfio-pci", "vfio-pci")


def test_an_iommu_has_groups(sys):
    assert not pci.iommu()
    pci.GROUPS.mkdir(parents=True)
    assert not pci.iommu()
    (pci.GROUPS / "0").mkdir()
    assert pci.iommu()


def test_the_nic_of_the_default_route_is_in_use(sys):
    plug(sys, "0000:03:00.0", net=["enp3s0"])
    (device,) = pci.bus().devices.values()
    assert device.uses == ("has the interface enp3s0, which the host's default route leads out of",)


@pytest.mark.parametrize("below", ["virtio0/net", "usb1/1-1/1-1:1.0/net"])
def test_an_interface_further_down_is_the_devices_too(sys, below):
    """Behind a bridge, it is that of the device, not of the bridge."""
    plug(sys, "0000:00:14.0")
    device = plug(sys, "0000:03:00.0")
    (device / below / "enp3s0").mkdir(parents=True)
    (device / below / "enp3s0/address").write_text("52:54:00:aa:01:01\n")
    (sys / "class/net").mkdir(parents=True)
    (sys / "class/net/enp3s0").symlink_to(device / below / "enp3s0")
    found = pci.bus().devices
    assert found["0000:03:00.0"].macs == {"52:54:00:aa:01:01"}
    assert "default route" in found["0000:03:00.0"].uses[0]
    assert found["0000:00:14.0"].interfaces == ()


def test_the_nic_of_a_bridge_is_in_use(sys):
    plug(sys, "0000:04:00.0", net=["enp4s0"])
    (sys / "class/net/enp4s0/upper_br-lan").mkdir(parents=True)
    (device,) = pci.bus().devices.values()
    assert device.uses == ("has the interface enp4s0, which 'br-lan' is made of",)


@pytest.mark.parametrize("version", ["192.0.2.9 5000 192.0.2.11 22", "2001:db8::9 5000 2001:db8::11 22"])
def test_the_nic_that_ssh_comes_in_by_is_in_use(sys, monkeypatch, version):
    client, _port, server, _port = version.split()
    answers = {
        ("route", "get", client): [{"dev": "enp4s0"}],
        ("address", "show"): [{"ifname": "enp5s0", "addr_info": [{"local": server}]}],
    }
    monkeypatch.setattr(pci_uses, "_ip", lambda *words: answers.get(words, []))
    monkeypatch.setattr(pci_uses.os, "getpid", lambda: 30)
    # Whoever changed the user has hidden it.
    for pid, parent, environ in ((30, 20, b"A=b\0"), (20, 1, b"X=y\0SSH_CONNECTION=" + version.encode() + b"\0")):
        (sys / f"proc/{pid}").mkdir()
        (sys / f"proc/{pid}/environ").write_bytes(environ)
        (sys / f"proc/{pid}/stat").write_text(f"{pid} (a (b) c) S {parent} 1 1\n")
    for number in (4, 5):
        plug(sys, f"0000:0{number}:00.0", net=[f"enp{number}s0"])
    assert all("managed through" in device.uses[0] for device in pci.bus().devices.values())


def test_a_controller_of_a_mounted_disk_is_in_use(sys):
    controller = plug(sys, "0000:00:1f.2")
    for name, numbers in (("sda", "8:0"), ("sda1", "8:1"), ("sdb", "8:16")):
        (controller / "ata1" / name).mkdir(parents=True)
        (controller / "ata1" / name / "dev").write_text(f"{numbers}\n")
        (sys / "class/block").mkdir(parents=True, exist_ok=True)
        (sys / "class/block" / name).symlink_to(controller / "ata1" / name)
    (device,) = pci.bus().devices.values()
    assert device.uses == ("has the disk sda1, which is in use at /",)


def test_a_controller_of_a_mapped_disk_is_in_use(sys):
    controller = plug(sys, "0000:00:1f.2")
    (controller / "sdb/holders/dm-0").mkdir(parents=True)
    (controller / "sdb/dev").write_text("8:16\n")
    (sys / "class/block/dm-0").mkdir(parents=True)
    (sys / "class/block/dm-0/dev").write_text("8:1\n")
    (sys / "class/block/sdb").symlink_to(controller / "sdb")
    (device,) = pci.bus().devices.values()
    assert device.uses == ("has the disk sdb, which is in use at /",)


def test_what_the_kernel_refuses_is_told(sys):
    with pytest.raises(HostError, match="drivers_probe does not take '0000:04:00.0'"):
        pci.write(sys / "nowhere/drivers_probe", "0000:04:00.0")
