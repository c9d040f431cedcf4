# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What users ask for and what the host's own tools print of it: the folders of ``rule_cases``.

The listings are those of nft 1.0.6, and of iptables-save and ip6tables-save 1.8.9.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml
from hypothesis import given, settings, strategies

from ansible_collections.virtnet.qemu.plugins.module_utils._spec.firewall_table import NetworkFirewalls
from ansible_collections.virtnet.qemu.plugins.module_utils._spec.guard_table import NicGuards
from ansible_collections.virtnet.qemu.plugins.module_utils._spec.nat_table import NatRules
from tests.unit.packet_rules import LAYOUTS, commands, outcome

CASES = sorted(path for path in Path(__file__).with_name("rule_cases").iterdir())
SPECS = {"nat_rule": NatRules, "network_firewall": NetworkFirewalls, "nic_guard": NicGuards}
FILES = {"inet": "nftables.txt", "bridge": "nftables.txt", "ip": "iptables.txt", "ip6": "ip6tables.txt"}


class Case(NamedTuple):
    spec: type
    backend: str
    entries: list[dict[str, Any]]
    rulesets: dict[str, Any]


def load(path: Path, backend: str) -> Case:
    want = yaml.safe_load((path / "want.yml").read_text())
    spec = SPECS[want["module"]]
    layout = LAYOUTS[spec][backend]
    files = {"inet": "marked.txt"} if backend == "marked" else FILES
    rulesets = {family: layout.SYNTAX.parse(listing(path / files[family])) for family in layout.SYNTAX.FAMILIES}
    return Case(spec, backend, want["entries"], {family: rules for family, rules in rulesets.items() if rules})


def listing(path: Path) -> str:
    return "\n".join(line for line in path.read_text().splitlines() if not line.startswith("#"))


def pairs() -> list[tuple[Path, str]]:
    """Each case with each backend that its module has."""
    modules = {path: yaml.safe_load((path / "want.yml").read_text())["module"] for path in CASES}
    return [(path, backend) for path, module in modules.items() for backend in LAYOUTS[SPECS[module]]]


@pytest.fixture(params=pairs(), ids=lambda p: f"{p[0].name}-{p[1]}")
def case(request: pytest.FixtureRequest) -> Case:
    return load(*request.param)


def test_what_is_asked_for_is_what_the_tools_print(case):
    assert outcome(case.spec, case.backend, *case.entries) == case.rulesets


def test_a_second_run_does_nothing(case):
    assert commands(case.spec, case.backend, *case.entries, have=case.rulesets) == []


def test_any_other_entry_is_kept(case):
    """To ask for one again leaves the others as they are."""
    for entry in case.entries:
        assert commands(case.spec, case.backend, entry, have=case.rulesets) == []


def test_when_all_is_removed_nothing_stays(case):
    absent = [{"name": entry["name"], "state": "absent"} | network(entry) for entry in case.entries]
    assert outcome(case.spec, case.backend, *absent, have=case.rulesets) == {}


def network(entry: dict[str, Any]) -> dict[str, Any]:
    return {"network": entry["network"]} if "network" in entry else {}


@settings(max_examples=25)
@given(data=strategies.data())
def test_the_order_of_entries_and_of_runs_means_nothing(data):
    """All at once in any order, or one after the other in any order: the rules are the same."""
    case = load(*data.draw(strategies.sampled_from(pairs())))
    entries = data.draw(strategies.permutations(case.entries))
    assert outcome(case.spec, case.backend, *entries) == case.rulesets
    rulesets: dict[str, Any] = {}
    for entry in entries:
        rulesets = outcome(case.spec, case.backend, entry, have=rulesets)
    assert rulesets == case.rulesets
