# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A bridge with an uplink as profiles of NetworkManager."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from ansible_collections.virtnet.qemu.plugins.module_utils._persist import keyfile, networkmanager
from ansible_collections.virtnet.qemu.plugins.module_utils._persist.networkmanager import Managed
from ansible_collections.virtnet.qemu.plugins.module_utils._spec.base import SpecError
from ansible_collections.virtnet.qemu.plugins.module_utils._spec.bridge import Bridge

CASES = Path(__file__).with_name("networkmanager_cases")
SOURCE = "source.nmconnection"
UUID = "7d3c5c8e-3b5c-4a58-9a39-6f6a6c3a2b10"
MAC = "52:54:00:00:00:01"
LAN = Bridge("br-lan", uplink="enp3s0")
OWN = ("192.168.4.1/24", "fd00:4::1/64")
BRIDGES = {
    "static": LAN,
    "dhcp": replace(LAN, addresses=OWN[:1], mac="52:54:00:00:00:02"),
    "flush": replace(LAN, uplink_addresses="flush", stp=True, forward_delay=2),
    "everything": Bridge("br.1", uplink="en@0", mtu=9000, stp=False, ageing_time=0, vlan_filtering=True, addresses=OWN),
    "none": replace(LAN, addresses=OWN),
    "generated": LAN,
}
LEASED = {
    "metric": "100",
    "client_id": "01:52:54:00:00:00:01",
    "duid": "00:04:01:02",
    "iaid": "01:02:03:04",
    "token": "::81c8:c6d2:5bb:8b1a",
}
KNOWN = {"dhcp": LEASED, "flush": LEASED, "static": {"metric": "100"}, "none": {"origin": ""}}


def managed(case: str) -> Managed:
    return Managed(MAC, text=(CASES / case / SOURCE).read_text(), **{"origin": UUID, **KNOWN.get(case, {})})


def rendered(case: str) -> dict[str, str]:
    return managed(case).uplink_files(BRIDGES[case])


def names(files: dict[str, str]) -> dict[str, str]:
    return {path.rpartition("/")[2]: text for path, text in files.items()}


@pytest.mark.parametrize("case", BRIDGES)
def test_what_networkmanager_reads(case):
    files = {path.name: path.read_text() for path in (CASES / case).iterdir() if path.name != SOURCE}
    assert names(rendered(case)) == files


@pytest.mark.parametrize("case", BRIDGES)
def test_our_profiles_say_what_they_are_of(case):
    there, bridge = rendered(case), BRIDGES[case]
    assert all(map(networkmanager.is_native, there))
    assert networkmanager.bridges(there) == [bridge.name] * 3
    assert networkmanager.without(bridge.name, there) == dict.fromkeys(there)
    assert networkmanager.without("another", there) == {}
    assert networkmanager.earlier(bridge.uplink, MAC, there) == managed(case)
    assert networkmanager.earlier("enp9s0", MAC, there) is None
    assert networkmanager.origins(there.values()) == {bridge.uplink: managed(case).origin}
    assert set(networkmanager.identities(there.values())) == {bridge.name, bridge.uplink}


def test_profiles_of_others_are_nobodys():
    theirs = {f"{networkmanager.FOLDER}/lan.nmconnection": "[user]\nvirtnet.bridge=br-lan\n"}
    assert networkmanager.bridges(theirs) == [] and networkmanager.without("br-lan", theirs) == {}


def test_what_is_too_long_to_be_noted_is_left_out():
    source = f"[ipv4]\nmethod=manual\ndns-search={'x' * 9000};\n"
    files = replace(managed("static"), text=source).uplink_files(LAN)
    assert max(len(line) for line in files[networkmanager.path_of("enp3s0")].splitlines()) < 8300
    assert networkmanager.earlier("enp3s0", MAC, files) == replace(managed("static"), text="")


def test_the_time_of_the_last_use_is_no_part_of_a_profile():
    text = managed("generated").text.replace("[ethernet]", "timestamp=17\n[ethernet]")
    assert replace(managed("generated"), text=text).uplink_files(LAN) == rendered("generated")


@pytest.mark.parametrize(
    ("source", "bridge", "message"),
    [
        ("[connection]\nid=lan\n[802-1x]\neap=tls;\n", LAN, "'lan' of 'enp3s0' authenticates the NIC by 802.1X"),
        ("[pppoe]\nusername=x\n", LAN, "dials in by PPPoE"),
        ("[connection]\ntype=bond\n", LAN, "is of the type 'bond'; only an Ethernet one can be written"),
        ("[ipv4]\nmethod=shared\n", LAN, "shares the NIC's network"),
        ("[ipv6]\nmethod=shared\n", LAN, "shares the NIC's network"),
        ("[connection]\nautoconnect-priority=999\n", LAN, "has the priority 999"),
        ("[ipv4]\nmethod=link-local\n", replace(LAN, addresses=OWN), "addresses: '192.168.4.1/24' cannot be kept"),
    ],
)
def test_what_cannot_be_written_is_refused(source, bridge, message):
    with pytest.raises(SpecError, match="^(uplink|addresses): ") as caught:
        Managed(MAC, UUID, source).uplink_files(bridge)
    assert message in str(caught.value)


def test_the_addresses_that_a_profile_lists_are_told_from_others():
    text = "[ipv4]\naddress1=192.0.2.1/24\n[ipv6]\naddress1=2001:DB8:0::1/64,fe80::1\n"
    text += "addresses2=fd00::2;64;::;\naddress3=x"
    assert sorted(map(str, networkmanager.addresses(text))) == ["2001:db8::1", "fd00::2"]


# -- the format ----------------------------------------------------------------------------------


def test_lines_are_read_as_glib_does():
    text = "lost=1\n# a comment\n[802-3-ethernet]\n mtu = 1400 \n#[ipv4]\n\n[ipv4]\ndns=a=b;\n[ethernet]\nmtu=1500\n"
    assert keyfile.parse(text) == {"ethernet": {"mtu": "1500"}, "ipv4": {"dns": "a=b;"}}


@pytest.mark.parametrize("value", ["", " a", "a b", "a\\nb", "[a]\nb=\t#;", "\\\\", "\r\n", "ü"])
def test_any_text_can_be_a_value(value):
    assert keyfile.unescaped(keyfile.escaped(value)) == value
    sections = {"a": {"b": keyfile.escaped(value)}}
    assert keyfile.parse(keyfile.written(sections.items())) == sections


def test_a_profile_without_an_id_is_known_by_its_file():
    # As NetworkManager 1.42 calls them.
    path = "/run/NetworkManager/system-connections/nouuid.nmconnection"
    assert keyfile.identity(path, {}) == "3819b0f0-9bf4-3d6f-9335-104dfef19fee"
    assert keyfile.identity(path, {"connection": {"uuid": UUID}}) == UUID
