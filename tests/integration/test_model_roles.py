# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The roles for networks of one model, and the virtual router's. What such networks keep apart: test_networks.py."""

from __future__ import annotations

from typing import Any

import pytest

from tests.integration.support import Player
from tests.integration.support.dhcp import lease, plug
from tests.integration.support.links import addresses, link, links, network
from tests.sandbox import LanHost, Sandbox

NETWORKS = [
    {"name": "isolated", "model": "isolated", "subnet": "10.9.0.0/24"},
    {"name": "routed", "model": "routed", "subnet": "10.9.1.0/24"},
    {"name": "nat", "model": "nat", "subnet": "10.9.2.0/24", "address": "10.9.2.254", "bridge": "virbr9"}
    | {"forwards": [{"port": 8080, "guest": "web1", "guest_port": 80}, {"port": "9000-9010", "guest": "web1"}]}
    | {"nat_address": "192.0.2.10", "domain": "lab.test", "mtu": 1400, "stp": True},
    {"name": "bridged", "model": "bridged", "uplink": "uplink0"},
]
INVENTORY = {
    "virtnet_networks": NETWORKS,
    "virtnet_guests": [{"name": "web1", "nics": [{"network": "nat", "address": "10.9.2.11"}]}],
}
ROUTER = {
    "virtual_router_uplink": "uplink0",
    "virtual_router_subnet": "10.9.0.0/24",
    "virtual_router_external_addresses": ["192.0.2.51/24"],
    "virtual_router_external_gateways": [LanHost.ADDRESS],
}
FORWARDING = {"virtnet.qemu.sysctl": {"name": "net.ipv4.ip_forward", "state": "absent"}}

pytestmark = pytest.mark.newest_end


def role(name: str, variables: dict[str, Any], tasks_from: str = "main") -> dict[str, Any]:
    include = {"name": f"virtnet.qemu.{name}", "tasks_from": tasks_from}
    return {"ansible.builtin.include_role": include, "vars": variables}


def changed(results: list[Any]) -> list[str]:
    return [result.task for result in results if result.changed]


@pytest.mark.usefixtures("lan")
def test_a_role_for_each_model(play: Player, host: Sandbox):
    """Each takes its own out of the inventory's networks."""
    roles = [f"{entry['name']}_network" for entry in NETWORKS]
    bridges = {name: entry.get("bridge", f"br-{entry['name']}") for name, entry in zip(roles, NETWORKS, strict=True)}
    before = network(host)
    assert len(changed(play(host, [role(name, INVENTORY) for name in roles], check=True))) > len(roles)
    assert network(host) == before
    for number, name in enumerate(roles, 1):
        play(host, [role(name, INVENTORY)])
        assert set(bridges.values()) & set(links(host)) == {bridges[made] for made in roles[:number]}
    assert changed(play(host, [role(name, INVENTORY) for name in roles])) == []
    play(host, [*(role(name, INVENTORY, "teardown") for name in reversed(roles)), FORWARDING])
    assert network(host) == before


@pytest.mark.usefixtures("lan")
def test_a_host_that_gets_no_address_on_its_bridge_takes_the_bridge_back(play: Player, host: Sandbox):
    """It has no DHCP client, and gave its own address away by the time it finds out."""
    host.run(["rm", "/usr/bin/busybox"])
    before = network(host)
    only = [{"name": "bridged", "model": "bridged", "uplink": "uplink0", "dhcp_client": True}]
    results = play.start(host, [role("bridged_network", {"virtnet_networks": only})]).finish()
    first, *_others, last = [result for result in results if result.failed]
    assert first.task.endswith("Get the host's addresses by DHCP")
    assert last.msg == first.msg
    # What shields the networks comes before, and cuts nobody off.
    assert {**network(host), "nftables": before["nftables"]} == before
    assert not host.path("/var/lib/virtnet/checkpoint").exists()


@pytest.mark.usefixtures("lan")
def test_a_virtual_router_between_two_bridges(play: Player, host: Sandbox):
    before = network(host)
    assert changed(play(host, [role("virtual_router", ROUTER)], check=True))
    assert network(host) == before
    play(host, [role("virtual_router", ROUTER)])
    assert addresses(link(host, "br-ex")) == ["192.0.2.10/24", "2001:db8:1::10/64"]
    assert changed(play(host, [role("virtual_router", ROUTER)])) == []

    plug(host, "web1", "br-in")
    got = lease(host, "web1")
    assert got["router"] == "10.9.0.1"
    assert addresses(link(host, "eth1", "r1")) == ["192.0.2.51/24"]
    lines = ["link set lo up", f"address add {got['ip']}/24 dev eth0", f"route add default via {got['router']}"]
    host.run(["ip", "-n", "web1", "-batch", "-"], input="\n".join(lines) + "\n")
    url = f"http://{LanHost.ADDRESS}/from-web1"
    assert "192.0.2.51" in host.run(["ip", "netns", "exec", "web1", "busybox", "wget", "-qO-", url]).stdout

    host.run(["ip", "netns", "delete", "web1"])
    play(host, [role("virtual_router", ROUTER, "teardown"), FORWARDING])
    assert network(host) == before
