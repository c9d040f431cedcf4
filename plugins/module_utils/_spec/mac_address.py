# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""MAC addresses and UUIDs that nobody gave: derived, so they are the same on every run (design §5.8). Pure."""

from __future__ import annotations

import hashlib
import re
import uuid
from collections.abc import Iterable

from .base import SpecError

#: QEMU's and KVM's own prefix.
_PREFIX = "52:54:00"
#: Any constant does (RFC 4122, section 4.3), as long as it never changes.
_UUID_NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, "virtnet.qemu/guest")


def derived_mac(fleet: str, host: str, guest: str, nic: int | str) -> str:
    """The MAC address of a guest's NIC on a host of a fleet; `nic` is its number (from 0) or its id."""
    digest = hashlib.sha256("\0".join((fleet, host, guest, nic_number(nic))).encode()).digest()
    return ":".join((_PREFIX, *(f"{octet:02x}" for octet in digest[:3])))


def nic_number(nic: int | str) -> str:
    """What tells a guest's NICs apart: without an id of its own, NIC number 0 has the id nic0."""
    return re.sub(r"^nic(\d+)$", r"\1", str(nic))


def derived_uuid(fleet: str, host: str, guest: str) -> str:
    return str(uuid.uuid5(_UUID_NAMESPACE, "\0".join((fleet, host, guest))))


def check_macs(owned: Iterable[tuple[str, str]]) -> None:
    """Refuse one MAC address twice; `owned` are pairs of whose it is (for the message) and the address."""
    owners: dict[str, str] = {}
    for owner, mac in owned:
        if mac in owners:
            raise SpecError(
                f"mac: {mac} is the address of {owners[mac]} and of {owner}; give one of them another 'mac'"
            )
        owners[mac] = owner
