# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Devices of the host that a guest has as its own: vfio-pci of QEMU. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any

from . import guest_nic, pci
from .base import SpecError
from .pci import VFIO, PciBus
from .size import MIB

DEVICE_OPTIONS = {
    "device": {"type": "str", "required": True},
    "id": {"type": "str"},
    "romfile": {"type": "str"},
    "multifunction": {"type": "bool"},
    "pci_address": {"type": "str"},
}
#: Root ports for them are at this device number of a PCI Express root bus, before those of NICs.
_PORT, MOST = 0x13, 8
#: What binds them at boot, and makes virtual functions.
UNITS = ("virtnet-vfio.service", "virtnet-sriov.service")
#: Gives the file of a device's IOMMU group, whose number may be another after a boot, to a user.
_HAND_OVER = 'chown "$1:" "/dev/vfio/$(basename "$(readlink "/sys/bus/pci/devices/$0/iommu_group")")"'
#: What QEMU maps for a device beside the guest's memory: registers and ROMs.
_BESIDE_MEMORY = 1024 * MIB


@dataclass(frozen=True)
class HostDevice:
    """``device`` is a selector, and ``address`` what it comes to on the host. ``romfile`` '' is no option ROM."""

    device: str
    id: str
    address: str | None = None
    romfile: str | None = None
    multifunction: bool | None = None
    pci_address: str | None = None


def parse_devices(entries: list[dict[str, Any]] | None) -> tuple[HostDevice, ...] | None:
    if entries is None:
        return None
    if len(entries) > MOST:
        raise SpecError(f"host_devices: there are {len(entries)}, and a guest can have {MOST}; leave some out")
    devices = tuple(_parse(f"host_devices[{index}]", index, entry) for index, entry in enumerate(entries))
    for option in ("device", "id", "pci_address"):
        values = [getattr(device, option) for device in devices if getattr(device, option)]
        for value in values:
            if values.count(value) > 1:
                raise SpecError(f"host_devices: {option} '{value}' is given twice; each device has its own")
    return devices


def _parse(where: str, index: int, entry: dict[str, Any]) -> HostDevice:
    return HostDevice(
        device=pci.selector(f"{where}.device", entry["device"]),
        id=guest_nic.device_id(f"{where}.id", entry["id"] or f"host{index}"),
        romfile=guest_nic.romfile(f"{where}.romfile", entry["romfile"]),
        multifunction=entry["multifunction"],
        pci_address=guest_nic.pci_address(f"{where}.pci_address", entry["pci_address"]),
    )


def with_places_of(devices: Iterable[HostDevice], known: Iterable[HostDevice]) -> tuple[HostDevice, ...]:
    """With the places where they were when they were last looked for."""
    places = {device.device: device.address for device in known}
    return tuple(replace(device, address=device.address or places.get(device.device)) for device in devices)


def placed(definition: Any, bus: PciBus) -> Any:
    """A guest's `Definition` with the places where its devices are now; one that is not there keeps its last."""
    found = ((device, bus.find(device.device)) for device in definition.host_devices)
    devices = tuple(replace(device, address=there.address) if there else device for device, there in found)
    return replace(definition, host_devices=devices)


def handed_over(devices: Iterable[HostDevice], user: str) -> tuple[tuple[str, ...], ...]:
    """The commands by which a user may open them."""
    return tuple(("/bin/sh", "-c", _HAND_OVER, device.address, user) for device in devices if device.address)


def locked_memory(memory: int) -> int:
    """The bytes that QEMU has to lock, of a guest with `memory` MiB: a device reaches all of it."""
    return memory * MIB + _BESIDE_MEMORY


def words(devices: Iterable[HostDevice], has_ports: bool, render: Callable[[dict[str, Any]], str]) -> list[str]:
    """The command line. On PCI Express, each is in a slot of its own that a root port makes, unless it has a place."""
    argv = []
    for number, device in enumerate(devices):
        ported = has_ports and device.pci_address is None
        if ported:
            argv += ["-device", render(_port(number))]
        argv += ["-device", render(_device(device, f"hostport{number}" if ported else None))]
    return argv


def _port(number: int) -> dict[str, Any]:
    return {
        "driver": "pcie-root-port",
        "id": f"hostport{number}",
        "bus": "pcie.0",
        "addr": f"{_PORT:02x}.{number}",
        "multifunction": True,
        "chassis": 128 + number,
    }


def _device(device: HostDevice, bus: str | None) -> dict[str, Any]:
    given = {
        "driver": VFIO,
        "id": device.id,
        "host": device.address,
        "bus": bus,
        "addr": device.pci_address,
        "multifunction": device.multifunction,
        "romfile": device.romfile,
    }
    return {name: value for name, value in given.items() if value is not None}
