# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The language of nft(8) for tables that see what passes a bridge, which are those of the family bridge. Pure."""

from __future__ import annotations

import re
from dataclasses import replace

from . import nft
from .nft import comment_of, rule_text, title, tool, typed
from .ruleset import Ruleset

__all__ = ["FAMILIES", "comment_of", "parse", "raw", "rule_text", "script", "title", "tool", "typed"]

FAMILIES = {"bridge": None}


def parse(listing: str) -> Ruleset:
    """As `nft.parse`, with numbers in elements in one form."""
    rules = nft.parse(listing)
    elements = {
        name: {_one_form(key): _one_form(text) for key, text in found.items()} for name, found in rules.elements.items()
    }
    return replace(rules, elements=elements)


def raw(number: int) -> str:
    """128 bits in the form that `parse` has."""
    return f"0x{number:032x}"


def _one_form(text: str) -> str:
    return re.sub(r" \. (0x[0-9a-f]+|\d+)$", lambda found: f" . {raw(int(found[1], 0))}", text)


def script(table: str, before: Ruleset | None, after: Ruleset | None) -> list[str]:
    return nft.script(table, before, after, family="bridge")
