# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The filters that turn an inventory's guests into what the module qemu_guest takes."""

from __future__ import annotations

from typing import Any

from ansible_collections.virtnet.qemu.plugins.module_utils._spec import guest_list
from ansible_collections.virtnet.qemu.plugins.plugin_utils._filter import plainly


def with_macs(guests: list[dict[str, Any]], fleet: str, host: str) -> list[dict[str, Any]]:
    """See the documentation in with_macs.yml."""
    return plainly(guest_list.with_macs, guests, fleet, host)


def on_bridges(guests: list[dict[str, Any]], networks: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """See the documentation in on_bridges.yml."""
    return plainly(guest_list.on_bridges, guests, networks)


def nic_guards(guests: list[dict[str, Any]], default: bool = True) -> list[dict[str, Any]]:
    """See the documentation in nic_guards.yml."""
    return plainly(guest_list.nic_guards, guests, default)


def host_devices(guests: list[dict[str, Any]], listed: list[dict[str, Any]] | None = None) -> list[dict[str, Any]]:
    """See the documentation in host_devices.yml."""
    return plainly(guest_list.host_devices, guests, listed or [])


class FilterModule:
    def filters(self) -> dict[str, Any]:
        return {
            "with_macs": with_macs,
            "on_bridges": on_bridges,
            "nic_guards": nic_guards,
            "host_devices": host_devices,
        }
