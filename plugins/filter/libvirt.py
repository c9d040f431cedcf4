# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The filter that turns an inventory's networks of libvirt into what the module libvirt_network takes."""

from __future__ import annotations

from typing import Any

from ansible_collections.virtnet.qemu.plugins.module_utils._spec import libvirt_list
from ansible_collections.virtnet.qemu.plugins.plugin_utils._filter import plainly


def libvirt_networks(
    networks: list[dict[str, Any]], guests: list[dict[str, Any]], fleet: str, host: str
) -> list[dict[str, Any]]:
    """See the documentation in libvirt_networks.yml."""
    return plainly(libvirt_list.libvirt_networks, networks, guests, fleet, host)


class FilterModule:
    def filters(self) -> dict[str, Any]:
        return {"libvirt_networks": libvirt_networks}
