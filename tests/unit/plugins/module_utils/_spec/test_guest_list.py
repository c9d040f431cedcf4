# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest

from ansible_collections.virtnet.qemu.plugins.module_utils._spec.base import SpecError
from ansible_collections.virtnet.qemu.plugins.module_utils._spec.guest_list import (
    host_devices,
    nic_guards,
    on_bridges,
    with_macs,
)
from ansible_collections.virtnet.qemu.plugins.module_utils._spec.mac_address import derived_mac
from tests.unit.guests import planned, want

NETWORKS = [{"name": "lab", "model": "nat"}, {"name": "back", "bridge": "virbr7"}]


def test_the_same_macs_as_the_module_derives():
    (guest,) = with_macs([{"name": "web1", "nics": [{"network": "lab"}, {"type": "user"}]}], "fleet", "hv1")
    planned_guest = planned(want(nics=[{"bridge": "br-lab"}, {"type": "user"}], fleet="fleet", host="hv1"))
    assert [nic["mac"] for nic in guest["nics"]] == [nic.mac for nic in planned_guest.definition.nics]


def test_given_macs_are_kept_and_no_nic_gets_none():
    guests = [
        {"name": "a", "nics": [{"mac": "52:54:00:00:00:01"}]},
        {"name": "b", "nics": [{"type": "none"}]},
        {"name": "c"},
    ]
    assert with_macs(guests, "f", "h") == guests


def test_one_mac_twice_is_refused():
    mac = derived_mac("f", "h", "b", 0)
    guests = [{"name": "a", "nics": [{"mac": mac.upper()}]}, {"name": "b", "nics": [{}]}]
    with pytest.raises(SpecError, match=r"guest 'a', nics\[0\] and of guest 'b', nics\[0\]"):
        with_macs(guests, "f", "h")


def test_devices_are_collected_from_guests_that_stay():
    guests = [
        {"name": "web1", "host_devices": [{"device": "04:00.0", "romfile": "off"}, {"device": "enp5s0/0"}]},
        {"name": "web2", "state": "absent", "host_devices": [{"device": "04:00.0"}]},
        {"name": "web3"},
    ]
    listed = [{"name": "04:00.0", "adopt": True}, {"name": "enp9s0"}]
    assert host_devices(guests, listed) == [*listed, {"name": "enp5s0/0"}]


def test_networks_become_bridges():
    guests = [
        {
            "name": "a",
            "memory": "1G",
            "nics": [
                {"network": "lab", "address": "192.0.2.5", "anti_spoofing": False},
                {"network": "back"},
                {"ifname": "t"},
            ],
        }
    ]
    assert on_bridges(guests, NETWORKS) == [
        {"name": "a", "memory": "1G", "nics": [{"bridge": "br-lab"}, {"bridge": "virbr7"}, {"ifname": "t"}]}
    ]


@pytest.mark.parametrize(
    ("guest", "words"),
    [
        ({"name": "a", "nics": [{"network": "lan"}]}, ["guest 'a'", "nics[0].network", "'lan'", "back, lab"]),
        ({"name": "a", "nics": [{"network": "lab", "bridge": "x"}]}, ["guest 'a'", "'network'", "'bridge'"]),
        ({"name": "a", "nics": {"network": "lab"}}, ["guest 'a'", "nics", "list"]),
        ({"nics": []}, ["name"]),
        ("a", ["'a'", "name"]),
    ],
)
def test_refused(guest, words):
    with pytest.raises(SpecError) as caught:
        on_bridges([guest], NETWORKS)
    assert [word for word in words if word not in str(caught.value)] == []


def test_what_is_guarded():
    nics = [
        {"network": "lab", "address": "192.0.2.5", "address6": "2001:DB8::5"},
        {"bridge": "br0", "id": "back", "anti_spoofing": False},
        {"bridge": "br0", "ifname": "mine"},
        {"ifname": "given"},
        {"type": "user"},
        {"type": "bridge", "bridge": "br0"},
    ]
    guests = with_macs([{"name": "web1", "nics": nics}], "fleet", "hv1")
    macs = [nic["mac"] for nic in guests[0]["nics"]]
    common = {"guest": "web1", "addresses": []}
    assert nic_guards(guests, True) == [
        {**common, "name": "web1-0", "mac": macs[0], "addresses": ["192.0.2.5", "2001:db8::5"], "state": "present"},
        {**common, "name": "web1-back", "mac": macs[1], "state": "absent"},
        {**common, "name": "mine", "mac": macs[2], "state": "present"},
    ]
    assert {guard["state"] for guard in nic_guards(guests, False)} == {"absent"}
    planned_guest = planned(want(nics=[{"bridge": "br-lab"}, {"bridge": "br-lab", "id": "back"}]))
    assert [nic.ifname for nic in planned_guest.definition.nics] == ["web1-0", "web1-back"]


def test_the_guards_of_a_guest_that_goes_go_too():
    (guest,) = with_macs([{"name": "web1", "state": "absent", "nics": [{"network": "lab"}]}], "f", "h")
    assert [guard["state"] for guard in nic_guards([guest], True)] == ["absent"]


@pytest.mark.parametrize(
    ("nic", "message"),
    [
        ({"anti_spoofing": "maybe"}, r"guest 'web1': nics\[0\].anti_spoofing: 'maybe' is neither true nor false"),
        ({"address": "172.30,1.51"}, r"guest 'web1': nics\[0\].address: '172.30,1.51'"),
    ],
)
def test_refused_guards(nic, message):
    guests = with_macs([{"name": "web1", "nics": [{"network": "lab", **nic}]}], "f", "h")
    with pytest.raises(SpecError, match=message):
        nic_guards(guests, True)
