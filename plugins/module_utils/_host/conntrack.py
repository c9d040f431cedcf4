# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Open connections as the kernel tracks them, through conntrack(8)."""

from __future__ import annotations

import json
from collections.abc import Iterable

from .._spec import connection
from .._spec.forward import Flush
from . import command
from .errors import HostError


def usable() -> bool:
    return command.which("conntrack") is not None


def flush(wanted: Iterable[Flush]) -> None:
    """Forget the connections that are meant, and no other."""
    by_version: dict[int, list[Flush]] = {}
    for one in wanted:
        by_version.setdefault(one.version, []).append(one)
    for version, flushes in by_version.items():
        tracked = connection.parse(command.run(["conntrack", "-L", "-f", f"ipv{version}"]))
        for found in connection.stale(tracked, flushes, _own_addresses(version)):
            _delete(version, found.words)


def _own_addresses(version: int) -> frozenset[str]:
    links = json.loads(command.run(["ip", f"-{version}", "-json", "address", "show"]))
    return frozenset(address["local"] for link in links for address in link.get("addr_info", ()) if "local" in address)


def _delete(version: int, words: tuple[str, ...]) -> None:
    done = command.attempt(["conntrack", "-D", "-f", f"ipv{version}", *words])
    # It fails when there is nothing left to delete: the connection has ended by itself.
    if done.code and " 0 flow entries have been deleted" not in done.errors:
        raise HostError(f"'conntrack -D {' '.join(words)}' failed: {done.errors}")
