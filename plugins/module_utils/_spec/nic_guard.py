# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The guard of a NIC, as a user gives it: whose addresses may come from behind a tap. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from . import address, guest_paths, packet_option
from .base import Resource, SpecError

ARGUMENT_SPEC = {
    "name": {"type": "str"},
    "netns": {"type": "str"},
    "mac": {"type": "str"},
    "addresses": {"type": "list", "elements": "str", "default": []},
    "guest": {"type": "str"},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
}
RUN_OPTIONS = {"exclusive": {"type": "bool", "default": False}}


@dataclass(frozen=True)
class NicGuard(Resource):
    """``name`` is the tap's. ``exclusive``: its guest has no other guards than those that are listed."""

    kind = "nic_guard"

    name: str
    netns: str | None = None
    mac: str | None = None
    addresses: tuple[str, ...] = ()
    guest: str | None = None
    state: str = "present"
    exclusive: bool = False
    #: iptables does not see what passes a bridge, and ebtables has no sets.
    backend: str = "nftables"

    @property
    def key(self) -> tuple[str | None, str]:
        return self.netns, self.name


def parse(params: dict[str, Any]) -> NicGuard:
    name = packet_option.interface("name", params["name"])
    if name.startswith("!"):
        raise SpecError(f"name: '{name}' cannot be negated; give the name of one tap")
    absent = params["state"] == "absent"
    if not params["mac"] and not absent:
        raise SpecError("mac: it is missing; give the MAC address of the NIC")
    return NicGuard(
        name=name,
        netns=address.netns_name("netns", params["netns"]),
        mac=address.mac("mac", params["mac"]),
        addresses=tuple(sorted({address.address("addresses", one) for one in params["addresses"]})),
        guest=params["guest"] and guest_paths.guest_name("guest", params["guest"]),
        state=params["state"],
        exclusive=params["exclusive"],
    )
