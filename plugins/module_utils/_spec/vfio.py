# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A PCI device that vfio-pci holds, so that a guest can have it: the kernel's documentation, driver-api/vfio. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from . import pci
from .base import MARK, SpecError, Step, control, hidden
from .pci import VFIO, Identity, PciBus, PciDevice
from .pci_world import PciResource, PciWorld

DEVICES = "/sys/bus/pci/devices"
#: Drivers that leave an IOMMU group usable: vfio_dev_viable in drivers/vfio/group.c, and in older kernels vfio.c.
_HARMLESS = (None, VFIO, "pci-stub", "pcieport")


@dataclass(frozen=True)
class Record:
    """What we noted of a device: who it is, the driver that it had, and whether it is to be bound at boot too.

    ``name`` is the selector that it was asked for by; ``vf`` its number when it is a virtual function, and ``identity``
    then is that of its physical one.
    """

    name: str
    identity: Identity
    driver: str | None
    boot: bool
    vf: int | None = None

    @property
    def by_serial(self) -> bool:
        """Whether a boot is to find it wherever it is plugged in."""
        return self.identity.serial is not None and not pci.is_slot(self.name)


@dataclass(frozen=True)
class VfioBinding(PciResource):
    """``driver`` is the one that has the device, ``override`` the one that alone may have it."""

    kind = "vfio_binding"

    name: str
    address: str = ""
    driver: str | None = None
    override: str | None = None
    group: str | None = None
    record: Record | None = hidden()
    state: str = control("present")
    adopt: bool = control(False)
    allow_incomplete_group: bool = control(False)
    persist: str = control("auto")

    argument_spec = {
        "name": {"type": "str"},
        "allow_incomplete_group": {"type": "bool", "default": False},
        "adopt": {"type": "bool", "default": False},
        "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    }
    run_options = {"persist": {"type": "str", "choices": ["auto", "none"], "default": "auto"}}

    @classmethod
    def parse(cls, params: dict[str, Any]) -> VfioBinding:
        steering = {key: params[key] for key in ("state", "adopt", "allow_incomplete_group", "persist")}
        return cls(name=pci.selector("name", params["name"]), **steering)

    def target(self, world: VfioWorld, have: VfioBinding | None) -> VfioBinding | None:
        if self.state == "absent":
            return self._given_back(world, have)
        device = world.claimed(self.name)
        if device is None:
            return have
        self._check_group(world, device)
        if have.record is None and not self.adopt and VFIO in (have.driver, have.override):
            return self._foreign(world, have)
        if have.driver != VFIO:
            self._check_free(device)
        world.require_driver()
        return replace(have, driver=VFIO, override=VFIO, record=self._record(world, have, device))

    def _foreign(self, world: VfioWorld, have: VfioBinding) -> VfioBinding:
        if have.driver != VFIO:
            raise SpecError(
                f"name: '{self.name}' ({have.address}) has the driver_override 'vfio-pci', not set by {MARK}; "
                "undo that, or take it over with 'adopt: true'"
            )
        world.warnings.append(
            f"'{self.name}' ({have.address}) is bound to vfio-pci by somebody else, who has to see to it at boot too; "
            "'adopt: true' takes it over"
        )
        return have

    def _given_back(self, world: VfioWorld, have: VfioBinding | None) -> VfioBinding | None:
        if have is None or (have.record is None and VFIO not in (have.driver, have.override)):
            return have
        if have.record is None and not self.adopt:
            raise SpecError(
                f"name: '{self.name}' ({have.address}) was not bound to vfio-pci by {MARK}; "
                "give it back with 'adopt: true'"
            )
        if have.address not in world.devices.devices:
            return None
        world.check_unused(have)
        return have.released(have.record.driver if have.record else world.own_driver(have.address))

    def recorded(self, after: VfioBinding | None) -> VfioBinding | None:
        return replace(self, driver=VFIO) if self.record else None

    def released(self, driver: str | None) -> VfioBinding:
        """It with its own driver again."""
        return replace(self, driver=driver if self.driver == VFIO else self.driver, override=None, record=None)

    def _check_group(self, world: VfioWorld, device: PciDevice) -> None:
        if not world.iommu:
            raise SpecError(
                "this host has no IOMMU, or it is off: turn on VT-d or AMD-Vi in the firmware's set-up, and on Intel "
                "boot the kernel with 'intel_iommu=on'"
            )
        if device.group is None:
            raise SpecError(f"name: '{self.name}' ({device.address}) is in no IOMMU group; take another")
        others = [other for other in world.devices.group(device) if other.driver not in _HARMLESS]
        outside = [other for other in others if other.address not in world.wanted]
        if not outside:
            return
        listed = ", ".join(f"{other.described()} with the driver {other.driver}" for other in outside)
        text = f"'{self.name}' ({device.address}) shares its IOMMU group {device.group} with {listed}"
        if not self.allow_incomplete_group:
            raise SpecError(
                f"name: {text}; a guest gets the whole group or none of it: list those too, or, if you know that they "
                "are apart, give 'allow_incomplete_group: true'"
            )
        world.warnings.append(f"{text}, which stay with the host")

    def _check_free(self, device: PciDevice) -> None:
        if device.is_bridge:
            raise SpecError(f"name: '{self.name}' ({device.address}) is a PCI bridge, which no guest can have")
        if device.vfs:
            raise SpecError(
                f"name: '{self.name}' ({device.address}) has {len(device.vfs)} virtual functions, which would go; "
                "pass those on, or remove them with virtnet.qemu.sriov first"
            )
        if device.uses:
            raise SpecError(f"name: '{self.name}' ({device.address}) {'; '.join(device.uses)}; it stays with the host")

    def _record(self, world: VfioWorld, have: VfioBinding, device: PciDevice) -> Record:
        boot = self.persist == "auto" and world.boots
        if have.record:
            here = have.record.identity
            if have.record.vf is None:
                here = replace(here, address=device.address)
            return replace(have.record, name=self.name, boot=boot, identity=here)
        driver = device.driver if device.driver != VFIO else world.own_driver(device.address)
        parent = world.devices.devices.get(device.parent or "")
        record = Record(self.name, pci.identity(parent or device), driver, boot)
        if parent:
            record = replace(record, vf=parent.vfs.index(device.address))
        if boot and not pci.is_slot(self.name) and not record.by_serial:
            world.warnings.append(
                f"'{self.name}' has no serial number to be found by before its driver comes; at boot it is looked for "
                f"where it is now, at {record.identity.address}"
            )
        return record

    @classmethod
    def steps(cls, before: VfioBinding | None, after: VfioBinding | None) -> list[Step]:
        if before is None:
            return [_note(after.address, None, after.record)]
        if after is None:
            # Of one that has vanished only our note is left.
            after = before.released(before.record and before.record.driver)
        steps = []
        # The note first: by it the next run finds what a killed one has done.
        if after.record and after.record != before.record:
            steps.append(_note(after.address, before.record, after.record))
        steps += _bound(before, after)
        if before.record and after.record is None:
            steps.append(_note(before.address, before.record, None))
        return steps

    def as_dict(self) -> dict[str, Any]:
        shown = super().as_dict()
        return {**shown, "persistent": bool(self.record and self.record.boot)}


def _bound(before: VfioBinding, after: VfioBinding) -> list[Step]:
    where = {"address": after.address}
    path = f"{DEVICES}/{after.address}"
    steps = []
    if after.driver and after.driver != before.driver:
        steps.append(Step("load", {"driver": after.driver}, f"modprobe {after.driver}"))
    if after.override != before.override:
        line = f"echo {after.override or ''} > {path}/driver_override".replace("echo  ", "echo ")
        steps.append(Step("override", {**where, "driver": after.override}, line))
    if after.driver == before.driver:
        return steps
    if before.driver:
        steps.append(Step("unbind", where, f"echo {after.address} > {path}/driver/unbind"))
    if after.driver:
        line = f"echo {after.address} > /sys/bus/pci/drivers_probe"
        steps.append(Step("probe", {**where, "driver": after.driver}, line))
    return steps


def _note(address: str, old: Record | None, new: Record | None) -> Step:
    line = f"# {'note' if new else 'forget'} {address} as bound by {MARK}"
    return Step("note", {"old": old, "new": new}, line)


class VfioWorld(PciWorld):
    """With those that this run is to bind.

    ``iommu``: there is one, and it is on. ``driver``: the kernel has vfio-pci. ``own_drivers``: by address, the driver
    that a device gets without our doing.
    """

    def __init__(
        self,
        devices: PciBus,
        records: Iterable[Record] = (),
        names: Iterable[str] = (),
        iommu: bool = True,
        driver: bool = True,
        boots: bool = True,
        own_drivers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(devices, records, boots)
        self.iommu = iommu
        self.wanted = {device.address for name in names if (device := devices.find(name))}
        self._driver = driver
        self._own_drivers = own_drivers or {}

    def own_driver(self, address: str) -> str | None:
        return self._own_drivers.get(address)

    def observed(self, name: str) -> VfioBinding | None:
        """A device as it is, or what is noted of one that is gone."""
        device = self.device(name)
        record = next((record for record in self.records if record.name == name), None)
        if device is None and record:
            device = self.devices.devices.get(self.place(record) or "")
        if device is None:
            return record and VfioBinding(name, record.identity.address, record=record)
        return VfioBinding(
            name, device.address, device.driver, device.override, device.group, record=self._record(device)
        )

    def _record(self, device: PciDevice) -> Record | None:
        return next((record for record in self.records if self.place(record) == device.address), None)

    def place(self, record: Record) -> str | None:
        """Where the device of a record is now."""
        found = self.devices.current(record.identity)
        if found is None or record.vf is None:
            return found and found.address
        return found.vfs[record.vf] if record.vf < len(found.vfs) else None

    def check_unused(self, binding: VfioBinding) -> None:
        device = self.devices.devices.get(binding.address)
        if device and device.users and binding.driver == VFIO:
            raise SpecError(f"name: '{binding.name}' is in use by {', '.join(device.users)}; stop the guest first")

    def require_driver(self) -> None:
        text = "this kernel has no module 'vfio-pci'; install a kernel that has it"
        if not self._driver and text not in self.missing:
            self.missing.append(text)
