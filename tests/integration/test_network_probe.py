# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""network_probe: networks that keep their promises, one that breaks each of them, and what is left behind."""

from __future__ import annotations

from typing import Any

from tests.integration.support import Player, TaskResult
from tests.integration.support.links import network
from tests.sandbox import LanHost, Sandbox

NAT = [{"name": f"nat{n}", "model": "nat", "subnet": f"10.9.{n}.0/24"} for n in range(2)]
LAN = [{"address": LanHost.ADDRESS, "name": "router"}, {"address": LanHost.ADDRESS, "port": 80}]


def make_nat(entries: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "ansible.builtin.include_role": {"name": "virtnet.qemu.nat_network"},
        "vars": {"nat_network_list": entries, "nat_network_guests": []},
    }


def probed_nat(entry: dict[str, Any]) -> dict[str, Any]:
    gateway = entry["subnet"].replace("0/24", "1")
    return {
        "name": entry["name"],
        "bridge": f"br-{entry['name']}",
        "model": "nat",
        "gateways": [gateway],
        "dhcp": True,
        "dns": True,
        "lan": LAN,
    }


def probe(*config: dict[str, Any], **options: Any) -> dict[str, Any]:
    return {"virtnet.qemu.network_probe": {"config": list(config), "dns_name": LanHost.WEB_NAME, **options}}


def seen(result: TaskResult, network: str) -> dict[str, tuple[str, str, bool | None]]:
    """Check -> what was expected, what was seen, and whether that is right."""
    return {
        row["check"]: (row["expected"], row["seen"], row["ok"])
        for row in result["results"]
        if row["network"] == network
    }


def test_nat_networks_made_by_the_role_keep_every_promise(play: Player, host: Sandbox, lan: LanHost) -> None:
    play(host, [make_nat(NAT)])
    before = network(host)
    (result,) = play(host, [probe(*map(probed_nat, NAT))])
    print(result["table"])
    assert result["broken"] == ""
    assert not result.changed
    for entry in NAT:
        rows = seen(result, entry["name"])
        assert all(ok is True for _expected, _seen, ok in rows.values()), rows
    assert network(host) == before
