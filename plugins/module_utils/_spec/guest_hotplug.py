# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The NICs of a running guest, and which of them can come, go and change meanwhile. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from typing import Any

from . import guest_pci
from .guest_nic import Nic, nic_from_data


@dataclass(frozen=True)
class Plugged:
    """What a process has: its NICs, the kind of its root bus (`guest_pci.bus`) and its number of root ports.

    ``helper``: QEMU can run qemu-bridge-helper, which a supervisor's sandbox forbids unless it was needed at the start.
    """

    nics: tuple[Nic, ...]
    bus: str | None
    ports: int
    helper: bool

    def __post_init__(self) -> None:
        # One order, since it says nothing: what the guest sees is the slots.
        object.__setattr__(self, "nics", tuple(sorted(self.nics, key=lambda nic: nic.id)))

    def has(self, nics: Iterable[Nic]) -> bool:
        """Whether these are its NICs."""
        return set(self.nics) == set(nics)

    def as_data(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_data(cls, data: dict[str, Any]) -> Plugged:
        """The opposite of `as_data`. Raises TypeError or KeyError for anything else."""
        return cls(**{**data, "nics": tuple(nic_from_data(nic) for nic in data["nics"])})


def at_start(definition: Any, supervisor: str) -> Plugged:
    """What a process of that definition has when it starts; `supervisor` is its kind."""
    return Plugged(
        nics=definition.nics,
        bus=guest_pci.bus(definition.machine),
        ports=guest_pci.ports(definition.nics, definition.hotplug_slots, definition.machine),
        helper=supervisor != "systemd" or any(nic.type == "bridge" for nic in definition.nics),
    )


def same_device(one: Nic, other: Nic) -> bool:
    """Whether the guest cannot tell them apart: what differs is the business of a tap that is made for it."""
    if not (one.own_tap and other.own_tap):
        return one == other
    return replace(one, bridge=other.bridge, isolated=other.isolated) == other


def reachable(now: Plugged, wanted: Iterable[Nic]) -> tuple[Plugged, list[str]]:
    """What the process can come to without a restart, and what stands in the way of the rest."""
    wants = {nic.id: nic for nic in wanted}
    after, obstacles = {}, []
    for nic in now.nics:
        want = wants.get(nic.id)
        if want and same_device(nic, want):
            after[nic.id] = want
        elif reason := _fixed(nic, now):
            after[nic.id] = nic
            obstacles.append(f"NIC '{nic.id}' cannot be {'replaced' if want else 'unplugged'}: {reason}")
    for nic in wants.values():
        if nic.id in after:
            continue
        if reason := _fixed(nic, now) or _no_room(nic, now, after.values()):
            obstacles.append(f"NIC '{nic.id}' cannot be plugged in: {reason}")
        else:
            after[nic.id] = nic
    return replace(now, nics=tuple(after.values())), obstacles


def retapped(now: Plugged, wanted: Plugged) -> Plugged:
    """What the process has, with what is wanted of the taps behind it."""
    wants = {nic.id: nic for nic in wanted.nics}
    nics = (wants[nic.id] if _kept(nic, wanted) else nic for nic in now.nics)
    return replace(now, nics=tuple(nics))


def with_lost_as(then: Plugged, now: Plugged) -> Plugged:
    """`then`, but of the NICs that had lost their taps what `now` has."""
    lost = {nic.id for nic in then.nics if nic.lost}
    kept = [nic for nic in then.nics if nic.id not in lost] + [nic for nic in now.nics if nic.id in lost]
    return replace(then, nics=tuple(kept))


def gone(before: Plugged, after: Plugged) -> list[Nic]:
    """The NICs to be unplugged."""
    return [nic for nic in before.nics if not _kept(nic, after)]


def new(before: Plugged, after: Plugged) -> list[Nic]:
    """The NICs to be plugged in."""
    return [nic for nic in after.nics if not _kept(nic, before)]


def differ(before: Plugged, after: Plugged) -> bool:
    """Whether NICs are to be plugged in or out."""
    return bool(gone(before, after) or new(before, after))


def _kept(nic: Nic, others: Plugged) -> bool:
    return any(nic.id == other.id and same_device(nic, other) for other in others.nics)


def _fixed(nic: Nic, now: Plugged) -> str | None:
    if now.bus is None:
        return "of machines of its type it is not known where NICs can be plugged in"
    if now.bus == "pcie" and nic.slot is None:
        return "its 'pci_address' is on the root bus, which changes only at a start"
    return None


def _no_room(nic: Nic, now: Plugged, others: Iterable[Nic]) -> str | None:
    if nic.type == "bridge" and not now.helper:
        return "systemd lets QEMU run the bridge helper only if it had such a NIC from the start; use type 'tap'"
    if now.bus == "pcie" and nic.slot >= now.ports:
        return f"all {now.ports} slots are taken; with more 'hotplug_slots' there are more after the next start"
    if nic.slot is not None and any(other.slot == nic.slot for other in others):
        return "its slot is still taken"
    return None
