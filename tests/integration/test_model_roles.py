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

ROLES = {
    "isolated": {"subnet": "10.9.0.0/24"},
    "routed": {"subnet": "10.9.0.0/24"},
    "nat": {"subnet": "10.9.0.0/24"},
    "bridged": {"uplink": "uplink0"},
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


def the_life_of(play: Player, host: Sandbox, name: str, variables: dict[str, Any]) -> dict[str, Any]:
    """Make it, twice, and remove it; returns the host's links in between."""
    before = network(host)
    assert changed(play(host, [role(name, variables)], check=True))
    assert network(host) == before
    play(host, [role(name, variables)])
    made = links(host)
    assert changed(play(host, [role(name, variables)])) == []
    play(host, [role(name, variables, "teardown"), FORWARDING])
    assert network(host) == before
    return made


@pytest.mark.usefixtures("lan")
@pytest.mark.parametrize("model", ROLES)
def test_a_role_for_each_model(play: Player, host: Sandbox, model):
    entry = {"name": "net", "model": model, **ROLES[model]}
    # The role takes its own out of the inventory's.
    others = [{"name": "other", "model": other, **ROLES[other]} for other in ROLES if other != model]
    made = the_life_of(play, host, f"{model}_network", {"virtnet_networks": [entry, *others]})
    assert "br-net" in made and "br-other" not in made


@pytest.mark.usefixtures("lan")
def test_a_virtual_router_between_two_bridges(play: Player, host: Sandbox):
    made = the_life_of(play, host, "virtual_router", ROUTER)
    assert {"br-ex", "br-in"} <= set(made)
    assert addresses(made["br-ex"]) == ["192.0.2.10/24", "2001:db8:1::10/64"]

    play(host, [role("virtual_router", ROUTER)])
    plug(host, "web1", "br-in")
    got = lease(host, "web1")
    assert got["router"] == "10.9.0.1"
    assert addresses(link(host, "eth1", "r1")) == ["192.0.2.51/24"]
    lines = ["link set lo up", f"address add {got['ip']}/24 dev eth0", f"route add default via {got['router']}"]
    host.run(["ip", "-n", "web1", "-batch", "-"], input="\n".join(lines) + "\n")
    url = f"http://{LanHost.ADDRESS}/from-web1"
    assert "192.0.2.51" in host.run(["ip", "netns", "exec", "web1", "busybox", "wget", "-qO-", url]).stdout
