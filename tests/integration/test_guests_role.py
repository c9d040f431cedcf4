# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The role guests, with guests that have nothing to boot."""

from __future__ import annotations

import pytest

from tests.integration.support.hypervisor import IDLE, left_over, prepare

NETWORKS = [{"name": "lab", "model": "nat", "subnet": "192.0.2.0/24"}]
GUESTS = [
    {"name": "web1", "nics": [{"network": "lab", "address": "192.0.2.11"}]},
    {"name": "web2", "memory": "48M", "nics": [{"network": "lab"}, {"type": "user"}]},
]


@pytest.fixture
def host(host):
    prepare(host)
    return host


def variables(*guests, **more):
    return {"virtnet_networks": NETWORKS, "virtnet_guests": list(guests), "guests_defaults": IDLE, **more}


def role(tasks_from="main"):
    return {"ansible.builtin.import_role": {"name": "virtnet.qemu.guests", "tasks_from": tasks_from}}


def the(results):
    """The result of the role's one task, of those that are about the role itself."""
    (result,) = (result for result in results if "commands" in result)
    return result


def test_guests_of_an_inventory(play, host):
    macs = {
        "ansible.builtin.set_fact": {
            "asked": "{{ virtnet_guests | virtnet.qemu.with_macs('virtnet', inventory_hostname) }}"
        }
    }
    *_first, asked = first = play(host, [role(), macs], vars=variables(*GUESTS))
    told = {told["name"]: told for told in the(first)["guests"]}
    assert all(guest["running"] for guest in told.values())
    assert [told[guest["name"]]["macs"] for guest in asked["ansible_facts"]["asked"]] == [
        [nic["mac"] for nic in guest["nics"]] for guest in asked["ansible_facts"]["asked"]
    ]
    assert "-m 32 " in " ".join(told["web1"]["argv"]) and "-m 48 " in " ".join(told["web2"]["argv"])

    again = play(host, [role()], vars=variables(*GUESTS))
    assert not the(again).changed
    # However many guests: the check of the role's variables, and one task.
    assert len(again) == 2


def test_what_leaves_the_inventory_goes_back_to_its_default(play, host):
    play(host, [role()], vars=variables({**GUESTS[0], "display": {"type": "vnc"}}, guests_state="present"))
    changed = the(play(host, [role()], vars=variables(GUESTS[0], guests_state="present")))
    assert changed.changed
    (after,) = changed["after"]
    assert after["display"]["type"] == "none"


def test_a_network_that_is_not_there_is_refused(play, host):
    guest = {"name": "web1", "nics": [{"network": "lan"}]}
    # Not `fails`, which would be for the check of the role's variables too.
    *_checks, failed = play.start(host, [role()], vars=variables(guest)).finish()
    assert failed.failed and not failed.traceback
    assert "guest 'web1': nics[0].network: there is no network 'lan' on this host; there are: lab" in failed.msg
    assert left_over(host) == []


def test_teardown_removes_what_was_made(play, host):
    disk = {"file": "a.qcow2", "size": "1M"}
    play(host, [role()], vars=variables({**GUESTS[0], "disks": [disk]}, GUESTS[1]))
    _check, removed, _check, again = play(host, [role("teardown"), role("teardown")], vars=variables(*GUESTS))
    assert removed.changed
    assert not again.changed
    assert left_over(host) == []
