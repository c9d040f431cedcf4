# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""veth: pairs between namespaces, against the kernel, looked at with iproute2 (rows D1 and D2)."""

from __future__ import annotations

import subprocess
from typing import Any

import pytest

from tests.integration.support import Player, fails
from tests.integration.support.links import addresses, ip, link, links, network, replay, routes
from tests.sandbox import Sandbox

PAIR = {
    "name": "veth-red",
    "netns": "red",
    "ifname": "eth0",
    "addresses": ["10.0.9.1/24", "fd00:9::1/64", "fe80::1/64"],
    "mac": "52:54:00:00:09:01",
    "mtu": 1400,
    "peer": {
        "name": "veth-blue",
        "netns": "blue",
        "ifname": "eth0",
        "addresses": ["10.0.9.2/24", "fd00:9::2/64"],
        "mac": "52:54:00:00:09:02",
        "mtu": 1400,
        "routes": [
            {"dst": "default", "gateway": "10.0.9.1"},
            {"dst": "default", "gateway": "fd00:9::1"},
            {"dst": "10.77.0.0/16", "gateway": "10.0.9.1", "metric": 50},
            {"dst": "10.78.0.0/16", "metric": 0},
            {"dst": "fd78::/64", "metric": 1024},
        ],
    },
}
PLAIN = {
    "name": "veth-red",
    "netns": "red",
    "ifname": "eth0",
    "peer": {"name": "veth-blue", "netns": "blue", "ifname": "eth0"},
}


def veth(**options: Any) -> dict[str, Any]:
    return {"virtnet.qemu.veth": options}


@pytest.fixture
def host(host: Sandbox) -> Sandbox:
    return with_namespaces(host)


def with_namespaces(host: Sandbox) -> Sandbox:
    for name in ("red", "blue"):
        ip(host, "netns", "add", name)
    ip(host, "link", "add", "br0", "address", "52:54:00:00:01:00", "type", "bridge")
    ip(host, "link", "set", "br0", "up")
    return host


def pings(host: Sandbox, netns: str, address: str) -> bool:
    return host.run(["ip", "netns", "exec", netns, "ping", "-c", "1", "-W", "5", address], check=False).returncode == 0


def indexes(host: Sandbox) -> tuple[int, int]:
    return link(host, "eth0", "red")["ifindex"], link(host, "eth0", "blue")["ifindex"]


def test_every_option_is_made_then_changed_in_place_and_the_commands_do_the_same(play: Player, host, new_host):
    made, again = play(host, [veth(**PAIR), veth(**PAIR)])
    assert made.changed and not again.changed
    red, blue = link(host, "eth0", "red"), link(host, "eth0", "blue")
    assert addresses(red) == ["10.0.9.1/24", "fd00:9::1/64"]
    assert "fe80::1" in [info["local"] for info in red["addr_info"]]
    assert addresses(blue) == ["10.0.9.2/24", "fd00:9::2/64"]
    assert (blue["address"], blue["mtu"], blue["ifalias"]) == ("52:54:00:00:09:02", 1400, "virtnet.qemu")
    assert routes(host, "blue") == [
        "10.77.0.0/16 via 10.0.9.1 dev eth0 proto static metric 50",
        "10.78.0.0/16 dev eth0 proto static scope link",
        "default via 10.0.9.1 dev eth0 proto static",
        "default via fd00:9::1 dev eth0 proto static metric 1024 pref medium",
        "fd78::/64 dev eth0 proto static metric 1024 pref medium",
    ]
    assert pings(host, "blue", "10.0.9.1") and pings(host, "red", "fd00:9::2")
    before = indexes(host)
    peer = {
        **PAIR["peer"],
        # The only address: with it go all routes.
        "addresses": ["10.0.9.3/24"],
        "mac": "52:54:00:00:09:03",
        "mtu": 1300,
        "routes": [{"dst": "default", "gateway": "10.0.9.1"}, {"dst": "10.79.0.0/16", "gateway": "10.0.9.1"}],
    }
    changed, again = play(host, [veth(**{**PAIR, "peer": peer}), veth(**{**PAIR, "peer": peer})])
    assert changed.changed and not again.changed
    assert indexes(host) == before
    assert addresses(link(host, "eth0", "blue")) == ["10.0.9.3/24"]
    assert routes(host, "blue") == [
        "10.79.0.0/16 via 10.0.9.1 dev eth0 proto static",
        "default via 10.0.9.1 dev eth0 proto static",
    ]
    assert pings(host, "red", "10.0.9.3")
    twin = with_namespaces(new_host())
    replay(twin, made.commands + changed.commands)
    assert network(twin) == network(host)


def test_ends_on_the_host_and_on_a_bridge(play: Player, host, new_host):
    config = [
        {"name": "v0", "bridge": "br0", "mac": "52:54:00:00:09:10", "peer": {"name": "v1", "mac": "52:54:00:00:09:11"}},
        {"name": "v2", "netns": "red", "mac": "52:54:00:00:09:12", "peer": {"name": "v3", "mac": "52:54:00:00:09:13"}},
    ]
    moved = [
        {**config[0], "netns": "blue", "bridge": None, "addresses": ["10.1.0.1/24"]},
        {**config[1], "bridge": None},
    ]
    made, again, changed, twice = play(
        host, [veth(config=config), veth(config=config), veth(config=moved), veth(config=moved)]
    )
    assert made.changed and not again.changed
    assert changed.changed and not twice.changed
    assert addresses(link(host, "v0", "blue")) == ["10.1.0.1/24"]
    assert "master" not in link(host, "v0", "blue")
    twin = with_namespaces(new_host())
    replay(twin, made.commands)
    assert link(twin, "v0")["master"] == "br0"
    replay(twin, changed.commands)
    assert network(twin) == network(host)


def half_move(host: Sandbox) -> None:
    """As somebody does by hand who is called away after the first half."""
    ip(host, "link", "add", "veth-red", "type", "veth", "peer", "name", "veth-blue")
    ip(host, "link", "set", "veth-red", "netns", "red")
    ip(host, "-n", "red", "link", "set", "veth-red", "name", "eth0")


def test_a_pair_that_is_half_moved_is_recognised_and_completed(play: Player, host):
    half_move(host)
    index = link(host, "eth0", "red")["ifindex"]
    refused, completed, again = play(host, [fails(veth(**PAIR)), veth(**PAIR, adopt=True), veth(**PAIR)])
    assert refused.msg.startswith("name: the veth 'eth0' exists and was not made by virtnet.qemu; choose another name")
    assert "ip link set dev veth-blue netns blue name eth0" in completed.commands
    assert not again.changed
    assert link(host, "eth0", "red")["ifindex"] == index
    assert pings(host, "blue", "10.0.9.1")


def test_an_end_that_was_renamed_or_moved_is_brought_back(play: Player, host):
    play(host, [veth(**PAIR)])
    # Up and with addresses: a rename takes IPv6 addresses and routes, a move takes all.
    ip(host, "-n", "blue", "link", "set", "eth0", "down")
    ip(host, "-n", "blue", "link", "set", "eth0", "name", "lan0", "up")
    ip(host, "-n", "red", "link", "set", "eth0", "netns", "1", "name", "veth-red")
    back, again = play(host, [veth(**PAIR), veth(**PAIR)])
    assert back.changed and not again.changed
    assert len(links(host, "red")) == len(links(host, "blue")) == 2
    assert sorted(links(host)) == ["br0", "lo"]
    assert len(routes(host, "blue")) == 5
    assert pings(host, "blue", "10.0.9.1") and pings(host, "red", "fd00:9::2")


def test_check_mode_reports_and_changes_nothing(play: Player, host):
    play(host, [veth(**PAIR)])
    before, files = network(host), host.snapshot()["files"]
    missing = {"name": "v0", "netns": "green", "peer": {"name": "v1", "bridge": "br7"}}
    changed, absent, made, purged = play(
        host,
        [
            veth(**{**PAIR, "ifname": "lan0"}),
            veth(**PLAIN, state="absent"),
            veth(**missing),
            veth(config=[], purge=True),
        ],
        check=True,
        diff=True,
    )
    assert (network(host), host.snapshot()["files"]) == (before, files)
    assert changed.changed and absent.changed and made.changed
    assert "ifname: lan0\n" in changed["diff"]["after"]
    assert absent.commands == ["ip -n red link delete dev eth0"]
    assert purged.commands == ["ip -n blue link delete dev eth0"]
    assert [text.partition(";")[0] for text in made.warnings] == [
        "netns: namespace 'green' does not exist",
        "peer.bridge: there is no bridge 'br7'",
    ]


def test_a_failure_undoes_everything(play: Player, host):
    play(host, [veth(config=[PAIR, {"name": "v0", "bridge": "br0", "mtu": 1400, "peer": {"name": "v1"}}])])
    host.run(["bridge", "link", "set", "dev", "v0", "isolated", "on"])
    ip(host, "address", "add", "10.3.0.1/24", "dev", "v0")
    before = network(host)
    config = [
        {**PAIR, "netns": "blue", "ifname": "lan0", "addresses": [], "peer": {"name": "veth-blue", "netns": "red"}},
        {"name": "v0", "netns": "red", "mtu": 1300, "peer": {"name": "v1", "addresses": ["10.4.0.1/24"]}},
        {"name": "v2", "peer": {"name": "v3", "routes": [{"dst": "10.5.0.0/16", "gateway": "10.6.0.1"}]}},
    ]
    (result,) = play(host, [fails(veth(config=config))])
    assert result.msg == (
        "'ip route add 10.5.0.0/16 via 10.6.0.1 dev v3 proto static' failed: Network is unreachable. "
        "Everything is as it was before"
    )
    assert network(host) == before


def test_pairs_are_told_apart_though_each_namespace_counts_from_one(play: Player, host):
    """All four ends have the same interface index, and in its namespace each is the first."""
    for name in ("green", "grey"):
        ip(host, "netns", "add", name)
    other = {
        **PLAIN,
        "netns": "green",
        "name": "v-green",
        "peer": {"name": "v-grey", "netns": "grey", "ifname": "eth0"},
    }
    wrong = {**PLAIN, "peer": {"name": "v-grey", "netns": "grey", "ifname": "eth0"}}
    _made, crossed = play(host, [veth(config=[PLAIN, other]), fails(veth(**wrong))])
    assert {link(host, "eth0", netns)["ifindex"] for netns in ("red", "blue", "green", "grey")} == {2}
    assert crossed.msg == (
        "name: 'eth0' in namespace 'red' and 'eth0' in namespace 'grey' are veths, but not ends of one pair; "
        "choose other names"
    )
    (removed,) = play(host, [veth(name="any", netns="green", ifname="eth0", state="absent")])
    assert removed["before"][0]["peer"]["netns"] == "grey"
    assert [name for name in ("red", "blue", "green", "grey") if "eth0" in links(host, name)] == ["red", "blue"]


def test_what_cannot_be_is_refused_before_anything_changes(play: Player, host):
    # The other end is in a namespace without a name, as that of a container.
    ip(host, "netns", "add", "container")
    ip(host, "link", "add", "lost0", "type", "veth", "peer", "name", "eth0", "netns", "container")
    ip(host, "link", "set", "lost0", "alias", "virtnet.qemu")
    inside = ["ip", "netns", "exec", "container", "sh", "-c", "echo inside; exec cat"]
    with host.popen(inside, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "inside\n"
        ip(host, "netns", "delete", "container")
        before = network(host)
        refused = [
            (
                {"name": "lost0", "state": "absent"},
                "name: 'lost0' is one end of a veth whose other end is in a namespace",
            ),
            (
                {"name": "br0", "peer": {"name": "v1"}},
                "name: 'br0' is a bridge interface, not a veth; choose another name",
            ),
            ({"name": "v0"}, "peer: it is missing; a veth has two ends"),
            (
                {**PAIR, "netns": "green"},
                "netns: namespace 'green' does not exist; make it with virtnet.qemu.netns first",
            ),
        ]
        results = play(host, [fails(veth(**options)) for options, _said in refused])
        for result, (_options, said) in zip(results, refused, strict=True):
            assert result.msg.startswith(said)
        assert network(host) == before
        process.kill()


def test_purge_removes_ours_everywhere_and_nothing_else(play: Player, host):
    ip(host, "link", "add", "mine0", "type", "veth", "peer", "name", "mine1")
    kept = {"name": "keep0", "peer": {"name": "keep1", "netns": "red"}}
    made, purged = play(host, [veth(config=[PLAIN, kept]), veth(config=[kept], purge=True)])
    assert made.changed
    assert purged.commands == ["ip -n blue link delete dev eth0"]
    assert sorted(links(host)) == ["br0", "keep0", "lo", "mine0", "mine1"]
    assert sorted(links(host, "red")) == ["keep1", "lo"]
    assert sorted(links(host, "blue")) == ["lo"]
