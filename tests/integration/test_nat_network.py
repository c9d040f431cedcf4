# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The role nat_network: many networks, and mistakes. Its life is shown beside the other roles': test_model_roles.py."""

from __future__ import annotations

from typing import Any

import pytest

from tests.integration.support import Player
from tests.sandbox import Sandbox

pytestmark = pytest.mark.newest_end

ROLE = "virtnet.qemu.nat_network"
GUESTS = [
    {"name": "web1", "nics": [{"network": "net0", "address": "10.9.0.11"}]},
    {"name": "web2", "nics": [{"network": "net1"}]},
]


def networks(count: int) -> list[dict[str, Any]]:
    return [{"name": f"net{i}", "model": "nat", "subnet": f"10.9.{i}.0/24"} for i in range(count)]


def role(entries: list[dict[str, Any]], tasks_from: str = "main") -> dict[str, Any]:
    return {
        "ansible.builtin.include_role": {"name": ROLE, "tasks_from": tasks_from},
        "vars": {"nat_network_list": entries, "nat_network_guests": GUESTS},
    }


def test_as_many_tasks_for_fifty_networks_as_for_one(host: Sandbox, play: Player) -> None:
    def tasks(count: int) -> list[str]:
        quiet = [{**network, "dhcp": False, "dns": False} for network in networks(count)]
        return [result.task for result in play(host, [role(quiet)])]

    assert tasks(50) == tasks(1)
    assert len([link for link in host.snapshot()["links"] if link["ifname"].startswith("br-net")]) == 50


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ({"subnet": "172.30,1.0/24"}, ["subnet", "172.30,1.0"]),
        ({"subnet": "10.9.0.0/16"}, ["10.9.0.0/24", "overlaps"]),
        ({"subnet": "10.8.0.0/24", "forwards": [{"port": 80, "guest": "nobody"}]}, ["port 80", "nobody"]),
        ({"subnet": "10.8.0.0/24", "bridge": "a-name-of-a-bridge"}, ["bridge", "15"]),
    ],
)
def test_a_mistake_is_refused_before_anything_is_changed(host: Sandbox, play: Player, entry, words) -> None:
    before = host.snapshot()
    mistake = {"name": "wrong", "model": "nat", **entry}
    results = play.start(host, [role([*networks(1), mistake])]).finish()
    (failure,) = [result for result in results if result.failed]
    assert all(word in failure.msg for word in words), failure.msg
    assert host.snapshot() == before
