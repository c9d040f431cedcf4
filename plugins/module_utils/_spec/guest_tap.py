# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The taps of a guest: made for it, marked as its own, and gone with it. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from . import guest_hotplug
from .guest_definition import Definition
from .guest_hotplug import Plugged
from .guest_mark import alias
from .guest_nic import Nic
from .tap import Tap
from .world import Link, World


def is_own(link: Link, guest: str, definition: Definition | None) -> bool:
    """Whether that is a tap of the guest as it is defined on the host, be it that a killed run did not mark it yet."""
    names = own_tap_nics(definition.nics) if definition else {}
    return link.alias == alias(guest) or (link.unfinished and link.name in names)


def own_tap_nics(nics: Iterable[Nic]) -> dict[str, Nic]:
    return {nic.ifname: nic for nic in nics if nic.own_tap}


def as_it_is(nic: Nic, world: World) -> Nic:
    """A NIC of a running guest: when its tap is gone, or is another one of that name, it has none any more."""
    if nic.type != "tap" or nic.lost:
        return nic
    link = world.links(None).get(nic.ifname)
    return nic if link and link.carrier else nic.lost_its_tap


def observed_taps(world: World, guest: str, definition: Definition) -> tuple[Tap, ...]:
    names = sorted(link.name for link in world.links(None).values() if is_own(link, guest, definition))
    return tuple(Tap.observed(world, (None, name)) for name in names)


def taps_to_start(guest: str, definition: Definition, owner: int | None) -> tuple[Tap, ...]:
    nics = own_tap_nics(definition.nics)
    return tuple(_wanted(guest, nics[name], owner, None) for name in sorted(nics))


def taps_of_running(
    guest: str, before: Plugged, after: Plugged, owner: int | None, have: tuple[Tap, ...]
) -> tuple[Tap, ...]:
    """Those of a guest that goes on running, while some of its NICs come and go."""
    there = {tap.name: tap for tap in have}
    plugged = own_tap_nics(guest_hotplug.new(before, after))
    taps = []
    for name, nic in sorted(own_tap_nics(after.nics).items()):
        if name in plugged:
            taps.append(_wanted(guest, nic, owner, None))
        elif name in there:
            taps.append(_wanted(guest, nic, owner, there[name]))
    return tuple(taps)


def _wanted(guest: str, nic: Nic, owner: int | None, have: Tap | None) -> Tap:
    """`have`, changed into what the NIC needs."""
    want = Tap(
        name=nic.ifname,
        bridge=nic.bridge,
        owner=owner,
        multi_queue=nic.queues > 1,
        isolated=nic.isolated,
        up=True,
        alias=alias(guest),
    )
    return want.overlay(have or Tap(name=nic.ifname, multi_queue=False, vnet_hdr=False))
