# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How the taps of guests are marked as theirs. Pure."""

from __future__ import annotations

from .base import MARK

_START = f"{MARK} guest="


def alias(guest: str) -> str:
    """Another mark than that of the module `tap`, whose ``purge`` is not to take a guest's taps away."""
    return f"{_START}{guest}"


def guest_of(mark: str | None) -> str | None:
    """The guest that a mark names."""
    return mark[len(_START) :] if mark and mark.startswith(_START) else None
