# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from dataclasses import replace

import pytest

from ansible_collections.virtnet.qemu.plugins.module_utils._persist import unit
from ansible_collections.virtnet.qemu.plugins.module_utils._plan import plan
from ansible_collections.virtnet.qemu.plugins.module_utils._spec.base import SpecError
from ansible_collections.virtnet.qemu.plugins.module_utils._spec.guest import Guest
from ansible_collections.virtnet.qemu.plugins.module_utils._spec.guest_definition import Definition
from ansible_collections.virtnet.qemu.plugins.module_utils._spec.pci import Interface, PciBus, PciDevice
from tests.unit.guests import planned, want, world

MAC, SERIAL = "52:54:00:aa:01:01", "52-54-00-ff-fe-aa-01-01"
NIC = PciDevice("0000:04:00.0", driver="vfio-pci", group="3", serial=SERIAL)
OTHER = PciDevice("0000:05:00.0", driver="vfio-pci", group="4")
ONE = [{"device": MAC}]


def with_devices(*entries, **options):
    return want(host_devices=list(entries), **options)


def host(*devices):
    return {"devices": PciBus(devices or (NIC, OTHER))}


def devices_in(guest: Guest) -> list[str]:
    words = guest.argv
    return [
        words[i + 1]
        for i, word in enumerate(words)
        if word == "-device" and ("vfio" in words[i + 1] or "hostport" in words[i + 1])
    ]


def refused(*wants: Guest, **facts) -> str:
    seen = world(*wants, **facts)
    with pytest.raises(SpecError) as caught:
        plan(list(wants), seen)
    return str(caught.value)


def test_each_has_a_root_port_of_its_own():
    guest = planned(with_devices({"device": MAC, "romfile": "off"}, {"device": "05:00.0"}), **host())
    assert devices_in(guest) == [
        "pcie-root-port,id=hostport0,bus=pcie.0,addr=13.0,multifunction=on,chassis=128",
        "vfio-pci,id=host0,host=0000:04:00.0,bus=hostport0,romfile=",
        "pcie-root-port,id=hostport1,bus=pcie.0,addr=13.1,multifunction=on,chassis=129",
        "vfio-pci,id=host1,host=0000:05:00.0,bus=hostport1",
    ]


def test_one_with_a_place_of_its_own_may_have_several_functions():
    given = {"device": MAC, "pci_address": "05", "multifunction": True, "id": "wan"}
    guest = planned(with_devices(given, {"device": "05:00.0", "pci_address": "05.1"}), **host())
    assert devices_in(guest) == [
        "vfio-pci,id=wan,host=0000:04:00.0,addr=05.0,multifunction=on",
        "vfio-pci,id=host1,host=0000:05:00.0,addr=05.1",
    ]


def test_on_a_machine_with_plain_pci_there_are_no_ports():
    assert devices_in(planned(with_devices(*ONE, machine="pc"), **host())) == ["vfio-pci,id=host0,host=0000:04:00.0"]


def test_the_unit_lets_an_unprivileged_qemu_have_it_and_waits_for_what_binds_it():
    supervisors = {"auto": "systemd", "daemon": "daemon", "systemd": "systemd"}
    service = planned(with_devices(*ONE, memory="512M"), supervisors=supervisors, **host()).service
    text = unit.render(service)
    assert f"LimitMEMLOCK={(512 + 1024) * 2**20}\n" in text
    assert "virtnet-vfio.service virtnet-sriov.service\n" in text
    (before,) = [line for line in text.splitlines() if line.startswith("ExecStartPre=")]
    (after,) = [line for line in text.splitlines() if line.startswith("ExecStopPost=")]
    assert before.startswith("ExecStartPre=+/bin/sh -c ")
    assert "/dev/vfio/$$(basename" in before
    assert before.endswith("0000:04:00.0 virtnet-qemu")
    assert after.endswith("0000:04:00.0 root")
    assert "CapabilityBoundingSet=\n" in text
    assert "User=virtnet-qemu\n" in text


def test_without_systemd_the_run_itself_hands_it_over():
    guest = planned(with_devices(*ONE), **host())
    ops = [step.op for step in Guest.steps(None, guest)]
    assert ops.index("guest_command") < ops.index("guest_start")
    assert guest.service.limits == (("memlock", str((1024 + 1024) * 2**20)),)


def test_a_guest_without_has_nothing_of_all_that():
    service = planned(want()).service
    assert (service.limits, service.after) == ((), ())
    assert "guest_command" not in [step.op for step in Guest.steps(None, planned(want()))]


def test_a_device_that_moved_is_a_change():
    guest = planned(with_devices(*ONE), **host())
    moved = planned(with_devices(*ONE), guests=(guest,), **host(replace(NIC, address="0000:07:00.0"), OTHER))
    assert "vfio-pci,id=host0,host=0000:07:00.0,bus=hostport0" in devices_in(moved)
    assert planned(with_devices(*ONE), guests=(guest,), **host()) == guest


def test_a_guest_whose_device_has_vanished_can_be_stopped():
    guest = planned(with_devices(*ONE), **host())
    assert not planned(with_devices(*ONE, state="stopped"), guests=(guest,), **host(OTHER)).running


def test_the_definition_is_read_as_it_was_written():
    definition = planned(with_devices({"device": MAC, "romfile": "off", "multifunction": True}), **host()).definition
    assert Definition.from_data(definition.as_data()) == definition
    old = {key: value for key, value in planned(want()).definition.as_data().items() if key != "host_devices"}
    assert Definition.from_data(old).host_devices == ()


@pytest.mark.parametrize(
    ("device", "message"),
    [
        (
            replace(NIC, driver="e1000e", interfaces=(Interface("enp4s0", MAC),)),
            "is not bound to vfio-pci; bind it first",
        ),
        (OTHER, f"there is no PCI device '{MAC}' on this host"),
    ],
)
def test_one_that_is_not_ready_is_what_an_earlier_task_has_to_see_to(device, message):
    guest = with_devices(*ONE)
    seen = world(guest, **host(device))
    plan([guest], seen)
    assert message in seen.missing[0]


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ([{"device": MAC}, {"device": MAC.upper()}], f"device '{MAC}' is given twice"),
        ([{"device": MAC}, {"device": "04:00.0"}], "one and the same device, 0000:04:00.0"),
        ([{"device": "04:00.9"}], "host_devices[0].device: '04:00.9'"),
        ([{"device": MAC, "id": "0x"}], "host_devices[0].id: '0x' cannot name a device"),
        ([{"device": MAC, "pci_address": "x"}], "host_devices[0].pci_address: 'x' is not a PCI address"),
        ([{"device": f"0{n}:00.0"} for n in range(9)], "there are 9, and a guest can have 8"),
    ],
)
def test_what_cannot_be_is_refused(entries, message):
    with pytest.raises(SpecError) as caught:
        planned(with_devices(*entries), **host())
    assert message in str(caught.value)


def test_one_device_of_two_guests_is_refused():
    message = refused(with_devices(*ONE), with_devices({"device": "04:00.0"}, name="web2"), **host())
    assert f"host_devices[0].device: '{MAC}' is also that of guest 'web2'" in message


def test_one_group_of_two_guests_that_run_is_refused():
    first, second = with_devices(*ONE), with_devices({"device": "05:00.0"}, name="web2")
    one_group = host(NIC, replace(OTHER, group=NIC.group))
    message = refused(first, second, **one_group)
    assert "is in IOMMU group 3, as is 0000:05:00.0 of guest 'web2'" in message
    stopped = with_devices({"device": "05:00.0"}, name="web2", state="stopped")
    seen = world(first, stopped, **one_group)
    assert plan([first, stopped], seen)
