# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest

from ansible_collections.virtnet.qemu.plugins.module_utils._spec.base import SpecError
from ansible_collections.virtnet.qemu.plugins.module_utils._spec.network_list import check_against_host, parse_networks

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


BACK = {"name": "back", "model": "isolated"}
ROUTER = {"gateway": "namespace", "external_bridge": "br-ex", "external_addresses": ["192.0.2.51/24"]}


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ({**LAB, "model": "bridge"}, ["model", "isolated, routed, nat, bridged"]),
        ({**BACK, "forwards": []}, ["'forwards'", "isolated"]),
        ({**LAB, "host_address": True}, ["'host_address'", "nat"]),
        ({**BACK, "address": "10.0.0.1"}, ["address", "'subnet'"]),
        ({**BACK, "dhcp6_range": ["::1", "::2"]}, ["dhcp6_range", "'subnet6'"]),
        ({"name": "lan", "model": "bridged"}, ["uplink", "missing"]),
        ({"name": "lan", "model": "bridged", "uplink": "a/b"}, ["uplink", "a/b"]),
        ({**LAB, "subnet6": "10.0.0.0/24"}, ["subnet6", "IPv6"]),
        ({**LAB, "subnet6": "fd00::/127"}, ["subnet6", "no room", "/126"]),
        ({**LAB, "subnet6": "fd00::/64", "address6": "fd00::"}, ["address6", "fd00::"]),
        ({**LAB, "subnet6": "fd00::/80", "dhcp6_mode": "slaac"}, ["dhcp6_mode", "64 bits"]),
        ({**LAB, "subnet6": "fd00::/64", "dhcp6_mode": "auto"}, ["dhcp6_mode", "ra-stateless"]),
        ({**LAB, "gateway": "router"}, ["gateway", "'namespace'"]),
        ({**LAB, "gateway": "namespace"}, ["external_bridge", "missing"]),
        ({**LAB, "external_bridge": "br-ex"}, ["external_bridge", "'gateway: namespace'"]),
        ({**LAB, **ROUTER, "external_addresses": ["192.0.2.51"]}, ["external_addresses", "prefix length"]),
        ({**LAB, **ROUTER, "external_addresses": ["192.168.4.99/24"]}, ["192.168.4.0/24", "external_addresses"]),
        ({**LAB, "one_to_one": [{"external_address": "192.0.2.9", "guest": "web1"}]}, ["uplink", "one_to_one"]),
        ({**LAB, "one_to_one": [{"guest": "web1"}]}, ["one_to_one", "'external_address'"]),
        ({**LAB, "one_to_one": [{"external_address": "2001:db8::9", "guest": "web1"}]}, ["one_to_one", "IPv6"]),
        ({**LAB, "forwards": [{"port": 1, "address": "fd00::2"}]}, ["forwards", "fd00::2", "no subnet"]),
    ],
)
def test_refused_by_model(entry, words):
    with pytest.raises(SpecError) as refusal:
        parse(entry, guests=[WEB1, WEB2])
    assert all(word in str(refusal.value) for word in words), refusal.value


def test_where_networks_do_not_meet_subnets_may_be_the_same():
    twin = {**LAB, **ROUTER, "name": "r2", "external_addresses": ["192.0.2.52/24"]}
    isolated = {**LAB, "name": "back", "model": "isolated"}
    assert len(parse(LAB, {**LAB, **ROUTER, "name": "r1"}, twin, isolated)) == 4
    with pytest.raises(SpecError, match="overlaps"):
        parse(LAB, {**isolated, "host_address": True})
    with pytest.raises(SpecError, match="external_addresses: '192.0.2.51'"):
        parse({**LAB, **ROUTER, "name": "r1"}, {**twin, "external_addresses": ["192.0.2.51/24"]})
    lans = [{"name": name, "model": "bridged", "uplink": "eth0"} for name in ("lan", "lan2")]
    with pytest.raises(SpecError, match="uplink 'eth0'"):
        parse(*lans)


@pytest.mark.parametrize(
    ("entry", "there", "refused"),
    [
        (LAB, ("eth0", "192.168.4.0/25"), True),
        (LAB, ("eth0", "192.168.0.0/255.255.0.0"), True),
        (LAB, ("eth0", "192.168.5.0/24"), False),
        (LAB, ("br-lab", "192.168.4.0/24"), False),
        ({**LAB, **ROUTER}, ("eth0", "192.168.4.0/24"), False),
        ({**LAB, "subnet6": "fd00:4::/64"}, ("eth0", "fd00:4::9/64"), True),
    ],
)
def test_what_the_host_has_on_another_interface(entry, there, refused):
    if refused:
        with pytest.raises(SpecError, match=there[0]):
            check_against_host(parse(entry), [there])
    else:
        check_against_host(parse(entry), [there])


@pytest.mark.parametrize(
    ("there", "network"),
    [
        ("192.168.3.0/24", None),
        ("192.168.4.9/24", "n4"),
        ("192.168.6.128/25", "n6"),
        ("192.168.8.0/32", "n8"),
        ("192.168.6.0/23", "n6"),
        ("192.168.0.0/16", "n4"),
        ("192.168.7.0/24", None),
        ("192.168.9.0/24", None),
        ("fd00::/8", None),
    ],
)
def test_of_several_networks_the_one_that_an_interface_is_in_the_way_of(there, network):
    """Whichever it is in their order."""
    networks = parse(*({"name": f"n{n}", "model": "nat", "subnet": f"192.168.{n}.0/24"} for n in (8, 4, 6)))
    others = [("lo", "127.0.0.1/8"), ("eth0", there), ("eth1", "10.0.0.0/8")]
    if network is None:
        check_against_host(networks, others)
        return
    with pytest.raises(SpecError, match=f"'{network}'") as refused:
        check_against_host(networks, others)
    assert "'eth0'" in str(refused.value)
