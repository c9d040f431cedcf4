# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Our one rule in each chain of somebody else's firewall that would drop what our own table lets through. Pure.

It accepts packets by a mark that our table sets on what enters or leaves one of our bridges, and nothing else. What is
refused by our table or by a rule of the other firewall stays refused: the rule comes after all others.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from . import firewall_marked
from .address import ip_version
from .base import Resource, SpecError, Step, control
from .other_firewall import ADMISSION, MARK, TABLE, NativeChain, OtherFirewalls
from .table import inside


@dataclass(frozen=True)
class Accept:
    """``rules``: ours in the chain. ``number``: that of the rule which they come before, if not last."""

    tool: str
    chain: str
    rules: tuple[str, ...] = (ADMISSION,)
    astray: bool = False
    number: int | None = field(default=None, compare=False)

    def lines(self, option: str) -> Iterator[str]:
        for rule in self.rules:
            if option == "-A" and self.number is not None:
                yield f"-I {self.chain} {self.number} {rule}"
            else:
                yield f"{option} {self.chain} {rule}"


@dataclass(frozen=True)
class Admission(Resource):
    """``firewalls``: the networks that are listed for the place, whose `Entries` this belongs to."""

    kind = "network_firewall"

    key: tuple[str | None, str]
    accepts: tuple[Accept, ...] = ()
    firewalls: Any = control()

    @staticmethod
    def of(firewalls: Any) -> Admission:
        return Admission(_key(firewalls.key[0]), firewalls=firewalls)

    @classmethod
    def observed(cls, world: Any, key: tuple[str | None, str]) -> Admission | None:
        others = world.others.get(key[0], OtherFirewalls())
        accepts = tuple(
            Accept(c.tool, c.name, c.ours, c.astray, None if c.astray else c.end) for c in others.iptables if c.ours
        )
        return cls(key, accepts) if accepts else None

    @classmethod
    def owned_keys(cls, world: Any) -> list[tuple[str | None, str]]:
        return [key for key in map(_key, world.others) if cls.observed(world, key)]

    def target(self, world: Any, have: Admission | None) -> Admission | None:
        table = self.firewalls.target(world, self.firewalls.have(world))
        if table is None:
            return None
        others = world.others.get(self.key[0], OtherFirewalls())
        self._check(world, others, table.layout is firewall_marked)
        if table.layout is not firewall_marked:
            return None
        accepts = tuple(Accept(c.tool, c.name, number=c.end) for c in others.iptables if c.drops)
        return Admission(self.key, accepts) if accepts else None

    def _check(self, world: Any, others: OtherFirewalls, marked: bool) -> None:
        found = {}
        for chain in others.native:
            concerned = sorted(set(_concerned(chain, self.firewalls.entries, others.bridge_versions)))
            if concerned and not chain.admits(concerned, by_mark=marked):
                found[chain] = concerned
        how = {entry.foreign_drop for entry in self.firewalls.entries}
        text = _complaint(found, marked)
        if found and "refuse" in how:
            raise SpecError(f"{text}; or set 'foreign_drop: warn' if other rules there do already")
        if found and "warn" in how and text not in world.warnings:
            world.warnings.append(text)

    @staticmethod
    def views(before: Admission | None, after: Admission | None) -> list[tuple[Any, Any]]:
        sides = [_by_place(side) for side in (before, after)]
        places = [place for place in {**sides[0], **sides[1]} if sides[0].get(place) != sides[1].get(place)]
        return [tuple(_view((before or after).key[0], place, side.get(place)) for side in sides) for place in places]

    @staticmethod
    def steps(before: Admission | None, after: Admission | None) -> list[Step]:
        old, new = _by_place(before), _by_place(after)
        changed = [place for place in {**old, **new} if old.get(place) != new.get(place)]
        lines = [(tool, line) for tool, chain in changed for line in _lines(old.get((tool, chain)), "-D")]
        lines += [(tool, line) for tool, chain in changed for line in _lines(new.get((tool, chain)), "-A")]
        netns = (before or after).key[0]
        return [
            Step(
                "rule",
                {"netns": netns, "tool": tool, "table": TABLE, "line": line},
                inside(netns, f"{tool} -w -t {TABLE} {line}"),
            )
            for tool, line in lines
        ]


def _key(netns: str | None) -> tuple[str | None, str]:
    return netns, "other firewalls"


def _by_place(admission: Admission | None) -> dict[tuple[str, str], Accept]:
    return {(accept.tool, accept.chain): accept for accept in admission.accepts} if admission else {}


def _lines(accept: Accept | None, option: str) -> Iterable[str]:
    return accept.lines(option) if accept else ()


def _view(netns: str | None, place: tuple[str, str], accept: Accept | None) -> dict[str, Any] | None:
    where = f"{place[0]} {TABLE}" + (f" in namespace {netns}" if netns else "")
    return accept and {"table": where, "chain": place[1], "rules": list(accept.rules)}


def _concerned(chain: NativeChain, entries: Iterable[Any], bridge_versions: frozenset[int]) -> Iterator[str]:
    """The bridges of listed networks whose promised packets pass the chain."""
    for entry in entries:
        versions = {ip_version(subnet) for subnet in entry.subnets} or {4, 6}
        if entry.state == "absent" or not versions & chain.versions:
            continue
        served = entry.host_access or entry.dhcp or entry.dns
        forwarded = entry.model in ("nat", "routed") or bool(bridge_versions & chain.versions)
        if forwarded if chain.hook == "forward" else served:
            yield entry.bridge


def _complaint(found: Mapping[NativeChain, list[str]], marked: bool) -> str:
    chains = ", ".join(f"'{chain.name}' of table '{chain.family} {chain.table}'" for chain in found)
    bridges = ", ".join(sorted({repr(bridge) for concerned in found.values() for bridge in concerned}))
    remedies = "; ".join(
        f"nft insert rule {chain.family} {chain.table} {chain.name} '{rule}'"
        for chain, concerned in found.items()
        for rule in _remedies(chain, concerned, marked)
    )
    return (
        f"foreign_drop: packets of {bridges} are dropped by chains of somebody else's, and no table of ours can undo "
        f"that: {chains}; let them accept these packets, for example by: {remedies}"
    )


def _remedies(chain: NativeChain, bridges: list[str], marked: bool) -> list[str]:
    if marked:
        return [f"meta mark & {MARK:#x} == {MARK:#x} accept"]
    sides = {"input": ["iifname"], "output": ["oifname"], "forward": ["iifname", "oifname"]}[chain.hook]
    return [f'{side} "{bridge}" accept' for bridge in bridges for side in sides]
