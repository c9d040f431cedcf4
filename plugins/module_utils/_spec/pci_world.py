# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What resources that are PCI devices have in common: one device may be known by several names. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from .base import Resource, SpecError
from .pci import PciBus, PciDevice


class PciWorld:
    """The devices of a host, and what we noted of some. ``boots``: systemd does what is to be done at boot.

    A subclass gives ``observed(name)``, the resource as it is or what is noted of one that is gone, and
    ``check_unused(resource)``.
    """

    def __init__(self, devices: PciBus, records: Iterable[Any], boots: bool) -> None:
        self.devices = devices
        self.records = tuple(records)
        self.boots = boots
        self.missing: list[str] = []
        self.warnings: list[str] = []
        self._claims: dict[str, str] = {}

    def device(self, name: str) -> PciDevice | None:
        return self.devices.find(name)

    def claimed(self, name: str) -> PciDevice | None:
        """The device that is to be changed under this name, and under no other; one that is not there is noted."""
        device = self.device(name)
        if device is None:
            self.missing.append(
                f"name: there is no PCI device '{name}' on this host; look with 'lspci -D' and 'ip link'"
            )
            return None
        other = self._claims.setdefault(device.address, name)
        if other != name:
            raise SpecError(f"name: '{other}' and '{name}' are one and the same device, {device.address}; keep one")
        return device


class PciResource(Resource):
    """A subclass has a ``name``, a selector, and an ``address``."""

    @property
    def key(self) -> str:
        return self.name

    @classmethod
    def owned_keys(cls, world: PciWorld) -> list[str]:
        return [record.name for record in world.records]

    @classmethod
    def observed(cls, world: PciWorld, key: str) -> Any:
        return world.observed(key)

    @classmethod
    def strays(cls, wants: list[Any], world: PciWorld) -> list[Any]:
        wanted = {found.address for want in wants if (found := world.observed(want.name))}
        owned = [world.observed(key) for key in cls.owned_keys(world)]
        strays = [found for found in owned if found.address not in wanted]
        for stray in strays:
            world.check_unused(stray)
        return strays
