# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Tables of nftables, through nft(8)."""

from __future__ import annotations

import re
import socket
from contextlib import closing
from pathlib import Path

from . import command, rtnetlink
from .errors import HostError

_PROTOCOLS = Path("/etc/protocols")
# <linux/netfilter/nfnetlink.h>, <linux/netfilter/nf_tables.h>: struct nfgenmsg begins with the family.
_NETLINK_NETFILTER = getattr(socket, "NETLINK_NETFILTER", 12)
_GET_TABLE = 10 << 8 | 1
_NFGENMSG = 4
_NFTA_TABLE_NAME = 1
_FAMILIES = {1: "inet", 2: "ip", 3: "arp", 5: "netdev", 7: "bridge", 10: "ip6"}
_SCRATCH = ["unshare", "--net", "--", "sh", "-c"]


class Unusable(HostError):
    """This host cannot do it at all, so that another way may be tried."""


def read(family: str, table: str) -> str:
    """The listing of a table, empty when there is no such table.

    :raises Unusable: there is no nft, or the kernel has no nftables
    """
    if command.which("nft") is None:
        raise Unusable("there is no 'nft' on this host; install the package 'nftables'")
    # nft 1.0.6 crashes without it, others print numbers and read no names.
    if not _PROTOCOLS.is_file():
        raise Unusable(f"nft needs {_PROTOCOLS}; install the package 'netbase'")
    done = command.attempt(["nft", "--stateless", "list", "table", family, table])
    if done.code == 0:
        return done.output
    if "No such file or directory" in done.errors:
        return ""
    if "Operation not permitted" in done.errors:
        raise HostError("nft is not permitted to read the rules; run as root ('become: true')")
    raise Unusable(f"nft does not work on this host: {done.errors}")


def tables() -> list[tuple[str, str]]:
    """Family and name of each table there is, none where the kernel has no nftables.

    nft reads all rules of all tables before it says their names.
    """
    try:
        with closing(rtnetlink.Socket(_NETLINK_NETFILTER)) as kernel:
            found = rtnetlink.steady(lambda: kernel.dump(_GET_TABLE, bytes(_NFGENMSG), {}))
    except OSError:
        return []
    names = ((one[0], rtnetlink.decode(one, _NFGENMSG)[_NFTA_TABLE_NAME]) for one in found)
    return [(_FAMILIES[family], rtnetlink.text(name)) for family, name in names if family in _FAMILIES]


def apply(_tool: str, _table: str, lines: list[str]) -> None:
    """Make all the changes as one transaction (``nft -f``): all of them or none."""
    done = command.attempt(["nft", "-f", "-"], input="\n".join(lines) + "\n")
    if done.code:
        raise HostError(_refusal(lines, done.errors))


def _refusal(lines: list[str], errors: str) -> str:
    found = re.search(r":(\d+):\d+(?:-\d+)?: Error: ([^\n]*)", errors)
    if not found or int(found[1]) > len(lines):
        return f"nft refused the rules: {errors.rstrip('.')}"
    return f"'nft {lines[int(found[1]) - 1]}' failed: {found[2].rstrip('.')}"


def printed(_tool: str, family: str, table: str, lines: list[str]) -> str:
    """How nft of this host prints the table that `lines` make, seen in a network namespace that ends with the question.

    Empty when the host makes no such namespace, or the lines are refused.
    """
    script = f"nft -f - && nft --stateless list table {family} {table}"
    done = command.attempt([*_SCRATCH, script], input="\n".join(lines) + "\n")
    return "" if done.code else done.output
