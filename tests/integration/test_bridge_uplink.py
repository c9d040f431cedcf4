# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""bridge with an uplink: the host's network moves to the bridge and back, on a LAN with real connections."""

from __future__ import annotations

import os
import signal
import subprocess
from typing import Any

import pytest

from tests.integration.support import Player, fails
from tests.integration.support.links import addresses, ip, link, links, network, replay, routes
from tests.integration.support.probe import Probe
from tests.integration.test_faults import holder
from tests.sandbox import LanHost, Sandbox

ON = {"name": "br-lan", "uplink": "uplink0"}
# More than LanHost.connect gives; IPv6 first, since its routes stay when IPv4 addresses change.
MORE = """
address add 192.0.2.20/24 dev uplink0 label uplink0:web
address add 198.51.100.7/28 broadcast 198.51.100.15 dev uplink0
address add 203.0.113.5 peer 203.0.113.6/32 dev uplink0
address add 198.51.100.40/29 dev uplink0 noprefixroute metric 50
address add 2001:db8:7::10/56 dev uplink0 valid_lft 5000 preferred_lft 4000 nodad
address add 2001:db8:8::10/64 dev uplink0 noprefixroute nodad
route add 198.51.100.40/29 dev uplink0 proto kernel scope link src 198.51.100.40 metric 100
route add default via 192.0.2.2 dev uplink0 metric 200 proto static
route add 10.1.0.0/16 via 10.0.0.1 dev uplink0 onlink
route add 10.2.0.0/16 via 192.0.2.3 dev uplink0 src 192.0.2.20 mtu 1300 initcwnd 20 proto 99
route append 10.2.0.0/16 via 192.0.2.4 dev uplink0
route add 10.3.0.0/16 dev uplink0 scope link table 1000 tos 0x10
route add default via 192.0.2.5 dev uplink0 table 1000
-6 route add default via 2001:db8:1::2 dev uplink0 metric 2048
-6 route append default via 2001:db8:1::3 dev uplink0 metric 2048
-6 route add 2001:db8:9::/48 via fe80::1 dev uplink0 table 1000 src 2001:db8:1::10 pref high
-6 route add 2001:db8:a::/48 dev uplink0 expires 5000 proto ra
"""
COUNTED = ("expires", "valid_life_time", "preferred_life_time")


def bridge(**options: Any) -> dict[str, Any]:
    return {"virtnet.qemu.bridge": options}


def crowd(host: Sandbox) -> None:
    """Give the host's NIC everything that can move."""
    replay(host, [f"ip {line}" for line in MORE.strip().splitlines()])


def moved(facts: list[str]) -> list[str]:
    """The same routes on the bridge, without what counts down."""
    return sorted(" ".join(w for w in line.replace("dev uplink0", "dev br-lan").split()) for line in facts)


def all_routes(host: Sandbox, name: str) -> list[str]:
    lines = []
    for family in "46":
        lines += host.run(["ip", f"-{family}", "route", "show", "table", "all", "dev", name]).stdout.splitlines()
    # Expiry counts down, and the kernel's own follow the addresses.
    plain = [" ".join(word for word in line.split() if not word.endswith("sec")) for line in lines]
    return sorted(line.replace("expires ", "") for line in plain if "table local" not in line and "fe80::/" not in line)


def test_everything_moves_to_the_bridge_and_back(play: Player, host, lan: LanHost, new_host):
    crowd(host)
    before, mac = network(host), link(host, "uplink0")["address"]
    had, held = all_routes(host, "uplink0"), addresses(link(host, "uplink0"))
    made, again, left, gone, idle = play(
        host,
        [bridge(**ON), bridge(**ON), bridge(name="br-lan"), bridge(name="br-lan", state="absent")]
        + [bridge(**ON, state="absent")],
    )
    assert made.changed and gone.changed
    assert not again.changed and not left.changed and not idle.changed
    assert network(host) == before
    assert all_routes(host, "uplink0") == had
    (check,) = play(host, [bridge(**ON)], check=True)
    assert network(host) == before
    play(host, [bridge(**ON)])
    assert strip(check.commands) == strip(made.commands)
    assert link(host, "br-lan")["address"] == mac
    assert link(host, "uplink0")["master"] == "br-lan"
    assert (addresses(link(host, "uplink0")), addresses(link(host, "br-lan"))) == ([], held)
    labels = {info.get("label") for info in link(host, "br-lan")["addr_info"]}
    assert "br-lan:web" in labels
    assert all_routes(host, "uplink0") == []
    assert all_routes(host, "br-lan") == sorted(had)


def strip(commands: list[str]) -> list[str]:
    """Without the numbers of what counts down."""
    return [" ".join(word for word in line.split() if not word.isdigit()) for line in commands]
