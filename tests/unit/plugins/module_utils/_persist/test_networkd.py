# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A bridge with an uplink as files of systemd-networkd."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.virtnet.qemu.plugins.module_utils._persist import networkd
from ansible_collections.virtnet.qemu.plugins.module_utils._persist.networkd import Managed
from ansible_collections.virtnet.qemu.plugins.module_utils._spec.bridge import Bridge

CASES = Path(__file__).with_name("networkd_cases")
MAC = "52:54:00:00:00:01"
BRIDGES = {
    "static": Bridge("br-lan", uplink="enp3s0"),
    "dhcp": Bridge("br-lan", uplink="enp3s0", addresses=("192.168.4.1/24",), mac="52:54:00:00:00:02"),
    "flush": Bridge("br-lan", uplink="enp3s0", uplink_addresses="flush", stp=True, forward_delay=2),
    "everything": Bridge("br.1", uplink="en@0", mtu=9000, stp=False, ageing_time=0, vlan_filtering=True),
}
IAIDS = {"dhcp": 3735928559}


def rendered(case: str) -> dict[str, str]:
    source = (CASES / case / "source.network").read_text()
    managed = Managed("/etc/systemd/network/20-lan.network", source, MAC, IAIDS.get(case))
    files = managed.uplink_files(BRIDGES[case])
    return {path.rpartition("/")[2]: text for path, text in files.items()}


@pytest.mark.parametrize("case", BRIDGES)
def test_what_networkd_reads(case):
    files = {path.name: path.read_text() for path in (CASES / case).iterdir() if path.name != "source.network"}
    assert rendered(case) == files


def test_our_files_say_what_they_are_of():
    there = {f"{networkd.FOLDER}/{name}": text for name, text in rendered("dhcp").items()}
    assert networkd.files_of("br-lan", there) == list(there)
    assert networkd.files_of("br-la", there) == []
    assert networkd.files_of("br-lan", {"/etc/virtnet/boot/bridge/br-lan.sh": "# bridge: br-lan\n"}) == []
    assert networkd.origin_of(there.values()) == ("/etc/systemd/network/20-lan.network", IAIDS["dhcp"])
    assert networkd.origin_of(rendered("static").values()) == ("/etc/systemd/network/20-lan.network", None)
    assert networkd.origin_of([]) == (None, None)
    assert networkd.uplinks_of(there.values()) == ["enp3s0"]
    assert set(networkd.bridges({**there, "/etc/x": "# bridge: br-x\n"})) == {"br-lan"}
    assert networkd.without("br-lan", there) == dict.fromkeys(there)
    assert networkd.without("br-la", there) == {}


def test_a_nic_that_leaves_is_left_alone():
    assert networkd.released(["enp3s0"]).splitlines()[2:] == [
        *("[Match]", "Name=enp3s0", "", "[Network]", "KeepMaster=yes", "KeepConfiguration=yes"),
        *("LinkLocalAddressing=no", "IPv6AcceptRA=no"),
    ]


def test_lines_are_read_as_systemd_does():
    text = "ignored=1\n; a comment\n[Network]\n DNS = 192.0.2.1 \\\n  192.0.2.2\n#[Route]\n\n[Route]\n[Route]\nMetric=1"
    assert networkd.parse(text) == [
        ("Network", ["DNS = 192.0.2.1    192.0.2.2"]),
        ("Route", []),
        ("Route", ["Metric=1"]),
    ]


def test_a_bridge_that_stays_keeps_what_networkd_gave_it():
    assert networkd.bridges_of(rendered("dhcp").values()) == ["br-lan"]
    assert "[Match]\nName=br-lan\n\n[Network]\nKeepConfiguration=static\n" in networkd.forgotten(["br-lan"])
