# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The role verify and its playbook: networks of every model, made by the role networks, on one host."""

from __future__ import annotations

import time
from typing import Any

import pytest

from tests.integration.support import Player, TaskResult
from tests.integration.support.links import network
from tests.sandbox import LanHost, Sandbox

pytestmark = pytest.mark.newest_end

OTHERS, TO_LAN = "guest to other networks", {"guest to LAN router (192.0.2.1)", "guest to LAN 192.0.2.1:80"}
NETWORKS = [
    {"name": "lab", "model": "nat", "subnet": "10.9.0.0/24", "subnet6": "fd00:9::/64"},
    {"name": "still", "model": "nat", "subnet": "10.9.1.0/24", "dhcp": False, "dns": False},
    {"name": "dmz", "model": "routed", "subnet": "10.9.2.0/24", "subnet6": "fd00:9:2::/64"},
    {"name": "wire", "model": "isolated"},
    {"name": "back", "model": "isolated", "subnet": "10.9.4.0/24"},
    {"name": "hostonly", "model": "isolated", "subnet": "10.9.5.0/24", "host_address": True, "stp": True},
    {"name": "inner", "model": "nat", "subnet": "10.9.4.0/24", "gateway": "namespace"}
    | {"external_bridge": "br-ex", "external_addresses": ["192.0.2.77/24"], "external_gateways": [LanHost.ADDRESS]},
]
BRIDGED = {"name": "lan", "model": "bridged", "uplink": "uplink0", "bridge": "br-ex"}
OWN = {"lan": ["192.0.2.80/24", "192.0.2.81/24"]}
GUESTS = [{"name": "web1", "nics": [{"network": "still", "address": "10.9.1.254"}]}]
TARGETS = [
    {"address": LanHost.ADDRESS, "name": "router"},
    {"address": LanHost.ADDRESS6, "name": "router6"},
    {"address": LanHost.ADDRESS, "port": 80},
]


def role(name: str, **variables: Any) -> dict[str, Any]:
    return {"ansible.builtin.include_role": {"name": f"virtnet.qemu.{name}"}, "vars": variables}


def make(entries: list[dict[str, Any]]) -> dict[str, Any]:
    return role("networks", networks_list=entries, networks_guests=GUESTS)


def verify(entries: list[dict[str, Any]], **options: Any) -> dict[str, Any]:
    given = {"verify_networks": entries, "verify_guests": GUESTS, "verify_lan_targets": TARGETS, **options}
    return role("verify", **given)


def probed(results: list[TaskResult]) -> TaskResult:
    (result,) = [result for result in results if "table" in result]
    return result


@pytest.fixture
def site(host: Sandbox, lan: LanHost) -> Sandbox:
    """A host whose uplink is a port of ``br-ex``, which has its addresses; the LAN knows the way to ``dmz``."""
    moves = [
        "link add br-ex type bridge stp_state 0 forward_delay 0",
        "link set br-ex up",
        "address flush dev uplink0 scope global",
        "link set uplink0 master br-ex",
        "address add 192.0.2.10/24 dev br-ex",
        "address add 2001:db8:1::10/64 dev br-ex nodad",
        "route replace default via 192.0.2.1",
        "route replace default via 2001:db8:1::1",
    ]
    host.run(["ip", "-batch", "-"], input="\n".join(moves) + "\n")
    for route in ("10.9.2.0/24 via 192.0.2.10", "fd00:9:2::/64 via 2001:db8:1::10"):
        lan.run(["ip", "route", "add", *route.split()])
    return host


@pytest.fixture
def neighbour(lan: LanHost, new_host) -> Sandbox:
    """Another host on the LAN, which knows no way to any network."""
    host = new_host()
    lan.connect(host, 11)
    return host


def still(host: Sandbox) -> dict[str, Any]:
    """What must be the same again; a bridge with STP forgets addresses faster for a while after a port came or went."""
    return {fact: value for fact, value in network(host).items() if not fact.endswith(" ageing_time")}


def test_networks_of_every_model_keep_their_promises(play: Player, site: Sandbox, neighbour: Sandbox) -> None:
    play(site, [make(NETWORKS)])
    before = still(site), still(neighbour)
    task = verify([*NETWORKS, BRIDGED], verify_addresses=OWN, verify_neighbour=neighbour.name)
    results = play([site, neighbour], [{**task, "when": f"inventory_hostname == '{site.name}'"}])
    first, second = [result for result in results if "table" in result]
    print(first["table"], second["table"], sep="\n")
    assert first["broken"] == second["broken"] == ""
    asked = {(row["network"], row["seen"], row["ok"]) for row in second["results"]}
    isolated = {("wire", "no", True), ("back", "no", True), ("hostonly", "no", True), ("inner", "no", True)}
    assert asked == {("lab", "no", True), ("still", "no", True), ("dmz", "yes", True), ("lan", "yes", True), *isolated}
    assert (still(site), still(neighbour)) == before


def test_what_is_broken_is_named(play: Player, site: Sandbox, neighbour: Sandbox) -> None:
    """Without the firewall the LAN, and other networks, reach guests."""
    entries = [NETWORKS[0], NETWORKS[4]]
    play(site, [make(entries), {"ansible.builtin.shell": "nft delete table inet virtnet_filter"}])
    before = still(site)
    task = verify(entries, verify_neighbour=neighbour.name)
    run = play.start([site, neighbour], [{**task, "when": f"inventory_hostname == '{site.name}'"}])
    (failed,) = [result for result in run.finish() if result.failed]
    assert "network 'lab': guest to other networks" not in failed.msg
    assert "network 'lab': LAN to guest: expected no, seen yes" in failed.msg
    assert still(site) == before


def test_a_bridged_network_is_probed_with_leases_of_the_lan(play: Player, site: Sandbox, lan: LanHost) -> None:
    """Nobody promises that there is a server, so without one there is nothing to be checked."""
    before = network(site)
    nobody = probed(play(site, [verify([BRIDGED])]))
    assert nobody["broken"] == ""
    assert {row["ok"] for row in nobody["results"]} == {None}
    lan.run(
        ["dnsmasq", "--conf-file=/dev/null", "--port=0", "--user=root", "--pid-file=/run/dhcp.pid", "--interface=lan"]
        + ["--except-interface=lo", "--bind-interfaces", "--dhcp-range=192.0.2.100,192.0.2.109", "--dhcp-authoritative"]
        + ["--dhcp-leasefile=/run/dhcp.leases", f"--dhcp-option=option:router,{LanHost.ADDRESS}"]
    )
    with_leases = probed(play(site, [verify([BRIDGED])]))
    rows = {row["check"]: row for row in with_leases["results"]}
    checked = {"guest gets lease", "guest to guest", "guest to gateway", "guest to host", "host to guest", *TO_LAN}
    assert {check for check, row in rows.items() if row["ok"]} == checked, with_leases["table"]
    assert with_leases["broken"] == ""
    assert network(site) == before
    assert lan.path("/run/dhcp.leases").read_text() == ""


JOIN = "ip link add j0 up master br-wire type veth peer name j1 && ip link set j1 up master br-dmz"
MUTE = """nft 'table bridge t {
    chain f { type filter hook forward priority 0; iifname "vnprobe*" oifname "vnprobe*" drop; }
}'"""
TO_LAN6 = "guest to LAN router6 (2001:db8:1::1)"
#: What goes wrong on a host, how that is undone, and the checks that fail then, by network.
BREAKS = {
    "two bridges joined": (JOIN, "ip link del j0", {"wire": {OTHERS}, "dmz": {OTHERS}}),
    "no firewall": (
        "nft list table inet virtnet_filter > /run/saved && nft delete table inet virtnet_filter",
        "nft -f /run/saved",
        # Some of it one way only: no answer finds back.
        {"wire": {"guest to host", "host to guest", OTHERS}, **{name: {OTHERS} for name in ("dmz", "still", "lan")}},
    ),
    "an isolated network let out": (
        "nft insert rule inet virtnet_filter input iifname br-wire accept",
        "nft delete table inet virtnet_filter && nft -f /run/saved",
        {"wire": {"guest to host"}},
    ),
    "no IPv6 forwarding": (
        "sysctl -w net.ipv6.conf.all.forwarding=0",
        "sysctl -w net.ipv6.conf.all.forwarding=1 && ip route replace default via 2001:db8:1::1",
        {"dmz": {TO_LAN6}},
    ),
    "no uplink": (
        "ip link set uplink0 nomaster",
        "ip link set uplink0 master br-ex",
        {"still": TO_LAN, "dmz": {*TO_LAN, TO_LAN6}, "lan": TO_LAN},
    ),
    "mute guests": (
        MUTE,
        "nft delete table bridge t",
        {name: {"guest to guest"} for name in ("still", "dmz", "wire", "lan")},
    ),
}


def test_each_broken_promise_is_found(play: Player, site: Sandbox, lan: LanHost) -> None:
    """One after the other on one host; only the checks that it is about fail."""
    entries = [{**entry, "dhcp": False, "dns": False} if "subnet" in entry else entry for entry in NETWORKS[1:4]]
    config = "{{ entries | virtnet.qemu.probed_networks(guests, 'host', 'virtnet', targets, own) }}"
    task = {"virtnet.qemu.network_probe": {"config": config}}
    variables = {"entries": [*entries, BRIDGED], "guests": GUESTS, "targets": TARGETS, "own": OWN}
    steps = [({"ansible.builtin.shell": d}, task, {"ansible.builtin.shell": u}) for d, u, _failing in BREAKS.values()]
    results = play(site, [make(entries), task, *(task for step in steps for task in step), task], vars=variables)
    sound, *found, again = [failing(result) for result in results if "table" in result]
    assert sound == again == {}
    assert dict(zip(BREAKS, found, strict=True)) == {name: checks for name, (_do, _undo, checks) in BREAKS.items()}
    lan.run(["ip", "route", "delete", "10.9.2.0/24"])
    (unrouted,) = play(site, [task], vars=variables)
    assert failing(unrouted) == {"dmz": TO_LAN}
    assert "seen no (no answer; has the LAN a route back?)" in unrouted["broken"]


def failing(result: TaskResult) -> dict[str, set[str]]:
    """The checks that fail, by network."""
    found: dict[str, set[str]] = {}
    for row in result["results"]:
        if row["ok"] is False:
            found.setdefault(row["network"], set()).add(row["check"])
    return found


def test_the_playbook_asks_the_default_gateway(play: Player, host: Sandbox, lan: LanHost) -> None:
    entries = [NETWORKS[0] | {"dns": False}, NETWORKS[1]]
    play(host, [make(entries)])
    variables = {"virtnet_networks": entries, "virtnet_guests": GUESTS}
    checked = probed(play.playbook(host, "virtnet.qemu.verify", vars=variables, check=True))
    results = play.playbook(host, "virtnet.qemu.verify", vars=variables)
    assert not any(result.changed for result in results)
    rows = {(row["network"], row["check"]): row for row in probed(results)["results"]}
    assert rows["lab", "guest to LAN gateway (192.0.2.1)"]["ok"] is True
    # Not the one that a guest of the inventory has.
    assert "10.9.1.254" not in str(results)
    assert set(rows) == {(row["network"], row["check"]) for row in checked["results"]}
    (shown,) = [result for result in results if "lab " in str(result.get("msg"))]
    assert shown["msg"][0].split() == ["network", "check", "expected", "seen"]


def test_as_many_tasks_for_ten_networks_as_for_one_and_in_seconds(play: Player, host: Sandbox, lan: LanHost) -> None:
    entries = [{"name": f"net{n}", "model": "nat", "subnet": f"10.9.{n}.0/24", "dns": False} for n in range(10)]
    play(host, [make(entries)])
    few = play(host, [verify(entries[:1])])
    started = time.monotonic()
    many = play(host, [verify(entries)])
    took = time.monotonic() - started
    print(f"{took:.1f} s")
    assert [result.task for result in many] == [result.task for result in few]
    assert {row["network"] for row in probed(many)["results"]} == {entry["name"] for entry in entries}
    assert took < 60


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"verify_addresses": {"nothing": ["10.9.0.5/24"]}}, ["verify_addresses", "'nothing'"]),
        ({"verify_lan_targets": [{"address": "172.30,1.51"}]}, ["lan", "172.30,1.51"]),
        ({"verify_networks": [{"name": "none", "model": "isolated"}]}, ["no bridge 'br-none'"]),
    ],
)
def test_mistakes_are_told_plainly(play: Player, host: Sandbox, options, words) -> None:
    before = host.snapshot()
    results = play.start(host, [verify([{"name": "wire", "model": "isolated"}], **options)]).finish()
    (failed,) = [result for result in results if result.failed]
    assert all(word in failed.msg for word in words), failed.msg
    assert host.snapshot()["namespaces"] == before["namespaces"]
