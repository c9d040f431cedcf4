# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The playbook site looks at the whole inventory before it touches a host. What it makes, the quick start shows."""

from __future__ import annotations

from typing import Any

import pytest

from tests.integration.support import Player

LAB = {"name": "lab", "model": "nat", "subnet": "192.168.4.0/24"}
MAC = "52:54:00:00:00:01"


def variables(nic: dict[str, Any]) -> dict[str, Any]:
    return {"virtnet_networks": [LAB], "virtnet_guests": [{"name": "web1", "nics": [nic]}]}


@pytest.mark.newest_end
@pytest.mark.parametrize(
    ("nic", "words"),
    [({"network": "lba"}, ["'lba'"]), ({"network": "lab", "mac": MAC}, [MAC, "host-", "web1"])],
    ids=["a host's own mistake", "one address on two hosts"],
)
def test_a_mistake_anywhere_stops_the_run_everywhere(play: Player, new_host, nic, words):
    hosts = [new_host(), new_host()]
    before = [host.snapshot() for host in hosts]
    limit = ["--limit", hosts[0].name]
    results = play.start_playbook(hosts, "virtnet.qemu.site", vars=variables(nic), arguments=limit).finish()
    (failure,) = [result for result in results if result.failed]
    assert all(word in failure.msg for word in words), failure.msg
    assert [host.snapshot() for host in hosts] == before
