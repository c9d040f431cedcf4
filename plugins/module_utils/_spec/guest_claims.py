# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a guest needs for itself alone: addresses, names, ports, disks. Pure."""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from dataclasses import dataclass
from typing import Callable

from .guest_definition import Definition

_ANY_ADDRESS = ("0.0.0.0", "::")


@dataclass(frozen=True)
class Claim:
    """``key`` is what is claimed, ``what`` the same for a message. A ``shared`` one excludes those that are not."""

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
    yield from _by_definition(guest, definition, real_path)
    if runs:
        yield from _by_running(guest, definition, real_path)


def _by_definition(guest: str, definition: Definition, real_path: Callable[[str, str], str]) -> Iterator[Claim]:
    yield Claim(guest, ("uuid", definition.uuid), f"uuid: {definition.uuid}")
    for index, nic in enumerate(definition.nics):
        yield Claim(guest, ("mac", nic.mac), f"nics[{index}].mac: {nic.mac}")
        if nic.own_tap:
            yield Claim(guest, ("tap", nic.ifname), f"nics[{index}].ifname: tap '{nic.ifname}'")
    for index, device in enumerate(definition.host_devices):
        place = device.address or device.device
        yield Claim(guest, ("device", place), f"host_devices[{index}].device: '{device.device}'")
    for index, disk in enumerate(definition.disks):
        if disk.base:
            path = real_path(definition.user, disk.base)
            yield Claim(guest, ("file", path), f"disks[{index}].base: '{disk.base}'", shared=True)


def _by_running(guest: str, definition: Definition, real_path: Callable[[str, str], str]) -> Iterator[Claim]:
    for index, disk in enumerate(definition.disks):
        path = real_path(definition.user, disk.file)
        yield Claim(guest, ("file", path), f"disks[{index}].file: '{disk.file}'", shared=not disk.written)
    for index, nic in enumerate(definition.nics):
        if nic.type == "tap" and not nic.own_tap:
            yield Claim(guest, ("tap", nic.ifname), f"nics[{index}].ifname: tap '{nic.ifname}'")
    for protocol, address, port in places(definition):
        what = f"{port_option(definition, port)}: port {port}/{protocol}"
        yield Claim(guest, (protocol, port), what, address=address)
    if definition.display.socket:
        yield Claim(guest, ("socket", definition.display.socket), f"display.socket: '{definition.display.socket}'")


def places(definition: Definition) -> list[tuple[str, str, int]]:
    """Protocol, address and port of all that the guest's QEMU listens on."""
    found = [forward.place for nic in definition.nics for forward in nic.hostfwd]
    display = definition.display
    return found if display.number is None else [*found, ("tcp", display.address, display.port)]


def port_option(definition: Definition, port: int) -> str:
    """The option that gave the port."""
    return "display.number" if port == definition.display.port else "nics.hostfwd"
