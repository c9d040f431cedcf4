# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""You cannot lock yourself out: the NIC that becomes a port is the one that the host is managed through.

What cuts the host off is taken back by the host, and the next run, which is the next test's, says so. In the end
comes a run that is right.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
from contextlib import contextmanager
from datetime import datetime

import pytest

from tests.faults.vm import VmHost, changes

#: Seconds until the host takes back what cut it off, and what it may need for that when it is emulated.
TIMEOUT, RESTORE = 120, 60
REPORT = "/var/lib/virtnet/checkpoint/restored.json"
LAN = {"name": "lan", "model": "bridged", "uplink": "lan0"}
LAB = {"name": "lab", "model": "routed", "dhcp": False, "dns": False}
#: Another network than the hosts', from which they are managed in one case.
OFFICE = "203.0.113.1"
#: Bad inventories.
ADDRESS = [{**LAN, "dhcp_client": True}]
ROUTE = [LAN, {**LAB, "subnet": "203.0.113.0/24"}]
#: A bridge as somebody made it who has guests in VLANs in mind: what comes without a tag is dropped.
TAGGED = "ip link set br-lan type bridge vlan_default_pvid 0"
MAKE_BRIDGE = """\
- hosts: hypervisors
  gather_facts: false
  tasks:
    - virtnet.qemu.bridge: {name: br-lan, vlan_filtering: true, state: %s}
"""
#: All of them, or those that are named; one where nobody asks.
ASKED = os.environ.get("VIRTNET_FAULTS", "address")
CASES = ["address", "vlan", "route", "controller"] if ASKED == "all" else ASKED.split(",")
told = []


@pytest.fixture(scope="module")
def vm():
    return VmHost()


@pytest.mark.parametrize("case", CASES)
def test_what_cuts_off_is_taken_back(vm, tmp_path, case):
    locked_out = globals()[f"by_{case}"]
    locked_out(vm, tmp_path)


def by_address(vm, tmp_path):
    assert_taken_back(vm, {"virtnet_networks": ADDRESS})


def by_vlan(vm, tmp_path):
    playbook = tmp_path / "bridge.yml"
    for state in ("present", "absent"):
        playbook.write_text(MAKE_BRIDGE % state)
        code, said = vm.play(playbook=playbook)
        assert code == 0, said
        if state == "present":
            vm.run(TAGGED)
            assert_taken_back(vm, {"virtnet_networks": [LAN]})


def by_route(vm, tmp_path):
    vm.lan.run(["ip", "address", "add", f"{OFFICE}/32", "dev", "lan"])
    # Not over a connection that a run from elsewhere has left open.
    connection = {"vm_host_from": OFFICE, "ansible_control_path_dir": str(tmp_path)}
    try:
        with vm.managed_from(OFFICE):
            assert_taken_back(vm, {"virtnet_networks": ROUTE, **connection})
    finally:
        vm.lan.run(["ip", "address", "delete", f"{OFFICE}/32", "dev", "lan"])


def by_controller(vm, tmp_path):
    """Nothing is wrong, but nobody is there any more who could say so."""
    before = vm.state()
    run = vm.start("-e", json.dumps({"networks_checkpoint_timeout": TIMEOUT}))
    said = []
    for line in run.stdout:
        said.append(line)
        if "Keep it, as the host is still reached" in line:
            break
    os.killpg(run.pid, signal.SIGKILL)
    run.communicate()
    assert run.returncode == -signal.SIGKILL, said
    assert_back(vm, before)
    assert_told("".join(said))


def assert_taken_back(vm, variables):
    before = vm.state()
    with vm.watched() as outage:
        code, said = vm.play("-e", json.dumps({**variables, "networks_checkpoint_timeout": TIMEOUT}))
        assert code != 0, said
        with explained_by(said):
            assert_back(vm, before)
    assert outage.seconds > TIMEOUT / 2 or "vm_host_from" in variables, (outage.seconds, said)
    print(f"away for {outage.seconds:.1f} s of {TIMEOUT} s")
    assert_told(said)


@contextmanager
def explained_by(said):
    """What the run said belongs to what went wrong after it."""
    try:
        yield
    except AssertionError as exc:
        exc.add_note(said)
        raise


def assert_back(vm, before):
    """In its old state, by itself and in time."""
    assert vm.await_reachable(TIMEOUT + 2 * RESTORE)
    report = json.loads(vm.await_file(REPORT, TIMEOUT + RESTORE))
    came_to = vm.come_to_rest({"old": before})
    assert came_to == "old", changes(before, vm.state())
    assert (report["failed"], report["differs"]) == ([], [])
    assert report["reason"] == "its time was over"
    armed, restored = (datetime.strptime(report[when], "%Y-%m-%d %H:%M:%S %z") for when in ("armed", "restored"))
    took = (restored - armed).total_seconds()
    print(f"restored {took:.0f} s after it was armed")
    assert took <= TIMEOUT + RESTORE
    told.append(report["restored"])


def assert_told(said):
    """What the run before this one had the host take back."""
    for restored in told[-2:-1]:
        assert f"so the host restored itself at {restored}" in " ".join(said.split()), said


def test_a_good_change_is_made_over_a_connection_that_stays(vm):
    with subprocess.Popen(vm.ssh("cat"), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1) as line:
        line.stdin.write("before\n")
        assert line.stdout.readline() == "before\n"
        code, said = vm.play("-e", json.dumps({"networks_checkpoint_timeout": 300}))
        assert code == 0, said
        line.stdin.write("after\n")
        assert line.stdout.readline() == "after\n"
        line.stdin.close()
    told.append(None)
    assert_told(said)
    assert "master br-lan" in vm.run("ip -o link show lan0")
    assert vm.address in vm.run("ip -br address show br-lan")
    assert vm.run("find /var/lib/virtnet/checkpoint /etc/systemd/system -name '*checkpoint*' || true") == ""
