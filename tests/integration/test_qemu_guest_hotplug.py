# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The module qemu_guest plugs NICs into running guests, and out again: seen from inside of them."""

from __future__ import annotations

import json
import os

import pytest

from tests.integration.support import fails
from tests.integration.support.hypervisor import (
    ADDRESS,
    GUEST_ADDRESS,
    IDLE,
    bootable,
    guest,
    inside,
    left_over,
    links,
    offer_tun,
    prepare,
)
from tests.integration.support.systemd_host import SystemdHost

pytestmark = pytest.mark.newest_end

LAB = {"bridge": "br-lab", "id": "lab"}
BACK = {"bridge": "br-back", "id": "back"}
BACK_ADDRESS = "198.51.100.1"
USER = {"type": "user", "id": "out", "hostfwd": [{"port": 8080, "guest_port": 80}]}


@pytest.fixture
def host(host):
    return with_back(host)


def with_back(host):
    prepare(host)
    lines = ["link add br-back type bridge forward_delay 0", "link set br-back up"]
    lines += [f"address add {BACK_ADDRESS}/24 dev br-back", "link add br-other type bridge", "link set br-other up"]
    host.run(["ip", "-batch", "-"], input="\n".join(lines))
    return host


def nics(host):
    """The guest's NICs by MAC address, and where each is on the PCI bus."""
    place = "$(cat $nic/address) $(dirname $(readlink -f $nic/device))"
    script = f'cd /sys/class/net; for nic in eth*; do echo "{place}"; done'
    said = inside(host, "web1", "sh", "-c", script)
    return {mac: path.split("/devices/")[-1] for mac, path in (line.split() for line in said.splitlines())}


def wait_for(host, condition):
    inside(host, "web1", "sh", "-c", f"until {condition}; do usleep 50000; done")


def seen(mac):
    return f"grep -q {mac} /sys/class/net/*/address"


def bridges(host):
    """The bridge of each tap."""
    found = json.loads(host.run(["ip", "-json", "link", "show"]).stdout)
    return {link["ifname"]: link.get("master") for link in found if link["ifname"].startswith("web1-")}


def ping(host, address):
    return inside(host, "web1", "ping", "-c1", "-W10", address)


@pytest.mark.both_ends
def test_nics_come_move_and_go(play, host, micro_cloud_image):
    options = bootable(
        host, micro_cloud_image, f"ip={GUEST_ADDRESS}::{ADDRESS}:24::eth0:none ip=eth1:none ip=eth2:none"
    )
    (first,) = play(host, [guest(**options, nics=[LAB])])
    (told,) = first["guests"]
    inside(host, "web1", "wait-online", "eth0")
    at_start = nics(host)

    (would,) = play(host, [guest(nics=[LAB, BACK, USER])], check=True)
    plugged, again = play(host, [guest(nics=[LAB, BACK, USER]), guest(nics=[LAB, BACK, USER])])
    assert would.commands == plugged.commands
    orders = [json.loads(word) for word in plugged.commands[-1].split("'")[1].replace("}{", "}\n{").splitlines()]
    assert [order["execute"] for order in orders] == ["qmp_capabilities", "netdev_add", "device_add"]
    assert not again.changed and not again.warnings
    (after,) = plugged["guests"]
    assert after["pid"] == told["pid"] and not after["restart_required"]
    lab, back, user = after["macs"]
    for mac in (back, user):
        wait_for(host, seen(mac))
    assert bridges(host) == {"web1-lab": "br-lab", "web1-back": "br-back"}
    back_nic = inside(host, "web1", "sh", "-c", f"cd /sys/class/net; grep -l {back} */address").split("/")[0]
    inside(host, "web1", "sh", "-c", f"ip link set {back_nic} up; ip address add 198.51.100.2/24 dev {back_nic}")
    assert "1 packets received" in ping(host, BACK_ADDRESS)

    # To another network: the guest does not notice.
    (moved,) = play(host, [guest(nics=[LAB, {**BACK, "bridge": "br-other"}, USER])])
    assert moved.commands[1:] == ["ip link set dev web1-back master br-other"]
    assert set(nics(host)) == {lab, back, user}

    unplugged, again = play(host, [guest(nics=[LAB, USER]), guest(nics=[LAB, USER])])
    assert unplugged.commands[-1] == "ip link delete dev web1-back"
    assert not unplugged["guests"][0]["restart_required"]
    assert not again.changed
    assert set(nics(host)) == {lab, user}
    assert bridges(host) == {"web1-lab": "br-lab"}

    # Other options make it another device.
    replugged, replaced = play(
        host, [guest(nics=[BACK, USER, LAB]), guest(nics=[LAB, {**USER, "restrict": True}, BACK])]
    )
    assert [result["guests"][0]["restart_required"] for result in (replugged, replaced)] == [False, False]
    for mac in (back, user):
        wait_for(host, seen(mac))
    before = nics(host)
    assert at_start.items() < before.items()

    # The next start has everything where it was.
    (restarted,) = play(host, [guest(state="restarted")])
    assert restarted["guests"][0]["pid"] != told["pid"]
    assert nics(host) == before
    (again,) = play(host, [guest(nics=[LAB, {**USER, "restrict": True}, BACK])])
    assert not again.changed
    play(host, [guest(state="stopped")])
    assert bridges(host) == {}


def test_under_systemd(play, micro_cloud_image):
    with SystemdHost(f"systemd-hotplug-{os.getpid()}") as host:
        with_back(host)
        offer_tun(host, 0o666)
        options = bootable(host, micro_cloud_image, "ip=eth0:none ip=eth1:none")
        many = {**BACK, "queues": 2}
        (first,) = play(host, [guest(**options, nics=[LAB])])
        inside(host, "web1", "true")
        plugged, again = play(host, [guest(nics=[LAB, many]), guest(nics=[LAB, many])])
        assert plugged["guests"][0]["pid"] == first["guests"][0]["pid"]
        assert not plugged["guests"][0]["restart_required"] and not again.changed
        wait_for(host, seen(plugged["guests"][0]["macs"][1]))
        assert bridges(host) == {"web1-lab": "br-lab", "web1-back": "br-back"}
        (unplugged,) = play(host, [guest(nics=[many])])
        assert not unplugged["guests"][0]["restart_required"]
        assert set(nics(host)) == {plugged["guests"][0]["macs"][1]}
        # systemd removes the tap that was plugged in later.
        host.run(["systemctl", "stop", "virtnet-guest-web1.service"], timeout=50)
        assert bridges(host) == {}


def test_a_guest_that_does_not_let_go_keeps_its_nic(play, host):
    first, refused, again = play(
        host, [guest(**IDLE, nics=[LAB, BACK]), fails(guest(nics=[LAB])), guest(nics=[LAB, BACK])]
    )
    assert "its system has not released NIC 'back' after 1 s" in refused.msg
    assert refused.msg.endswith("Everything is as it was before")
    assert not again.changed
    assert again["guests"] == first["guests"]
    assert bridges(host) == {"web1-lab": "br-lab", "web1-back": "br-back"}
    (restarted,) = play(host, [guest(state="restarted", nics=[LAB])])
    assert bridges(host) == {"web1-lab": "br-lab"}
    assert not restarted["guests"][0]["restart_required"]


def test_what_cannot_be_plugged_in_is_told_and_done_by_a_restart(play, host):
    nic = {"type": "user"}
    _first, told, again, restarted, failed, pc, more = play(
        host,
        [
            guest(**IDLE, hotplug_slots=1),
            guest(nics=[nic, nic]),
            guest(nics=[nic, nic]),
            guest(nics=[nic, nic], allow_restart=True),
            fails(guest(nics=[nic, nic, {**BACK, "model": "e1000", "vectors": 3}])),
            guest("pc", **IDLE, machine="pc"),
            guest("pc", nics=[nic]),
        ],
    )
    assert told["guests"][0]["restart_required"] and again["guests"][0]["restart_required"]
    assert again.warnings == told.warnings == [
        "guest 'web1': while it runs, NIC 'nic1' cannot be plugged in: all 1 slots are taken; "
        "with more 'hotplug_slots' there are more after the next start"
    ]  # fmt: skip
    assert not again.changed
    assert not restarted["guests"][0]["restart_required"]
    assert failed.msg.endswith("Everything is as it was before")
    assert links(host) == {"lo", "br-lab", "br-back", "br-other"}
    assert more["guests"][0]["pid"] == pc["guests"][0]["pid"] and not more["guests"][0]["restart_required"]
    play(host, [guest(state="absent"), guest("pc", state="absent")])
    assert left_over(host) == ["br-back", "br-other"]
