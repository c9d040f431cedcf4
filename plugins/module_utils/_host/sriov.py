# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Makes the virtual functions of NICs, by sysfs and ip(8), and notes which."""

from __future__ import annotations

import json

from .._persist import sriov as persist
from .._spec.base import Step
from .._spec.pci import PciDevice
from .._spec.sriov import Function, Record, Sriov as Want, SriovWorld, sysctl_keys
from . import namespace, pci, pci_notes, supervisor
from .command import run
from .errors import HostError

NOTES = pci_notes.Notes(persist)


class Sriov:
    """The host adapter of the module."""

    def close(self) -> None:
        """Nothing is held open."""

    def observe(self, wants: list[Want], everything: bool = False) -> SriovWorld:
        noted = NOTES.read()
        devices = pci.bus(record.identity for record in noted)
        capable = [device for device in devices.devices.values() if device.most_vfs and device.interfaces]
        found = {device.address: _observed(device) for device in capable}
        return SriovWorld(devices, found, noted, boots=supervisor.booted())

    def commit(self, steps: list[Step]) -> None:
        for step in steps:
            getattr(self, f"_{step.op}")(**step.args)

    def _attribute(self, address: str, name: str, value: int) -> None:
        path = pci.DEVICES / address / name
        try:
            pci.write(path, str(value))
        except HostError as exc:
            raise HostError(f"{exc}; 'dmesg' may say why the driver refused it") from exc

    def _sysctl_set(self, netns: None, key: str, value: str) -> None:
        namespace.write_sysctl(netns, key, value)

    def _link(self, argv: list[str]) -> None:
        run(argv)

    def _note(self, old: Record | None, new: Record | None) -> None:
        NOTES.change(old, new)


def _observed(device: PciDevice) -> Want:
    interface = device.interfaces[0].name
    (link,) = json.loads(run(["ip", "-json", "link", "show", "dev", interface]))
    return Want(
        name=device.address,
        address=device.address,
        interface=interface,
        count=len(device.vfs),
        autoprobe=pci.text(pci.DEVICES / device.address / "sriov_drivers_autoprobe") != "0",
        functions=tuple(_function(found) for found in sorted(link.get("vfinfo_list", ()), key=lambda vf: vf["vf"])),
        up="UP" in link["flags"],
        sysctls=_sysctls(interface),
    )


def _sysctls(interface: str) -> tuple[tuple[str, str], ...]:
    """A host without IPv6 has none of its."""
    keys = sysctl_keys(interface)
    values = namespace.read_sysctls(None, keys.values())
    return tuple((name, values[key]) for name, key in keys.items() if key in values)


def _function(found: dict) -> Function:
    """iproute2 has a list of VLANs for each, in which one alone can be."""
    vlans = [entry.get("vlan", 0) for entry in found.get("vlan_list", ())] or [found.get("vlan", 0)]
    return Function(found.get("address") or found.get("mac"), vlans[0], found.get("spoofchk"), found.get("trust"))
