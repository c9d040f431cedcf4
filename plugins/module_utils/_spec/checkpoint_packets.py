# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Brings back sysctls and packet rules as a checkpoint saved them. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping

from .base import Step
from .checkpoint import command, impossible
from .checkpoint_match import State

Table = tuple[str, str]
_FAMILIES = {"iptables": "ip", "ip6tables": "ip6"}


def sysctls(saved: State, seen: State) -> list[Step]:
    """Those that set others come first."""
    changed = [path for path, value in saved["sysctls"].items() if seen["sysctls"].get(path, value) != value]
    changed.sort(key=lambda path: (not path.endswith("/ip_forward"), "/all/" not in path, "/default/" not in path))
    return [
        Step("sysctl", {"path": path, "value": saved["sysctls"][path]}, f"echo '{saved['sysctls'][path]}' > {path}")
        for path in changed
    ]


def nftables(saved: State, seen: State) -> list[Step]:
    """Table by table: iptables has tables of its own among them, which nft cannot load."""
    if saved["nftables"] is None:
        return []
    if seen["nftables"] is None:
        return [impossible("the rules of nftables cannot be read any more")]
    kept = set(_iptables_keys(saved))
    known = kept & set(_iptables_keys(seen))
    steps = []
    for key in seen["nftables"]:
        if key not in saved["nftables"] or (key in kept and key not in known):
            steps.append(_nft(f"delete table {key}", [f"delete table {key}"]))
    for key, table in saved["nftables"].items():
        now = seen["nftables"].get(key)
        if key in kept or (now is not None and now["stateless"] == table["stateless"]):
            continue
        steps.append(_nft(f"-f (table {key} as it was)", [f"table {key}", f"delete table {key}", table["text"]]))
    return steps


def _nft(said: str, lines: list[str]) -> Step:
    return command(["nft", "-f", "-"], "\n".join([*lines, ""]), f"nft {said}")


def _iptables_keys(state: State) -> list[str]:
    """The tables of nftables that iptables keeps."""
    return [
        f"{_FAMILIES[tool]} {table}"
        for tool, tables in state["iptables"].items()
        if tool in _FAMILIES and tool not in state["legacy"]
        for table in tables
    ]


def iptables(saved: State, seen: State) -> list[Step]:
    steps = []
    for tool in {**saved["iptables"], **seen["iptables"]}:
        wanted, there = (state["iptables"].get(tool, {}) for state in (saved, seen))
        for table, text in wanted.items():
            if there.get(table) != text:
                steps.append(_restore(tool, table, text))
        if tool in seen["legacy"]:
            # Such a table stays once it is there; without rules it is as good as none.
            steps += [_restore(tool, table, _blank(there[table])) for table in there if _is_more(table, wanted, there)]
    return steps


def _is_more(table: str, wanted: Mapping[str, str], there: Mapping[str, str]) -> bool:
    return table not in wanted and there[table] != _blank(there[table])


def _blank(text: str) -> str:
    lines = [line for line in text.splitlines() if not line.startswith("-")]
    built_in = [re.sub(r" \S+$", " ACCEPT", line) for line in lines if not re.match(r":.* -$", line)]
    return "\n".join(built_in) + "\n"


def _restore(tool: str, table: str, text: str) -> Step:
    return command([f"{tool}-restore", "-w", "10"], text, f"{tool}-restore (table {table} as it was)")


def tables_of_nft(text: str) -> dict[str, str]:
    """A ruleset by "family name"."""
    found: dict[str, str] = {}
    for block in re.findall(r"^table \S+ \S+ \{$.*?^\}$", text, re.MULTILINE | re.DOTALL):
        _table, family, name = block.partition(" {")[0].split()
        found[f"{family} {name}"] = f"{block}\n"
    return found


def tables_of_iptables(text: str) -> dict[str, str]:
    """What iptables-save says, by table; without counters and comments."""
    found: dict[str, str] = {}
    for block in re.findall(r"^\*\S+$.*?^COMMIT$", text, re.MULTILINE | re.DOTALL):
        lines = [re.sub(r" \[\d+:\d+\]$", "", line) if line.startswith(":") else line for line in block.splitlines()]
        found[lines[0][1:]] = "\n".join(lines) + "\n"
    return found
