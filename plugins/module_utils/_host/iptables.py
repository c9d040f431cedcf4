# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Chains in the tables of iptables(8) and ip6tables(8), by iptables-save and iptables-restore."""

from __future__ import annotations

import re
from pathlib import Path

from . import command
from .errors import HostError
from .nftables import Unusable

_TOOLS = {"ip": "iptables", "ip6": "ip6tables"}
_SCRATCH = ["unshare", "--net", "--", "sh", "-c"]


def read(family: str, table: str) -> str:
    """What iptables-save says of a table.

    :raises Unusable: there is no iptables, or the kernel has not got the table
    """
    tool = _TOOLS[family]
    if command.which(f"{tool}-save") is None:
        raise Unusable(f"there is no '{tool}' on this host; install the package 'iptables'")
    return "" if is_unmade(tool, table) else saved(tool, table)


def saved(tool: str, table: str) -> str:
    """What `tool`-save says of a table, which is there after that."""
    done = command.attempt([f"{tool}-save", "-t", table])
    if done.code == 0:
        return done.output
    if "Permission denied" in done.errors:
        raise HostError(f"{tool}-save is not permitted to read the rules; run as root ('become: true')")
    raise Unusable(f"{tool} does not work on this host: {done.errors}")


def is_unmade(tool: str, table: str) -> bool:
    """Whether to look would make the table: the legacy tool registers the one it is asked about with the kernel."""
    if "legacy" not in command.attempt([tool, "--version"]).output:
        return False
    names = Path("/proc/net", f"{tool.partition('-')[0].replace('tables', '_tables')}_names")
    return not names.is_file() or table not in names.read_text().split()


def apply(tool: str, table: str, lines: list[str]) -> None:
    """Make all the changes of one table as one transaction: all of them or none."""
    done = command.attempt([f"{tool}-restore", "-w", "--noflush"], input=_script(table, lines))
    if done.code:
        raise HostError(_refusal(tool, table, lines, done.errors))


def _script(table: str, lines: list[str]) -> str:
    return "\n".join([f"*{table}", *lines, "COMMIT", ""])


def _refusal(tool: str, table: str, lines: list[str], errors: str) -> str:
    said = " ".join(
        line.strip() for line in errors.splitlines() if line.strip() and not line.startswith("Try ")
    ).rstrip(".")
    found = re.search(r"line:? (\d+)", said)
    # The first line names the table, which is none of ours.
    number = int(found[1]) - 2 if found else -1
    if 0 <= number < len(lines):
        return f"'{tool} -t {table} {lines[number]}' failed: {said}"
    return f"{tool}-restore refused the rules: {said}"


def printed(tool: str, _family: str, table: str, lines: list[str]) -> str:
    """How the host's own tool prints what `lines` make, seen in a network namespace that ends with the question.

    Empty when the host makes no such namespace, or the lines are refused.
    """
    script = f"{tool}-restore -w --noflush && {tool}-save -t {table}"
    done = command.attempt([*_SCRATCH, script], input=_script(table, lines))
    return "" if done.code else done.output
