# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The language of iptables(8): rules as text, in the form that iptables-save prints, and our chains in it. Pure.

Our chains are named ``vn-…``; the kernel's own chains jump to them. Everything of ours carries a comment.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from .packet_rule import PacketRule, negation, target
from .ruleset import Ruleset

#: Each version of IP has tables of its own: family -> version.
FAMILIES = {"ip": 4, "ip6": 6}
KERNEL_CHAINS = ("PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING")
PREFIX = "vn-"
MARK = "virtnet.qemu"
#: Match and types of ICMP, RFC 792, and of ICMPv6, RFC 4443 and 4861: nft's name -> what iptables-save prints.
_ICMP = {
    4: ("-m icmp --icmp-type", {"destination-unreachable": 3}),
    6: (
        "-m icmp6 --icmpv6-type",
        {
            "destination-unreachable": 1,
            "nd-router-solicit": 133,
            "nd-router-advert": 134,
            "nd-neighbor-solicit": 135,
            "nd-neighbor-advert": 136,
        },
    ),
}


# -- rules ---------------------------------------------------------------------------------------


def rule_text(rule: PacketRule, comment: str | None = None) -> str:
    words = [
        *_matches(rule),
        f"-m comment --comment {_quoted(f'{MARK} {comment}' if comment else MARK)}",
        _verdict(rule),
    ]
    return " ".join(words)


def _quoted(text: str) -> str:
    return f'"{text}"'


def _matches(rule: PacketRule) -> Iterator[str]:
    for option, value in (
        ("-s", rule.source and _with_prefix(rule.source)),
        ("-d", rule.destination and _with_prefix(rule.destination)),
        ("-i", rule.in_interface),
        ("-o", rule.out_interface),
        ("-p", rule.protocol),
    ):
        if value:
            yield _match(option, value)
    if rule.local:
        yield "-m addrtype --dst-type LOCAL"
    yield from _ports(rule)
    if rule.icmp_type:
        match, types = _ICMP[rule.version]
        yield f"{match} {types[rule.icmp_type]}"
    if rule.dnatted or rule.state:
        # The other way round than nft prints them.
        states = ["DNAT"] if rule.dnatted else reversed(rule.state.upper().split(","))
        yield f"-m conntrack --ctstate {','.join(states)}"


def _ports(rule: PacketRule) -> list[str]:
    given = [("--sport", rule.source_port), ("--dport", rule.destination_port)]
    words = [f"{option} {port.replace('-', ':')}" for option, port in given if port]
    return [f"-m {rule.protocol}", *words] if words else []


def _match(option: str, value: str) -> str:
    negated, plain = negation(value)
    return f"{'! ' if negated else ''}{option} {plain}"


def _with_prefix(value: str) -> str:
    return value if "/" in value else f"{value}/{128 if ':' in value else 32}"


def _verdict(rule: PacketRule) -> str:
    simple = {
        "accept": "-j ACCEPT",
        "drop": "-j DROP",
        "return": "-j RETURN",
        "reject with tcp-reset": "-j REJECT --reject-with tcp-reset",
        "reject with admin-prohibited": "-j REJECT --reject-with "
        + ("icmp6-adm-prohibited" if rule.version == 6 else "icmp-admin-prohibited"),
    }
    if rule.verdict in simple:
        return simple[rule.verdict]
    if rule.verdict in ("masquerade", "redirect"):
        return f"-j {rule.verdict.upper()}" + (f" --to-ports {rule.to_port}" if rule.to_port else "")
    if rule.verdict in ("snat", "dnat"):
        return _translation(rule)
    how, chain = rule.verdict.split(" ")
    return f"-{how[0]} {PREFIX}{chain}"


def _translation(rule: PacketRule) -> str:
    if "/" in rule.to_address:
        return f"-j NETMAP --to {rule.to_address}"
    return f"-j {rule.verdict.upper()} --to-{'source' if rule.verdict == 'snat' else 'destination'} {target(rule)}"


def comment_of(text: str) -> str | None:
    """The comment of a rule without our mark; ``None`` for a rule that is not ours."""
    found = re.search(rf'--comment "{re.escape(MARK)} ?([^"]*)"', text)
    return found and (found[1] or None)


# -- listings ------------------------------------------------------------------------------------


def parse(listing: str) -> Ruleset | None:
    """Our part of what ``iptables-save -t TABLE`` says, or ``None``."""
    chains: dict[str, list[str]] = {}
    for line in listing.splitlines():
        if line.startswith(f":{PREFIX}"):
            chains.setdefault(_chain_name(line[1:].split(" ")[0]), [])
        elif line.startswith("-A "):
            _option, chain, text = line.split(" ", 2)
            if chain.startswith(PREFIX) or (chain in KERNEL_CHAINS and _jumps_to_us(text)):
                chains.setdefault(_chain_name(chain), []).append(text)
    return Ruleset(chains={name: tuple(lines) for name, lines in chains.items()}) if chains else None


def _jumps_to_us(text: str) -> bool:
    return f'--comment "{MARK}"' in text or f"-j {PREFIX}" in text


def _chain_name(name: str) -> str:
    return name[len(PREFIX) :] if name.startswith(PREFIX) else name


# -- transactions --------------------------------------------------------------------------------


def script(_table: str, before: Ruleset | None, after: Ruleset | None) -> list[str]:
    """The lines for ``iptables-restore --noflush`` that lead from one state of our chains to another."""
    old, new = (dict(side.chains) if side else {} for side in (before, after))
    gone = [name for name in old if name not in new]
    changed = {name: rules for name, rules in new.items() if rules != old.get(name)}
    lines = [f"-N {title(name)}" for name in changed if name not in old and name not in KERNEL_CHAINS]
    for name in (*changed, *gone):
        if name in KERNEL_CHAINS:
            lines += [f"-D {name} {rule}" for rule in old.get(name, ())]
        elif old.get(name):
            lines.append(f"-F {title(name)}")
    lines += [
        f"-A {title(name)} {rule}" for name, rules in changed.items() if name not in KERNEL_CHAINS for rule in rules
    ]
    # First in the kernel's chains: what another program refuses or translates there must not come before us.
    lines += [
        f"-I {name} {rule}" for name, rules in changed.items() if name in KERNEL_CHAINS for rule in reversed(rules)
    ]
    return lines + [f"-X {title(name)}" for name in gone if name not in KERNEL_CHAINS]


def title(chain: str) -> str:
    """The name that a chain has in the kernel."""
    return chain if chain in KERNEL_CHAINS else PREFIX + chain


def tool(family: str) -> str:
    return {"ip": "iptables", "ip6": "ip6tables"}[family]


def typed(command: str, table: str, line: str) -> str:
    """A line of a transaction, as a person would type it at a shell."""
    return f"{command} -w -t {table} {line}"
