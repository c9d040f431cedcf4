# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The role guests: what it makes of an inventory, and what its guests can do to one another."""

from __future__ import annotations

import pytest

from tests.integration.support.hypervisor import ADDRESS, IDLE, bootable, inside, left_over, prepare
from tests.integration.support.rules import packet_rules

pytestmark = pytest.mark.newest_end

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
    """The result of the role's main task, of those that are about the role itself."""
    (result,) = (result for result in results if "guests" in result)
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
    # However many guests: the check of the role's variables, and two tasks.
    assert len(again) == 3


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
    assert "virtnet_guard" in packet_rules(host)
    results = play(host, [role("teardown"), role("teardown")], vars=variables(*GUESTS))
    assert [result.changed for result in results] == [False, True, True, False, False, False]
    assert left_over(host) == []
    assert "virtnet_guard" not in packet_rules(host)


def pings(host, guest, address):
    said = inside(host, guest, "sh", "-c", f"ping -c1 -W1 {address} > /dev/null 2>&1; echo $?")
    return said == "0"


def test_what_guests_can_do_to_one_another(play, host, micro_cloud_image):
    """Two isolated NICs reach their gateway and not each other; what is sent with another's address is dropped."""
    options = bootable(host, micro_cloud_image)

    def playing(**nic):
        guests = [
            {
                "name": f"web{n}",
                **options,
                "stop_timeout": 10,
                "append": f"{options['append']} ip=192.0.2.1{n}::{ADDRESS}:24::eth0:none",
                "nics": [{"network": "lab", "address": f"192.0.2.1{n}", **nic}],
            }
            for n in (1, 2)
        ]
        return play(host, [role()], vars=variables(*guests))

    playing(isolated=True)
    for guest in ("web1", "web2"):
        inside(host, guest, "wait-online", "eth0")
        assert pings(host, guest, ADDRESS)
    assert not pings(host, "web1", "192.0.2.12")

    # Both are changed while the guests run.
    changed = the(playing(isolated=False))
    assert changed.commands[1:] == [
        *("bridge link set dev web1-0 isolated off", "# write /etc/virtnet/guests/web2.json"),
        "bridge link set dev web2-0 isolated off",
    ]
    assert pings(host, "web1", "192.0.2.12")

    inside(host, "web1", "ip", "address", "add", "192.0.2.99/24", "dev", "eth0")
    inside(host, "web1", "ip", "route", "replace", ADDRESS, "dev", "eth0", "src", "192.0.2.99")
    assert not pings(host, "web1", ADDRESS)
    playing(anti_spoofing=False)
    assert "virtnet_guard" not in packet_rules(host)
    assert pings(host, "web1", ADDRESS)
    playing()
    assert not pings(host, "web1", ADDRESS)

    inside(host, "web1", "ip", "route", "delete", ADDRESS)
    assert pings(host, "web1", ADDRESS)
    inside(host, "web1", "sh", "-c", "ip link set eth0 down; ip link set eth0 address 52:54:00:ff:00:01 up")
    assert not pings(host, "web1", ADDRESS)
