# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Refuses NICs that QEMU or the kernel would refuse later. Pure."""

from __future__ import annotations

from .base import SpecError
from .guest_definition import Definition
from .guest_nic import Nic
from .guest_tap import is_own
from .guest_world import GuestWorld


def check(where: str, name: str, nic: Nic, guest: Definition, world: GuestWorld, running: bool) -> None:
    if nic.romfile:
        world.require_readable(f"{where}.romfile", nic.romfile, guest.user)
    for option in ("script", "downscript"):
        if path := getattr(nic, option):
            _check_script(f"{where}.{option}", path, guest, world)
    if nic.bridge:
        world.require_link(f"{where}.bridge", None, nic.bridge, "bridge")
    if nic.type == "bridge":
        world.bridge_helper(nic.bridge, f"{where}.type")
    if nic.type in ("tap", "bridge"):
        _check_tun(f"{where}.type", nic, guest, world)
    if nic.type == "tap":
        _check_tap(where, name, nic, guest, world, running)


def _check_tap(where: str, name: str, nic: Nic, guest: Definition, world: GuestWorld, running: bool) -> None:
    if nic.vhost:
        _check_vhost(where, nic, guest, world)
    if nic.own_tap:
        _check_own_tap(where, name, nic, guest, world, running)
    else:
        _check_given_tap(where, nic, guest, world, running)


def _check_script(option: str, path: str, guest: Definition, world: GuestWorld) -> None:
    script = world.require(world.file(guest.user, path), f"{option}: '{path}' does not exist; put it there first")
    if script and not (script.regular and script.executable):
        raise SpecError(f"{option}: '{path}' is not executable; run 'chmod +x {path}'")


def _check_tun(option: str, nic: Nic, guest: Definition, world: GuestWorld) -> None:
    """A daemon gets its taps open; everyone else opens the device as the guest's user (the helper has dropped root)."""
    opens = nic.type == "bridge" or world.facts.supervisors[guest.supervisor] == "systemd"
    account = world.facts.accounts.get(guest.user)
    if opens and account and account.tun:
        raise SpecError(f"{option}: {account.tun}; let everyone open it, as udev does: 'chmod 0666 /dev/net/tun'")


def _check_vhost(where: str, nic: Nic, guest: Definition, world: GuestWorld) -> None:
    account = world.facts.accounts.get(guest.user)
    if not nic.is_virtio:
        raise SpecError(f"{where}.vhost: it is for virtio models; '{nic.model}' is none")
    if account and account.vhost:
        raise SpecError(f"{where}.vhost: {account.vhost}; mend that, or leave it out to have it where it works")


def _check_own_tap(where: str, name: str, nic: Nic, guest: Definition, world: GuestWorld, running: bool) -> None:
    link = world.links(None).get(nic.ifname)
    if link is None:
        return
    if not is_own(link, name, guest):
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
    if link.info["multi_queue"] and nic.queues == 1:
        raise SpecError(f"{where}.queues: the tap '{nic.ifname}' was made with many queues; give more than 1")
    if nic.queues > 1 and not link.info["multi_queue"]:
        raise SpecError(
            f"{where}.queues: the tap '{nic.ifname}' has one; leave this out, or make it with 'multi_queue'"
        )
    if account and account.uid not in (0, link.info["owner"]) and link.info["group"] is None:
        raise SpecError(
            f"{where}.ifname: user '{guest.user}' may not open the tap '{nic.ifname}'; make that user its owner"
        )
    if link.carrier and not running:
        raise SpecError(f"{where}.ifname: the tap '{nic.ifname}' is in use by another program; end that program first")
