# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest

from ansible_collections.virtnet.qemu.plugins.module_utils._spec.nft import comment_of, parse, script
from ansible_collections.virtnet.qemu.plugins.module_utils._spec.ruleset import Ruleset

LISTING = """table inet virtnet_nat {
    map forward4 {
        type inet_proto . inet_service : ipv4_addr . inet_service
        elements = { sctp . 5 comment "lab/a, b : c" : 192.168.4.11 . 53,
            tcp . 2222 : 192.168.4.11 . 22 }
    }

    map empty {
        type ipv6_addr : verdict
        flags interval
    }

    set bridges {
        type ifname
        elements = { "br1", "br2" comment "two" }
    }

    chain prerouting {
        type nat hook prerouting priority dstnat; policy accept;
        jump pre-lab
        ip saddr { 10.0.0.1, 10.0.0.2,
            10.0.0.3 } accept
    }

    chain pre-lab {
    }
}
""".replace("    ", "\t")


def test_a_listing_is_understood():
    table = parse(LISTING)
    assert table.declared == {
        "map forward4": "type inet_proto . inet_service : ipv4_addr . inet_service",
        "map empty": "type ipv6_addr : verdict; flags interval",
        "set bridges": "type ifname",
        "chain prerouting": "type nat hook prerouting priority dstnat; policy accept;",
    }
    assert table.chains == {
        "prerouting": ("jump pre-lab", "ip saddr { 10.0.0.1, 10.0.0.2, 10.0.0.3 } accept"),
        "pre-lab": (),
    }
    assert table.elements == {
        "forward4": {
            "sctp . 5": 'sctp . 5 comment "lab/a, b : c" : 192.168.4.11 . 53',
            "tcp . 2222": "tcp . 2222 : 192.168.4.11 . 22",
        },
        "empty": {},
        "bridges": {'"br1"': '"br1"', '"br2"': '"br2" comment "two"'},
    }


@pytest.mark.parametrize("line", ["flags dormant", "counter mine {\n\t\tpackets 0 bytes 0\n\t}"])
def test_whatever_else_is_in_a_table_is_seen(line):
    assert parse(LISTING.replace("{\n", "{\n\t" + line + "\n", 1)).declared != parse(LISTING).declared


HOOK = {"chain in": "type filter hook input priority filter; policy accept;"}
BEFORE = Ruleset(
    {**HOOK, "map m": "type ifname : verdict", "set s": "type ifname"},
    {"in": ("iifname vmap @m",), "a": ("accept",), "b": ("drop", "accept")},
    {"m": {'"x"': '"x" : jump a', '"y"': '"y" : jump b'}, "s": {'"x"': '"x"'}},
)


def test_a_table_is_made_with_its_chains_before_what_jumps_to_them():
    assert script("t", None, BEFORE) == [
        "add table inet t",
        "add chain inet t in { type filter hook input priority filter; policy accept; }",
        "add chain inet t a",
        "add chain inet t b",
        "add map inet t m { type ifname : verdict; }",
        "add set inet t s { type ifname; }",
        "add rule inet t in iifname vmap @m",
        "add rule inet t a accept",
        "add rule inet t b drop",
        "add rule inet t b accept",
        'add element inet t m { "x" : jump a }',
        'add element inet t m { "y" : jump b }',
        'add element inet t s { "x" }',
    ]


def test_only_what_differs_is_touched():
    after = Ruleset(
        BEFORE.declared,
        {"in": BEFORE.chains["in"], "a": ("accept",), "c": ("drop",)},
        {"m": {'"x"': '"x" : jump a', '"y"': '"y" : jump c'}, "s": {}},
    )
    assert script("t", BEFORE, after) == [
        "add chain inet t c",
        "flush chain inet t b",
        'delete element inet t m { "y" }',
        'delete element inet t s { "x" }',
        "add rule inet t c drop",
        'add element inet t m { "y" : jump c }',
        "delete chain inet t b",
    ]


def test_a_table_that_is_built_otherwise_is_made_anew():
    changed = Ruleset({**BEFORE.declared, "map mine": "type mark : verdict"}, BEFORE.chains, BEFORE.elements)
    assert script("t", changed, BEFORE) == ["delete table inet t", *script("t", None, BEFORE)]


def test_a_table_is_removed():
    assert script("t", BEFORE, None) == ["delete table inet t"]


@pytest.mark.parametrize(
    ("text", "comment"),
    [
        ('tcp dport 80 accept comment "lab/web#1"', "lab/web#1"),
        ('tcp . 80 comment "lab/web" : 10.0.0.1 . 80', "lab/web"),
        ("accept", None),
    ],
)
def test_comments_are_found(text, comment):
    assert comment_of(text) == comment
