# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The results of probing, for people. Pure."""

from __future__ import annotations

from typing import Any

_COLUMNS = ("network", "check", "expected", "seen")
_VERDICTS = {True: "ok", False: "BROKEN", None: ""}


def table(results: list[dict[str, Any]]) -> str:
    lines = [(*_COLUMNS, "")]
    lines += [(*(result[column] for column in _COLUMNS), _VERDICTS[result["ok"]]) for result in results]
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    return "\n".join("  ".join(word.ljust(width) for word, width in zip(line, widths)).rstrip() for line in lines)


def broken(results: list[dict[str, Any]]) -> str:
    """One sentence about the promises that are not kept; empty when all are."""
    found = [
        f"network '{r['network']}': {r['check']}: expected {r['expected']}, seen {r['seen']}"
        for r in results
        if r["ok"] is False
    ]
    return f"{len(found)} of {len(results)} promises are broken: {'; '.join(found)}" if found else ""
