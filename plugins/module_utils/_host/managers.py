# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The host network managers that this collection writes files for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .ifupdown import Ifupdown
from .manager import Manager
from .networkd import Networkd
from .networkmanager import NetworkManager

#: Whichever configures a NIC first has it.
ALL: tuple[Manager, ...] = (Networkd(), NetworkManager(), Ifupdown())


def renderers() -> tuple[Any, ...]:
    return tuple(manager.files for manager in ALL)


def names() -> str:
    return " or ".join(renderer.NAME for renderer in renderers())


def mode(path: str) -> int:
    """Of a file that is new."""
    return next((manager.mode(path) for manager in ALL if manager.files.is_native(path)), 0o644)


def observe() -> dict[str, str]:
    return {path: text for manager in ALL for path, text in manager.observe().items()}


def managed(nic: str, bridge: str, there: Mapping[str, str]) -> Any:
    """What the manager that configures this NIC says of it; ``None`` where none does."""
    return next((found for manager in ALL if (found := manager.managed(nic, bridge, there)) is not None), None)


def keeper() -> Any:
    """Of the manager that makes bridges without an uplink on this host; ``None`` where none does."""
    return next((found for manager in ALL if (found := manager.keeper()) is not None), None)


def saved() -> dict[str, Any]:
    """What a checkpoint has to save of each, by its name."""
    return {manager.files.NAME: manager.saved() for manager in ALL}
