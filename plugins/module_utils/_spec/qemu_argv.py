# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""From a guest's definition and what its host has to the command line of QEMU: qemu(1). Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from . import guest_device, guest_paths as paths, guest_pci, nic_arguments
from .guest_definition import Definition
from .guest_disk import Disk
from .guest_nic import Nic
from .nic_arguments import value as _value

#: qemu-guest-agent looks for its port under this name.
AGENT_PORT = "org.qemu.guest_agent.0"


@dataclass(frozen=True)
class Choices:
    """What was left to the host. ``descriptors``: the taps that QEMU gets open, by name, and the numbers they have."""

    emulator: str
    accel: str
    vhost: bool
    bridge_helper: str | None = None
    descriptors: Mapping[str, tuple[int, ...]] | None = None


def qemu_argv(name: str, guest: Definition, choices: Choices) -> tuple[str, ...]:
    """The whole command line. Nothing is left to QEMU's defaults, which differ between machines and versions."""
    return (*fixed_argv(name, guest, choices), *nic_argv(guest, choices), *guest.arguments)


def fixed_argv(name: str, guest: Definition, choices: Choices) -> tuple[str, ...]:
    """The beginning of the command line, which a running process cannot depart from."""
    return (
        choices.emulator,
        *("-name", _value(name)),
        *("-no-user-config", "-nodefaults"),
        *("-machine", guest.machine, "-accel", choices.accel, "-cpu", cpu(guest, choices.accel)),
        *("-smp", str(guest.cpus), "-m", str(guest.memory), "-uuid", guest.uuid),
        *_boot(guest),
        *_sockets(name, guest),
        *_display(name, guest),
        *_disks(guest.machine, all_disks(name, guest)),
        *guest_device.words(guest.host_devices, guest_pci.bus(guest.machine) == "pcie", nic_arguments.words),
    )


def nic_argv(guest: Definition, choices: Choices) -> tuple[str, ...]:
    """The NICs and the slots for more of them, which come and go while the process runs."""
    ports = guest_pci.port_devices(guest_pci.ports(guest.nics, guest.hotplug_slots, guest.machine))
    words = [word for port in ports for word in ("-device", nic_arguments.words(port))]
    return (*words, *(word for nic in guest.nics for word in _nic(nic, guest.machine, choices)))


def cpu(guest: Definition, accel: str) -> str:
    return guest.cpu or ("host" if accel == "kvm" else "max")


def all_disks(name: str, guest: Definition) -> tuple[Disk, ...]:
    """The guest's own disks, and last the seed: as a disk, since not every cloud image has a driver for CD-ROMs."""
    if guest.seed is None:
        return guest.disks
    return (*guest.disks, Disk(guest.seed.path(name), format="raw", read_only=True))


def tap_descriptors(guest: Definition, first: int = 100) -> dict[str, tuple[int, ...]]:
    """A number for each queue of each tap, from `first` on."""
    descriptors, number = {}, first
    for nic in guest.nics:
        if nic.type == "tap":
            descriptors[nic.ifname] = tuple(range(number, number + nic.queues))
            number += nic.queues
    return descriptors


def _options(*words: str | None, **values: object) -> str:
    return ",".join([*filter(None, words), *(f"{k}={_value(str(v))}" for k, v in values.items() if v is not None)])


def _on(value: bool | None) -> str | None:
    return None if value is None else ("on" if value else "off")


def _boot(guest: Definition) -> list[str]:
    words = []
    if guest.boot and (guest.boot.order or guest.boot.once or guest.boot.menu is not None):
        words += ["-boot", _options(order=guest.boot.order, once=guest.boot.once, menu=_on(guest.boot.menu))]
    for option in ("kernel", "initrd", "append"):
        if value := getattr(guest, option):
            words += [f"-{option}", value]
    return words


def _sockets(name: str, guest: Definition) -> list[str]:
    """Control, the serial console, the agent's port and randomness."""
    words = ["-chardev", _listener("qmp", name), "-mon", "chardev=qmp,mode=control"]
    words += ["-chardev", _listener("console", name), "-serial", "chardev:console"]
    if guest.guest_agent:
        words += ["-chardev", _listener("agent", name), "-device", "virtio-serial-pci,id=agent-bus"]
        words += ["-device", _options("virtserialport", bus="agent-bus.0", chardev="agent", name=AGENT_PORT)]
    if guest.rng:
        words += ["-object", "rng-random,id=rng0,filename=/dev/urandom", "-device", "virtio-rng-pci,rng=rng0"]
    return words


def _listener(which: str, name: str) -> str:
    return _options("socket", id=which, path=paths.socket(name, which), server="on", wait="off")


def _display(name: str, guest: Definition) -> list[str]:
    display = guest.display
    if display.type == "none":
        return ["-display", "none"]
    # An IPv6 address is in brackets, or its colons would part it from the number.
    host = f"[{display.address}]" if display.address and ":" in display.address else display.address
    place = f"unix:{_value(display.socket)}" if display.socket else f"{host}:{display.number}"
    words = ["-vga", "std"]
    if not display.has_password:
        return [*words, "-vnc", place]
    # A file keeps the password out of what everyone may read in /proc.
    words += ["-object", _options("secret", id="vnc-password", file=paths.password(name))]
    return [*words, "-vnc", f"{place},password-secret=vnc-password"]


def _disks(machine: str, disks: tuple[Disk, ...]) -> list[str]:
    interfaces = [disk.interface for disk in disks]
    words = ["-device", "virtio-scsi-pci,id=scsi"] if "scsi" in interfaces else []
    own_ahci = "sata" in interfaces and "q35" not in machine
    if own_ahci:
        words += ["-device", "ahci,id=sata"]
    for index, disk in enumerate(disks):
        port = interfaces[:index].count("sata")
        bus = f"sata.{port}" if own_ahci and disk.interface == "sata" else None
        words += ["-drive", _drive(index, disk)]
        words += ["-device", _options(_disk_model(disk), id=f"drive{index}", drive=f"disk{index}", bus=bus)]
    return words


def _drive(index: int, disk: Disk) -> str:
    return _options(
        id=f"disk{index}",
        file=disk.file,
        **{"if": "none"},
        format=disk.format,
        cache=disk.cache,
        readonly=_on(disk.read_only or None),
        media="cdrom" if disk.cdrom else None,
    )


def _disk_model(disk: Disk) -> str:
    """Without a bus QEMU takes the next free port: of the machine's own IDE or AHCI, or of the SCSI controller."""
    kind = "cd" if disk.cdrom else "hd"
    return {"virtio": "virtio-blk-pci", "scsi": f"scsi-{kind}"}.get(disk.interface, f"ide-{kind}")


def _nic(nic: Nic, machine: str, choices: Choices) -> list[str]:
    vhost = nic.vhost if nic.vhost is not None else (choices.vhost and nic.is_virtio)
    descriptors = (choices.descriptors or {}).get(nic.ifname, ())
    netdev = nic_arguments.netdev(nic, vhost, choices.bridge_helper, descriptors)
    return ["-netdev", nic_arguments.words(netdev), "-device", nic_arguments.words(nic_arguments.device(nic, machine))]


def host_choices(argv: tuple[str, ...], nic: Nic) -> tuple[bool, str | None]:
    """Whether a NIC on a command line of ours has vhost, and its bridge helper: the choices that led to the line."""
    words = next(word for word in argv if f"id=net-{nic.id}" in word.split(",")).split(",")
    helper = next((word.partition("=")[2] for word in words if word.startswith("helper=")), None)
    return "vhost=on" in words, helper
