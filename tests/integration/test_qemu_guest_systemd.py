# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Guests under a real systemd: it makes and removes their taps, starts them at boot, and shuts them down."""

from __future__ import annotations

import os

import pytest

from tests.integration.support.hypervisor import (
    IDLE,
    bootable,
    guest,
    inside,
    left_over,
    links,
    offer_tun,
    prepare,
    processes,
)
from tests.integration.support.systemd_host import SystemdHost

pytestmark = pytest.mark.newest_end

UNIT = "virtnet-guest-web1.service"
NIC = {"bridge": "br-lab"}


@pytest.fixture
def host():
    with SystemdHost(f"systemd-guests-{os.getpid()}") as host:
        prepare(host)
        offer_tun(host, 0o666)
        yield host


def state(host):
    return host.run(["systemctl", "show", "--property=ActiveState", "--value", UNIT]).stdout.strip()


@pytest.mark.both_ends
def test_a_guest_is_a_unit_with_its_taps(play, host, micro_cloud_image):
    options = {**bootable(host, micro_cloud_image), "nics": [NIC, {**NIC, "queues": 2}]}
    first, again = play(host, [guest(**options), guest(**options)])
    (told,) = first["guests"]
    assert told["running"] and state(host) == "active"
    assert not again.changed
    assert {"web1-0", "web1-1"} < links(host)
    (command,) = processes(host)
    assert "ifname=web1-0," in command and "ifname=web1-1,script=no,downscript=no,queues=2" in command
    assert first.commands[-1].startswith("/usr/bin/qemu-system-x86_64 ")

    # A stop by systemd, as when the host shuts down, is one by the power button.
    inside(host, "web1", "true")
    host.run(["systemctl", "stop", UNIT], timeout=50)
    assert state(host) == "inactive"
    assert "terminating on signal" not in host.run(["journalctl", "--output=cat", f"--unit={UNIT}"]).stdout
    assert links(host) == {"lo", "br-lab"}

    (absent,) = play(host, [guest(state="absent")])
    assert absent.changed
    assert left_over(host) == []


def test_a_guest_that_ends_by_itself_leaves_no_tap(play, host):
    (result,) = play(host, [guest(**IDLE, nics=[NIC])])
    assert "web1-0" in links(host)
    # To QEMU this signal is a command to end well.
    host.run(["kill", "-TERM", str(result["guests"][0]["pid"])])
    host.run(["systemctl", "stop", UNIT])
    assert state(host) == "inactive"
    assert links(host) == {"lo", "br-lab"}


def test_a_boot_starts_the_guests_that_are_to_start(play, host):
    nic = {"type": "user"}
    play(host, [guest(**IDLE, nics=[nic]), guest("web2", **IDLE, autostart=False)])
    host.reboot()
    assert [command.split()[2] for command in processes(host)] == ["web1"]
    (again,) = play(host, [guest(nics=[nic])])
    assert not again.changed
    host.run(["systemctl", "stop", UNIT])


def test_another_bridge_is_a_live_change_and_holds_at_the_next_start(play, host):
    host.run(["ip", "link", "add", "br-back", "type", "bridge"])
    moved, restarted, failed, again = play(
        host,
        [
            guest(**IDLE, nics=[NIC]),
            guest(nics=[{"bridge": "br-back"}]),
            guest(state="restarted"),
            guest(nics=[{"bridge": "br-back"}]),
        ],
    )
    assert moved["guests"][0]["pid"] == restarted["guests"][0]["pid"] != failed["guests"][0]["pid"]
    assert not again.changed
    assert "master br-back" in host.run(["ip", "link", "show", "web1-0"]).stdout


def test_scripts_are_run_by_systemd(play, host):
    for what in ("up", "down"):
        path = host.path(f"/run/{what}")
        path.write_text(f'#!/bin/sh\necho "{what} $1 $(id -un) $(cat /sys/class/net/$1/tx_queue_len)" >> /run/said\n')
        path.chmod(0o755)
    nic = {**NIC, "script": "/run/up", "downscript": "/run/down"}
    started, _stopped = play(host, [guest(**IDLE, nics=[nic]), guest(state="stopped")])
    assert started["guests"][0]["running"]
    said = [line.split() for line in host.path("/run/said").read_text().splitlines()]
    # The tap was there each time, or it would have no length of its queue.
    assert [(line[:3], len(line)) for line in said] == [(["up", "web1-0", "root"], 4), (["down", "web1-0", "root"], 4)]
    assert links(host) == {"lo", "br-lab"}
