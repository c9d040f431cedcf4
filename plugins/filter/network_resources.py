# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The filter that turns an inventory's networks into what the modules take."""

from __future__ import annotations

from typing import Any

from ansible_collections.virtnet.qemu.plugins.module_utils._spec.network import parse_networks, resources
from ansible_collections.virtnet.qemu.plugins.plugin_utils._filter import plainly


def network_resources(
    networks: list[dict[str, Any]], guests: list[dict[str, Any]], host: str, fleet: str
) -> dict[str, list[dict[str, Any]]]:
    """See the documentation in network_resources.yml."""
    return plainly(lambda: resources(parse_networks(networks, guests, host, fleet), host, fleet))


class FilterModule:
    def filters(self) -> dict[str, Any]:
        return {"network_resources": network_resources}
