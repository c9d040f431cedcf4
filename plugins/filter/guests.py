# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The filters that turn an inventory's guests into what the module qemu_guest takes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ansible.errors import AnsibleFilterError

from ansible_collections.virtnet.qemu.plugins.module_utils._spec import guest_list
from ansible_collections.virtnet.qemu.plugins.module_utils._spec.base import SpecError


def _plainly(work: Callable[..., Any], *args: Any) -> Any:
    try:
        return work(*args)
    except SpecError as exc:
        raise AnsibleFilterError(str(exc)) from exc
    except ImportError as exc:
        raise AnsibleFilterError(
            f"the controller's Python lacks the library '{exc.name}'; install it with pip"
        ) from exc


def with_macs(guests: list[dict[str, Any]], fleet: str, host: str) -> list[dict[str, Any]]:
    """See the documentation in with_macs.yml."""
    return _plainly(guest_list.with_macs, guests, fleet, host)


def on_bridges(guests: list[dict[str, Any]], networks: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """See the documentation in on_bridges.yml."""
    return _plainly(guest_list.on_bridges, guests, networks)


class FilterModule:
    def filters(self) -> dict[str, Any]:
        return {"with_macs": with_macs, "on_bridges": on_bridges}
