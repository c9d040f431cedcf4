# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""bridge: against the kernel, looked at with iproute2."""

from __future__ import annotations

from typing import Any

import pytest

from tests.integration.support import Player, fails
from tests.integration.support.links import addresses, ip, link, links, network, replay
from tests.sandbox import Sandbox

FULL = {
    "name": "br0",
    "addresses": ["192.168.4.1/24", "fd00:4::1/64", "fe80::1/64"],
    "stp": True,
    "forward_delay": 2,
    "ageing_time": 60,
    "mac": "52:54:00:00:04:01",
    "mtu": 1400,
    "ports": ["eth1"],
}
OTHER = {
    "name": "br0",
    "addresses": ["192.168.4.2/24", "10.9.0.1/16", "fd00:5::1/64"],
    "stp": False,
    "forward_delay": 0,
    "ageing_time": 0,
    "mac": "52:54:00:00:04:02",
    "mtu": 1300,
    "ports": ["eth2"],
}


def bridge(**options: Any) -> dict[str, Any]:
    return {"virtnet.qemu.bridge": options}


@pytest.fixture
def host(host: Sandbox) -> Sandbox:
    """With interfaces that stand for physical ones: eth1 is down (but was up before), eth2 is up."""
    return with_interfaces(host)


def with_interfaces(host: Sandbox) -> Sandbox:
    for number in (1, 2):
        mac, far_mac = f"52:54:00:00:00:0{number}", f"52:54:00:00:01:0{number}"
        far = ["peer", "name", f"far{number}", "address", far_mac]
        ip(host, "link", "add", f"eth{number}", "address", mac, "type", "veth", *far)
        ip(host, "link", "set", f"eth{number}", "up")
    ip(host, "link", "set", "eth1", "down")
    return host


def assert_is(host: Sandbox, wanted: dict[str, Any]) -> None:
    found = link(host, "br0")
    data = found["linkinfo"]["info_data"]
    assert bool(data["stp_state"]) == wanted["stp"]
    assert data["forward_delay"] == wanted["forward_delay"] * 100
    assert data["ageing_time"] == wanted["ageing_time"] * 100
    assert found["address"] == wanted["mac"]
    assert found["mtu"] == wanted["mtu"]
    assert found["ifalias"] == "virtnet.qemu"
    assert "UP" in found["flags"]
    assert addresses(found) == sorted(a for a in wanted["addresses"] if not a.startswith("fe80:"))
    for port in wanted["ports"]:
        assert link(host, port)["master"] == "br0"
        assert "UP" in link(host, port)["flags"]


def test_every_option_is_made_then_changed_in_place_and_the_commands_do_the_same(play: Player, host, new_host):
    made, again = play(host, [bridge(**FULL), bridge(**FULL)])
    assert made.changed
    assert not again.changed
    assert_is(host, FULL)
    assert "fe80::1" in [info["local"] for info in link(host, "br0")["addr_info"]]
    index = link(host, "br0")["ifindex"]
    changed, again = play(host, [bridge(**OTHER), bridge(**OTHER)])
    assert changed.changed
    assert not again.changed
    assert_is(host, {**OTHER, "ports": ["eth1", "eth2"]})
    assert link(host, "br0")["ifindex"] == index
    twin = with_interfaces(new_host())
    replay(twin, made.commands + changed.commands)
    assert network(twin) == network(host)


def test_nothing_given_is_nothing_changed(play: Player, host):
    play(host, [bridge(**FULL)])
    before = network(host)
    (result,) = play(host, [bridge(name="br0")])
    assert not result.changed
    assert network(host) == before


def test_check_mode_reports_and_changes_nothing(play: Player, host):
    play(host, [bridge(config=[FULL, {"name": "br1"}])])
    before, files = network(host), host.snapshot()["files"]
    changed, removed, made, purged = play(
        host,
        [
            bridge(name="br0", mtu=1300, addresses=["192.168.4.2/24"]),
            bridge(name="br0", state="absent"),
            bridge(config=[{"name": "br7", "ports": ["eth7"]}, {"name": "br8", "netns": "nowhere"}]),
            bridge(config=[{"name": "br1"}], purge=True),
        ],
        check=True,
        diff=True,
    )
    assert (network(host), host.snapshot()["files"]) == (before, files)
    assert all(result.changed for result in (changed, removed, made, purged))
    assert "ip link set dev br0 mtu 1300" in changed.commands
    assert "mtu: 1400\n" in changed["diff"]["before"]
    assert "mtu: 1300\n" in changed["diff"]["after"]
    assert removed["after"] == [] and removed["diff"]["after"] == ""
    assert [text.partition(";")[0] for text in made.warnings] == [
        "ports: there is no interface 'eth7'",
        "netns: namespace 'nowhere' does not exist",
    ]
    assert purged.commands == ["ip link delete dev br0"]


def test_a_failure_undoes_everything(play: Player, host):
    play(host, [bridge(config=[{**FULL, "ports": []}, {"name": "br1", "ports": ["eth2"]}])])
    # A gateway behind the bridge, and a port that no guest may see others from.
    ip(host, "route", "add", "10.77.0.0/16", "via", "192.168.4.9", "dev", "br0", "metric", "7")
    host.run(["bridge", "link", "set", "dev", "eth2", "isolated", "on"])
    before, indexes = network(host), {name: found["ifindex"] for name, found in links(host).items()}
    # Adopts a port of another bridge, brings up one that is down; at last the kernel refuses the loopback as a port.
    change = {**OTHER, "ports": ["eth1", "eth2"], "adopt": True}
    for last in ({"name": "br9", "ports": ["lo"]}, {"name": "br1", "mtu": 1300, "ports": ["lo"]}):
        (result,) = play(host, [fails(bridge(config=[change, {"name": "br2", "addresses": ["10.2.0.1/24"]}, last]))])
        assert result.msg == (
            f"'ip link set dev lo master {last['name']} up' failed: Invalid argument. Everything is as it was before"
        )
        assert network(host) == before
    assert {name: found["ifindex"] for name, found in links(host).items()} == indexes


def test_vlan_filtering_works_or_is_refused_by_this_kernel_in_plain_words(play: Player, host):
    ip(host, "link", "add", "probe", "type", "bridge")
    known = (
        host.run(["ip", "link", "set", "probe", "type", "bridge", "vlan_filtering", "1"], check=False).returncode == 0
    )
    ip(host, "link", "delete", "probe")
    before = network(host)
    tasks = [bridge(config=[{"name": "br0"}, {"name": "br1", "vlan_filtering": True}])]
    (result,) = play(host, tasks if known else [fails(tasks[0])])
    if known:
        assert link(host, "br1")["linkinfo"]["info_data"]["vlan_filtering"] == 1
    else:
        assert result.msg == (
            "'ip link add dev br1 type bridge vlan_filtering 1' failed: Operation not supported. "
            "Everything is as it was before"
        )
        assert network(host) == before


REFUSED = [
    ({"name": "eth1"}, "name: 'eth1' is a veth interface, not a bridge; choose another name"),
    ({"name": "mine", "mtu": 1400}, "name: 'mine' exists and was not made by virtnet.qemu; choose another name"),
    ({"name": "br0", "ports": ["far1"]}, "ports: 'far1' is a port of 'mine'; take it off there first, or move it with"),
    (
        {"name": "br0", "netns": "red", "ports": ["eth7"]},
        "netns: namespace 'red' does not exist; make it with virtnet.qemu.netns first; "
        "ports: there is no interface 'eth7' in namespace 'red'; make it first",
    ),
    (
        {"config": [{"name": "br0"}, {"name": "br1", "addresses": ["172.30,1.51"]}]},
        "config, 'br1': addresses: '172.30,1.51' is not an IP address such as",
    ),
    ({"config": [{"name": "br0"}], "stp": True}, "parameters are mutually exclusive: config|stp"),
]


def test_what_cannot_be_is_refused_before_anything_changes(play: Player, host):
    ip(host, "link", "add", "mine", "type", "bridge")
    ip(host, "link", "set", "far1", "master", "mine")
    before = network(host)
    results = play(host, [fails(bridge(**options)) for options, _said in REFUSED])
    for result, (_options, said) in zip(results, REFUSED, strict=True):
        assert result.msg.startswith(said)
    assert network(host) == before


def test_somebody_elses_bridge_is_adopted_with_what_it_has(play: Player, host):
    ip(host, "link", "add", "mine", "type", "bridge", "stp_state", "1")
    ip(host, "link", "set", "mine", "alias", "of somebody", "mtu", "1400", "up")
    for address in ("10.0.0.1/24", "10.0.0.2/24", "10.0.0.3/24", "fd00::1/64"):
        ip(host, "address", "add", address, "dev", "mine")
    ip(host, "link", "set", "eth2", "master", "mine")
    index = link(host, "mine")["ifindex"]
    adopted, again, fewer, without = play(
        host,
        [
            bridge(name="mine", adopt=True),
            bridge(name="mine", ports=["eth1"]),
            # The primary address of a subnet goes, and one of its secondaries: the last one is to stay.
            bridge(name="mine", addresses=["10.0.0.3/24", "fd00::1/64"]),
            bridge(name="mine", ports=["eth1"], purge_ports=True),
        ],
    )
    assert adopted.commands == ["ip link set dev mine alias virtnet.qemu"]
    assert again.commands == ["ip link set dev eth1 master mine up"]
    assert fewer.commands[-1] == "ip address replace 10.0.0.3/24 dev mine"
    assert without.commands == ["ip link set dev eth2 nomaster"]
    found = link(host, "mine")
    assert (found["ifindex"], found["mtu"], found["linkinfo"]["info_data"]["stp_state"]) == (index, 1400, 1)
    assert addresses(found) == ["10.0.0.3/24", "fd00::1/64"]
    assert [name for name, other in links(host).items() if other.get("master") == "mine"] == ["eth1"]


def test_purge_removes_ours_everywhere_and_nothing_else(play: Player, host):
    ip(host, "link", "add", "mine", "type", "bridge")
    ip(host, "netns", "add", "red")
    ip(host, "-n", "red", "link", "add", "inside", "type", "veth")
    ours = [{"name": "br0", "ports": ["eth2"]}, {"name": "br1"}, {"name": "br0", "netns": "red", "ports": ["inside"]}]
    made, again, purged = play(
        host,
        [
            bridge(config=ours),
            bridge(config=ours),
            bridge(config=[{"name": "br1"}, {"name": "br2"}], purge=True),
        ],
    )
    assert made.changed and not again.changed
    assert sorted(purged.commands[-2:]) == ["ip -n red link delete dev br0", "ip link delete dev br0"]
    bridges = [name for name, found in links(host).items() if found.get("linkinfo", {}).get("info_kind") == "bridge"]
    assert sorted(bridges) == ["br1", "br2", "mine"]
    assert "br0" not in links(host, "red") and "inside" in links(host, "red")


ODD = ["größe", "a'b$c;d", "up", "br", "-x", "123456789012345"]


def test_odd_names_are_made_and_removed_and_their_commands_can_be_typed(play: Player, host, new_host):
    config = [{"name": name, "mac": f"52:54:00:00:09:{number:02x}"} for number, name in enumerate(ODD)]
    made, again, removed = play(
        host,
        [
            bridge(config=config),
            bridge(config=config),
            bridge(config=[{"name": name, "state": "absent"} for name in ODD[1:]]),
        ],
    )
    assert made.changed and not again.changed
    assert sorted(set(links(host)) & set(ODD)) == [ODD[0]]
    twin = with_interfaces(new_host())
    replay(twin, made.commands)
    assert set(ODD) < set(links(twin))
    replay(twin, removed.commands)
    assert network(twin) == network(host)


def test_what_somebody_changes_back_at_once_is_an_error_and_undone(play: Player, host):
    play(host, [bridge(name="br0", mtu=1400)])
    before = network(host)
    # It waits for the change and reverts it, while the module makes the other bridges.
    is_changed = "case $line in *br0*'mtu 1300'*) ip link set dev br0 mtu 1400;; esac"
    revert = f"ip monitor link | while read -r line; do {is_changed}; done"
    with host.popen(["sh", "-c", revert]) as reverter:
        (result,) = play(
            host, [fails(bridge(config=[{"name": "br0", "mtu": 1300}, *({"name": f"b{n}"} for n in range(100))]))]
        )
        reverter.kill()
    assert result.msg == (
        "the host took every change, but reading it back shows these still to be made: "
        "ip link set dev br0 mtu 1300. Everything is as it was before"
    )
    assert network(host) == before
