# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The filter that turns an inventory's networks into what the modules take."""

from __future__ import annotations

from typing import Any

from ansible.errors import AnsibleFilterError

from ansible_collections.virtnet.qemu.plugins.module_utils._spec.base import SpecError
from ansible_collections.virtnet.qemu.plugins.module_utils._spec.network import parse_networks, resources


def network_resources(
    networks: list[dict[str, Any]], guests: list[dict[str, Any]], host: str, fleet: str
) -> dict[str, list[dict[str, Any]]]:
    """See the documentation in network_resources.yml."""
    try:
        return resources(parse_networks(networks, guests, host, fleet), host, fleet)
    except SpecError as exc:
        raise AnsibleFilterError(str(exc)) from exc
    except ImportError as exc:
        raise AnsibleFilterError(f"this Python lacks the library '{exc.name}'; install it with pip") from exc


class FilterModule:
    def filters(self) -> dict[str, Any]:
        return {"network_resources": network_resources}
