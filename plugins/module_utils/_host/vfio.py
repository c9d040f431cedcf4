# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Binds PCI devices to vfio-pci and gives them back, and notes which."""

from __future__ import annotations

from .._persist import vfio as persist
from .._spec.base import Step
from .._spec.pci import VFIO, PciBus
from .._spec.vfio import Record, VfioBinding as Want, VfioWorld
from . import pci, pci_notes, supervisor
from .command import attempt, run, which
from .errors import HostError

NOTES = pci_notes.Notes(persist)


class VfioBinding:
    """The host adapter of the module."""

    def close(self) -> None:
        """Nothing is held open."""

    def observe(self, wants: list[Want], everything: bool = False) -> VfioWorld:
        noted = NOTES.read()
        devices = pci.bus(record.identity for record in noted)
        names = [want.name for want in wants if want.state != "absent"]
        return VfioWorld(
            devices=devices,
            records=noted,
            names=names,
            iommu=pci.iommu(),
            driver=_has_driver(),
            boots=supervisor.booted(),
            own_drivers={found.address: _own_driver(found.address) for found in _foreign(devices, wants, noted)},
        )

    def commit(self, steps: list[Step]) -> None:
        for step in steps:
            getattr(self, f"_{step.op}")(**step.args)

    def _load(self, driver: str) -> None:
        if not (pci.SYS / "bus/pci/drivers" / driver).is_dir():
            run(["modprobe", driver])

    def _override(self, address: str, driver: str | None) -> None:
        pci.write(pci.DEVICES / address / "driver_override", f"{driver or ''}\n")

    def _unbind(self, address: str) -> None:
        pci.write(pci.DEVICES / address / "driver/unbind", address)

    def _probe(self, address: str, driver: str) -> None:
        """The kernel takes it without a word also when no driver wanted the device."""
        pci.write(pci.SYS / "bus/pci/drivers_probe", address)
        found = pci.current_driver(address)
        if found != driver:
            raise HostError(
                f"the driver {driver} did not take {address}, which has {found or 'none'} now; 'dmesg' may say why"
            )

    def _note(self, old: Record | None, new: Record | None) -> None:
        NOTES.change(old, new)


def _has_driver() -> bool:
    if (pci.SYS / "bus/pci/drivers" / VFIO).is_dir():
        return True
    return which("modprobe") is not None and attempt(["modprobe", "--dry-run", "--quiet", VFIO]).code == 0


def _foreign(devices: PciBus, wants: list[Want], noted: list[Record]) -> list:
    """Those that vfio-pci has, and of which nobody noted what they had before."""
    found = [devices.find(want.name) for want in wants]
    known = {record.identity.address for record in noted}
    return [device for device in found if device and device.driver == VFIO and device.address not in known]


def _own_driver(address: str) -> str | None:
    """The first that the kernel has for such a device."""
    alias = pci.text(pci.DEVICES / address / "modalias")
    names = attempt(["modprobe", "--resolve-alias", alias]).output.split() if which("modprobe") and alias else []
    return next((name for name in names if name.replace("_", "-") != VFIO), None)
