# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Amounts of memory and disk space, as users write them. Pure."""

from __future__ import annotations

import re

from .base import SpecError

KIB, MIB, GIB, TIB = 2**10, 2**20, 2**30, 2**40
_UNITS = {"": 1, "K": KIB, "M": MIB, "G": GIB, "T": TIB}


def parse_size(option: str, value: str, unit: str = "") -> int:
    """Bytes, of a number with K, M, G or T (powers of 1024; ``GiB`` and ``GB`` too); without one it is in `unit`."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([KMGT]?)(?:iB|B)?", value.strip(), re.IGNORECASE)
    if match is None:
        raise SpecError(f"{option}: '{value}' is not a size; write it as in 512M or 10G (powers of 1024)")
    size = float(match[1]) * _UNITS[match[2].upper() or unit]
    if size != int(size) or size <= 0:
        raise SpecError(f"{option}: '{value}' is not a whole number of bytes above 0")
    return int(size)


def show_size(size: int) -> str:
    """The shortest exact way to write `size` bytes."""
    for letter, unit in (("T", TIB), ("G", GIB), ("M", MIB), ("K", KIB)):
        if size % unit == 0:
            return f"{size // unit}{letter}"
    return str(size)
