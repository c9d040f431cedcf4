# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What stands in a host's /etc/network/interfaces, and what comes of it for a bridge."""

from __future__ import annotations

from pathlib import Path

from ansible_collections.virtnet.qemu.plugins.module_utils._persist.ifupdown import MAIN, Managed
from ansible_collections.virtnet.qemu.plugins.module_utils._spec.bridge import Bridge

CASES = Path(__file__).parent / "plugins/module_utils/_persist/ifupdown_cases"
MAC = "52:54:00:00:00:01"
BRIDGES = {
    "static": Bridge("br-lan", uplink="enp3s0"),
    "dhcp": Bridge("br-lan", uplink="eth0", addresses=("192.168.4.1/24",), mac="52:54:00:00:00:02"),
    "inet6": Bridge("br-lan", uplink="enp3s0", addresses=("fd00:4::1/64",)),
    "vlan": Bridge("br-lan", uplink="enp3s0.5"),
    "flush": Bridge("br-lan", uplink="enp3s0", uplink_addresses="flush", stp=True, forward_delay=2),
    "everything": Bridge("br-lan", uplink="eth0", mtu=9000, stp=False, ageing_time=0, vlan_filtering=True),
}


def managed(case: str) -> Managed:
    tree = {MAIN: (CASES / case / "source.interfaces").read_text()}
    return Managed(BRIDGES[case].uplink, MAC, tree)


def rendered(case: str) -> dict[str, str]:
    """The files by path."""
    return managed(case).uplink_files(BRIDGES[case])
