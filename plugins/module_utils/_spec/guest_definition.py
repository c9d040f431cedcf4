# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a guest is: what a user gives of it, and, with every default filled in, what its host keeps in a file. Pure."""

from __future__ import annotations

import re
import uuid
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from . import guest_paths as paths, guest_pci
from .base import SpecError
from .guest_boot import BOOT_OPTIONS, Boot, parse_boot
from .guest_device import DEVICE_OPTIONS, HostDevice, parse_devices, with_places_of
from .guest_disk import DISK_OPTIONS, Disk, parse_disks
from .guest_display import DISPLAY_OPTIONS, Display, parse_display
from .guest_nic import NIC_OPTIONS, Nic, nic_from_data, parse_nics
from .guest_seed import NO_SEED, SEED_OPTIONS, Seed, parse_seed
from .mac_address import derived_mac, derived_uuid
from .size import MIB, parse_size, show_size

DEFAULT_USER = "virtnet-qemu"

DEFINITION_OPTIONS = {
    "emulator": {"type": "str"},
    "machine": {"type": "str"},
    "accel": {"type": "str", "choices": ["auto", "kvm", "tcg"]},
    "cpu": {"type": "str"},
    "cpus": {"type": "int"},
    "memory": {"type": "str"},
    "uuid": {"type": "str"},
    "disks": {"type": "list", "elements": "dict", "options": DISK_OPTIONS},
    "boot": {"type": "dict", "options": BOOT_OPTIONS},
    "kernel": {"type": "str"},
    "initrd": {"type": "str"},
    "append": {"type": "str"},
    "nics": {"type": "list", "elements": "dict", "options": NIC_OPTIONS},
    "hotplug_slots": {"type": "int"},
    "host_devices": {"type": "list", "elements": "dict", "options": DEVICE_OPTIONS},
    "display": {"type": "dict", "options": DISPLAY_OPTIONS},
    "seed": {"type": "dict", "options": SEED_OPTIONS},
    "guest_agent": {"type": "bool"},
    "rng": {"type": "bool"},
    "arguments": {"type": "list", "elements": "str"},
    "user": {"type": "str"},
    "autostart": {"type": "bool"},
    "start_timeout": {"type": "int"},
    "stop_timeout": {"type": "int"},
    "supervisor": {"type": "str", "choices": ["auto", "systemd", "daemon"]},
}

#: Without the HPET, which QEMU runs at 250 Hz and more for a guest that booted by it, though none uses it ever after.
_MACHINES = {"x86_64": "q35,hpet=off", "i386": "q35,hpet=off"}
#: CONFIG options of QEMU allow far more than any host has; this catches a memory size put in the wrong place.
_MAX_CPUS = 4096


@dataclass(frozen=True)
class Identity:
    """What MAC addresses and the UUID are derived from, and the kind of machine."""

    fleet: str
    host: str
    arch: str


@dataclass(frozen=True)
class Definition:
    """``memory`` is in MiB, the time-outs are in seconds. ``None`` is "leave alone", or "none" once `completed`."""

    emulator: str | None = None
    machine: str | None = None
    accel: str | None = None
    cpu: str | None = None
    cpus: int | None = None
    memory: int | None = None
    uuid: str | None = None
    disks: tuple[Disk, ...] | None = None
    boot: Boot | None = None
    kernel: str | None = None
    initrd: str | None = None
    append: str | None = None
    nics: tuple[Nic, ...] | None = None
    hotplug_slots: int | None = None
    host_devices: tuple[HostDevice, ...] | None = None
    display: Display | None = None
    seed: Seed | None = None
    guest_agent: bool | None = None
    rng: bool | None = None
    arguments: tuple[str, ...] | None = None
    user: str | None = None
    autostart: bool | None = None
    start_timeout: int | None = None
    stop_timeout: int | None = None
    supervisor: str | None = None

    @classmethod
    def parse(cls, name: str, params: dict[str, Any]) -> Definition:
        return cls(
            emulator=params["emulator"] and paths.absolute("emulator", params["emulator"]),
            machine=params["machine"],
            accel=params["accel"],
            cpu=params["cpu"],
            cpus=_at_least_one("cpus", params["cpus"], _MAX_CPUS),
            memory=_memory(params["memory"]),
            uuid=_uuid(params["uuid"]),
            disks=parse_disks(params["disks"], name),
            boot=parse_boot(params["boot"]),
            kernel=params["kernel"] and paths.image(params["kernel"]),
            initrd=params["initrd"] and paths.image(params["initrd"]),
            append=params["append"],
            nics=parse_nics(params["nics"], name),
            hotplug_slots=_slots(params["hotplug_slots"]),
            host_devices=parse_devices(params["host_devices"]),
            display=parse_display(params["display"], name),
            seed=parse_seed(params["seed"], name),
            guest_agent=params["guest_agent"],
            rng=params["rng"],
            arguments=None if params["arguments"] is None else tuple(params["arguments"]),
            user=params["user"],
            autostart=params["autostart"],
            start_timeout=_at_least_one("start_timeout", params["start_timeout"]),
            stop_timeout=_at_least_one("stop_timeout", params["stop_timeout"]),
            supervisor=params["supervisor"],
        )

    def completed(self, name: str, have: Definition | None, identity: Identity) -> Definition:
        """With what `have` says where this says nothing, and the defaults where neither does."""
        given = {f.name: getattr(self, f.name) for f in fields(self) if getattr(self, f.name) is not None}
        defaults = _defaults(identity)
        # What is empty takes away what was set before.
        emptied = {key: getattr(defaults, key) for key, value in given.items() if value in ("", Boot(), NO_SEED)}
        merged = replace(have or defaults, **{**given, **emptied})
        known = {(disk.file, disk.base): disk for disk in (have.disks if have else ())}
        return replace(
            merged,
            uuid=merged.uuid or derived_uuid(identity.fleet, identity.host, name),
            nics=guest_pci.placed(
                (
                    nic if nic.mac else replace(nic, mac=derived_mac(identity.fleet, identity.host, name, nic.id))
                    for nic in merged.nics
                ),
                have.nics if have else (),
                merged.machine,
            ),
            host_devices=with_places_of(merged.host_devices, have.host_devices if have else ()),
            disks=tuple(_with_formats_of(disk, known.get((disk.file, disk.base))) for disk in merged.disks),
        )

    def check_complete(self) -> None:
        """What only the whole can tell."""
        if not self.kernel and (self.initrd or self.append):
            raise SpecError(
                f"{'initrd' if self.initrd else 'append'}: it goes with a 'kernel'; give that too, or empty this"
            )
        places = [device.address for device in self.host_devices if device.address]
        for device in self.host_devices:
            if places.count(device.address) > 1:
                raise SpecError(f"host_devices: two of them are one and the same device, {device.address}; keep one")
        count = guest_pci.ports(self.nics, self.hotplug_slots, self.machine)
        if count > guest_pci.MOST_PORTS:
            raise SpecError(
                f"hotplug_slots: with the NICs' own there are {count}, and a machine has at most "
                f"{guest_pci.MOST_PORTS}; give fewer"
            )
        for index, nic in enumerate(self.nics):
            if nic.pci_address and guest_pci.port_at(nic.pci_address, count):
                raise SpecError(
                    f"nics[{index}].pci_address: '{nic.pci_address}' is where the slots of the other NICs are; "
                    "choose another"
                )

    def as_dict(self) -> dict[str, Any]:
        """For users: what is set, sizes with their unit."""
        shown = _without_none(asdict(self))
        shown["memory"] = show_size(self.memory * MIB)
        for disk in shown["disks"]:
            if "size" in disk:
                disk["size"] = show_size(disk["size"])
        if self.display:
            shown["display"].pop("password", None)
        if self.seed:
            shown["seed"] = f"seed-{self.seed.digest}.iso"
        return shown

    def as_data(self) -> dict[str, Any]:
        """For the host's file; no password and no content of a seed is in it."""
        data = _without_none(asdict(self))
        if self.display:
            data["display"].pop("password", None)
        if self.seed:
            data["seed"] = {"digest": self.seed.digest}
        return data

    @classmethod
    def from_data(cls, data: dict[str, Any]) -> Definition:
        """The opposite of `as_data`. Raises TypeError for anything else."""
        nested = {
            "disks": lambda value: tuple(Disk(**disk) for disk in value),
            "nics": lambda value: tuple(nic_from_data(nic) for nic in value),
            "host_devices": lambda value: tuple(HostDevice(**device) for device in value),
            "boot": lambda value: Boot(**value),
            "display": lambda value: Display(**value),
            "seed": lambda value: Seed(**value),
            "arguments": tuple,
        }
        # One that was written before there were any does not speak of them.
        given = {"host_devices": (), **data}
        return cls(**{key: nested[key](value) if key in nested else value for key, value in given.items()})


def _defaults(identity: Identity) -> Definition:
    return Definition(
        machine=_MACHINES.get(identity.arch, "virt"),
        accel="auto",
        cpus=1,
        memory=1024,
        disks=(),
        nics=(),
        hotplug_slots=4,
        host_devices=(),
        display=Display(),
        guest_agent=True,
        rng=True,
        arguments=(),
        user=DEFAULT_USER,
        autostart=True,
        start_timeout=60,
        stop_timeout=60,
        supervisor="auto",
    )


def _with_formats_of(disk: Disk, have: Disk | None) -> Disk:
    if have is None:
        return disk
    return replace(disk, format=disk.format or have.format, base_format=have.base_format)


def _without_none(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _without_none(v) for k, v in value.items() if v is not None}
    return [_without_none(v) for v in value] if isinstance(value, (list, tuple)) else value


def _at_least_one(option: str, value: int | None, most: int | None = None) -> int | None:
    if value is not None and (value < 1 or (most and value > most)):
        raise SpecError(f"{option}: {value} is out of range; it is 1 or more" + (f", to {most}" if most else ""))
    return value


def _slots(value: int | None) -> int | None:
    if value is not None and not 0 <= value <= guest_pci.MOST_PORTS // 2:
        raise SpecError(f"hotplug_slots: {value} is out of range; it is from 0 to {guest_pci.MOST_PORTS // 2}")
    return value


def _memory(value: str | None) -> int | None:
    if value is None:
        return None
    size = parse_size("memory", value, unit="M")
    if size % MIB:
        raise SpecError(f"memory: '{value}' is not a whole number of MiB")
    return size // MIB


def _uuid(value: str | None) -> str | None:
    if not value:
        return value
    if not re.fullmatch(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}", value):
        raise SpecError(f"uuid: '{value}' is not a UUID such as 2f0c1e9a-6f0b-4d1e-9a52-0d3b5f3c7a11")
    return str(uuid.UUID(value))
