# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""PCI devices of a host, and the ways to say which one is meant. Pure.

A *selector* is a PCI address (``0000:04:00.0``, or without the domain), a MAC address, a serial number as lspci(8)
prints it (``52-54-00-ff-ff-aa-01-01``) or the name of an interface; with ``/N`` behind it, virtual function N of that.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from . import address
from .base import SpecError

VFIO = "vfio-pci"
_ADDRESS = re.compile(r"(?:([0-9a-f]{4,8}):)?([0-9a-f]{2}):([01][0-9a-f])\.([0-7])")
_SERIAL = re.compile(r"[0-9a-f]{2}(-[0-9a-f]{2}){7}")
#: What a NIC's serial number has in the middle of its MAC address: EUI-64, and what Intel makes of it.
_MIDDLE = ("ff-fe", "ff-ff")
_BRIDGE = 0x0604


@dataclass(frozen=True)
class Interface:
    """A network interface; ``mac`` is the permanent one where the kernel knows it."""

    name: str
    mac: str


@dataclass(frozen=True)
class PciDevice:
    """``model`` is vendor and device, as in 8086:10d3; ``kind`` the class with its subclass. ``driver`` is the bound
    one, and ``override`` what ``driver_override`` says. ``parent`` is the device that this is a virtual function of,
    and ``vfs`` are its own, of ``most_vfs`` that it can have. ``uses`` says what the host has it for, ``users`` which
    processes have it, or one of its IOMMU group, open.
    """

    address: str
    model: str = ""
    kind: int = 0
    driver: str | None = None
    override: str | None = None
    group: str | None = None
    serial: str | None = None
    interfaces: tuple[Interface, ...] = ()
    parent: str | None = None
    vfs: tuple[str, ...] = ()
    most_vfs: int = 0
    uses: tuple[str, ...] = ()
    users: tuple[str, ...] = ()

    @property
    def function(self) -> str:
        return self.address.rpartition(".")[2]

    @property
    def is_bridge(self) -> bool:
        return self.kind == _BRIDGE

    @property
    def macs(self) -> set[str]:
        """Those of its interfaces, or without any what its serial number tells: that of a card's first function."""
        if self.interfaces:
            return {interface.mac for interface in self.interfaces}
        first = self.serial and self.function == "0" and not self.parent
        return {mac_of_serial(self.serial)} - {None} if first else set()

    def described(self) -> str:
        """For messages: what a person knows it by."""
        names = ", ".join(interface.name for interface in self.interfaces)
        return " ".join([self.address, *([f"({names})"] if names else [])])


@dataclass(frozen=True)
class Identity:
    """What was known of a device when it was last seen with its own driver, and still tells it from others later."""

    address: str
    model: str = ""
    serial: str | None = None
    mac: str | None = None
    interface: str | None = None


def selector(option: str, value: str) -> str:
    """A selector in its one form."""
    device, slash, number = value.partition("/")
    if slash and not re.fullmatch(r"[0-9]{1,3}", number):
        raise SpecError(f"{option}: '{value}' has no number of a virtual function after the '/', as in enp4s0/0")
    return _device(option, device) + (f"/{int(number)}" if slash else "")


def _device(option: str, value: str) -> str:
    if found := _ADDRESS.fullmatch(value.lower()):
        domain, bus, device, function = found.groups()
        return f"{domain or '0000'}:{bus}:{device}.{function}"
    if _SERIAL.fullmatch(value.lower()):
        return value.lower()
    if ":" in value:
        return address.mac(option, value)
    return address.ifname(option, value)


def is_slot(value: str) -> bool:
    """Whether a selector (in its one form) names a place, and not what is in it."""
    return bool(_ADDRESS.fullmatch(value.partition("/")[0]))


def mac_of_serial(serial: str) -> str | None:
    """The MAC address that a NIC's serial number is made of, if it is."""
    octets = serial.split("-")
    return ":".join(octets[:3] + octets[5:]) if "-".join(octets[3:5]) in _MIDDLE else None


def serial_in(config: bytes) -> str | None:
    """The serial number in a device's configuration space: PCI Express Base Specification, extended capability 3."""
    at, seen = 0x100, set()
    while 0x100 <= at <= len(config) - 12 and at not in seen:
        seen.add(at)
        head = int.from_bytes(config[at : at + 4], "little")
        if head & 0xFFFF == 3:
            return "-".join(f"{octet:02x}" for octet in reversed(config[at + 4 : at + 12]))
        at = head >> 20
    return None


class PciBus:
    """The devices of a host by their addresses, and what is known of those whose own driver does not have them."""

    def __init__(self, devices: Iterable[PciDevice] = (), known: Iterable[Identity] = ()) -> None:
        self.devices: Mapping[str, PciDevice] = {device.address: device for device in devices}
        self._known = tuple(known)

    def find(self, value: str) -> PciDevice | None:
        """The device that a selector (in its one form) means; an error when several could be."""
        name, slash, number = value.partition("/")
        device = self._find(name)
        if device is None or not slash:
            return device
        return self.devices.get(device.vfs[int(number)]) if int(number) < len(device.vfs) else None

    def _find(self, name: str) -> PciDevice | None:
        if _ADDRESS.fullmatch(name):
            return self.devices.get(name)
        found = [device for device in self.devices.values() if self._is(device, name)]
        # An interface that is there says more than what a device is remembered, or said by its number, to be.
        found = [device for device in found if device.interfaces] or found
        if len(found) > 1:
            places = ", ".join(device.described() for device in found)
            raise SpecError(f"'{name}' could be each of {places}; give the PCI address")
        return found[0] if found else None

    def _is(self, device: PciDevice, name: str) -> bool:
        own = {interface.name for interface in device.interfaces}
        if name in own | device.macs or (name == device.serial and not device.parent):
            return True
        return any(
            name in (known.mac, known.interface) and not device.interfaces and self.current(known) == device
            for known in self._known
        )

    def current(self, known: Identity) -> PciDevice | None:
        """The device of that identity where it is now: slots move."""
        if known.serial is None:
            return self.devices.get(known.address)
        function = known.address.rpartition(".")[2]
        same = [d for d in self.devices.values() if d.serial == known.serial and d.function == function]
        at_its_place = [device for device in same if device.address == known.address]
        return next(iter(at_its_place or same), None)

    def group(self, device: PciDevice) -> list[PciDevice]:
        """The other devices of its IOMMU group that matter: those that are no bridges."""
        same = [d for d in self.devices.values() if d.group == device.group and not d.is_bridge]
        return [other for other in same if other.address != device.address]


def identity(device: PciDevice) -> Identity:
    """What there is to know it by. A virtual function has the serial number of its physical one, if any."""
    first = device.interfaces[0] if device.interfaces else None
    macs = sorted(device.macs)
    serial = None if device.parent else device.serial
    return Identity(device.address, device.model, serial, macs[0] if macs else None, first and first.name)
