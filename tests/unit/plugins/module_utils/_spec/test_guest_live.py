# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""NICs that come to, leave, and change on a guest that runs."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ansible_collections.virtnet.qemu.plugins.module_utils._plan import plan
from ansible_collections.virtnet.qemu.plugins.module_utils._spec.guest import Guest
from ansible_collections.virtnet.qemu.plugins.module_utils._spec.guest_hotplug import Plugged
from tests.unit.guests import QEMU, link, want, world
from tests.unit.plugins.module_utils._spec.test_guest import SCRIPTS, as_observed, change, changes, ops, started

NIC, USER = {"bridge": "br-lab"}, {"type": "user"}
SCRIPTED = {**NIC, "script": "/up", "downscript": "/down"}
PLUGGED = ["guest_define", "service_install", "tap_set", "link_set", "link_set", "master_set", "nic_plug"]
UNPLUGGED = ["guest_define", "service_install", "nic_unplug", "tap_remove"]


def changed(guest, **host):
    """The change of a running guest, which must be undone by its opposite, and leave nothing to be done."""
    host.setdefault("files", {}).update(SCRIPTS)
    made = change(guest, **host)
    there = as_observed(made.after)
    there["files"].update(SCRIPTS)
    there["links"] += tuple(link for link in host["links"] if link.kind == "bridge")
    assert changes(guest, **there) == []
    assert made.after.process == made.before.process
    back = made.undo(world(**there))
    assert {nic.id: nic for nic in back.after.plugged.nics} == {nic.id: nic for nic in made.before.plugged.nics}
    assert not {"guest_stop", "guest_start"} & {*ops(made), *ops(back)}
    return made


def slots(guest: Guest) -> dict[str, int]:
    return {nic.id: nic.slot for nic in guest.definition.nics}


@pytest.mark.parametrize("supervisor", ["daemon", "systemd"])
def test_a_nic_is_plugged_in(supervisor):
    found = changed(want(nics=[NIC, NIC]), **started(nics=[NIC], supervisor=supervisor))
    assert ops(found) == PLUGGED
    assert not found.after.restart_required
    (step,) = found.steps[-1:]
    nic = found.after.definition.nics[1]
    assert step.args["netdev"] == {"type": "tap", "id": "net-nic1", "fd": "nic1-0"}
    assert step.args["device"] == {
        "driver": "virtio-net-pci",
        "id": "nic1",
        "netdev": "net-nic1",
        "mac": nic.mac,
        "bus": "nicport1",
    }
    assert step.args["temporary"] is (supervisor == "daemon")
    assert '"ifname": "web1-1"' in step.line and step.line.endswith("UNIX-CONNECT:/run/virtnet/guests/web1/qmp.sock")
    # The next start has it in the same place.
    assert f"virtio-net-pci,id=nic1,netdev=net-nic1,mac={nic.mac},bus=nicport1" in found.after.service.argv


@pytest.mark.parametrize("supervisor", ["daemon", "systemd"])
def test_a_nic_is_unplugged(supervisor):
    found = changed(want(nics=[NIC]), **started(nics=[NIC, NIC], supervisor=supervisor))
    assert ops(found) == UNPLUGGED
    assert found.steps[2].args == {"name": "web1", "nic": "nic1", "timeout": 60}


def test_a_nic_that_changes_is_replaced():
    found = changed(want(nics=[{**NIC, "model": "e1000"}]), **started(nics=[NIC]))
    assert ops(found) == UNPLUGGED + PLUGGED[2:]


def test_scripts_are_run_around_the_plugging():
    plugged = changed(want(nics=[SCRIPTED]), **started(nics=[]))
    assert ops(plugged)[-2:] == ["guest_script", "nic_plug"]
    unplugged = changed(want(nics=[]), **started(nics=[SCRIPTED]))
    assert ops(unplugged)[-3:] == ["nic_unplug", "guest_script_after", "tap_remove"]


def test_a_nic_of_another_kind():
    host = started(nics=[NIC])
    found = changed(want(nics=[{**USER, "hostfwd": [{"port": 2222, "guest_port": 22}], "restrict": True}]), **host)
    assert ops(found) == [*UNPLUGGED, "nic_plug"]
    assert found.steps[-1].args["netdev"] == {
        "type": "user",
        "id": "net-nic0",
        "restrict": True,
        "hostfwd": [{"str": "tcp:127.0.0.1:2222-:22"}],
    }


@pytest.mark.parametrize(
    ("nic", "op"), [({"bridge": "br-back"}, "master_set"), ({**NIC, "isolated": True}, "isolated_set")]
)
def test_what_is_the_business_of_the_tap_alone(nic, op):
    host = started(nics=[NIC])
    host["links"] += (link("br-back", "bridge"),)
    assert ops(changed(want(nics=[nic]), **host)) == ["guest_define", op]


def test_many_queues():
    found = changed(want(nics=[{**NIC, "queues": 2}]), **started(nics=[]))
    assert found.steps[-1].args["netdev"]["fds"] == "nic0-0:nic0-1"
    assert found.steps[-1].args["device"]["mq"] is True


def test_each_nic_keeps_its_slot():
    names = [{**USER, "id": name} for name in "abcd"]
    host = started(nics=names[:3])
    assert slots(host["guests"][0]) == {"a": 0, "b": 1, "c": 2}
    found = changed(want(nics=[names[3], names[2], names[0]]), **host)
    assert slots(found.after) == {"a": 0, "c": 2, "d": 1}
    assert ops(found)[-2:] == ["nic_unplug", "nic_plug"]


def test_the_addresses_of_a_pci_machine():
    found = changed(want(nics=[USER, USER]), **started(machine="pc", nics=[USER]))
    assert found.steps[-1].args["device"]["addr"] == "11.0"
    assert not any("pcie-root-port" in word for word in found.after.argv)


def refused(guest, **host):
    """The change of a guest, and the warnings why not all of it can be made while it runs."""
    there = world(guest, **host)
    (found,) = plan([guest], there)
    assert found.after.restart_required
    # The next run says the same, and changes nothing.
    (observed,) = as_observed(found.after)["guests"]
    again = world(guest, **{**host, "guests": (replace(observed, process=found.before.process),)})
    assert plan([guest], again) == []
    assert again.warnings == there.warnings
    return found, there.warnings


@pytest.mark.parametrize(
    ("options", "nics", "why"),
    [
        ({"nics": [], "hotplug_slots": 0}, [USER], "NIC 'nic0' cannot be plugged in: all 0 slots are taken"),
        ({"nics": []}, [{**USER, "pci_address": "05"}], "NIC 'nic0' cannot be plugged in: its 'pci_address' is on"),
        ({"nics": [{**USER, "pci_address": "05"}]}, [], "NIC 'nic0' cannot be unplugged: its 'pci_address' is on"),
        ({"nics": [], "machine": "microvm"}, [USER], "of machines of its type it is not known"),
        ({"nics": [], "supervisor": "systemd"}, [{**NIC, "type": "bridge"}], "systemd lets QEMU run the bridge helper"),
    ],
)
def test_what_cannot_be_done_live_is_told_and_done_by_a_restart(options, nics, why):
    emulators = {None: replace(QEMU, machines=("q35", "microvm"))}
    host = as_observed(change(want(accel="tcg", **options), emulators=emulators).after)
    host["emulators"] = emulators
    found, (warning,) = refused(want(nics=nics), **host)
    assert warning.startswith("guest 'web1': while it runs, ") and why in warning
    assert not {"nic_plug", "nic_unplug"} & set(ops(found))
    restarted = change(want(nics=nics, allow_restart=True), **host)
    assert ops(restarted)[0] == "guest_stop" and ops(restarted)[-1] == "guest_start"
    assert not restarted.after.restart_required


def test_as_much_as_can_be_is_done_live():
    host = started(nics=[], hotplug_slots=1, accel="tcg")
    found, warnings = refused(want(memory="2G", nics=[USER, USER]), **host)
    assert [step.args["nic"].id for step in found.steps if step.op == "nic_plug"] == ["nic0"]
    assert len(warnings) == 1


def test_a_nic_that_the_guest_has_thrown_out_is_plugged_in_again():
    host = started(nics=[USER])
    (guest,) = host["guests"]
    host["guests"] = (replace(guest, plugged=replace(guest.plugged, nics=())),)
    # What the process has is written down first: the plugging adds to it.
    assert ops(change(want(nics=[USER]), **host)) == ["guest_define", "nic_plug"]


def test_what_a_process_has_survives_its_file():
    (guest,) = started(nics=[{**USER, "hostfwd": [{"port": 2222}]}, NIC])["guests"]
    assert Plugged.from_data(guest.plugged.as_data()) == guest.plugged


def test_slots_are_where_no_other_nic_is():
    with pytest.raises(ValueError, match="'14.1' is where the slots of the other NICs are"):
        change(want(nics=[{**USER, "pci_address": "14.1"}]))
    host = started(machine="pc", nics=[{**USER, "pci_address": "10"}, USER])
    assert slots(host["guests"][0]) == {"nic0": None, "nic1": 1}
    with pytest.raises(ValueError, match="hotplug_slots: 99 is out of range; it is from 0 to 32"):
        want(hotplug_slots=99)
