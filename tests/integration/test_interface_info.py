# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the module says of a host's addresses is what ip(8) shows."""

from __future__ import annotations

from tests.integration.support import Player
from tests.sandbox import Sandbox


def test_all_addresses_but_link_local_ones(host: Sandbox, play: Player) -> None:
    for line in (
        "link add dev br0 type bridge",
        "link set dev br0 up",
        "address add 192.0.2.10/24 dev br0",
        "address add 192.0.2.11/24 dev br0 valid_lft 3600 preferred_lft 3600",
        "address add 2001:db8::1/64 dev br0 nodad",
        "address add fe80::1/64 dev br0 nodad",
    ):
        host.run(["ip", *line.split(" ")])
    (result,) = play(host, [{"virtnet.qemu.interface_info": None}], check=True)
    assert not result.changed
    there = {(one["interface"], one["address"]) for one in result["addresses"]}
    assert there == {
        ("lo", "127.0.0.1/8"),
        ("lo", "::1/128"),
        ("br0", "192.0.2.10/24"),
        ("br0", "192.0.2.11/24"),
        ("br0", "2001:db8::1/64"),
    }
