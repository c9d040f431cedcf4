# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The taps of a guest: made for it, marked as its own, and gone with it. Pure."""

from __future__ import annotations

from .base import MARK
from .guest_definition import Definition
from .guest_nic import Nic
from .tap import Tap
from .world import Link, World


def alias(guest: str) -> str:
    """Another mark than that of the module `tap`, whose ``purge`` is not to take a guest's taps away."""
    return f"{MARK} guest={guest}"


def is_own(link: Link, guest: str, definition: Definition | None) -> bool:
    """Whether that is a tap of the guest as it is defined on the host, be it that a killed run did not mark it yet."""
    names = own_tap_nics(definition) if definition else {}
    return link.alias == alias(guest) or (link.unfinished and link.name in names)


def own_tap_nics(definition: Definition) -> dict[str, Nic]:
    return {nic.ifname: nic for nic in definition.nics if nic.own_tap}


def observed_taps(world: World, guest: str, definition: Definition) -> tuple[Tap, ...]:
    names = sorted(link.name for link in world.links(None).values() if is_own(link, guest, definition))
    return tuple(Tap.observed(world, (None, name)) for name in names)


def taps_to_start(guest: str, definition: Definition, owner: int | None) -> tuple[Tap, ...]:
    nics = own_tap_nics(definition)
    return tuple(_wanted(guest, nics[name], owner, None) for name in sorted(nics))


def taps_to_keep(
    guest: str, definition: Definition, owner: int | None, have: tuple[Tap, ...], current: bool
) -> tuple[Tap, ...]:
    """Those of a guest that goes on running: what can be changed live, such as the bridge, is.

    ``current`` says that it runs with this definition, so that it has no other taps open.
    """
    nics = own_tap_nics(definition)
    kept = []
    for tap in have:
        nic = nics.get(tap.name)
        if nic is not None and (nic.queues > 1) == tap.multi_queue:
            kept.append(_wanted(guest, nic, owner, tap))
        elif not current:
            kept.append(tap)
    return tuple(kept)


def _wanted(guest: str, nic: Nic, owner: int | None, have: Tap | None) -> Tap:
    """`have`, changed into what the NIC needs."""
    want = Tap(name=nic.ifname, bridge=nic.bridge, owner=owner, multi_queue=nic.queues > 1, up=True, alias=alias(guest))
    return want.overlay(have or Tap(name=nic.ifname, multi_queue=False, vnet_hdr=False))
