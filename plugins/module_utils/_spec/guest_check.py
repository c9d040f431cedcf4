# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Refuses, before anything is touched, what QEMU or the host would refuse later. Pure.

What another task could still make (a user, a bridge, an image) goes to ``world.missing``; the rest is a SpecError.
"""

from __future__ import annotations

import difflib
import posixpath

from . import guest_claims
from .base import SpecError
from .guest_definition import Definition
from .guest_disk import Disk
from .guest_nic import Nic
from .guest_tap import alias
from .guest_world import Account, File, GuestWorld
from .size import MIB, show_size


def check(name: str, guest: Definition, world: GuestWorld, running: bool) -> None:
    """`running`: whether the guest runs now, so that what is in use may be in use by itself."""
    guest.check_complete()
    if guest.memory * MIB > world.facts.memory:
        has = world.facts.memory // MIB
        raise SpecError(f"memory: {guest.memory}M is more than the {has}M this host has; give the guest less")
    _check_words(guest, world)
    for option in ("kernel", "initrd"):
        if path := getattr(guest, option):
            _readable(option, path, guest, world)
    for index, disk in enumerate(guest.disks):
        _check_disk(f"disks[{index}]", disk, guest, world)
    for index, nic in enumerate(guest.nics):
        _check_nic(f"nics[{index}]", name, nic, guest, world, running)
    if guest.seed and guest.seed.files:
        world.require(
            world.facts.tools.get("xorriso"), "seed: there is no 'xorriso' on this host to make it with; install xorriso first"
        )
    for own, other in world.rivals(name):
        raise SpecError(f"{own.what} is also that of guest '{other.guest}' ({other.what}); give one of them another")
    _check_ports(guest, world)


# -- what this QEMU has --------------------------------------------------------------------------


def _check_words(guest: Definition, world: GuestWorld) -> None:
    emulator = world.emulator(guest.emulator)
    if emulator is None:
        return
    _known("machine", guest.machine.partition(",")[0], emulator.machines, emulator.path)
    if guest.cpu:
        _known("cpu", guest.cpu.partition(",")[0], emulator.cpus, emulator.path)
    for index, nic in enumerate(guest.nics):
        _known(f"nics[{index}].model", nic.model, emulator.nics, emulator.path)


def _known(option: str, word: str, known: tuple[str, ...], emulator: str) -> None:
    if word in known:
        return
    close = difflib.get_close_matches(word, known, n=1)
    hint = f"; did you mean '{close[0]}'?" if close else ""
    raise SpecError(f"{option}: {emulator} has no '{word}'{hint}; it has {', '.join(known)}")


def accelerator(guest: Definition, account: Account | None, world: GuestWorld) -> str:
    """kvm or tcg; a guest that gets tcg without having asked for it is worth a warning."""
    reason = account.kvm if account else None
    if guest.accel == "kvm" and reason:
        raise SpecError(f"accel: KVM is of no use here: {reason}; mend that, or use 'accel: tcg'")
    kvm = guest.accel == "kvm" or (guest.accel == "auto" and account is not None and reason is None)
    if not kvm and guest.cpu and guest.cpu.partition(",")[0] == "host":
        raise SpecError("cpu: 'host' needs KVM, and this guest runs without it; use 'max' or leave it out")
    if guest.accel == "auto" and reason:
        world.warnings.append(f"it runs without KVM, so many times slower: {reason}")
    return "kvm" if kvm else "tcg"


# -- files ---------------------------------------------------------------------------------------


def _readable(option: str, path: str, guest: Definition, world: GuestWorld) -> File | None:
    """A file that has to be there, and that the guest's user can read."""
    file = world.require(world.file(guest.user, path), f"{option}: '{path}' does not exist; put it there first")
    if file is None:
        return None
    if not file.regular:
        raise SpecError(f"{option}: '{path}' is not a file")
    if not file.readable:
        raise SpecError(f"{option}: user '{guest.user}' cannot read '{path}'; let that user read it, and enter its folders")
    return file


def _check_disk(where: str, disk: Disk, guest: Definition, world: GuestWorld) -> None:
    file = world.file(guest.user, disk.file)
    if file is None and disk.can_be_made:
        _check_making(where, disk, guest, world)
    elif file is None:
        world.missing.append(
            f"{where}.file: '{disk.file}' does not exist; put the image there first"
            + ("" if disk.cdrom else ", or say with 'base' or 'size' how to make it")
        )
    else:
        _readable(f"{where}.file", disk.file, guest, world)
        _check_image(where, disk, file, guest, world)


def _check_making(where: str, disk: Disk, guest: Definition, world: GuestWorld) -> None:
    world.require(world.facts.tools.get("qemu-img"), f"{where}: there is no 'qemu-img' on this host; install QEMU first")
    folder = posixpath.dirname(disk.file)
    if not disk.file.startswith(guest_folder := "/var/lib/virtnet/"):
        world.require(
            world.file(guest.user, folder),
            f"{where}.file: the folder '{folder}' does not exist; make it first, or use one below {guest_folder}",
        )
    if disk.base is None:
        return
    base = _readable(f"{where}.base", disk.base, guest, world)
    if base is None:
        return
    _require_format(f"{where}.base", disk.base, base, None)
    if disk.size and disk.size < base.image.virtual_size:
        raise SpecError(
            f"{where}.size: {show_size(disk.size)} is less than the {show_size(base.image.virtual_size)} of its base; "
            "give more, or leave it out"
        )


def _require_format(option: str, path: str, file: File, wanted: str | None) -> None:
    image = file.image
    if image is None:
        return
    if image.format is None:
        raise SpecError(f"{option}: '{path}' is not a disk image that qemu-img can read: {image.error}")
    if wanted not in (None, image.format):
        raise SpecError(f"{option}: '{path}' is not a {wanted} image but {image.format}; correct 'format' or the file")
    if image.format == "raw" and (file.size == 0 or file.size % 512):
        # Of a raw image qemu-img can only say that it is nothing else; disks have whole sectors.
        raise SpecError(f"{option}: '{path}' is not a disk image: it has {file.size} bytes, which is no number of sectors")


def _check_image(where: str, disk: Disk, file: File, guest: Definition, world: GuestWorld) -> None:
    if disk.written and not file.writable:
        raise SpecError(f"{where}.file: user '{guest.user}' cannot write '{disk.file}'; give it to that user, or use 'read_only: true'")
    _require_format(f"{where}.file", disk.file, file, disk.format)
    image = file.image
    if image is None:
        return
    if disk.base and image.backing != world.real_path(guest.user, disk.base):
        raise SpecError(
            f"{where}.base: '{disk.file}' exists already, as an overlay over {image.backing or 'nothing'}; "
            f"correct 'base', or remove the file to have it made anew over '{disk.base}'"
        )
    if disk.size and disk.size < image.virtual_size and not disk.read_only:
        raise SpecError(
            f"{where}.size: '{disk.file}' has {show_size(image.virtual_size)} already, and to make it smaller would cut "
            f"off data; give that size, or leave it out"
        )


# -- NICs and ports ------------------------------------------------------------------------------


def _check_nic(where: str, name: str, nic: Nic, guest: Definition, world: GuestWorld, running: bool) -> None:
    if nic.romfile:
        _readable(f"{where}.romfile", nic.romfile, guest, world)
    if nic.bridge:
        world.require_link(f"{where}.bridge", None, nic.bridge, "bridge")
    if nic.type == "bridge":
        world.bridge_helper(nic.bridge, f"{where}.type")
    if nic.vhost:
        _check_vhost(where, nic, guest, world)
    if nic.own_tap:
        _check_own_tap(where, name, nic, world, running)
    elif nic.type == "tap":
        _check_given_tap(where, nic, guest, world, running)
    for option in ("script", "downscript"):
        if path := getattr(nic, option):
            script = world.require(world.file(guest.user, path), f"{where}.{option}: '{path}' does not exist; put it there first")
            if script and not (script.regular and script.executable):
                raise SpecError(f"{where}.{option}: '{path}' is not executable; run 'chmod +x {path}'")


def _check_vhost(where: str, nic: Nic, guest: Definition, world: GuestWorld) -> None:
    account = world.facts.accounts.get(guest.user)
    if not nic.is_virtio:
        raise SpecError(f"{where}.vhost: it is for virtio models; '{nic.model}' is none")
    if account and account.vhost:
        raise SpecError(f"{where}.vhost: {account.vhost}; mend that, or leave it out to have it where it works")


def _check_own_tap(where: str, name: str, nic: Nic, world: GuestWorld, running: bool) -> None:
    link = world.links(None).get(nic.ifname)
    if link is None:
        return
    if link.alias != alias(name):
        raise SpecError(
            f"{where}.ifname: an interface '{nic.ifname}' exists already and is not this guest's; give the NIC another "
            "'ifname', remove that interface, or, to use it as it is, leave out 'bridge' and 'network'"
        )
    if link.carrier and not running:
        raise SpecError(f"{where}.ifname: the tap '{nic.ifname}' is in use by another program; end that program first")


def _check_given_tap(where: str, nic: Nic, guest: Definition, world: GuestWorld, running: bool) -> None:
    link = world.require_link(f"{where}.ifname", None, nic.ifname, "tun")
    account = world.facts.accounts.get(guest.user)
    if link is None:
        return
    if link.info["mode"] != "tap":
        raise SpecError(f"{where}.ifname: '{nic.ifname}' is a tun interface (layer 3); a NIC needs a tap")
    if link.info["multi_queue"] != (nic.queues > 1):
        raise SpecError(f"{where}.queues: the tap '{nic.ifname}' has {'many queues' if nic.queues == 1 else 'one queue'}; it must fit")
    if account and account.uid not in (0, link.info["owner"]) and link.info["group"] is None:
        raise SpecError(f"{where}.ifname: user '{guest.user}' may not open the tap '{nic.ifname}'; make that user its owner")
    if link.carrier and not running:
        raise SpecError(f"{where}.ifname: the tap '{nic.ifname}' is in use by another program; end that program first")


def _check_ports(guest: Definition, world: GuestWorld) -> None:
    known = world.places_in_use()
    for place in guest_claims.places(guest):
        protocol, address, port = place
        if place in world.facts.taken and place not in known:
            raise SpecError(
                f"{_port_option(guest, port)}: {address} port {port}/{protocol} {world.facts.taken[place]}; choose another"
            )
        if port < world.facts.unprivileged_port and guest.user != "root":
            raise SpecError(
                f"{_port_option(guest, port)}: port {port} is for root only, and the guest runs as '{guest.user}'; "
                f"take one from {world.facts.unprivileged_port} on"
            )


def _port_option(guest: Definition, port: int) -> str:
    return "display.number" if port == guest.display.port else "nics.hostfwd"
