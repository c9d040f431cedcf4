# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The filters that check an inventory's networks, and turn them into what the modules take."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.virtnet.qemu.plugins.module_utils._spec import inventory
from ansible_collections.virtnet.qemu.plugins.module_utils._spec.network_list import check_against_host, parse_networks
from ansible_collections.virtnet.qemu.plugins.module_utils._spec.network_resources import resources
from ansible_collections.virtnet.qemu.plugins.plugin_utils._filter import plainly


def network_resources(
    networks: list[dict[str, Any]],
    guests: list[dict[str, Any]],
    host: str,
    fleet: str,
    there: list[dict[str, str]] | None = None,
) -> dict[str, Any]:
    """See the documentation in network_resources.yml."""

    def made() -> dict[str, Any]:
        parsed = parse_networks(networks, guests, host, fleet)
        check_against_host(parsed, [(one["interface"], one["address"]) for one in there or ()])
        return resources(parsed, host, fleet)

    return plainly(made)


def inventory_problems(names: list[str], hostvars: Mapping[str, Mapping[str, Any]], fleet: str) -> list[str]:
    """See the documentation in inventory_problems.yml."""
    kinds = ("networks", "guests", "libvirt_networks")
    hosts = {name: {kind: hostvars[name].get(f"virtnet_{kind}") for kind in kinds} for name in names}
    return plainly(inventory.problems, hosts, fleet)


class FilterModule:
    def filters(self) -> dict[str, Any]:
        return {"network_resources": network_resources, "inventory_problems": inventory_problems}
