# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What becomes of chains that other programs made with iptables: the folders of ``admission_cases``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.virtnet.qemu.plugins.module_utils._plan import plan
from ansible_collections.virtnet.qemu.plugins.module_utils._spec import firewall_marked, firewall_nftables
from ansible_collections.virtnet.qemu.plugins.module_utils._spec.base import SpecError
from ansible_collections.virtnet.qemu.plugins.module_utils._spec.firewall_table import NetworkFirewalls
from ansible_collections.virtnet.qemu.plugins.module_utils._spec.other_firewall import (
    ADMISSION,
    OtherFirewalls,
    iptables_chains,
    native_chains,
)
from ansible_collections.virtnet.qemu.plugins.module_utils._spec.table import RuleWorld
from tests.unit.packet_rules import outcome, wants

CASES = sorted(Path(__file__).with_name("admission_cases").iterdir())
LAB = {"name": "lab", "bridge": "br-lab", "model": "nat", "subnets": ["192.168.4.0/24"]}
BACK = {"name": "back", "bridge": "br-back", "model": "isolated"}


def world(others: OtherFirewalls, *there: dict[str, Any]) -> RuleWorld:
    """A host with other firewalls, and with some networks."""
    layout = firewall_marked if others.drop else firewall_nftables
    rulesets = outcome(NetworkFirewalls, "marked", *there) if there else {}
    found = RuleWorld({(None, "auto"): (layout, rulesets)}, layout)
    found.others[None] = others
    return found


def commands(others: OtherFirewalls, wanted: dict[str, Any]) -> list[str]:
    changes = plan(wants(NetworkFirewalls, wanted), world(others, LAB))
    lines = [step.line for change in changes for step in change.steps]
    return [line.replace(ADMISSION, "RULE") for line in lines if line.startswith("iptables")]


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.name)
def test_case(path):
    expected = yaml.safe_load((path / "plan.yml").read_text())
    others = OtherFirewalls(tuple(iptables_chains("iptables", (path / "have.txt").read_text())))
    assert commands(others, LAB) == expected["makes"]
    assert commands(others, {"name": "lab", "state": "absent"}) == expected["removes"]


# -- nftables ------------------------------------------------------------------------------------

DROP = {"drop": None}
BY_MARK = [{"match": {"left": {"&": [{"meta": {"key": "mark"}}, 0x10000000]}, "right": 0x10000000}}, {"accept": None}]


def named(key: str, bridge: str) -> list[Any]:
    return [{"match": {"left": {"meta": {"key": key}}, "right": bridge}}, {"accept": None}]


def native(hook: str, *rules: list[Any], policy: str = "drop", family: str = "inet") -> OtherFirewalls:
    place = {"family": family, "table": "mine"}
    chain = {**place, "name": "c", "type": "filter", "hook": hook, "policy": policy}
    listing = [{"metainfo": {}}, {"chain": chain}, *({"rule": {**place, "chain": "c", "expr": r}} for r in rules)]
    return OtherFirewalls((), tuple(native_chains({"nftables": listing}, [])), frozenset())


def refused(others: OtherFirewalls, wanted: dict[str, Any]) -> str | None:
    try:
        plan(wants(NetworkFirewalls, wanted), world(others))
    except SpecError as exc:
        return str(exc)
    return None


@pytest.mark.parametrize(
    ("others", "wanted"),
    [
        (native("forward"), LAB),
        (native("forward", [{"counter": {}}, {"reject": {}}], policy="accept"), LAB),
        (native("input"), LAB),
        (native("output", named("oifname", "br-other")), LAB),
        (native("input", family="ip"), {**BACK, "dhcp": True}),
    ],
)
def test_a_chain_of_nftables_is_refused_with_the_rule_to_add(others, wanted):
    said = refused(others, wanted)
    assert f"nft insert rule {others.native[0].family} mine c 'meta mark & 0x10000000 == 0x10000000 accept'" in said
    assert refused(others, {**wanted, "foreign_drop": "warn"}) is None
    assert refused(others, {"name": wanted["name"], "state": "absent"}) is None


@pytest.mark.parametrize(
    ("others", "wanted"),
    [
        (native("forward", policy="accept"), LAB),
        (native("forward", BY_MARK), LAB),
        (native("forward", named("iifname", "br-lab")), LAB),
        (native("forward", family="ip6"), LAB),
        (native("forward"), BACK),
        (native("input"), BACK),
        (native("input"), {**LAB, "host_access": False}),
    ],
)
def test_a_chain_that_is_in_nobodys_way_is_let_be(others, wanted):
    assert refused(others, wanted) is None


def test_with_br_netfilter_a_bridge_needs_a_way_through_too():
    others = native("forward")
    lan = {"name": "lan", "bridge": "br-lan", "model": "bridged"}
    for entry in (BACK, lan):
        assert refused(others, entry) is None
        assert entry["bridge"] in refused(OtherFirewalls((), others.native, frozenset({4})), entry)
