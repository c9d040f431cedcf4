# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The role verify and its playbook: networks of every model, made by the role networks, on one host."""

from __future__ import annotations

from typing import Any

import pytest

from tests.integration.support import Player, TaskResult, fails
from tests.integration.support.links import network
from tests.sandbox import LanHost, Sandbox

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


def test_networks_of_every_model_keep_their_promises(play: Player, site: Sandbox) -> None:
    play(site, [make(NETWORKS)])
    before = network(site)
    bridged = {"name": "lan", "model": "bridged", "uplink": "uplink0", "bridge": "br-ex"}
    own = {"lan": ["192.0.2.80/24", "192.0.2.81/24"]}
    results = play(site, [verify([*NETWORKS, bridged], verify_addresses=own)])
    print(probed(results)["table"])
    assert probed(results)["broken"] == ""
    assert network(site) == before
