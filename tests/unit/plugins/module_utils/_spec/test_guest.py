# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""From the guest there is to the one that is wanted: what is done, and that nothing is left to do after it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ansible_collections.virtnet.qemu.plugins.module_utils._plan import Change, plan
from ansible_collections.virtnet.qemu.plugins.module_utils._spec.guest import Guest
from ansible_collections.virtnet.qemu.plugins.module_utils._spec.guest_files import observed_files
from ansible_collections.virtnet.qemu.plugins.module_utils._spec.size import GIB
from ansible_collections.virtnet.qemu.plugins.module_utils._spec.tap import Tap
from tests.unit.guests import USER, image, link, plain_file, tap, want, world

NIC = {"bridge": "br-lab"}
DISK = {"file": "a.qcow2", "size": "1G"}
OVERLAY = "/var/lib/virtnet/guests/web1/a.qcow2"
SCRIPTS = {"/up": plain_file(executable=True), "/down": plain_file(executable=True)}


def changes(guest, **host):
    return plan([guest], world(guest, **host))


def change(guest, **host):
    (found,) = changes(guest, **host)
    return found


def ops(found):
    return [step.op for step in found.steps]


def as_observed(guest: Guest):
    """The host with that guest, after all that was planned for it was done: what `world` takes."""
    links = tuple(
        tap(
            t.name, guest.name, master=t.bridge, up=True, carrier=True, isolated=t.isolated,
            info={"owner": t.owner, "multi_queue": t.multi_queue, "vnet_hdr": True},
        )
        for t in guest.taps
    )  # fmt: skip
    files = {path: image(size=size) for path, size in guest.files}
    there = world(links=links, files=files)
    observed = replace(
        guest,
        process=guest.service.digest if guest.running else None,
        taps=tuple(Tap.observed(there, (None, t.name)) for t in guest.taps),
        files=observed_files(guest.name, guest.definition, there),
    )
    return {"guests": (observed,), "links": links, "files": files}


def started(**options):
    """The host on which that guest was started."""
    return as_observed(change(want(**options), files=SCRIPTS).after)


def test_a_new_guest_is_defined_first_and_started_last():
    found = change(want(nics=[NIC], disks=[DISK], seed={"hostname": "x"}, display={"type": "vnc", "password": "p"}))
    assert ops(found) == [
        *("guest_define", "password_write", "disk_create", "seed_create", "service_install"),
        *("tap_set", "link_set", "link_set", "master_set", "guest_start"),
    ]
    assert found.after.made == (OVERLAY,)


@pytest.mark.parametrize("state", ["stopped", "present"])
def test_a_guest_can_be_defined_without_a_start(state):
    assert ops(change(want(nics=[NIC], state=state))) == ["guest_define", "service_install"]


OPTIONS = [
    {},
    {"nics": [NIC, {"bridge": "br-lab", "queues": 2}], "disks": [DISK], "seed": {"hostname": "x"}},
    {"display": {"type": "vnc", "number": 1, "password": "sesame"}, "nics": [{"type": "user"}]},
    {"nics": [{**NIC, "script": "/up", "downscript": "/down"}]},
]


@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("state", ["started", "stopped", "present"])
def test_a_second_run_changes_nothing(options, state):
    host = as_observed(change(want(state=state, **options), files=SCRIPTS).after)
    host["files"].update(SCRIPTS)
    assert changes(want(state=state, **options), **host) == []
    assert changes(want(state=state), **host) == []


@pytest.mark.parametrize("options", OPTIONS)
def test_a_new_guest_is_undone_by_its_removal(options):
    made = change(want(**options), files=SCRIPTS)
    host = as_observed(made.after)
    undo = made.undo(world(**host))
    assert undo.after is None
    assert ops(undo)[0] == "guest_stop"
    assert undo.steps[-1].op == "guest_remove"
    assert undo.steps[-1].args["disks"] == list(made.after.made)


def test_a_stop_is_one_step_since_the_taps_go_by_themselves():
    found = change(want(state="stopped"), **started(nics=[NIC]))
    assert ops(found) == ["guest_stop"]
    assert found.after.definition == found.before.definition


def test_a_tap_with_a_script_stays_until_the_script_was_told():
    nic = {**NIC, "script": "/up", "downscript": "/down"}
    start = change(want(nics=[nic]), files=SCRIPTS)
    assert ops(start)[-2:] == ["guest_script", "guest_start"]
    stop = change(want(state="stopped"), **as_observed(start.after))
    assert ops(stop) == ["guest_stop", "guest_script_after", "tap_remove"]
    assert [step.line for step in stop.steps[1:]] == ["/down web1-0", "ip link delete dev web1-0"]


def test_a_guest_that_powered_itself_off_leaves_its_taps_to_the_next_run():
    host = started(nics=[{**NIC, "downscript": "/down"}])
    host["guests"] = (replace(host["guests"][0], process=None),)
    host["links"] = (replace(host["links"][0], carrier=False),)
    assert ops(change(want(state="stopped"), **host)) == ["guest_script_after", "tap_remove"]
    again = ops(change(want(), **host))
    assert again[:3] == ["guest_script_after", "tap_remove", "tap_set"] and again[-1] == "guest_start"


def test_systemd_makes_and_removes_the_taps():
    host = started(nics=[NIC], supervisor="systemd")
    service = host["guests"][0].service
    assert ("ip", "link", "set", "dev", "web1-0", "master", "br-lab") in service.start_pre
    assert service.stop_post == (("ip", "link", "delete", "dev", "web1-0"),)
    assert "fd=" not in " ".join(service.argv)
    found = change(want(nics=[NIC], supervisor="systemd"))
    assert ops(found) == ["guest_define", "service_install", "guest_start"]
    assert ops(change(want(state="stopped"), **host)) == ["guest_stop"]


def test_a_daemon_gets_its_taps_open():
    guest = change(want(nics=[NIC])).after
    (opened,) = guest.service.opened_taps
    assert (opened.name, opened.descriptors, opened.temporary) == ("web1-0", (100,), True)
    assert "tap,id=net-nic0,fd=100" in guest.service.argv
    assert "tap,id=net-nic0,ifname=web1-0,script=no,downscript=no" in guest.argv


def test_a_guest_is_ready_when_its_control_socket_listens():
    """A socket is there before it listens; QEMU makes the one that is waited for after that of QMP listens."""
    service = change(want()).after.service
    sockets = [word.partition("path=")[2].partition(",")[0] for word in service.argv if word.startswith("socket,")]
    assert sockets.index(service.ready_file) > sockets.index("/run/virtnet/guests/web1/qmp.sock")


def test_a_tap_of_someone_else_is_neither_made_nor_removed():
    found = change(want(nics=[{"ifname": "t"}]), links=(tap("t"),))
    assert ops(found) == ["guest_define", "service_install", "guest_start"]
    assert not found.after.service.opened_taps[0].temporary


def test_another_bridge_is_a_live_change():
    host = started(nics=[NIC])
    host["links"] += (link("br-back", "bridge"),)
    found = change(want(nics=[{"bridge": "br-back"}]), **host)
    assert ops(found) == ["guest_define", "master_set"]
    assert not found.after.restart_required
    assert found.after.process == found.before.process


def test_another_vnc_password_is_a_live_change():
    found = change(
        want(display={"type": "vnc", "password": "new"}), **started(display={"type": "vnc", "password": "old"})
    )
    assert ops(found) == ["password_write", "password_set"]


@pytest.mark.parametrize("options", [{"memory": "2G"}, {"cpu": "qemu64"}, {"seed": {"hostname": "y"}}])
def test_what_needs_a_restart_is_told(options):
    host = started(nics=[NIC], seed={"hostname": "x"})
    found = change(want(**options), **host)
    assert found.after.restart_required
    assert not {"guest_stop", "guest_start"} & set(ops(found))
    assert found.after.taps == found.before.taps


@pytest.mark.parametrize("nics", [[NIC], [{**NIC, "ifname": "other"}], []])
def test_a_restart_that_is_allowed(nics):
    found = change(want(memory="2G", nics=nics, allow_restart=True), **started(nics=[NIC]))
    assert ops(found)[0] == "guest_stop" and ops(found)[-1] == "guest_start"
    assert not found.after.restart_required


def test_a_restart_that_was_pending_is_made_when_it_is_allowed():
    told = change(want(memory="2G"), **started())
    observed = replace(told.after, process=told.before.process)
    assert ops(change(want(allow_restart=True), guests=(observed,))) == ["guest_stop", "guest_start"]


def test_what_a_pending_restart_needs_is_looked_for_first():
    host = started(nics=[NIC])
    told = change(want(memory="2G"), **host)
    host["guests"] = (replace(told.after, process=told.before.process),)
    there = world(want(allow_restart=True), **host)
    there.links(None).pop("br-lab")
    plan([want(allow_restart=True)], there)
    assert "nics[0].bridge: there is no bridge 'br-lab'" in there.missing[0]


def test_a_restart_for_its_own_sake():
    host = started(nics=[NIC])
    found = change(want(state="restarted"), **host)
    assert ops(found)[0] == "guest_stop" and ops(found)[-1] == "guest_start"
    assert not found.after.restart_required
    there = world(want(state="restarted"), **host)
    there.started = frozenset(["web1"])
    assert plan([want(state="restarted")], there) == []


def test_a_restart_that_failed_is_undone_by_a_start():
    host = started(nics=[NIC])
    made = change(want(state="restarted"), **host)
    down = replace(host["guests"][0], process=None, taps=())
    undo = made.undo(world(guests=(down,), files=host["files"]))
    assert ops(undo)[-1] == "guest_start"
    assert undo.after.process == made.before.process


def test_a_change_that_failed_is_undone():
    host = started(memory="1G")
    made = change(want(memory="2G", disks=[DISK], allow_restart=True), **host)
    down = replace(made.after, process=None, files=((OVERLAY, GIB),))
    undo = made.undo(world(guests=(down,), files={OVERLAY: image()}))
    assert undo.after.definition == made.before.definition
    assert ops(undo) == ["guest_define", "disk_remove", "service_install", "guest_start"]


def test_a_stopped_guest_is_not_checked():
    """What has gone since, such as its bridge, must not keep a guest from being stopped."""
    host = started(nics=[NIC])
    there = world(want(state="stopped"), **host)
    there.links(None).pop("br-lab")
    assert ops(plan([want(state="stopped")], there)[0]) == ["guest_stop"]
    assert there.missing == []


def test_a_run_that_was_killed_after_the_definition_is_completed():
    planned = change(want(nics=[NIC], disks=[DISK])).after
    observed = replace(planned, process=None, service=None, files=(), taps=())
    found = ops(change(want(nics=[NIC], disks=[DISK]), guests=(observed,)))
    assert found[:3] == ["guest_define", "disk_create", "service_install"]
    assert found[-1] == "guest_start"


@pytest.mark.parametrize("running", [True, False])
def test_a_disk_grows_while_nobody_has_it_open(running):
    host = started(disks=[DISK])
    found = change(want(disks=[{**DISK, "size": "2G"}], state="started" if running else "stopped"), **host)
    assert ("disk_resize" in ops(found)) is not running


def test_a_disk_that_is_no_longer_wanted_stays_until_the_guest_goes():
    host = started(disks=[DISK])
    found = change(want(disks=[], allow_restart=True), **host)
    assert "disk_remove" not in ops(found)
    assert found.after.made == (OVERLAY,)


def test_absent():
    host = started(nics=[NIC], disks=[DISK])
    assert ops(change(want(state="absent"), **host)) == ["guest_stop", "guest_remove"]
    assert changes(want(state="absent")) == []


def test_the_supervisor_of_a_guest_stays():
    there = world(want(supervisor="systemd"), **started())
    with pytest.raises(ValueError, match="supervisor: it is daemon for this guest and cannot become systemd"):
        want(supervisor="systemd").target(there, there.guests["web1"])


def test_report():
    host = started(nics=[NIC], display={"type": "vnc"})
    host["guests"] = (replace(host["guests"][0], pid=4711),)
    wants = [want(), want("gone", state="absent")]
    (told,) = Guest.report(wants, world(**host), [])["guests"]
    assert (told["name"], told["running"], told["pid"], told["accel"]) == ("web1", True, 4711, "tcg")
    assert set(told["sockets"]) == {"qmp", "console", "agent", "vnc"}
    assert told["macs"] == [host["guests"][0].definition.nics[0].mac]
    assert told["restart_required"] is False


def test_no_password_in_what_is_shown():
    made = Change("web1", None, change(want(display={"type": "vnc", "password": "sesame"})).after)
    assert "sesame" not in str(made.after.as_dict()) + "".join(step.line for step in made.steps)


def test_the_files_belong_to_the_user():
    (create,) = (step for step in change(want(disks=[DISK])).steps if step.op == "disk_create")
    assert create.args["user"] == USER
    assert create.line == f"qemu-img create -q -f qcow2 {OVERLAY} {GIB}"
