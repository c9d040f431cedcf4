# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The law of every transaction: it leads from any state to any other, and back."""

from __future__ import annotations

import re

from hypothesis import given, settings, strategies

from ansible_collections.virtnet.qemu.plugins.module_utils._spec import iptables, nft
from ansible_collections.virtnet.qemu.plugins.module_utils._spec.ruleset import Ruleset

RULES = strategies.lists(strategies.sampled_from(["accept", "drop", "return", "masquerade"]), max_size=3).map(tuple)
HOOKS = {"chain in": "type filter hook input priority filter; policy accept;", "map m": "type mark : verdict"}


@strategies.composite
def tables(draw: strategies.DrawFn) -> Ruleset | None:
    """A table as nft has one: a hooked chain, others, a map; its structure may be somebody else's work."""
    if draw(strategies.booleans()) and draw(strategies.booleans()):
        return None
    chains = {"in": draw(RULES), **draw(strategies.dictionaries(strategies.sampled_from("abc"), RULES))}
    elements = {
        key: f"{key} : {draw(strategies.sampled_from(['accept', 'drop']))}"
        for key in draw(strategies.sets(strategies.sampled_from("123")))
    }
    declared = dict(HOOKS)
    if draw(strategies.booleans()) and draw(strategies.booleans()):
        declared["map m"] = "type mark : verdict; flags interval"
    return Ruleset(declared, chains, {"m": elements})


class Nft:
    """A table in nft(8)'s hands: what it does about a line, with its errors; by verb and kind of thing."""

    def __init__(self, before: Ruleset | None) -> None:
        self.there = before is not None
        self._declared = dict(before.declared) if before else {}
        self._chains = dict(before.chains) if before else {}
        self._elements = {name: dict(there) for name, there in before.elements.items()} if before else {}

    def do(self, line: str) -> None:
        verb, kind, _family, _table, *rest = line.split(" ", 5)
        getattr(self, f"_{verb}_{kind}")(*(text.removeprefix("{ ").removesuffix(" }") for text in rest))

    @property
    def table(self) -> Ruleset | None:
        return Ruleset(self._declared, self._chains, self._elements) if self.there else None

    def _add_table(self) -> None:
        assert not self.there
        self.there = True

    def _delete_table(self) -> None:
        assert self.there
        self.there, self._declared, self._chains, self._elements = False, {}, {}, {}

    def _add_chain(self, name: str, hook: str = "") -> None:
        assert self.there and name not in self._chains
        self._chains[name] = ()
        if hook:
            self._declared[f"chain {name}"] = hook

    def _flush_chain(self, name: str) -> None:
        self._chains[name] = ()

    def _delete_chain(self, name: str) -> None:
        assert self._chains.pop(name) == ()

    def _add_rule(self, name: str, rule: str) -> None:
        self._chains[name] += (rule,)

    def _add_map(self, name: str, kind: str) -> None:
        self._elements[name] = {}
        self._declared[f"map {name}"] = kind.rstrip(";")

    def _add_element(self, name: str, element: str) -> None:
        key = element.split(" : ")[0]
        assert key not in self._elements[name]
        self._elements[name][key] = element

    def _delete_element(self, name: str, key: str) -> None:
        del self._elements[name][key]


def nft_does(before: Ruleset | None, lines: list[str]) -> Ruleset | None:
    nft = Nft(before)
    for line in lines:
        nft.do(line)
    return nft.table


@settings(max_examples=100)
@given(tables(), tables())
def test_nft_is_led_from_any_table_to_any_other(before, after):
    lines = nft.script("t", before, after) if before != after else []
    assert nft_does(before, lines) == after


@strategies.composite
def saved(draw: strategies.DrawFn) -> Ruleset | None:
    """Our chains among those of iptables, and what the kernel's chains have of ours."""
    kernel = {
        name: draw(RULES.filter(bool))
        for name in draw(strategies.sets(strategies.sampled_from(iptables.KERNEL_CHAINS)))
    }
    own = draw(strategies.dictionaries(strategies.sampled_from("abc"), RULES))
    return Ruleset(chains={**kernel, **own}) if own or kernel else None


def iptables_does(before: Ruleset | None, lines: list[str]) -> Ruleset | None:
    """What iptables-restore makes of such lines, with its errors."""
    chains = {iptables.title(name): list(rules) for name, rules in before.chains.items()} if before else {}
    for line in lines:
        option, name, rule = re.fullmatch(r"-(\w) (\S+)(?: (.*))?", line).groups()
        if option == "N":
            assert name not in chains
            chains[name] = []
        elif option == "F":
            chains[name] = []
        elif option == "X":
            assert chains.pop(name) == []
        elif option == "A":
            chains[name].append(rule)
        elif option == "I":
            chains.setdefault(name, []).insert(0, rule)
        elif option == "D":
            chains[name].remove(rule)
        else:
            raise AssertionError(line)
    left = {name.removeprefix("vn-"): tuple(rules) for name, rules in chains.items() if rules or name.startswith("vn-")}
    return Ruleset(chains=left) if left else None


@settings(max_examples=100)
@given(saved(), saved())
def test_iptables_is_led_from_any_chains_to_any_others(before, after):
    assert iptables_does(before, iptables.script("nat", before, after)) == after
