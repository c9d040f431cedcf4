# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest

from ansible_collections.virtnet.qemu.plugins.module_utils._spec.base import SpecError
from ansible_collections.virtnet.qemu.plugins.module_utils._spec.nat_table import NatRules
from tests.unit.packet_rules import entry

DNAT = {"name": "ssh", "action": "dnat", "protocol": "tcp", "destination_port": "2222", "to_address": "192.168.4.11"}
MASQUERADE = {"name": "out", "action": "masquerade", "source": "192.168.4.0/24", "destination": "!192.168.4.0/24"}
NETMAP = {"name": "map", "action": "netmap", "source": "10.0.0.0/24", "to_address": "192.0.2.0/24"}
REDIRECT = {"name": "proxy", "action": "redirect", "protocol": "tcp", "destination_port": "80", "to_port": "3128"}


@pytest.mark.parametrize(
    ("given", "option", "value"),
    [
        (MASQUERADE, "version", 4),
        ({**MASQUERADE, "source": "fd00:4::/64", "destination": "!fd00:4::/64"}, "version", 6),
        ({**DNAT, "to_address": "FD00:4::0011"}, "to_address", "fd00:4::11"),
        ({"name": "m", "action": "masquerade", "out_interface": "eth0"}, "version", 4),
        ({"name": "m", "action": "masquerade", "out_interface": "eth0", "ip_version": "ipv6"}, "version", 6),
        ({**MASQUERADE, "destination": "! 10.0.0.0/8"}, "destination", "!10.0.0.0/8"),
        ({**MASQUERADE, "source": "10.0.0.7/32"}, "source", "10.0.0.7"),
        ({**MASQUERADE, "source": "fd00::7/128", "destination": None}, "source", "fd00::7"),
        ({**DNAT, "destination_port": "080"}, "destination_port", "80"),
        ({**DNAT, "destination_port": "80-80"}, "destination_port", "80"),
        ({**DNAT, "destination_port": "8000-8010"}, "destination_port", "8000-8010"),
        ({**DNAT, "in_interface": "!eth0.7"}, "in_interface", "!eth0.7"),
        ({"name": "gre", "action": "dnat", "protocol": "gre", "to_address": "10.0.0.1"}, "protocol", "gre"),
        ({**NETMAP, "source": "10.0.0.7", "to_address": "192.0.2.7/32"}, "to_address", "192.0.2.7"),
        # For a removal the names are enough, whatever else is given.
        ({"name": "ssh", "state": "absent", "to_address": "no address"}, "state", "absent"),
    ],
)
def test_one_form_of_what_is_given(given, option, value):
    assert getattr(entry(NatRules, given), option) == value


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({**DNAT, "to_address": None}, "to_address: 'action: dnat' needs it"),
        ({**DNAT, "action": None}, "action: it is missing"),
        ({**DNAT, "protocol": None}, "destination_port: only tcp, udp, sctp, dccp have ports"),
        ({**DNAT, "protocol": "icmp"}, "destination_port: only tcp, udp, sctp, dccp have ports"),
        ({**DNAT, "destination_port": None}, "destination_port: without it or 'destination'"),
        ({**DNAT, "destination_port": "0"}, "destination_port: '0' is not a port from 1 to 65535"),
        ({**DNAT, "destination_port": "80-70"}, "destination_port: '80-70' is not a port"),
        ({**DNAT, "destination_port": "80,81"}, "destination_port: '80,81' is not a port"),
        ({**DNAT, "destination_port": "65536"}, "destination_port: '65536' is not a port"),
        ({**DNAT, "destination_port": "80", "to_port": "80-81"}, "differ in length"),
        ({**DNAT, "to_address": "172.30,1.51"}, "to_address: '172.30,1.51' is not an IP address"),
        ({**DNAT, "to_address": "192.168.4.0/24"}, "takes one address"),
        ({**DNAT, "to_address": "127.0.0.1"}, "is the host itself; use 'action: redirect'"),
        ({**DNAT, "destination": "fd00::1"}, "a rule is for IPv4 or for IPv6; make two rules"),
        ({**DNAT, "ip_version": "ipv6"}, "ip_version: it is ipv6, but to_address is '192.168.4.11'"),
        ({**DNAT, "hairpin": "192.168.4.11/24"}, "hairpin: '192.168.4.11/24' has host bits set"),
        ({**DNAT, "out_interface": "eth0"}, "out_interface: 'eth0' has no meaning with 'action: dnat'"),
        ({**DNAT, "in_interface": "a-name-that-is-too-long"}, "in_interface: 'a-name-that-is-too-long' has 23 bytes"),
        ({**DNAT, "in_interface": "eth*"}, "in_interface: 'eth*' has a '*'"),
        ({**DNAT, "name": 'a" drop'}, "is not a rule's name"),
        ({**DNAT, "network": "a b"}, "network: 'a b' is not a network's name"),
        ({**MASQUERADE, "to_address": "192.0.2.1"}, "to_address: '192.0.2.1' has no meaning with 'action: masquerade'"),
        ({**MASQUERADE, "source": None}, "source: 'action: masquerade' needs it or 'out_interface'"),
        ({**MASQUERADE, "source": "192.168.4.0/33"}, "source: '192.168.4.0/33' has no prefix length from 0 to 32"),
        ({**MASQUERADE, "destination": "!0.0.0.0/0"}, "destination: '!0.0.0.0/0' would match nothing"),
        ({**MASQUERADE, "protocol": "icmpv6"}, "protocol: there is no 'icmpv6' in IPv4; give 'icmp'"),
        ({**MASQUERADE, "protocol": "icmp", "ports": "1-2"}, "ports: 'icmp' has no ports"),
        ({**NETMAP, "to_address": "192.0.2.0/25"}, "differ in length"),
        ({**NETMAP, "source": "!10.0.0.0/24"}, "cannot be negated"),
        (REDIRECT, "in_interface: 'action: redirect' needs it"),
        ({"name": "s", "action": "snat", "source": "10.0.0.0/24"}, "to_address: 'action: snat' needs it"),
        ({**REDIRECT, "in_interface": "br0", "to_port": None}, "to_port: 'action: redirect' needs it"),
        ({**REDIRECT, "in_interface": "br0", "to_address": "10.0.0.1"}, "to_address: '10.0.0.1' has no meaning with"),
        ({**NETMAP, "ports": "1-2"}, "ports: '1-2' has no meaning with 'action: netmap'"),
        ({**DNAT, "name": "n" * 49}, "use up to 48 letters"),
        ({**DNAT, "name": ""}, "name: '' is not a rule's name"),
        ({**DNAT, "netns": "../x"}, "netns: '../x' is not a namespace name"),
        ({**DNAT, "in_interface": 'eth"0'}, "in_interface: 'eth\"0' has a '\"'"),
        ({**DNAT, "source": "10.0.0.1/24"}, "source: '10.0.0.1/24' has host bits set; the network is 10.0.0.0/24"),
        ({**DNAT, "to_address": "::1"}, "to_address: '::1' is the host itself"),
    ],
)
def test_mistakes_are_told_plainly(given, text):
    with pytest.raises(SpecError) as caught:
        entry(NatRules, {key: value for key, value in given.items() if value is not None})
    assert text in str(caught.value)
