# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where a guest's NICs are on its PCI buses: in slots, which they keep, and which can be filled while it runs. Pure."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from dataclasses import replace

from .guest_nic import Nic

#: On PCI Express, QEMU's root bus takes nothing while the guest runs, but each root port on it does take one device
#: (docs/pcie.txt of QEMU). So each slot is a port, eight of them on each of these device numbers of the root bus.
_FIRST_PORT, _PORTS_EACH = 0x14, 8
MOST_PORTS = 8 * _PORTS_EACH
#: On PCI, a slot is a device number of the root bus, and the bus takes devices while the guest runs.
_FIRST_DEVICE, _LAST_DEVICE = 0x10, 0x1E


def bus(machine: str) -> str | None:
    """What kind of root bus a machine has for NICs: ``pcie``, ``pci``, or none that is known here."""
    kind = machine.partition(",")[0]
    if "q35" in kind or kind == "virt" or kind.startswith("virt-"):
        return "pcie"
    return "pci" if kind == "pc" or "i440fx" in kind else None


def placed(nics: Iterable[Nic], before: Iterable[Nic], machine: str) -> tuple[Nic, ...]:
    """Each NIC in the slot it had, a new one in the lowest that is free; one with a PCI address has no slot."""
    nics = [replace(nic, slot=None) for nic in nics]
    if bus(machine) is None:
        return tuple(nics)
    given = {nic.pci_address for nic in nics if nic.pci_address}
    known = {nic.id: nic.slot for nic in before if nic.slot is not None}
    kept = {nic.id: known[nic.id] for nic in nics if nic.id in known}
    free = (n for n in itertools.count() if n not in kept.values() and _device(n, machine) not in given)
    return tuple(nic if nic.pci_address else _in_slot(nic, kept.get(nic.id), free) for nic in nics)


def _in_slot(nic: Nic, slot: int | None, free: Iterator[int]) -> Nic:
    return replace(nic, slot=next(free) if slot is None else slot)


def ports(nics: Iterable[Nic], spare: int, machine: str) -> int:
    """The number of root ports: one for each slot up to the last that is in use, and the spare ones."""
    if bus(machine) != "pcie":
        return 0
    return max((nic.slot + 1 for nic in nics if nic.slot is not None), default=0) + spare


def port_devices(count: int) -> list[dict[str, object]]:
    return [
        {
            "driver": "pcie-root-port",
            "id": _port(number),
            "bus": "pcie.0",
            "addr": _function(number),
            "multifunction": True,
            "chassis": number + 1,
        }
        for number in range(count)
    ]


def port_at(address: str, count: int) -> bool:
    """Whether one of so many ports is at that device number of the root bus."""
    return address.partition(".")[0] in {_function(number).partition(".")[0] for number in range(count)}


def place(nic: Nic, machine: str) -> dict[str, str]:
    """The properties that put a NIC where it is."""
    if nic.pci_address:
        return {"addr": nic.pci_address}
    if nic.slot is None:
        return {}
    if bus(machine) == "pcie":
        return {"bus": _port(nic.slot)}
    address = _device(nic.slot, machine)
    return {"addr": address} if address else {}


def _port(number: int) -> str:
    return f"nicport{number}"


def _function(number: int) -> str:
    return f"{_FIRST_PORT + number // _PORTS_EACH:02x}.{number % _PORTS_EACH}"


def _device(slot: int, machine: str) -> str | None:
    """On PCI, the address of a slot; QEMU chooses one when these are used up."""
    if bus(machine) != "pci" or slot > _LAST_DEVICE - _FIRST_DEVICE:
        return None
    return f"{_FIRST_DEVICE + slot:02x}.0"
