# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest

from ansible_collections.virtnet.qemu.plugins.module_utils._spec.base import SpecError
from ansible_collections.virtnet.qemu.plugins.module_utils._spec.network_list import parse_networks
from ansible_collections.virtnet.qemu.plugins.module_utils._spec.network_resources import resources

LAB = {"name": "lab", "model": "nat", "subnet": "192.168.4.0/24"}
WEB1 = {"name": "web1", "nics": [{"network": "lab", "address": "192.168.4.11", "mac": "52:54:00:00:00:11"}]}
WEB2 = {"name": "web2", "nics": [{"network": "other"}, {"network": "lab"}]}


def parse(*entries, guests=()):
    return parse_networks(list(entries), list(guests), "hv1", "fleet")


def test_defaults():
    (lab,) = parse(LAB)
    assert lab.bridge == "br-lab"
    (subnet,) = lab.subnets
    assert subnet.address == "192.168.4.1/24"
    assert subnet.gateway == "192.168.4.1"
    assert subnet.dhcp_range == ("192.168.4.2", "192.168.4.254")


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"address": "192.168.4.254"}, ("192.168.4.1", "192.168.4.254")),
        ({"address": "192.168.4.254/24"}, ("192.168.4.1", "192.168.4.254")),
        ({"dhcp_range": ["192.168.4.100", "192.168.4.100"]}, ("192.168.4.100", "192.168.4.100")),
        ({"subnet": "10.0.0.0/30"}, ("10.0.0.2", "10.0.0.2")),
    ],
)
def test_dhcp_range(given, expected):
    assert parse({**LAB, **given})[0].subnets[0].dhcp_range == expected


def test_a_nic_with_an_address_becomes_a_reservation_and_the_target_of_forwards():
    forwards = [{"port": 2222, "guest": "web1", "guest_port": 22}, {"port": "8000-8010", "address": "192.168.4.9"}]
    (lab,) = parse({**LAB, "forwards": forwards}, guests=[WEB1, WEB2])
    assert [vars(r) for r in lab.reservations] == [
        {"mac": "52:54:00:00:00:11", "address": "192.168.4.11", "hostname": "web1"}
    ]
    assert [(f.name, f.address, f.guest_port) for f in lab.forwards] == [
        ("tcp-2222", "192.168.4.11", "22"),
        ("tcp-8000-8010", "192.168.4.9", "8000-8010"),
    ]


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ({"model": "nat"}, ["entry 1", "'name'"]),
        ({**LAB, "subent": 1}, ["'lab'", "'subent'", "subnet"]),
        ({**LAB, "subnet": None}, ["subnet", "missing"]),
        ({**LAB, "subnet": "192.168.4.0"}, ["subnet", "prefix length"]),
        ({**LAB, "subnet": "192.168.4.1/24"}, ["subnet", "host bits", "192.168.4.0/24"]),
        ({**LAB, "subnet": "172.30,1.0/24"}, ["subnet", "172.30,1.0"]),
        ({**LAB, "subnet": "10.0.0.0/31"}, ["subnet", "no room"]),
        ({**LAB, "address": "192.168.5.1"}, ["address", "192.168.5.1", "192.168.4.0/24"]),
        ({**LAB, "address": "192.168.4.255"}, ["address", "192.168.4.255"]),
        ({**LAB, "name": "a-rather-long-name"}, ["bridge", "15 bytes"]),
        ({**LAB, "dhcp_range": ["192.168.4.9", "192.168.4.8"]}, ["dhcp_range", "after"]),
        ({**LAB, "dhcp_range": "192.168.4.9"}, ["dhcp_range", "first and a last"]),
        ({**LAB, "mtu": 10}, ["mtu", "10"]),
        ({**LAB, "forwards": [{"guest": "web1"}]}, ["forwards", "port"]),
        ({**LAB, "forwards": [{"port": 1, "to": "web1"}]}, ["forwards", "'to'"]),
        ({**LAB, "forwards": [{"port": 1, "guest": "web9"}]}, ["forwards", "web9"]),
        ({**LAB, "forwards": [{"port": 1, "guest": "web2"}]}, ["forwards", "web2", "'address'"]),
        ({**LAB, "forwards": [{"port": 1, "address": "10.0.0.1"}]}, ["forwards", "10.0.0.1"]),
    ],
)
def test_refused(entry, words):
    with pytest.raises(SpecError) as refusal:
        parse(entry, guests=[WEB1, WEB2])
    assert all(word in str(refusal.value) for word in words), refusal.value


@pytest.mark.parametrize("taken", ["192.168.4.1", "192.168.4.11"])
def test_one_address_twice(taken):
    second = {"name": "web3", "nics": [{"network": "lab", "address": taken}]}
    with pytest.raises(SpecError, match=f"{taken}.*web3"):
        parse(LAB, guests=[WEB1, second])


@pytest.mark.parametrize(
    ("other", "word"),
    [
        ({"name": "lab", "subnet": "10.0.0.0/24"}, "name 'lab'"),
        ({"name": "b", "bridge": "br-lab", "subnet": "10.0.0.0/24"}, "bridge 'br-lab'"),
        ({"name": "b", "subnet": "192.168.4.128/25"}, "overlaps"),
        ({"name": "b", "subnet": "192.168.0.0/16"}, "overlaps"),
        ({"name": "b", "subnet": "10.0.0.0/24", "forwards": [{"port": 80, "address": "10.0.0.2"}]}, "port 'tcp-80'"),
    ],
)
def test_two_networks_that_collide(other, word):
    lab = {**LAB, "forwards": [{"port": 80, "address": "192.168.4.2"}]}
    with pytest.raises(SpecError, match=word):
        parse(lab, {"model": "nat", **other})


def test_overlap_is_found_across_a_network_in_between():
    wide = {"name": "wide", "model": "nat", "subnet": "10.0.0.0/8"}
    first = {"name": "first", "model": "nat", "subnet": "10.1.0.0/24"}
    last = {"name": "last", "model": "nat", "subnet": "10.2.0.0/24"}
    with pytest.raises(SpecError, match="overlaps"):
        parse(wide, first, last)


def test_resources():
    made = resources(parse({**LAB, "forwards": [{"port": 80, "guest": "web1"}]}, guests=[WEB1]), "hv1", "fleet")
    assert [b["name"] for b in made["bridges"]] == ["br-lab"]
    assert made["firewalls"][0]["subnets"] == ["192.168.4.0/24"]
    assert [(r["name"], r["action"]) for r in made["nat_rules"]] == [("out", "masquerade"), ("tcp-80", "dnat")]
    assert made["dnsmasq"][0]["ranges"] == [{"start": "192.168.4.2", "end": "192.168.4.254"}]


def test_a_fixed_source_address():
    made = resources(parse({**LAB, "nat_address": "192.0.2.10"}), "hv1", "fleet")
    assert [(r["action"], r["to_address"]) for r in made["nat_rules"]] == [("snat", "192.0.2.10")]


def test_a_bridge_has_the_same_mac_on_every_run_and_another_on_another_host():
    def mac(host):
        return resources(parse(LAB), host, "fleet")["bridges"][0]["mac"]

    assert mac("hv1") == mac("hv1") != mac("hv2")
