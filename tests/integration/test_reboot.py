# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What networks are made of is there again after a reboot: a real systemd starts the units that make it."""

from __future__ import annotations

import difflib
import json
import os
import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.integration.support import Player
from tests.integration.support.systemd_host import SystemdHost
from tests.sandbox.snapshot import prune

FOLDER = "/etc/virtnet/boot"
UNITS = ("virtnet-firewall.service", "virtnet-network.service")
#: What a reboot ends, and our units make again.
SUBJECTS = ("links", "routes", "namespaces", "nftables", "iptables", "sysctls")
#: Ports are numbered in the order in which they joined, and pass through states after that.
NUMBERS = frozenset(["no", "id", "designated_port", "state"])

NETNS = {
    "virtnet.qemu.netns": {"name": "r1", "sysctls": {"net.ipv4.ip_forward": True, "net.ipv6.conf.all.forwarding": 1}}
}
BRIDGES = [
    {"name": "br-lab", "addresses": ["10.7.1.1/24", "fd00:7:1::1/64"], "stp": True, "mac": "52:54:00:00:00:01"},
    {"name": "b$x'*ü", "mtu": 1400, "mac": "52:54:00:00:00:02"},
    {"name": "br-in", "netns": "r1", "addresses": ["10.7.2.1/24"], "mac": "52:54:00:00:00:03", "ageing_time": 10},
]
VETHS = [
    {
        "name": "out1",
        "bridge": "br-lab",
        "mac": "52:54:00:00:00:04",
        "peer": {
            "name": "in1",
            "netns": "r1",
            "ifname": "up.link",
            "mac": "52:54:00:00:00:05",
            "addresses": ["10.7.1.2/24", "fd00:7:1::2/64"],
            "routes": [
                {"dst": "default", "gateway": "10.7.1.1"},
                {"dst": "::/0", "gateway": "fd00:7:1::1", "metric": 7},
            ],
        },
    },
    {"name": "late0", "mac": "52:54:00:00:00:06", "peer": {"name": "late1", "mac": "52:54:00:00:00:07"}},
]
TAPS = [{"name": "t0", "bridge": "br-lab", "owner": "nobody", "isolated": True, "mac": "52:54:00:00:00:08"}]
#: The bridge takes a port that comes after it.
LATE = {"virtnet.qemu.bridge": {"name": "br-lab", "ports": ["late0"]}}
OF_A_LINK = {"virtnet.qemu.netns": {"name": "r1", "sysctls": {"net.ipv4.conf.up/link.rp_filter": 2}}}
ADDRESS = {"virtnet.qemu.address": {"name": "late1", "addresses": ["192.0.2.20/24", "2001:db8:1::20/64"]}}
FIREWALLS = [
    {"name": "lab", "bridge": "br-lab", "model": "nat", "subnets": ["10.7.1.0/24", "fd00:7:1::/64"], "dhcp": True},
    {"name": "in", "netns": "r1", "bridge": "br-in", "model": "isolated"},
]
RULES = [
    {"name": "out", "network": "lab", "action": "masquerade", "source": "10.7.1.0/24"},
    {"name": "web", "network": "lab", "action": "dnat", "protocol": "tcp", "destination_port": "80"}
    | {"to_address": "10.7.1.11", "to_port": "8080"},
    {"name": "out", "network": "in", "netns": "r1", "action": "masquerade", "source": "10.7.2.0/24"},
]
GUARD = {"virtnet.qemu.nic_guard": {"name": "t0", "mac": "52:54:00:00:00:11", "addresses": ["10.7.1.11"]}}
TASKS = [
    NETNS,
    {"virtnet.qemu.bridge": {"config": BRIDGES}},
    {"virtnet.qemu.veth": {"config": VETHS}},
    {"virtnet.qemu.tap": {"config": TAPS}},
    LATE,
    OF_A_LINK,
    ADDRESS,
    {"virtnet.qemu.network_firewall": {"config": FIREWALLS}},
    {"virtnet.qemu.nat_rule": {"config": RULES}},
    GUARD,
]


@pytest.fixture
def host() -> Iterator[SystemdHost]:
    with SystemdHost(f"systemd-boot-{os.getpid()}") as host:
        # As on any host that is booted, lo is up before anything else.
        host.run(["ip", "link", "set", "lo", "up"])
        yield host


def picture(host: SystemdHost) -> dict[str, Any]:
    """All that may be compared, as soon as no address is being looked for on the network any more."""
    for inside in ([], ["-n", "r1"]):
        while host.run(["ip", *inside, "-6", "address", "show", "tentative"], check=False).stdout:
            time.sleep(0.1)
    snapshot = host.snapshot()
    return {subject: prune(snapshot[subject], NUMBERS) for subject in SUBJECTS}


def assert_same(now: dict[str, Any], before: dict[str, Any]) -> None:
    """Line by line, for whoever has to read what differs."""
    texts = [json.dumps(picture, indent=1, sort_keys=True).splitlines() for picture in (before, now)]
    if said := "\n".join(difflib.unified_diff(*texts, "before", "now", lineterm="", n=12)):
        pytest.fail(said, pytrace=False)


def forget(host: SystemdHost) -> None:
    """What a reboot does to the network: the sandbox host's outlives its processes."""
    for entry in json.loads(host.run(["ip", "-j", "link"]).stdout):
        if entry["ifname"] != "lo":
            host.run(["ip", "link", "delete", "dev", entry["ifname"]], check=False)
    host.run(["ip", "-all", "netns", "delete"])
    host.run(["nft", "flush", "ruleset"])


def reboot(host: SystemdHost) -> None:
    forget(host)
    host.reboot()


def failed_units(host: SystemdHost) -> list[str]:
    said = host.run(["systemctl", "list-units", "--failed", "--plain", "--no-legend"]).stdout
    return [line.split()[0] for line in said.splitlines()]


def log(host: SystemdHost, unit: str) -> str:
    return host.run(["journalctl", "--output=cat", f"--unit={unit}"]).stdout


def files(host: SystemdHost) -> set[str]:
    root = host.path(FOLDER)
    return {str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()}


def test_all_of_it_is_there_again(play: Player, host: SystemdHost):
    bare = picture(host)
    checked = play(host, TASKS[:2], check=True)
    made = play(host, TASKS)
    assert [f"write {FOLDER}/netns/r1.sh" in result.commands for result in (checked[0], made[0])] == [True, True]
    before = picture(host)
    assert before != bare
    assert not [result.commands for result in play(host, TASKS) if result.changed]
    host.run(["systemd-analyze", "verify", *(f"/etc/systemd/system/{unit}" for unit in UNITS)])
    reboot(host)
    assert failed_units(host) == [], [log(host, unit) for unit in UNITS]
    assert_same(picture(host), before)
    assert not [result.commands for result in play(host, TASKS) if result.changed]
    assert_same(picture(host), before)
