# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The filter that says how an inventory's networks are to be probed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.virtnet.qemu.plugins.module_utils._spec.network_list import parse_networks
from ansible_collections.virtnet.qemu.plugins.module_utils._spec.probe_list import probed
from ansible_collections.virtnet.qemu.plugins.plugin_utils._filter import plainly


def probed_networks(
    networks: list[dict[str, Any]],
    guests: list[dict[str, Any]],
    host: str,
    fleet: str,
    lan: list[Mapping[str, Any]] | None = None,
    addresses: Mapping[str, list[str]] | None = None,
) -> list[dict[str, Any]]:
    """See the documentation in probed_networks.yml."""
    return plainly(lambda: probed(parse_networks(networks, guests, host, fleet), lan or [], addresses or {}))


class FilterModule:
    def filters(self) -> dict[str, Any]:
        return {"probed_networks": probed_networks}
