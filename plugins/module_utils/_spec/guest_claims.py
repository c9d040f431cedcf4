# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a guest needs for itself alone: addresses, names, ports, disks. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Callable, Hashable, Iterator

from .guest_definition import Definition

_ANY_ADDRESS = ("0.0.0.0", "::")


@dataclass(frozen=True)
class Claim:
    """``key`` is what is claimed, ``what`` the same for a message. ``shared`` claims exclude only those that are not."""

    guest: str
    key: Hashable
    what: str
    shared: bool = False
    address: str | None = None

    def excludes(self, other: Claim) -> bool:
        if self.shared and other.shared:
            return False
        return self.address == other.address or any(a in _ANY_ADDRESS for a in (self.address, other.address))


def claims(guest: str, definition: Definition, runs: bool, real_path: Callable[[str, str], str]) -> Iterator[Claim]:
    """What is claimed by being defined, and what only by running. `real_path` takes a user and a path."""
    for index, nic in enumerate(definition.nics):
        yield Claim(guest, ("mac", nic.mac), f"nics[{index}].mac: {nic.mac}")
        if nic.own_tap:
            yield Claim(guest, ("tap", nic.ifname), f"nics[{index}].ifname: tap '{nic.ifname}'")
    yield Claim(guest, ("uuid", definition.uuid), f"uuid: {definition.uuid}")
    for index, disk in enumerate(definition.disks):
        if disk.base:
            path = real_path(definition.user, disk.base)
            yield Claim(guest, ("file", path), f"disks[{index}].base: '{disk.base}'", shared=True)
        if runs:
            path = real_path(definition.user, disk.file)
            yield Claim(guest, ("file", path), f"disks[{index}].file: '{disk.file}'", shared=not disk.written)
    if not runs:
        return
    for nic in definition.nics:
        if nic.type == "tap" and not nic.own_tap:
            yield Claim(guest, ("tap", nic.ifname), f"nics: tap '{nic.ifname}'")
    for protocol, address, port in places(definition):
        option = "display.number: VNC" if _is_vnc(definition, address, port) else "nics.hostfwd:"
        yield Claim(guest, (protocol, port), f"{option} port {port}/{protocol}", address=address)
    if definition.display.socket:
        yield Claim(guest, ("socket", definition.display.socket), f"display.socket: '{definition.display.socket}'")


def places(definition: Definition) -> list[tuple[str, str, int]]:
    """Protocol, address and port of all that the guest's QEMU listens on."""
    found = [forward.place for nic in definition.nics for forward in nic.hostfwd]
    display = definition.display
    return found if display.number is None else [*found, ("tcp", display.address, display.port)]


def _is_vnc(definition: Definition, address: str, port: int) -> bool:
    return (address, port) == (definition.display.address, definition.display.port)
