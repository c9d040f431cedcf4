# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest

from ansible_collections.virtnet.qemu.plugins.module_utils._spec.network_list import parse_networks
from ansible_collections.virtnet.qemu.plugins.module_utils._spec.network_resources import resources

LAB = {"name": "lab", "model": "nat", "subnet": "192.168.4.0/24"}
LAB6 = {**LAB, "subnet6": "fd00:4::/64"}
ROUTER = {"gateway": "namespace", "external_bridge": "br-ex", "external_addresses": ["192.0.2.51/24"]}
NIC = {"network": "lab", "mac": "52:54:00:00:00:11", "address": "192.168.4.11"}
WEB1 = {"name": "web1", "nics": [NIC]}
BOTH = {"name": "web1", "nics": [{**NIC, "address6": "fd00:4::11"}]}


def made(*entries, guests=(), host="hv1"):
    return resources(parse_networks(list(entries), list(guests), host, "fleet"), host, "fleet")


def kinds(found):
    return {kind for kind, listed in found.items() if listed and kind not in ("forwarding", "touches_uplink")}


def test_a_nat_network():
    found = made({**LAB, "forwards": [{"port": 80, "guest": "web1"}]}, guests=[WEB1])
    assert [b["name"] for b in found["bridges"]] == ["br-lab"]
    assert found["firewalls"][0]["subnets"] == ["192.168.4.0/24"]
    assert [(r["name"], r["action"]) for r in found["nat_rules"]] == [("out", "masquerade"), ("tcp-80", "dnat")]
    assert found["dnsmasq"][0]["ranges"] == [{"start": "192.168.4.2", "end": "192.168.4.254"}]


def test_a_fixed_source_address():
    found = made({**LAB, "nat_address": "192.0.2.10"})
    assert [(r["action"], r["to_address"]) for r in found["nat_rules"]] == [("snat", "192.0.2.10")]


def test_a_bridge_has_the_same_mac_on_every_run_and_another_on_another_host():
    def mac(host):
        return made(LAB, host=host)["bridges"][0]["mac"]

    assert mac("hv1") == mac("hv1") != mac("hv2")


def test_both_versions_of_ip():
    found = made({**LAB6, "forwards": [{"port": 80, "guest": "web1"}]}, guests=[BOTH])
    assert found["forwarding"] == {"ipv4": True, "ipv6": True}
    assert found["bridges"][0]["addresses"] == ["192.168.4.1/24", "fd00:4::1/64"]
    (server,) = found["dnsmasq"]
    assert server["ranges"][1] == {"start": "fd00:4::1000", "end": "fd00:4::ffff", "mode": "slaac"}
    assert [r["address"] for r in server["reservations"]] == ["192.168.4.11", "fd00:4::11"]
    rules = {rule["name"]: rule for rule in found["nat_rules"]}
    assert set(rules) == {"out", "out6", "tcp-80", "tcp6-80"}
    assert (rules["tcp6-80"]["to_address"], rules["tcp6-80"]["hairpin"]) == ("fd00:4::11", "fd00:4::/64")


def test_ipv6_may_be_routed_beside_translated_ipv4():
    found = made({**LAB6, "nat_ipv6": False, "forwards": [{"port": 80, "guest": "web1"}]}, guests=[BOTH])
    assert [rule["name"] for rule in found["nat_rules"]] == ["out", "tcp-80"]


@pytest.mark.parametrize(
    ("entry", "wanted"),
    [
        ({"name": "back", "model": "isolated"}, {"bridges", "firewalls", "nat_rules"}),
        (
            {"name": "back", "model": "isolated", "subnet": "10.9.0.0/24"},
            {"namespaces", "veths", "bridges", "firewalls", "nat_rules", "dnsmasq"},
        ),
        (
            {"name": "back", "model": "isolated", "subnet": "10.9.0.0/24", "host_address": True},
            {"bridges", "firewalls", "nat_rules", "dnsmasq"},
        ),
        ({"name": "lan", "model": "bridged", "uplink": "eth0"}, {"bridges", "firewalls"}),
        (
            {"name": "lan", "model": "bridged", "uplink": "eth0", "dhcp_client": True},
            {"bridges", "dhcp_clients", "firewalls"},
        ),
    ],
)
def test_kinds_of_resources(entry, wanted):
    found = made(entry)
    assert kinds(found) == wanted
    assert found["forwarding"] == {"ipv4": False, "ipv6": False}


def test_an_isolated_network_has_nothing_of_the_host():
    found = made({"name": "back", "model": "isolated", "subnet": "10.9.0.0/24"})
    assert found["bridges"][0]["addresses"] == []
    (leg,) = found["veths"]
    assert leg["bridge"] == "br-back"
    assert leg["peer"]["addresses"] == ["10.9.0.1/24"]
    assert found["namespaces"] == [{"name": "vn-back", "sysctls": {}}]
    (server,) = found["dnsmasq"]
    assert (server["netns"], server["interface"], server["router"], server["upstream"]) == (
        "vn-back",
        "eth0",
        "none",
        [],
    )


def test_a_virtual_router():
    one = {"external_address": "192.0.2.77", "guest": "web1"}
    router = {**LAB, **ROUTER, "netns": "r1", "external_gateways": ["192.0.2.1"], "one_to_one": [one]}
    found = made(router, guests=[WEB1])
    assert found["forwarding"] == {"ipv4": False, "ipv6": False}
    assert found["namespaces"] == [{"name": "r1", "sysctls": {"net.ipv4.ip_forward": "1"}}]
    inside, outside = found["veths"]
    assert (inside["bridge"], outside["bridge"]) == ("br-lab", "br-ex")
    assert outside["peer"]["routes"] == [{"dst": "default", "gateway": "192.0.2.1"}]
    assert {rule["netns"] for rule in found["nat_rules"]} == {"r1"}
    assert found["addresses"] == [{"name": "eth1", "netns": "r1", "addresses": ["192.0.2.77/32"]}]
    assert [(f.get("netns"), f["model"]) for f in found["firewalls"]] == [(None, "isolated"), ("r1", "nat")]
    assert found["dnsmasq"][0]["upstream"] == ["192.0.2.1"]


def test_names_of_interfaces_fit_and_are_told_apart():
    names = ["a-network-with-a-long-name", "a-network-with-a-long-tail"]
    found = made(*({"name": n, "model": "isolated", "subnet": "10.9.0.0/24", "bridge": n[-9:]} for n in names))
    ends = [name for leg in found["veths"] for name in (leg["name"], leg["peer"]["name"])]
    assert len(set(ends)) == 4
    assert all(len(name) <= 15 for name in ends)
