# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What networks are made of is there again after a reboot: a real systemd starts the units that make it."""

from __future__ import annotations

import difflib
import json
import os
import re
import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.integration.support import Player, fails
from tests.integration.support.links import await_duplicates
from tests.integration.support.systemd_host import SystemdHost
from tests.sandbox.snapshot import prune

FOLDER = "/etc/virtnet/boot"
UNITS = ("virtnet-firewall.service", "virtnet-network.service")
#: What a reboot ends, and our units make again.
SUBJECTS = ("links", "routes", "namespaces", "nftables", "iptables", "sysctls")
#: Ports are numbered in the order in which they joined, and pass through states after that.
NUMBERS = frozenset(["no", "id", "designated_port", "state"])
#: MAC addresses that nobody gave, and link-local addresses made of them.
PICKED = r'"(?:(?!52:54)[0-9a-f]{2}(?::[0-9a-f]{2}){5}|fe80::(?!5054)[0-9a-f:]+)"'

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
OUTSIDE = {"virtnet.qemu.bridge": {"name": "br-ex", "addresses": ["192.0.2.1/24"], "mac": "52:54:00:00:00:09"}}
NETWORKS = [
    {"name": "lab", "model": "nat", "subnet": "10.7.1.0/24", "subnet6": "fd00:7:1::/64", "uplink": "br-ex"}
    | {"one_to_one": [{"external_address": "192.0.2.77", "address": "10.7.1.12"}]},
    {"name": "back", "model": "isolated", "subnet": "10.7.2.0/24"},
    {"name": "only", "model": "isolated", "subnet": "10.7.3.0/24", "host_address": True},
    {"name": "dmz", "model": "routed", "subnet": "10.7.4.0/24", "subnet6": "2001:db8:4::/64"},
    {"name": "r1", "model": "nat", "subnet": "10.7.9.0/24", "gateway": "namespace", "external_bridge": "br-ex"}
    | {"external_addresses": ["192.0.2.51/24"], "external_gateways": ["192.0.2.1"]},
]


@pytest.fixture
def host() -> Iterator[SystemdHost]:
    with SystemdHost(f"systemd-boot-{os.getpid()}") as host:
        # As on any host that is booted, lo is up before anything else.
        host.run(["ip", "link", "set", "lo", "up"])
        yield host


def picture(host: SystemdHost, *namespaces: str) -> dict[str, Any]:
    """All that may be compared, as soon as no address is being looked for on the network any more."""
    for inside in ([], *(["-n", netns] for netns in namespaces or ["r1"])):
        await_duplicates(host, *inside)
    snapshot = host.snapshot()
    text = json.dumps({subject: prune(snapshot[subject], NUMBERS) for subject in SUBJECTS})
    return json.loads(re.sub(PICKED, '"picked"', text))


def sorted_lists(data: Any) -> Any:
    if isinstance(data, dict):
        return {key: sorted_lists(value) for key, value in data.items()}
    return sorted(map(sorted_lists, data), key=json.dumps) if isinstance(data, list) else data


def assert_same(now: dict[str, Any], before: dict[str, Any]) -> None:
    """Line by line, for whoever has to read what differs."""
    texts = [json.dumps(sorted_lists(picture), indent=1, sort_keys=True).splitlines() for picture in (before, now)]
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


def units(host: SystemdHost, pattern: str) -> set[str]:
    """The units that are active, whether they run or have done what they were for."""
    said = host.run(["systemctl", "list-units", "--state=active", "--plain", "--no-legend", pattern]).stdout
    return {line.split()[0] for line in said.splitlines()}


def absent(module: str, name: str) -> dict[str, Any]:
    return {f"virtnet.qemu.{module}": {"name": name, "state": "absent"}}


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


def test_roles_networks_are_there_again_with_their_dnsmasq(play: Player, host: SystemdHost):
    role = {"ansible.builtin.include_role": {"name": "virtnet.qemu.networks"}, "vars": {"networks_list": NETWORKS}}
    play(host, [OUTSIDE, role])
    before = picture(host, "vn-r1", "vn-back")
    running = units(host, "virtnet-*.service")
    assert len(running) == len(NETWORKS) + len(UNITS)
    reboot(host)
    assert failed_units(host) == [], [log(host, unit) for unit in failed_units(host)]
    assert_same(picture(host, "vn-r1", "vn-back"), before)
    assert units(host, "virtnet-*.service") == running
    assert not [result.commands for result in play(host, [role]) if result.changed]
    role["ansible.builtin.include_role"]["tasks_from"] = "teardown"
    play(host, [role, absent("bridge", "br-ex")])
    assert not host.path(FOLDER).exists() and units(host, "virtnet-*.service") == set()
    assert not list(host.path("/etc/systemd/system").rglob("virtnet-*"))


def test_a_broken_file_does_not_stop_the_others(play: Player, host: SystemdHost):
    play(host, TASKS[:4])
    play(host, [{"virtnet.qemu.network_firewall": {"config": FIREWALLS}}])
    before = picture(host)
    broken = {
        "bridge/0.sh": "ip link add dev x0 type bridge\nip link set dev x0 'ups",
        "network_firewall/0.nft": "add nonsense",
        "netns/0.sh": "unless false\nfalse",
    }
    for name, text in broken.items():
        host.path(f"{FOLDER}/{name}").write_text(text)
    reboot(host)
    assert failed_units(host) == list(UNITS)
    said = log(host, UNITS[0]) + log(host, UNITS[1])
    for line in (
        "bridge/0.sh: failed: ip link set dev x0 'ups",
        "network_firewall/0.nft: failed:",
        "netns/0.sh: failed:",
    ):
        assert f"{FOLDER}/{line}" in said
    host.run(["ip", "link", "delete", "x0"])
    assert_same(picture(host), before)


def test_a_restart_of_the_units_leaves_a_live_host_as_it_is(play: Player, host: SystemdHost):
    play(host, TASKS)
    before = picture(host)
    for verb in ("restart", "stop", "start"):
        host.run(["systemctl", verb, *UNITS])
    assert failed_units(host) == [], [log(host, unit) for unit in UNITS]
    assert_same(picture(host), before)


FLUSHING = """\
[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/usr/sbin/nft flush ruleset
ExecReload=/usr/sbin/nft flush ruleset
ExecStop=/usr/sbin/nft flush ruleset
"""


@pytest.mark.parametrize("verbs", [["restart"], ["reload"], ["stop", "start"]], ids="-".join)
def test_rules_outlive_what_the_hosts_own_nftables_flushes(play: Player, host: SystemdHost, verbs):
    host.path("/etc/systemd/system/nftables.service").write_text(FLUSHING)
    host.run(["systemctl", "daemon-reload"])
    host.run(["systemctl", "start", "nftables.service"])
    backend = {"backend": "iptables"}
    play(
        host,
        [
            {"virtnet.qemu.bridge": {"config": BRIDGES[:1]}},
            {"virtnet.qemu.network_firewall": {"config": FIREWALLS[:1]}},
            {"virtnet.qemu.nat_rule": {"config": RULES[:2], **backend}},
        ],
    )
    before = picture(host)
    assert any("vn-" in line for line in before["iptables"])
    for verb in verbs:
        host.run(["systemctl", verb, "nftables.service"])
    await_jobs(host)
    host.run(["systemctl", "is-active", *UNITS])
    assert_same(picture(host), before)


def await_jobs(host: SystemdHost) -> None:
    """What the job of one unit brings about for others are jobs of theirs, which systemctl does not wait for."""
    end = time.monotonic() + 60
    while host.run(["systemctl", "list-jobs", "--no-legend"]).stdout:
        assert time.monotonic() < end
        # systemctl can only be asked for them.
        time.sleep(0.05)


def bridge(**options: Any) -> dict[str, Any]:
    return {"virtnet.qemu.bridge": options}


def test_a_file_lives_as_long_as_what_it_makes(play: Player, host: SystemdHost):
    every = {"run.sh", "bridge/br0.sh"}
    one = bridge(name="br0", addresses=["10.1.0.1/24"])
    (checked,) = play(host, [one], check=True, diff=True)
    assert files(host) == set()
    made, again = play(host, [one, one])
    assert made.changed and not again.changed and made.commands == checked.commands
    shown = {entry["file"] for entry in made["after"] if "file" in entry}
    assert shown == {f"{FOLDER}/{name}" for name in every} | {f"/etc/systemd/system/{unit}" for unit in UNITS}
    assert f"systemctl enable --now {UNITS[0]}" in made.commands
    assert files(host) == every

    # What a run does not say, an earlier one said.
    text = host.path(f"{FOLDER}/bridge/br0.sh").read_text()
    more, _less = play(host, [bridge(name="br0", mtu=1400), one])
    assert more.commands == ["ip link set dev br0 mtu 1400", f"write {FOLDER}/bridge/br0.sh"]
    assert "ip address add 10.1.0.1/24 dev br0\nip link set dev br0 up\n" in text
    grown = host.path(f"{FOLDER}/bridge/br0.sh").read_text()
    assert grown.splitlines()[3:] == [*text.splitlines()[3:5], "ip link set dev br0 mtu 1400", *text.splitlines()[5:]]

    # A missing or a changed file, and a disabled unit, are repaired.
    host.path(f"{FOLDER}/bridge/br0.sh").unlink()
    host.run(["systemctl", "disable", UNITS[1]])
    checked, repaired = play(host, [bridge(name="br0")], check=True) + play(host, [one])
    assert checked.changed and f"write {FOLDER}/bridge/br0.sh" in checked.commands
    assert repaired.commands[0] == f"write {FOLDER}/bridge/br0.sh"
    assert f"systemctl enable --now {UNITS[1]}" in repaired.commands
    assert host.run(["systemctl", "is-enabled", *UNITS]).stdout.split() == ["enabled"] * 2

    # None, and again.
    none, idle, back = play(host, [bridge(name="br0", persist="none")] * 2 + [one])
    assert none.changed and not idle.changed and back.changed
    assert files(host) == every

    others = bridge(config=[{"name": "br1"}, {"name": "br2"}])
    _made, purged = play(host, [others, bridge(config=[{"name": "br2"}], purge=True)])
    assert f"rm {FOLDER}/bridge/br0.sh" in purged.commands
    assert files(host) == {"run.sh", "bridge/br2.sh"}
    # Somebody's hands were quicker.
    host.run(["ip", "link", "delete", "br2"])
    gone, idle = play(host, [absent("bridge", "br2")] * 2)
    assert gone.changed and not idle.changed
    assert not host.path(FOLDER).exists()
    assert not list(host.path("/etc/systemd/system").rglob("virtnet-*"))


def test_a_removed_namespace_takes_all_files_of_what_was_in_it(play: Player, host: SystemdHost):
    play(host, TASKS)
    assert {"veth/out1+up.link@r1.sh", "network_firewall/inet@r1.nft", "nat_rule/inet@r1.nft"} < files(host)
    play(host, [absent("veth", "late1"), absent("netns", "r1")])
    assert files(host) == {
        *("run.sh", "bridge/br-lab.sh", "bridge/b%24x%27%2A%C3%BC.sh", "tap/t0.sh"),
        *("network_firewall/inet.nft", "nat_rule/inet.nft", "nic_guard/bridge.nft"),
    }


def test_what_cannot_be_kept_is_not_made(play: Player, host: SystemdHost):
    play(host, [bridge(name="br0")])
    before = picture(host), files(host)
    host.path(f"{FOLDER}/tap").write_text("a file in the way")
    (failed,) = play(host, [fails({"virtnet.qemu.tap": {"name": "t0"}})])
    assert f"{FOLDER}/tap" in failed.msg and "Everything is as it was before" in failed.msg
    host.path(f"{FOLDER}/tap").unlink()
    assert (picture(host), files(host)) == before
