# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from ansible_collections.virtnet.qemu.plugins.module_utils._spec.address import ifname
from ansible_collections.virtnet.qemu.plugins.module_utils._spec.base import SpecError
from ansible_collections.virtnet.qemu.plugins.module_utils._spec.guest_nic import tap_name
from tests.unit.guests import want


def nics(*entries):
    return want(nics=list(entries)).definition.nics


def test_a_nic_on_a_bridge_gets_a_tap_of_its_own():
    (nic,) = nics({"bridge": "br-lab"})
    assert (nic.type, nic.ifname, nic.id, nic.model, nic.own_tap) == ("tap", "web1-0", "nic0", "virtio-net-pci", True)


def test_without_a_bridge_the_tap_is_someone_elses():
    (nic,) = nics({"ifname": "tap7"})
    assert (nic.ifname, nic.own_tap) == ("tap7", False)


def test_type_none_is_no_nic():
    assert nics({"type": "none"}) == ()


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"model": "virtio"}, {"model": "virtio-net-pci"}),
        ({"mac": "52-54-00-AA-BB-CC"}, {"mac": "52:54:00:aa:bb:cc"}),
        ({"pci_address": "5"}, {"pci_address": "05.0"}),
        ({"pci_address": "0x1F.7"}, {"pci_address": "1f.7"}),
        ({"romfile": "off"}, {"romfile": ""}),
        ({"romfile": False}, {"romfile": ""}),
        ({"romfile": "/usr/share/rom.bin"}, {"romfile": "/usr/share/rom.bin"}),
    ],
)
def test_values_are_brought_to_one_form(given, expected):
    (nic,) = nics({"bridge": "br-lab", **given})
    assert {key: getattr(nic, key) for key in expected} == expected


@pytest.mark.parametrize(
    ("entries", "words"),
    [
        ([{}], ["nics[0]", "'bridge'", "'ifname'"]),
        ([{"type": "bridge"}], ["nics[0]", "'bridge'"]),
        ([{"type": "none"}, {"bridge": "b"}], ["'none'", "other entries"]),
        ([{"type": "user", "bridge": "b"}], ["nics[0].bridge", "'user'"]),
        ([{"bridge": "b", "hostfwd": [{"port": 22}]}], ["nics[0].hostfwd", "for user"]),
        ([{"type": "user", "queues": 2}], ["nics[0].queues"]),
        ([{"bridge": "b", "restrict": True}], ["nics[0].restrict", "for user"]),
        ([{"bridge": "b", "model": "e1000", "queues": 2}], ["nics[0].queues", "e1000"]),
        ([{"bridge": "b", "queues": 0}], ["nics[0].queues", "0"]),
        ([{"bridge": "b", "mac": "01:00:00:00:00:01"}], ["nics[0].mac", "multicast"]),
        ([{"bridge": "b", "pci_address": "00:05.0"}], ["nics[0].pci_address", "05.0"]),
        ([{"bridge": "b", "id": "0"}], ["nics[0].id", "letter"]),
        ([{"bridge": "b", "ifname": "a-name-of-16-byt"}], ["nics[0].ifname", "16 bytes"]),
        ([{"bridge": "b", "script": "up.sh"}], ["nics[0].script", "absolute"]),
        ([{"bridge": "b", "mac": "52:54:00:00:00:01"}] * 2, ["mac", "twice"]),
        ([{"bridge": "b", "ifname": "t"}] * 2, ["ifname 't'", "twice"]),
        ([{"type": "user", "hostfwd": [{"port": 70000}]}], ["hostfwd[0].port", "70000"]),
        ([{"type": "user", "hostfwd": [{"port": 22, "address": "::1"}]}], ["hostfwd[0].address", "IPv4"]),
    ],
)
def test_refused(entries, words):
    with pytest.raises(SpecError) as caught:
        nics(*entries)
    assert [word for word in words if word not in str(caught.value)] == []


@given(st.from_regex(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", fullmatch=True), st.integers(0, 99))
def test_a_tap_name_is_one_that_the_kernel_takes(guest, index):
    assert ifname("ifname", tap_name(guest, index)).endswith(f"-{index}")


def test_long_names_that_begin_alike_have_different_taps():
    guests = [f"web-server-of-team-{team}" for team in range(100)]
    names = {tap_name(guest, 0) for guest in guests}
    assert len(names) == len(guests)
    assert tap_name(guests[0], 0).startswith("web-se")
