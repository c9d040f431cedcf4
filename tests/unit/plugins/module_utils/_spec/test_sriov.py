# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ansible_collections.virtnet.qemu.plugins.module_utils._host.errors import HostError
from ansible_collections.virtnet.qemu.plugins.module_utils._spec.base import SpecError, Step
from ansible_collections.virtnet.qemu.plugins.module_utils._spec.pci import Interface, PciBus, PciDevice
from ansible_collections.virtnet.qemu.plugins.module_utils._spec.sriov import Function, Record, Sriov, SriovWorld

from ..trial import parse, run

SERIAL = "52-54-00-ff-fe-aa-02-01"
NIC = PciDevice(
    "0000:05:00.0",
    model="8086:10c9",
    driver="igb",
    serial=SERIAL,
    interfaces=(Interface("enp5s0", "52:54:00:aa:02:01"),),
    most_vfs=7,
)
FRESH = Function("02:00:00:00:00:01", 0, True, False)
WANTED = [{"mac": "52:54:00:aa:03:01", "spoof_check": True}, {"mac": "52:54:00:aa:03:02", "vlan": 20, "trust": True}]
SYSFS = "/sys/bus/pci/devices/0000:05:00.0"
TYPED = [
    "# note 0000:05:00.0 as set up by virtnet.qemu",
    f"echo 0 > {SYSFS}/sriov_drivers_autoprobe",
    f"echo 2 > {SYSFS}/sriov_numvfs",
    "sysctl -w net.ipv4.conf.enp5s0.arp_ignore=1",
    "sysctl -w net.ipv6.conf.enp5s0.accept_ra=0",
    "ip link set dev enp5s0 up",
    "ip link set dev enp5s0 vf 0 mac 52:54:00:aa:03:01 spoofchk on",
    "ip link set dev enp5s0 vf 1 mac 52:54:00:aa:03:02 vlan 20 trust on",
]
REMOVED = [
    f"echo 0 > {SYSFS}/sriov_numvfs",
    f"echo 1 > {SYSFS}/sriov_drivers_autoprobe",
    "ip link set dev enp5s0 down",
    "sysctl -w net.ipv4.conf.enp5s0.arp_ignore=0",
    "sysctl -w net.ipv6.conf.enp5s0.accept_ra=1",
    "# forget 0000:05:00.0 as set up by virtnet.qemu",
]


class Host:
    """As the adapter, on a model of one NIC. `fails_at`: the number of the step that is refused."""

    def __init__(self, device: PciDevice = NIC, users: tuple[str, ...] = (), boots: bool = True) -> None:
        self.device, self.users, self.boots = device, users, boots
        self.count, self.autoprobe, self.up = len(device.vfs), True, False
        self.functions = [FRESH] * self.count
        self.sysctls = {"ipv4/arp_ignore": "0", "ipv6/accept_ra": "1"}
        self.records: list[Record] = []
        self.fails_at: int | None = None

    def state(self) -> Any:
        return self.count, self.autoprobe, self.up, dict(self.sysctls), list(self.functions), list(self.records)

    def observe(self, wants, everything=False):
        places = tuple(f"0000:05:10.{2 * number}" for number in range(self.count))
        virtual = [PciDevice(place, parent=self.device.address, users=self.users) for place in places]
        bus = PciBus([replace(self.device, vfs=places), *virtual], [record.identity for record in self.records])
        found = Sriov(
            self.device.address,
            self.device.address,
            "enp5s0",
            count=self.count,
            autoprobe=self.autoprobe,
            functions=tuple(self.functions),
            up=self.up,
            sysctls=tuple(self.sysctls.items()),
        )
        capable = self.device.most_vfs and self.device.interfaces
        return SriovWorld(bus, {self.device.address: found} if capable else {}, self.records, boots=self.boots)

    def commit(self, steps: list[Step]) -> None:
        for step in steps:
            if self.fails_at == 0:
                self.fails_at = None
                raise HostError("injected")
            self.fails_at = self.fails_at and self.fails_at - 1
            getattr(self, f"_{step.op}")(**step.args)

    def close(self) -> None:
        """Nothing is open."""

    def _attribute(self, address, name, value):
        if name == "sriov_drivers_autoprobe":
            self.autoprobe = bool(value)
            return
        # sriov_numvfs_store in drivers/pci/iov.c
        assert not (value and self.count)
        self.count, self.functions = value, [FRESH] * value

    def _sysctl_set(self, netns, key, value):
        _net, family, _conf, interface, word = key.split(".")
        assert (netns, interface) == (None, "enp5s0")
        self.sysctls[f"{family}/{word}"] = value

    def _link(self, argv):
        words = argv[5:]
        if words[0] != "vf":
            self.up = words[0] == "up"
            return
        names = {"mac": "mac", "vlan": "vlan", "spoofchk": "spoof_check", "trust": "trust"}
        read = {"vlan": int, "spoofchk": "on".__eq__, "trust": "on".__eq__}
        values = {names[w]: read.get(w, str)(v) for w, v in zip(words[2::2], words[3::2])}
        self.functions[int(words[1])] = replace(self.functions[int(words[1])], **values)

    def _note(self, old, new):
        self.records = [entry for entry in self.records if entry != old] + ([new] if new else [])


def make(host: Host, name: str = "enp5s0", check: bool = False, **options: Any) -> dict[str, Any]:
    wants, purge = parse(Sriov, {"name": name, **options})
    return run(Sriov, host, wants, purge, check)


def refused(host: Host, **options: Any) -> str:
    before = host.state()
    with pytest.raises(SpecError) as caught:
        make(host, **options)
    assert host.state() == before
    return str(caught.value)


@pytest.mark.parametrize("name", ["enp5s0", "52:54:00:aa:02:01", SERIAL, "05:00.0"])
def test_they_are_made_and_removed(name):
    host = Host()
    before = host.state()
    assert make(host, name, functions=WANTED, autoprobe=False, check=True)["commands"] == TYPED
    assert host.state() == before
    done = make(host, name, functions=WANTED, autoprobe=False)
    assert done["commands"] == TYPED
    assert done["devices"][0]["addresses"] == ["0000:05:10.0", "0000:05:10.2"]
    assert done["devices"][0]["functions"][1] == {
        "mac": "52:54:00:aa:03:02",
        "vlan": 20,
        "spoof_check": True,
        "trust": True,
    }
    assert done["devices"][0]["persistent"]
    assert not make(host, name, functions=WANTED, autoprobe=False)["changed"]
    assert make(host, name, state="absent")["commands"] == REMOVED
    assert host.state() == before
    assert not make(host, name, state="absent")["changed"]


def test_from_wherever_it_fails_all_is_as_before():
    for number in range(len(TYPED)):
        host = Host()
        before = host.state()
        host.fails_at = number
        with pytest.raises(HostError, match="injected. Everything is as it was before"):
            make(host, functions=WANTED, autoprobe=False)
        assert host.state() == before, number


def test_a_nic_that_the_host_uses_itself_stays_a_part_of_its_network():
    host = Host()
    host.up = True
    before = host.state()
    assert not [line for line in make(host, functions=WANTED)["commands"] if "sysctl" in line or "enp5s0 up" in line]
    make(host, state="absent")
    assert host.state() == before


def test_a_host_without_ipv6_has_less_to_be_kept_apart_from():
    host = Host()
    host.sysctls = {"ipv4/arp_ignore": "2"}
    before = host.state()
    set_up = [line for line in make(host, functions=WANTED)["commands"] if "sysctl" in line]
    assert set_up == ["sysctl -w net.ipv4.conf.enp5s0.arp_ignore=1"]
    make(host, state="absent")
    assert host.state() == before


def test_a_setting_changes_in_place():
    host = Host()
    make(host, functions=WANTED)
    changed = [WANTED[0], {**WANTED[1], "vlan": 0}]
    assert make(host, functions=changed)["commands"][1:] == ["ip link set dev enp5s0 vf 1 vlan 0"]
    assert make(host, count=2)["commands"] == []
    # What a boot is to set is still known.
    assert host.records[0].functions[0].mac == WANTED[0]["mac"]


def test_another_number_is_made_anew_with_all_settings():
    host = Host()
    make(host, functions=WANTED)
    commands = make(host, functions=WANTED, count=3)["commands"]
    assert commands[1:3] == [f"echo 0 > {SYSFS}/sriov_numvfs", f"echo 3 > {SYSFS}/sriov_numvfs"]
    assert sum("mac" in command for command in commands) == 2
    assert not make(host, functions=WANTED, count=3)["changed"]


def test_what_guests_have_is_not_taken_away():
    host = Host()
    make(host, functions=WANTED)
    host.users = ("process 7 (qemu-system-x86)",)
    for options in ({"state": "absent"}, {"count": 3}):
        assert "virtual function 0 of 'enp5s0' is in use by process 7" in refused(host, **options)
    assert not make(host, functions=WANTED)["changed"]
    with pytest.raises(SpecError, match="in use by process 7"):
        Sriov.strays([], host.observe([]))


def test_purge_removes_them_where_they_are_not_listed():
    host = Host()
    make(host, functions=WANTED, autoprobe=False)
    world = host.observe([])
    (stray,) = Sriov.strays([], world)
    host.commit(Sriov.steps(stray, None))
    assert host.state() == Host().state()


def test_what_somebody_else_made_is_taken_over_on_request_only():
    host = Host(replace(NIC, vfs=("0000:05:10.0", "0000:05:10.2")))
    assert "2 virtual functions that were not made by virtnet.qemu" in refused(host, functions=WANTED)
    assert "remove them with 'adopt: true'" in refused(host, state="absent")
    assert make(host, functions=WANTED, adopt=True)["changed"]
    assert not make(host, functions=WANTED)["changed"]


@pytest.mark.parametrize(
    ("device", "options", "message"),
    [
        (replace(NIC, most_vfs=0), {"count": 1}, "has no SR-IOV"),
        (NIC, {"count": 8}, "8 is more than the 7 that 0000:05:00.0 (enp5s0) has"),
        (NIC, {"name": "enp9s0", "count": 1}, "there is no PCI device 'enp9s0'"),
        (NIC, {}, "count: give the number"),
        (NIC, {"count": 1, "functions": WANTED}, "there are 2 entries, and 'count' is 1"),
        (NIC, {"functions": [WANTED[0], WANTED[0]]}, "is given twice"),
        (NIC, {"functions": [{"vlan": 4095}]}, "functions[0].vlan: 4095 is out of range"),
        (NIC, {"functions": [{"mac": "x"}]}, "functions[0].mac: 'x' is not a MAC address"),
        (replace(NIC, driver="vfio-pci"), {"name": "05:00.0", "count": 1}, "is bound to vfio-pci"),
        (replace(NIC, interfaces=()), {"name": "05:00.0", "count": 1}, "has no network interface"),
    ],
)
def test_what_cannot_be_is_refused(device, options, message):
    assert message in refused(Host(device), **options)


def test_without_persistence_it_lasts_until_the_next_boot():
    wants, _purge = parse(Sriov, {"name": "enp5s0", "count": 1, "persist": "none"})
    assert not run(Sriov, Host(), wants)["devices"][0]["persistent"]
    assert not make(Host(boots=False), count=1)["devices"][0]["persistent"]
