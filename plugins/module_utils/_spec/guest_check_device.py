# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Refuses devices of the host that a guest cannot have. Pure."""

from __future__ import annotations

from .base import SpecError
from .guest_definition import Definition
from .guest_device import HostDevice
from .guest_world import GuestWorld
from .pci import VFIO, PciDevice


def check(where: str, name: str, device: HostDevice, guest: Definition, world: GuestWorld) -> None:
    if device.romfile:
        world.require_readable(f"{where}.romfile", device.romfile, guest.user)
    found = world.require(
        world.facts.devices.find(device.device),
        f"{where}.device: there is no PCI device '{device.device}' on this host; look with 'lspci -D' and 'ip link'",
    )
    if found is None:
        return
    if found.driver != VFIO:
        world.missing.append(
            f"{where}.device: '{device.device}' ({found.address}) is not bound to vfio-pci; bind it first "
            "(module virtnet.qemu.vfio_bind, role virtnet.qemu.passthrough)"
        )
    if found.group is None:
        raise SpecError(f"{where}.device: '{device.device}' ({found.address}) is in no IOMMU group")
    _check_group(where, name, found, world)


def _check_group(where: str, name: str, found: PciDevice, world: GuestWorld) -> None:
    """The kernel lets one process alone open it."""
    if not world.plans[name].runs:
        return
    mates = {other.address for other in world.facts.devices.group(found)}
    for guest, plan in world.plans.items():
        for other in plan.definition.host_devices if plan.runs and guest != name else ():
            if other.address in mates:
                raise SpecError(
                    f"{where}.device: {found.address} is in IOMMU group {found.group}, as is {other.address} of guest "
                    f"'{guest}'; a group is of one guest that runs"
                )
