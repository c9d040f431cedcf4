# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Somebody deletes or changes by hand what site.yml made; the next run says what it repairs, and repairs it."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.integration.support import Player, fails
from tests.integration.support.hypervisor import IDLE, USER, bootable, guest, inside, offer_tun, prepare
from tests.integration.support.results import TaskResult
from tests.integration.support.systemd_host import SystemdHost
from tests.sandbox import LanHost, Sandbox

pytestmark = pytest.mark.full

LAN = LanHost.ADDRESS
NETWORKS = [
    {"name": "lab", "model": "nat", "subnet": "10.7.1.0/24", "forwards": [{"port": 2222, "guest": "web1"}]},
    {"name": "back", "model": "isolated", "subnet": "10.7.2.0/24"},
    {"name": "only", "model": "isolated", "subnet": "10.7.3.0/24", "host_address": True},
]
GUESTS = [
    {"name": "web1", "nics": [{"network": "lab", "address": "10.7.1.11"}, {"network": "back", "address": "10.7.2.11"}]},
    {"name": "db1", "nics": [{"network": "back", "address": "10.7.2.12"}]},
]
BOOT = "/etc/virtnet/boot"


class Site:
    """A host with two networks and two guests that site.yml made, and somebody whose hands are quicker."""

    def __init__(self, play: Player, host: Sandbox, defaults: dict[str, Any]) -> None:
        self.host = host
        self._play = play
        self._variables = {"virtnet_networks": NETWORKS, "virtnet_guests": GUESTS, "guests_defaults": defaults}

    def run(self, **options: Any) -> list[TaskResult]:
        # What the host itself needs is there.
        tags = ["--tags=virtnet_networks,virtnet_guests"]
        results = self._play.playbook(self.host, "virtnet.qemu.site", vars=self._variables, arguments=tags, **options)
        return [result for result in results if "commands" in result]

    def by_hand(self, *lines: str) -> None:
        for line in lines:
            self.host.run(["sh", "-c", line])

    def pids(self) -> str:
        return self.host.run(["pgrep", "--full", "^/usr/bin/qemu-system"]).stdout

    def check_paths(self) -> None:
        """The LAN by NAT, the other guest, and dnsmasq, of which each NIC gets its address anew."""
        # The guest's own client first, as two of them would take the address from each other.
        script = "for nic in eth0 eth1; do wait-online $nic; udhcpc -n -q -t 20 -i $nic || exit; done"
        said = inside(self.host, "web1", "sh", "-c", f"({script}; ping -c1 -W10 {LAN}; ping -c1 -W10 10.7.2.12) 2>&1")
        assert all(address in said for address in ("10.7.1.11", "10.7.2.11")), said
        assert said.count("1 packets received") == 2, said


def repaired(results: Iterable[TaskResult]) -> set[str]:
    """What a run says it repaired: by each module's result, and the same by a warning."""
    found = set()
    for result in results:
        about = [warning for warning in result.warnings if warning.startswith("changed by hand")]
        assert len(about) == bool(result["repaired"]) and all(text in about[0] for text in result["repaired"])
        assert result.changed or not result["repaired"]
        found.update(result["repaired"])
    return found


def changes(results: Iterable[TaskResult]) -> dict[str, list[str]]:
    return {result.task: result.commands for result in results if result.changed}


@contextmanager
def made(host: Sandbox, play: Player, image: Path) -> Iterator[Site]:
    """A site whose guests reach what they are to reach."""
    with host, LanHost(f"{host.name}-lan") as lan:
        host.run(["useradd", "--system", "--no-create-home", "--shell", "/usr/sbin/nologin", USER])
        host.run(["ip", "link", "set", "lo", "up"])
        offer_tun(host, 0o666)
        lan.connect(host)
        site = Site(play, host, bootable(host, image, "ip=eth0:dhcp ip=eth1:dhcp"))
        assert repaired(site.run()) == set()
        for guest in ("web1", "db1"):
            inside(host, guest, "wait-online", "eth0")
        site.check_paths()
        yield site


#: What somebody types.
BY_HAND = [
    *("ip link delete br-lab", "ip link delete web1-1", "ip link set db1-0 nomaster down", "ip netns delete vn-back"),
    *("ip address flush dev br-only", "sysctl -w net.ipv4.ip_forward=0"),
    *("nft delete table inet virtnet_filter", "nft delete table bridge virtnet_guard"),
    *("nft flush map inet virtnet_nat forward4", "nft flush chain inet virtnet_nat post-lab"),
]
#: And where systemd runs the host.
BY_SYSTEMCTL = [
    "systemctl disable --now virtnet-dnsmasq-lab.service",
    "systemctl disable virtnet-guest-web1.service virtnet-network.service",
    f"rm {BOOT}/bridge/br-back.sh",
    f"echo 'ip link set dev br-lab down' >> {BOOT}/bridge/br-lab.sh",
    "echo port=5353 >> /etc/virtnet/dnsmasq/back.conf",
]
#: What is known without boot files.
SAID = {
    "kernel parameter net.ipv4.ip_forward: was 0",
    "dnsmasq back: did not serve its interface any more",
    "guest web1: tap web1-1 was gone",
    "guest db1: tap db1-0 was off bridge br-back",
    "guest db1: tap db1-0 was down",
}
SAID_WITH_SYSTEMD = {
    *SAID,
    "namespace vn-back: was gone",
    "unit virtnet-network.service: was removed or disabled",
    "rules of virtnet_filter: all were gone",
    "rules of virtnet_filter in namespace vn-back: all were gone",
    "bridge br-lab: was gone",
    "bridge br-only: address 10.7.3.1/24 was gone",
    f"file {BOOT}/bridge/br-lab.sh: was changed",
    f"file {BOOT}/bridge/br-back.sh: was gone",
    "veth vih-back: was gone",
    "dnsmasq lab: did not run",
    "dnsmasq lab: its service was removed, changed or disabled",
    "dnsmasq back: file /etc/virtnet/dnsmasq/back.conf was changed",
    "guest web1: its service was removed, changed or disabled",
    "rules of virtnet_guard: all were gone",
}


def test_the_next_run_repairs_it_and_says_so(play: Player, micro_cloud_image: Path):
    with made(SystemdHost(f"drift-{os.getpid()}"), play, micro_cloud_image) as site:
        pids = site.pids()
        site.by_hand(*BY_HAND, *BY_SYSTEMCTL)
        would, did = repaired(site.run(check=True)), site.run()
        said = repaired(did)
        rules = {text for text in said if text.startswith("rules of virtnet_nat: ")}
        assert said - rules == SAID_WITH_SYSTEMD
        assert any("forward4 { tcp . 2222" in text for text in rules)
        assert any("post-lab" in text and "masquerade" in text for text in rules)
        # The run itself has the bridge take back this one, and dnsmasq find its address by itself.
        assert would - said == {
            "guest web1: tap web1-0 was off bridge br-lab",
            "dnsmasq only: did not serve its interface any more",
        }
        assert site.pids() == pids
        site.check_paths()
        assert changes(site.run()) == {}


def test_the_same_without_systemd(play: Player, micro_cloud_image: Path):
    with made(Sandbox(f"drift-{os.getpid()}"), play, micro_cloud_image) as site:
        pids = site.pids()
        site.by_hand(*BY_HAND)
        assert repaired(site.run()) == {*SAID, "dnsmasq lab: did not serve its interface any more"}
        assert site.pids() == pids
        site.check_paths()
        assert changes(site.run()) == {}


NIC = {"bridge": "br-lab", "isolated": True}


def test_a_bridge_alone_takes_its_guests_back(play: Player, host: Sandbox):
    prepare(host)
    host.run(["ip", "link", "delete", "br-lab"])
    bridge = {"virtnet.qemu.bridge": {"name": "br-lab"}}
    _made, first = play(host, [bridge, guest(**IDLE, nics=[NIC])])
    host.run(["ip", "link", "delete", "br-lab"])
    would, missing = play(host, [bridge, guest(nics=[NIC])], check=True)
    assert "there is no bridge 'br-lab'; make it first (in check mode" in missing.warnings[0]
    failed, made, again, idle = play(host, [fails(guest(nics=[NIC])), bridge, bridge, guest(nics=[NIC])])
    assert failed.msg == "guest 'web1': nics[0].bridge: there is no bridge 'br-lab'; make it first"
    assert made.commands == would.commands
    assert made.commands[-2:] == [
        "ip link set dev web1-0 master br-lab up",
        "bridge link set dev web1-0 isolated on",
    ]
    assert not again.changed and not idle.changed
    assert idle["guests"] == first["guests"]


def test_a_tap_that_is_gone_waits_for_a_guest_that_lets_go(play: Player, host: Sandbox):
    """Nothing runs in that guest which would release its NIC."""
    prepare(host)
    (first,) = play(host, [guest(**IDLE, nics=[NIC])])
    host.run(["ip", "link", "delete", "web1-0"])
    failed, restarted = play(host, [fails(guest(nics=[NIC])), guest(state="restarted")])
    assert "its system has not released NIC 'nic0' after 1 s" in failed.msg
    assert failed.msg.endswith("Everything is as it was before")
    assert restarted["guests"][0]["pid"] != first["guests"][0]["pid"]
    (again,) = play(host, [guest(nics=[NIC])])
    assert not again.changed
