# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The language of nft(8): rules as text, in the form that nft itself prints, and tables as it lists them. Pure."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator

from .packet_rule import PacketRule, negation, target
from .ruleset import Ruleset

#: Both versions of IP live in one table.
FAMILIES = {"inet": None}
#: Blocks of a listing whose rules are lines, and those that have elements.
_WITH_ELEMENTS = ("map", "set")


# -- rules ---------------------------------------------------------------------------------------


def rule_text(rule: PacketRule, comment: str | None = None) -> str:
    words = [*_matches(rule), _verdict(rule)]
    if comment:
        words.append(f'comment "{comment}"')
    return " ".join(words)


def _matches(rule: PacketRule) -> Iterator[str]:
    ip = "ip6" if rule.version == 6 else "ip"
    if rule.version and not _tells_version(rule):
        yield f"meta nfproto ipv{rule.version}"
    for word, value, form in (
        ("iifname", rule.in_interface, '"{}"'),
        ("oifname", rule.out_interface, '"{}"'),
        (f"{ip} saddr", rule.source, "{}"),
        (f"{ip} daddr", rule.destination, "{}"),
    ):
        if value:
            yield _match(word, value, form)
    if rule.local:
        yield "fib daddr type local"
    yield from _protocol(rule)
    if rule.state:
        yield f"ct state {rule.state}"
    if rule.dnatted:
        yield "ct status dnat"


def _tells_version(rule: PacketRule) -> bool:
    return bool(rule.source or rule.destination or rule.icmp_type or rule.verdict in ("snat", "dnat"))


def _protocol(rule: PacketRule) -> list[str]:
    if rule.icmp_type:
        return [f"{'icmpv6' if rule.version == 6 else 'icmp'} type {rule.icmp_type}"]
    ports = [("sport", rule.source_port), ("dport", rule.destination_port)]
    matches = [f"{rule.protocol} {word} {port}" for word, port in ports if port]
    return matches or ([f"meta l4proto {rule.protocol}"] if rule.protocol else [])


def _match(word: str, value: str, form: str = "{}") -> str:
    negated, plain = negation(value)
    return f"{word} {'!= ' if negated else ''}{form.format(plain)}"


def _verdict(rule: PacketRule) -> str:
    if rule.verdict in ("snat", "dnat"):
        prefix = " prefix" if "/" in rule.to_address else ""
        return f"{rule.verdict} {'ip6' if rule.version == 6 else 'ip'}{prefix} to {target(rule)}"
    if rule.to_port:
        return f"{rule.verdict} to :{rule.to_port}"
    reason = re.fullmatch("reject with (.*)", rule.verdict)
    if reason:
        return f"reject with {'tcp reset' if reason[1] == 'tcp-reset' else f'icmpx {reason[1]}'}"
    return rule.verdict


def comment_of(text: str) -> str | None:
    """The comment of a rule or of an element."""
    found = re.search(r' comment "([^"]*)"', text)
    return found and found[1]


# -- listings ------------------------------------------------------------------------------------


def parse(listing: str) -> Ruleset:
    """What ``nft --stateless list table`` says."""
    declared: dict[str, str] = {}
    chains: dict[str, tuple[str, ...]] = {}
    elements: dict[str, dict[str, str]] = {}
    for kind, name, lines in _blocks(listing):
        if kind == "chain":
            hook = [line for line in lines if line.startswith("type ")]
            chains[name] = tuple(line for line in lines if line not in hook)
            declared.update({f"chain {name}": line for line in hook})
            continue
        declared[f"{kind} {name}"] = "; ".join(line for line in lines if not line.startswith("elements = "))
        if kind in _WITH_ELEMENTS:
            elements[name] = {
                element_key(e): e for line in lines if line.startswith("elements = ") for e in _elements(line)
            }
    return Ruleset(declared, chains, elements)


def _blocks(listing: str) -> Iterator[tuple[str, str, list[str]]]:
    """Kind, name and lines of each block of a table; a line that nft wrapped is one again."""
    kind, name, lines = "", "", []
    for raw in listing.splitlines()[1:-1]:
        depth = len(raw) - len(raw.lstrip("\t"))
        text = raw.strip()
        if depth == 1 and text == "}":
            yield kind, name, lines
        elif depth == 1 and text.endswith("{"):
            kind, _space, name = text[:-2].partition(" ")
            lines = []
        elif depth == 1:
            # A word about the whole table, such as "flags dormant".
            yield "table", text, []
        elif depth > 2 and lines:
            lines[-1] += f" {text}"
        elif text:
            lines.append(text)


def _elements(line: str) -> list[str]:
    inner = line[len("elements = {") : -1]
    return [e.strip() for e in re.findall(r'(?:[^,"]|"[^"]*")+', inner)]


def element_key(element: str) -> str:
    return re.split(r' comment "| : ', element, maxsplit=1)[0]


# -- transactions --------------------------------------------------------------------------------


def script(table: str, before: Ruleset | None, after: Ruleset | None, family: str = "inet") -> list[str]:
    """The lines for ``nft -f`` that lead from one state of a table to another."""
    place = f"{family} {table}"
    if after is None:
        return [f"delete table {place}"]
    if before is not None and before.declared == after.declared:
        return _edit(place, before, after)
    lines = [] if before is None else [f"delete table {place}"]
    lines.append(f"add table {place}")
    # Chains first: nft 1.0.6 makes a new map's elements together with the map, and they may jump to chains.
    lines += [_addition(place, "chain", name, after.declared.get(f"chain {name}")) for name in after.chains]
    maps = (what.split(" ") for what in after.declared if not what.startswith("chain "))
    lines += [_addition(place, kind, name, after.declared[f"{kind} {name}"]) for kind, name in maps]
    return lines + _edit(place, Ruleset(after.declared, dict.fromkeys(after.chains, ())), after)


def _addition(place: str, kind: str, name: str, declared: str | None) -> str:
    return f"add {kind} {place} {name}" + (f" {{ {declared.rstrip(';')}; }}" if declared else "")


def _edit(place: str, before: Ruleset, after: Ruleset) -> list[str]:
    # Whatever refers to a chain comes after the chain is made, and goes before the chain does.
    gone = [name for name in before.chains if name not in after.chains]
    changed = {name: lines for name, lines in after.chains.items() if lines != before.chains.get(name)}
    lines = [f"add chain {place} {name}" for name in changed if name not in before.chains]
    lines += [f"flush chain {place} {name}" for name in (*changed, *gone) if before.chains.get(name)]
    lines += [f"delete element {place} {name} {{ {key} }}" for name, key, _text in _without(before, after)]
    lines += [f"add rule {place} {name} {line}" for name, rules in changed.items() for line in rules]
    lines += [f"add element {place} {name} {{ {text} }}" for name, _key, text in _without(after, before)]
    return lines + [f"delete chain {place} {name}" for name in gone]


def _without(these: Ruleset, those: Ruleset) -> Iterator[tuple[str, str, str]]:
    """Map, key and text of each element of `these` that `those` have not got like that."""
    for name, elements in these.elements.items():
        other = those.elements.get(name, {})
        yield from ((name, key, text) for key, text in elements.items() if other.get(key) != text)


def title(chain: str) -> str:
    """The name that a chain has in the kernel."""
    return chain


def tool(_family: str) -> str:
    return "nft"


def typed(_tool: str, _table: str, line: str) -> str:
    """A line of a transaction, as a person would type it at a shell."""
    return f"nft {shlex.quote(line)}"
