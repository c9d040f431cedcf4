# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A NIC and two virtual functions that guests have: neighbours on the LAN, and bound before the guests start."""

import json
import re

import pytest

from tests.vmhosts import VmLan

PATIENCE = "20"
#: What each guest has of the host's, by MAC address; NIC %02x is the host's number.
NICS = {
    "fw1": {"52:54:00:02:00:{:02x}": "e1000e", "52:54:00:03:01:01": "igbvf"},
    "web1": {"52:54:00:03:01:02": "igbvf"},
}
#: Prints for each NIC its name, its MAC address, its driver and whether it gets an answer from the LAN by itself.
LOOK = """\
hostname "$1"
cd /sys/class/net
for nic in eth*; do
    wait-online "$nic"
    driver=$(basename "$(readlink "$nic/device/driver")")
    arping -q -c 3 -w 10 -I "$nic" "$2" && answer=yes || answer=no
    echo "NIC $nic $(cat "$nic/address") $driver $answer"
done
ip -4 -o address show scope global
wget -q -O /dev/null "http://$2/from-$1"
"""


def nics_of(vm_host, guest):
    return {mac.format(vm_host.number): driver for mac, driver in NICS[guest].items()}


@pytest.fixture(scope="module")
def said():
    """What each guest says of itself; it is asked once."""
    return {}


def look(vm_host, said):
    if not said:
        argv = [["sh", "-c", LOOK, "sh", guest, VmLan.ADDRESS] for guest in NICS]
        said.update(
            zip(NICS, (text for _status, text in vm_host.in_guests(list(zip(NICS, argv, strict=True)))), strict=True)
        )
    return said


@pytest.mark.parametrize("guest", NICS)
def test_a_guest_drives_its_nics_and_is_a_neighbour_on_the_lan(vm_host, said, guest):
    text = look(vm_host, said)[guest]
    found = re.findall(r"^NIC \S+ (\S+) (\S+) (\S+)$", text, re.MULTILINE)
    assert {mac: (driver, answer) for mac, driver, answer in found} == {
        mac: (driver, "yes") for mac, driver in nics_of(vm_host, guest).items()
    }, text
    addresses = re.findall(r" inet ([0-9.]+)/24 ", text)
    assert len(addresses) == len(NICS[guest]), text
    # Nobody translates, and the LAN gets in.
    clients = {request["path"]: request["client"] for request in VmLan().requests()}
    assert clients[f"/from-{guest}"] in addresses, (clients, text)
    for address in addresses:
        done = VmLan().run(["curl", "--silent", "--max-time", PATIENCE, f"http://{address}/"])
        assert f"host {guest}\n" in done.stdout


def test_the_nic_of_the_functions_keeps_out_of_the_hosts_own_network(vm_host):
    """Else the LAN would look for the host there, and not reach it once that NIC is down again."""
    links = json.loads(vm_host.run(["ip", "-json", "address"]).stdout)
    (nic,) = [link for link in links if link.get("address") == f"52:54:00:03:00:{vm_host.number:02x}"]
    assert "UP" in nic["flags"]
    assert [entry["scope"] for entry in nic["addr_info"]] in ([], ["link"])
    address = f"192.0.2.{vm_host.number}"
    for argv in (["ip", "neighbour", "flush", "to", address], ["ping", "-c", "3", "-W", PATIENCE, address]):
        VmLan().run(argv)
    found = VmLan().run(["ip", "neighbour", "show", address]).stdout
    assert f"52:54:00:01:00:{vm_host.number:02x}" in found


def devices(vm_host):
    """The PCI devices that vfio-pci has, with the address of each IOMMU group's file's owner."""
    script = (
        'for d in /sys/bus/pci/drivers/vfio-pci/0*; do echo "${d##*/} $(basename "$(readlink "$d/iommu_group")")"; done'
    )
    return [line.split() for line in vm_host.run(["sh", "-c", script]).stdout.splitlines()]


def test_qemu_has_the_devices_and_no_privilege(vm_host):
    found = devices(vm_host)
    assert len(found) == 3, found
    owners = vm_host.run(["stat", "-c", "%U", *(f"/dev/vfio/{group}" for _address, group in found)]).stdout.split()
    assert owners == ["virtnet-qemu"] * 3
    users = vm_host.run(["ps", "-o", "user=", "-C", "qemu-system-x86_64"]).stdout.split()
    assert len(users) == 2
    assert "root" not in users


def started(vm_host, unit, name):
    return int(vm_host.run(["systemctl", "show", f"--property={name}", "--value", unit]).stdout.strip() or "0")


def test_a_boot_binds_them_before_any_guest_starts(vm_host):
    for unit in ("virtnet-vfio.service", "virtnet-sriov.service"):
        assert vm_host.run(["systemctl", "is-enabled", unit]).stdout.strip() == "enabled"
        # Zero before the first boot, when the module itself has bound them.
        bound = started(vm_host, unit, "ExecMainExitTimestampMonotonic")
        for guest in NICS:
            assert bound < started(vm_host, f"virtnet-guest-{guest}.service", "ExecMainStartTimestampMonotonic")
    if not bound:
        return
    # The kernel's own driver of the NIC has not been asked for in this boot.
    assert vm_host.run(["systemctl", "is-failed", "virtnet-vfio.service"], check=False).stdout.strip() != "failed"
    assert not vm_host.run(
        ["sh", "-c", "test ! -d /sys/bus/pci/drivers/e1000e || ls /sys/bus/pci/drivers/e1000e | grep :"], check=False
    ).stdout
    assert "e1000e 0000:" not in vm_host.run(["journalctl", "--no-pager", "--dmesg", "--boot"]).stdout


def test_what_the_host_needs_stays_with_it(vm_host):
    message = vm_host.refusal("virtnet.qemu.vfio_bind", {"name": "lan0"})
    assert "default route" in message
    assert "managed through" in message
    # The chipset's functions are one group; each that is not asked for is named.
    message = vm_host.refusal("virtnet.qemu.vfio_bind", {"name": "00:1f.2"})
    assert "0000:00:1f.3" in message
    assert "IOMMU group" in message
