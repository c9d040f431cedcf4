# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Refuses, before anything is touched, what QEMU or the host would refuse later. Pure.

What another task could still make (a user, a bridge, an image) goes to ``world.missing``; the rest is a SpecError.
"""

from __future__ import annotations

import difflib

from . import guest_check_device, guest_check_disk, guest_check_nic, guest_claims
from .base import SpecError
from .guest_definition import Definition
from .guest_world import Account, GuestWorld
from .size import MIB


def check(name: str, guest: Definition, world: GuestWorld, running: bool) -> None:
    """`running`: whether the guest runs now, so that what is in use may be in use by itself."""
    guest.check_complete()
    if guest.memory * MIB > world.facts.memory:
        has = world.facts.memory // MIB
        raise SpecError(f"memory: {guest.memory}M is more than the {has}M this host has; give the guest less")
    _check_words(guest, world)
    for option in ("kernel", "initrd"):
        if path := getattr(guest, option):
            world.require_readable(option, path, guest.user)
    _check_parts(name, guest, world, running)
    if guest.seed and guest.seed.files:
        world.require(
            world.facts.tools.get("xorriso"),
            "seed: there is no 'xorriso' on this host to make it with; install xorriso first",
        )
    for own, other in world.rivals(name):
        raise SpecError(f"{own.what} is also that of guest '{other.guest}' ({other.what}); give one of them another")
    _check_ports(guest, world)


def _check_parts(name: str, guest: Definition, world: GuestWorld, running: bool) -> None:
    for index, disk in enumerate(guest.disks):
        guest_check_disk.check(f"disks[{index}]", disk, guest, world)
    for index, nic in enumerate(guest.nics):
        guest_check_nic.check(f"nics[{index}]", name, nic, guest, world, running)
    for index, device in enumerate(guest.host_devices):
        guest_check_device.check(f"host_devices[{index}]", name, device, guest, world)


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
        world.about_all.append(f"guests run without KVM, so many times slower: {reason}")
    return "kvm" if kvm else "tcg"


# -- ports ---------------------------------------------------------------------------------------


def _check_ports(guest: Definition, world: GuestWorld) -> None:
    own = world.places_in_use()
    for place in guest_claims.places(guest):
        protocol, address, port = place
        where = f"{guest_claims.port_option(guest, port)}: port {port}/{protocol} of {address}"
        if place in world.facts.taken and place not in own:
            raise SpecError(f"{where} {world.facts.taken[place]}; choose another")
        if port < world.facts.unprivileged_port and guest.user != "root":
            raise SpecError(
                f"{where} is for root only, and the guest runs as '{guest.user}'; "
                f"take one from {world.facts.unprivileged_port} on"
            )
