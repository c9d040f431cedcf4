# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How the networks of an inventory are probed."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.virtnet.qemu.plugins.module_utils._spec.base import SpecError
from ansible_collections.virtnet.qemu.plugins.module_utils._spec.network_list import parse_networks
from ansible_collections.virtnet.qemu.plugins.module_utils._spec.probe_list import probed

LAN = [{"address": "192.0.2.1"}]
ROUTER = {"gateway": "namespace", "external_bridge": "br-ex", "external_addresses": ["192.0.2.9/24"]}


def probe(guests: Any = (), addresses: Any = None, **entry: Any) -> dict[str, Any]:
    networks = parse_networks([{"name": "lab", **entry}], list(guests), "hv1", "fleet")
    (found,) = probed(networks, LAN, addresses or {})
    return found


def test_a_network_with_dhcp():
    found = probe(model="nat", subnet="10.9.0.0/24", subnet6="fd00:9::/64")
    assert found == {
        "name": "lab",
        "bridge": "br-lab",
        "model": "nat",
        "lan": LAN,
        "host_access": True,
        "gateways": ["10.9.0.1", "fd00:9::1"],
        "dhcp": True,
        "dns": True,
        "dns_servers": ["10.9.0.1", "fd00:9::1"],
        "addresses": ["fd00:9::ffff:ffff:ffff:fffe/64", "fd00:9::ffff:ffff:ffff:fffd/64"],
    }


def test_a_network_without_dhcp_has_addresses_that_no_guest_has():
    guests = [{"name": "web1", "nics": [{"network": "lab", "address": "10.9.0.253"}]}]
    found = probe(guests, model="routed", subnet="10.9.0.0/24", address="10.9.0.254", dhcp=False)
    assert found["addresses"] == ["10.9.0.252/24", "10.9.0.251/24"]
    assert not found["dhcp"]
    chosen = {"lab": ["10.9.0.7/24", "10.9.0.8/24"]}
    assert probe(addresses=chosen, model="routed", subnet="10.9.0.0/24", dhcp=False)["addresses"] == chosen["lab"]


def test_a_network_with_room_for_one_guest():
    assert probe(model="routed", subnet="10.9.0.0/30", dhcp=False)["addresses"] == ["10.9.0.2/30"]


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ({"model": "isolated"}, {"host_access": False, "gateways": [], "dhcp": False, "addresses": []}),
        ({"model": "isolated", "subnet": "10.9.0.0/24"}, {"host_access": False, "gateways": [], "dhcp": True}),
        (
            {"model": "isolated", "subnet": "10.9.0.0/24", "host_address": True},
            {"host_access": True, "gateways": ["10.9.0.1"], "dns_servers": ["10.9.0.1"]},
        ),
        ({"model": "nat", "subnet": "10.9.0.0/24", **ROUTER}, {"host_addresses": [], "gateways": ["10.9.0.1"]}),
        ({"model": "routed", "subnet6": "fd00:9::/64"}, {"dhcp": False, "gateways": ["fd00:9::1"]}),
        ({"model": "bridged", "uplink": "eth0"}, {"addresses": []}),
    ],
)
def test_models(entry, expected):
    found = probe(**entry)
    assert {key: found[key] for key in expected} == expected


def test_addresses_for_a_network_that_is_not_there():
    with pytest.raises(SpecError, match="verify_addresses: there is no network 'other'"):
        probe(model="isolated", addresses={"other": []})
