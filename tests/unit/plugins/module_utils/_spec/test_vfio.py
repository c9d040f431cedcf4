# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ansible_collections.virtnet.qemu.plugins.module_utils import _reconcile
from ansible_collections.virtnet.qemu.plugins.module_utils._host.errors import HostError
from ansible_collections.virtnet.qemu.plugins.module_utils._plan import plan
from ansible_collections.virtnet.qemu.plugins.module_utils._spec.base import SpecError, Step
from ansible_collections.virtnet.qemu.plugins.module_utils._spec.pci import Identity, Interface, PciBus, PciDevice
from ansible_collections.virtnet.qemu.plugins.module_utils._spec.vfio import Record, VfioBinding, VfioWorld

from ..trial import parse, run

MAC, SERIAL = "52:54:00:aa:01:01", "52-54-00-ff-fe-aa-01-01"
NIC = PciDevice(
    "0000:04:00.0",
    model="8086:10d3",
    kind=0x0200,
    driver="e1000e",
    group="3",
    serial=SERIAL,
    interfaces=(Interface("enp4s0", MAC),),
)
#: What a person would type, in the order in which it is done.
TYPED = [
    "# note 0000:04:00.0 as bound by virtnet.qemu",
    "modprobe vfio-pci",
    "echo vfio-pci > /sys/bus/pci/devices/0000:04:00.0/driver_override",
    "echo 0000:04:00.0 > /sys/bus/pci/devices/0000:04:00.0/driver/unbind",
    "echo 0000:04:00.0 > /sys/bus/pci/drivers_probe",
]
GIVEN_BACK = [
    "modprobe e1000e",
    "echo > /sys/bus/pci/devices/0000:04:00.0/driver_override",
    *TYPED[3:],
    "# forget 0000:04:00.0 as bound by virtnet.qemu",
]


class Host:
    """As the adapter, on a model of the bus. `fails_at`: the number of the step that is refused."""

    def __init__(self, *devices: PciDevice, **facts: Any) -> None:
        self.devices = {device.address: device for device in devices}
        self.own = {device.address: device for device in devices}
        self.records: list[Record] = facts.pop("records", [])
        self.facts = facts
        self.fails_at: int | None = None

    def observe(self, wants, everything=False):
        bus = PciBus(self.devices.values(), [record.identity for record in self.records])
        names = [want.name for want in wants if want.state != "absent"]
        return VfioWorld(bus, self.records, names, **self.facts)

    def commit(self, steps: list[Step]) -> None:
        for step in steps:
            if self.fails_at == 0:
                self.fails_at = None
                raise HostError("injected")
            self.fails_at = self.fails_at and self.fails_at - 1
            getattr(self, f"_{step.op}")(**step.args)

    def close(self) -> None:
        """Nothing is open."""

    def _load(self, driver):
        """Loading shows nowhere."""

    def _override(self, address, driver):
        self.devices[address] = replace(self.devices[address], override=driver)

    def _unbind(self, address):
        self.devices[address] = replace(self.devices[address], driver=None, interfaces=())

    def _probe(self, address, driver):
        own = self.own[address]
        assert self.devices[address].override in (None, driver)
        interfaces = own.interfaces if driver == own.driver else ()
        self.devices[address] = replace(self.devices[address], driver=driver, interfaces=interfaces)

    def _note(self, old, new):
        self.records = [entry for entry in self.records if entry != old] + ([new] if new else [])


def bind(host: Host, *names: str, check: bool = False, purge: bool = False, **options: Any) -> dict[str, Any]:
    wants, purge = parse(VfioBinding, {"config": [{"name": name, **options} for name in names], "purge": purge})
    return run(VfioBinding, host, wants, purge, check)


def refused(host: Host, *names: str, **options: Any) -> str:
    before = dict(host.devices)
    with pytest.raises(SpecError) as caught:
        bind(host, *names, **options)
    assert host.devices == before
    return str(caught.value)


@pytest.mark.parametrize("name", ["04:00.0", MAC, SERIAL, "enp4s0"])
def test_a_device_is_bound_and_given_back(name):
    host = Host(NIC)
    assert bind(host, name, check=True)["commands"] == TYPED
    assert host.devices[NIC.address] == NIC
    done = bind(host, name)
    assert done["commands"] == TYPED
    assert done["after"][0]["driver"] == "vfio-pci"
    assert done["after"][0]["persistent"]
    assert not bind(host, name)["changed"]
    assert bind(host, name, state="absent")["commands"] == GIVEN_BACK
    assert host.devices[NIC.address] == NIC
    assert host.records == []
    assert not bind(host, name, state="absent")["changed"]


def test_from_wherever_it_fails_all_is_as_before():
    for number in range(len(TYPED)):
        host = Host(NIC)
        host.fails_at = number
        with pytest.raises(HostError, match="injected. Everything is as it was before"):
            bind(host, "enp4s0")
        assert (host.devices[NIC.address], host.records) == (NIC, []), number


def test_giving_back_is_undone_too():
    for number in range(len(GIVEN_BACK)):
        host = Host(NIC)
        bind(host, "enp4s0")
        before = dict(host.devices), list(host.records)
        host.fails_at = number
        with pytest.raises(HostError, match="injected. Everything is as it was before"):
            bind(host, "enp4s0", state="absent")
        assert (host.devices, host.records) == before, number


def test_purge_gives_back_what_is_not_listed():
    other = replace(
        NIC, address="0000:05:00.0", group="4", serial=None, interfaces=(Interface("enp5s0", "02:00:00:00:00:05"),)
    )
    host = Host(NIC, other)
    bind(host, "enp4s0", "enp5s0")
    # By another name than before, it is the same device.
    assert "# note 0000:04:00.0 as bound by virtnet.qemu" in bind(host, MAC, purge=True)["commands"]
    assert (host.devices[NIC.address].driver, host.devices[other.address].driver) == ("vfio-pci", "e1000e")
    assert [record.identity.address for record in host.records] == [NIC.address]


CHIPSET = [
    PciDevice("0000:00:1f.0", kind=0x0601, driver="lpc_ich", group="9"),
    PciDevice("0000:00:1f.2", kind=0x0106, driver="ahci", group="9"),
    PciDevice("0000:00:1f.3", kind=0x0C05, driver="i801_smbus", group="9"),
]


def test_an_incomplete_group_is_refused_and_the_others_are_named():
    message = refused(Host(*CHIPSET), "00:1f.2")
    assert "0000:00:1f.0 with the driver lpc_ich, 0000:00:1f.3 with the driver i801_smbus" in message
    assert "IOMMU group 9" in message


def test_a_group_is_complete_with_those_that_are_listed_or_have_no_driver_or_are_bridges():
    bridge = PciDevice("0000:00:1e.0", kind=0x0604, driver="pcieport", group="9")
    host = Host(CHIPSET[0], CHIPSET[1], replace(CHIPSET[2], driver=None), bridge)
    bind(host, "00:1f.0", "00:1f.2")
    assert [device.driver for device in host.devices.values()] == ["vfio-pci", "vfio-pci", None, "pcieport"]


def test_an_incomplete_group_is_allowed_on_request():
    result = bind(Host(*CHIPSET), "00:1f.2", allow_incomplete_group=True)
    assert result["changed"]
    assert any("lpc_ich" in warning for warning in result["warnings"])


@pytest.mark.parametrize(
    ("device", "message"),
    [
        (
            replace(NIC, uses=("has the interface enp4s0, which the host's default route leads out of",)),
            "default route",
        ),
        (replace(NIC, uses=("has the disk sda1, which is in use at /",)), "in use at /; it stays with the host"),
        (replace(NIC, kind=0x0604), "PCI bridge"),
        (replace(NIC, vfs=("0000:04:10.0",)), "1 virtual functions, which would go"),
        (replace(NIC, group=None), "no IOMMU group"),
        (replace(NIC, override="vfio-pci"), "not set by virtnet.qemu"),
    ],
)
def test_what_the_host_needs_is_refused(device, message):
    assert message in refused(Host(device), "enp4s0")


def test_without_an_iommu_nothing_is_bound():
    assert "intel_iommu=on" in refused(Host(NIC, iommu=False), "enp4s0")


def test_a_kernel_without_the_driver_is_told():
    assert "no module 'vfio-pci'" in refused(Host(NIC, driver=False), "enp4s0")


def test_one_device_by_two_names_is_refused():
    assert "one and the same device, 0000:04:00.0" in refused(Host(NIC), "enp4s0", MAC)


def test_a_device_that_is_not_there_is_told_plainly():
    assert "there is no PCI device 'enp9s0' on this host" in refused(Host(NIC), "enp9s0")
    assert not bind(Host(NIC), "enp9s0", state="absent")["changed"]


def test_one_that_vanished_is_forgotten():
    host = Host(NIC)
    bind(host, "enp4s0")
    del host.devices[NIC.address]
    assert "there is no PCI device 'enp4s0'" in refused(host, "enp4s0")
    assert bind(host, "enp4s0", state="absent")["commands"] == [GIVEN_BACK[-1]]
    assert host.records == []


BOUND = replace(NIC, driver="vfio-pci", override="vfio-pci", interfaces=())


def test_what_somebody_else_bound_stays_as_it_is():
    host = Host(BOUND)
    result = bind(host, MAC)
    assert not result["changed"]
    assert "by somebody else" in result["warnings"][0]
    assert "was not bound to vfio-pci by virtnet.qemu" in refused(host, MAC, state="absent")


def test_what_somebody_else_bound_is_taken_over_on_request():
    host = Host(BOUND, own_drivers={BOUND.address: "e1000e"})
    assert bind(host, MAC, adopt=True)["commands"] == TYPED[:1]
    assert not bind(host, MAC)["changed"]
    assert bind(host, MAC, state="absent")["commands"] == GIVEN_BACK


def test_what_a_guest_has_is_not_given_back():
    host = Host(NIC)
    bind(host, "enp4s0")
    host.devices[NIC.address] = replace(host.devices[NIC.address], users=("process 7 (qemu-system-x86)",))
    assert "in use by process 7 (qemu-system-x86); stop the guest first" in refused(host, "enp4s0", state="absent")
    with pytest.raises(SpecError, match="in use by process 7"):
        plan([], world := host.observe([]), VfioBinding.strays([], world))
    assert not bind(host, "enp4s0")["changed"]


@pytest.mark.parametrize(
    ("name", "serial", "by_serial", "warned"),
    [(MAC, SERIAL, True, False), ("enp4s0", SERIAL, True, False), ("04:00.0", SERIAL, False, False)]
    + [(MAC, None, False, True), ("04:00.0", None, False, False)],
)
def test_a_boot_finds_it_as_it_was_asked_for(name, serial, by_serial, warned):
    host = Host(replace(NIC, serial=serial))
    result = bind(host, name)
    assert host.records[0].by_serial is by_serial
    assert bool(result["warnings"]) is warned


def test_one_that_moved_is_bound_where_it_is_now():
    host = Host(NIC)
    bind(host, MAC)
    moved = replace(BOUND, address="0000:07:00.0")
    host.devices = {moved.address: moved}
    assert bind(host, MAC)["commands"] == ["# note 0000:07:00.0 as bound by virtnet.qemu"]
    assert host.records[0].identity.address == moved.address


@pytest.mark.parametrize(("persist", "boots"), [("none", True), ("auto", False)])
def test_it_lasts_until_the_next_boot_only(persist, boots):
    host = Host(NIC, boots=boots)
    wants, _purge = parse(VfioBinding, {"name": "enp4s0", "persist": persist})
    assert not run(VfioBinding, host, wants)["after"][0]["persistent"]


def test_a_virtual_function_is_noted_by_its_number():
    physical = replace(NIC, driver="igb", vfs=("0000:04:10.0", "0000:04:10.2"))
    function = PciDevice("0000:04:10.2", driver=None, group="7", parent=NIC.address)
    host = Host(physical, function)
    bind(host, "enp4s0/1")
    assert host.devices[function.address].driver == "vfio-pci"
    (record,) = host.records
    assert (record.vf, record.by_serial, record.identity) == (
        1,
        True,
        Identity(NIC.address, NIC.model, SERIAL, MAC, "enp4s0"),
    )
    assert not bind(host, "enp4s0/1")["changed"]
    bind(host, "enp4s0/1", state="absent")
    assert host.devices[function.address] == function


def test_the_options_are_those_of_a_list_too():
    spec = _reconcile.argument_spec(VfioBinding)
    assert set(spec["config"]["options"]) == set(VfioBinding.argument_spec)
