# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What somebody on the LAN asks of guests. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from . import address
from .base import SpecError
from .probe_check import Check, neighbour_check

_TARGET = {
    "name": {"type": "str", "required": True},
    "address": {"type": "str", "required": True},
    "reached": {"type": "bool", "required": True},
}
ARGUMENT_SPEC = {
    "config": {"type": "list", "elements": "dict", "required": True, "options": _TARGET},
    "via": {"type": "list", "elements": "str", "default": []},
    "timeout": {"type": "float", "default": 2.0},
}


def parse(params: Mapping[str, Any]) -> list[Check]:
    if not 0 < params["timeout"] <= 3600:
        raise SpecError(f"timeout: {params['timeout']:g} is not a time-out; give seconds, more than 0")
    hops = {address.ip_version(hop): hop for hop in (address.address("via", given) for given in params["via"])}
    asked: dict[tuple[str, bool], list[str]] = {}
    for entry in params["config"]:
        asked.setdefault((entry["name"], entry["reached"]), []).append(address.address("address", entry["address"]))
    return [neighbour_check(name, addresses, hops, reached) for (name, reached), addresses in asked.items()]
