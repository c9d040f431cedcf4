# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Asks for guests from a host on their LAN."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .._spec.probe_neighbour import parse
from .._spec.probe_table import broken, table
from . import ask


def run(params: Mapping[str, Any], check_mode: bool) -> dict[str, Any]:
    """The module's result, but for ``changed``."""
    checks = parse(params)
    asks = [one for check in checks for _who, ways in check.asked for one in ways]
    answers = {} if check_mode else ask.ask_all(asks, params["timeout"])
    results = [check.unasked() if check_mode else check.result(answers) for check in checks]
    return {"results": results, "table": table(results), "broken": broken(results)}
