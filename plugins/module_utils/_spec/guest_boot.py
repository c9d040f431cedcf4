# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""From what a guest boots. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from .base import SpecError

BOOT_OPTIONS = {
    "order": {"type": "str"},
    "once": {"type": "str"},
    "menu": {"type": "bool"},
}


@dataclass(frozen=True)
class Boot:
    """Letters of qemu(1), ``-boot``: c is the first disk, d the first CD-ROM, n the network."""

    order: str | None = None
    once: str | None = None
    menu: bool | None = None


def parse_boot(entry: dict[str, Any] | None) -> Boot | None:
    if entry is None:
        return None
    for option in ("order", "once"):
        value = entry[option] or ""
        if not re.fullmatch(r"[a-dn-p]*", value) or len(set(value)) < len(value):
            raise SpecError(
                f"boot.{option}: '{value}' is not a boot order; use c (disk), d (CD-ROM) and n (network), each once"
            )
    return Boot(entry["order"] or None, entry["once"] or None, entry["menu"])
