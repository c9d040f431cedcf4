# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What was measured, for people to read. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from .networks import Network
from .paths import BETWEEN, FORWARD, FROM_HOST, FROM_LAN, GUESTS, NAMES, SEEN, TO_HOST, TO_LAN, Outcome

COLUMNS = (GUESTS, TO_HOST, FROM_HOST, TO_LAN, NAMES, SEEN, FROM_LAN)
BROKEN = "<- BROKEN"


def summary(networks: Sequence[Network], outcomes: Sequence[Outcome]) -> str:
    """A row for each network, a square of networks, and whatever is broken in full."""
    parts = [_models(networks, outcomes), *_forwards(networks, outcomes), _between(networks, outcomes)]
    broken = [outcome for outcome in outcomes if not outcome.kept]
    return "\n\n".join([*parts, *(["Broken promises:\n" + listing(broken)] if broken else [])])


def listing(outcomes: Sequence[Outcome]) -> str:
    """A row for each path."""
    rows = [
        (o.path.network, o.path.source, o.path.target, o.path.how, _yes(o.reached), _yes(o.path.promised))
        + (() if o.kept else (BROKEN,))
        for o in outcomes
    ]
    return _table([("network", "from", "to", "how", "reached", "promised"), *rows])


def _models(networks: Sequence[Network], outcomes: Sequence[Outcome]) -> str:
    rows = []
    for network in networks:
        cells = [_cell(network, kind, outcomes) for kind in COLUMNS]
        rows.append((network.name, network.described, *cells))
    return _table([("network", "model", *COLUMNS), *rows])


def _cell(network: Network, kind: str, outcomes: Sequence[Outcome]) -> str:
    found = [o for o in outcomes if (o.path.network, o.path.kind) == (network.name, kind)]
    if not found:
        return "-"
    return f"{_who(network) if kind == SEEN else _yes(found[0].path.promised)} {_count(found)}"


def _who(network: Network) -> str:
    if network.outside and network.seen_as:
        return "router"
    return "host" if network.seen_as else "itself"


def _count(found: Sequence[Outcome]) -> str:
    kept = sum(outcome.kept for outcome in found)
    return f"{kept}/{len(found)}" + ("" if kept == len(found) else " BROKEN")


def _forwards(networks: Sequence[Network], outcomes: Sequence[Outcome]) -> list[str]:
    lines = []
    for network in networks:
        for port, guest in dict.fromkeys((port, guest) for _version, port, guest in network.forwards):
            found = [
                o for o in outcomes if (o.path.kind, o.path.target) == (FORWARD, guest) and f":{port}/" in o.path.how
            ]
            sources = ", ".join(dict.fromkeys(o.path.source for o in found))
            lines.append(f"port {port} leads to {guest} of {network.name}, from {sources}: yes {_count(found)}")
    return ["\n".join(lines)] if lines else []


def _between(networks: Sequence[Network], outcomes: Sequence[Outcome]) -> str:
    names = [network.name for network in networks]
    rows = []
    for name in names:
        cells = []
        for other in names:
            found = [o for o in outcomes if (o.path.network, o.path.kind, o.path.other) == (name, BETWEEN, other)]
            broken = "" if all(o.kept for o in found) else " BROKEN"
            cells.append(_yes(found[0].path.promised) + broken if found else "-")
        rows.append((f"from {name}", *cells))
    return _table([("", *(f"to {name}" for name in names)), *rows])


def _table(rows: Sequence[tuple[str, ...]]) -> str:
    columns = max(len(row) for row in rows)
    full = [(*row, *[""] * (columns - len(row))) for row in rows]
    widths = [max(len(row[column]) for row in full) for column in range(columns)]
    return "\n".join("  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)).rstrip() for row in full)


def _yes(value: bool) -> str:
    return "yes" if value else "no"
