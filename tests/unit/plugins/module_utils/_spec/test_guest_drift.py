# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is done for a running guest whose taps, files or service somebody changed by hand, and what is said of that."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ansible_collections.virtnet.qemu.plugins.module_utils._plan import plan
from ansible_collections.virtnet.qemu.plugins.module_utils._spec import drift
from ansible_collections.virtnet.qemu.plugins.module_utils._spec.bridge import Bridge
from ansible_collections.virtnet.qemu.plugins.module_utils._spec.guest_hotplug import Plugged
from ansible_collections.virtnet.qemu.plugins.module_utils._spec.guest_tap import as_it_is
from ansible_collections.virtnet.qemu.plugins.module_utils._spec.tap import Tap
from ansible_collections.virtnet.qemu.plugins.module_utils._spec.world import GuestTap, World
from tests.unit.guests import link, want, world
from tests.unit.plugins.module_utils._spec.test_guest import DISK, OVERLAY, as_observed, change, ops, started
from tests.unit.plugins.module_utils.trial import parse

NIC = {"bridge": "br-lab"}


def with_links(host, *links):
    """The same host, whose guest's taps are these now."""
    (guest,) = host["guests"]
    there = world(links=links)
    nics = tuple(as_it_is(nic, there) for nic in guest.plugged.nics)
    taps = tuple(Tap.observed(there, (None, one.name)) for one in links if one.alias)
    return {**host, "links": links, "guests": (replace(guest, taps=taps, plugged=replace(guest.plugged, nics=nics)),)}


def told(found):
    return drift.repairs(found.before, found.before.recorded(found.after), found.after)


@pytest.mark.parametrize("supervisor", ["daemon", "systemd"])
def test_a_nic_whose_tap_was_deleted_is_another_one_in_its_place(supervisor):
    found = change(want(nics=[NIC]), **with_links(started(nics=[NIC], supervisor=supervisor)))
    assert ops(found) == ["guest_define", "nic_unplug", "tap_set", "link_set", "link_set", "master_set", "nic_plug"]
    (was,), (now,) = found.before.definition.nics, found.after.plugged.nics
    assert now == was
    assert found.steps[-1].args["device"]["bus"] == "nicport0" and found.steps[-1].args["device"]["mac"] == was.mac
    assert found.after.process == found.before.process and not found.after.restart_required
    assert told(found) == ["guest web1: tap web1-0 was gone"]


def test_a_tap_of_the_same_name_that_nobody_has_open_is_none():
    host = started(nics=[NIC])
    (tap,) = host["links"]
    found = change(want(nics=[NIC]), **with_links(host, replace(tap, carrier=False)))
    assert ops(found)[1:3] == ["nic_unplug", "tap_set"]
    with pytest.raises(ValueError, match="an interface 'web1-0' exists already and is not this guest's"):
        change(want(nics=[NIC]), **with_links(host, replace(tap, carrier=False, alias=None)))


def test_a_nic_on_the_root_bus_waits_for_a_start():
    fixed = {**NIC, "pci_address": "05"}
    host = with_links(started(nics=[fixed], accel="tcg"))
    there = world(want(nics=[fixed]), **host)
    assert plan([want(nics=[fixed])], there) == []
    assert ["its 'pci_address' is on the root bus" in warning for warning in there.warnings] == [True]
    (guest,) = host["guests"]
    assert guest.restart_required
    found = change(want(nics=[fixed], allow_restart=True), **host)
    assert ops(found)[0] == "guest_stop" and ops(found)[-1] == "guest_start"


def test_what_was_plugged_in_anew_stays_when_the_rest_is_undone():
    made = change(want(nics=[NIC]), **with_links(started(nics=[NIC])))
    back = made.undo(world(**as_observed(made.after)))
    assert not {"nic_plug", "nic_unplug", "tap_remove"} & set(ops(back))
    # It had not come so far.
    there = as_observed(made.after)
    (guest,) = there["guests"]
    without = replace(guest, taps=(), plugged=replace(guest.plugged, nics=()))
    back = made.undo(world(**{**there, "links": (), "guests": (without,)}))
    assert back.after.plugged.nics == () and "nic_plug" not in ops(back)


def test_the_data_of_a_nic_without_a_tap_is_kept():
    (guest,) = with_links(started(nics=[NIC]))["guests"]
    assert Plugged.from_data(guest.plugged.as_data()) == guest.plugged
    stopped = change(want(state="stopped"), **with_links(started(nics=[NIC])))
    assert ops(stopped) == ["guest_stop"]


@pytest.mark.parametrize(
    ("changed", "op", "said"),
    [
        ({"master": None}, "master_set", "tap web1-0 was off bridge br-lab"),
        ({"master": "br-other"}, "master_set", "tap web1-0 was on bridge br-other"),
        ({"up": False}, "link_set", "tap web1-0 was down"),
        ({"isolated": False}, "isolated_set", "tap web1-0 isolated was false"),
    ],
)
def test_a_tap_is_led_back(changed, op, said):
    host = started(nics=[{**NIC, "isolated": True}])
    (tap,) = host["links"]
    found = change(want(nics=[{**NIC, "isolated": True}]), **with_links(host, replace(tap, **changed)))
    assert op in ops(found) and not {"guest_stop", "nic_plug"} & set(ops(found))
    assert f"guest web1: {said}" in told(found)


def test_without_the_bridge_nothing_is_done():
    host = started(nics=[NIC])
    (tap,) = host["links"]
    there = world(want(nics=[NIC]), **with_links(host, replace(tap, master=None)))
    del there._namespaces[None]["br-lab"]
    plan([want(nics=[NIC])], there)
    assert there.missing == ["guest 'web1': nics[0].bridge: there is no bridge 'br-lab'; make it first"]


def test_what_the_user_changes_is_not_told():
    host = started(nics=[NIC])
    host["links"] += (link("br-back", "bridge"),)
    assert told(change(want(nics=[{"bridge": "br-back"}]), **host)) == []
    assert told(change(want(nics=[NIC, NIC]), **host)) == []
    assert told(change(want(nics=[]), **host)) == []
    assert told(change(want(state="stopped"), **host)) == []
    assert told(change(want(state="absent"), **host)) == []
    assert told(change(want(disks=[DISK]), **host)) == []


def test_a_service_and_a_file_are_told():
    host = started(nics=[NIC], disks=[DISK])
    (guest,) = host["guests"]
    broken = {**host, "guests": (replace(guest, service=None, process="other"),)}
    assert told(change(want(), **broken)) == ["guest web1: its service was removed, changed or disabled"]
    stopped = replace(guest, process=None, plugged=None, taps=(), files=())
    found = change(want(disks=[DISK]), **{**host, "guests": (stopped,), "links": (), "files": {}})
    assert told(found) == [f"guest web1: file {OVERLAY} was gone"]


# -- a bridge that is made again -----------------------------------------------------------------

TAPS = [GuestTap("web1-0", "br-lab", isolated=False), GuestTap("web2-0", "br-lab", isolated=True)]


def bridge_made(**options):
    wants, _purge = parse(Bridge, {"name": "br-lab", **options})
    links = {tap.name: link(tap.name, "tun") for tap in TAPS} | {"eth1": link("eth1", "")}
    there = World({None: links}, guest_taps=[*TAPS, GuestTap("db1-0", "br-back", isolated=False)])
    (found,) = [change for change in plan(wants, there) if change.after.kind == "bridge"]
    return [step.line for step in found.steps if "master" in step.line or "isolated" in step.line]


def test_a_bridge_made_again_takes_its_guests_taps():
    taken = [
        "ip link set dev web1-0 master br-lab up",
        "ip link set dev web2-0 master br-lab up",
        "bridge link set dev web2-0 isolated on",
    ]
    assert bridge_made() == taken
    assert bridge_made(ports=["eth1"]) == ["ip link set dev eth1 master br-lab up", *taken]
    # Where its ports are all listed, the rest is to stay off.
    assert bridge_made(ports=["eth1"], purge_ports=True) == ["ip link set dev eth1 master br-lab up"]
