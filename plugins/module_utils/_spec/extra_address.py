# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Addresses of ours on an interface that is not: the uplink of 1:1 NAT. Pure.

An IPv4 address of ours carries the label NAME:vn. What cannot be labelled, the host adapter keeps a note of.
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass, replace
from typing import Any

from . import address
from .base import Resource, SpecError, Step, control
from .holding import HeldAddress
from .world import World

LABEL = "vn"


def label(name: str, wanted: str) -> str | None:
    """The label of an address of ours on that interface, when there can be one."""
    text = f"{name}:{LABEL}"
    return text if address.ip_version(wanted) == 4 and len(text.encode()) <= address.IFNAME_MAX else None


@dataclass(frozen=True)
class ExtraAddress(Resource):
    """``addresses`` are ours of one interface; ``theirs`` those of others that would vanish with one of ours."""

    kind = "address"
    boot_folder = "address"

    name: str
    netns: str | None = None
    addresses: tuple[str, ...] | None = None
    theirs: tuple[HeldAddress, ...] = control(())
    state: str = control("present")

    argument_spec = {
        "name": {"type": "str"},
        "netns": {"type": "str"},
        "addresses": {"type": "list", "elements": "str"},
        "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    }

    @classmethod
    def parse(cls, params: dict[str, Any]) -> ExtraAddress:
        if params["state"] == "present" and not params["addresses"]:
            raise SpecError("addresses: give the addresses to add, as in [192.0.2.20/24]")
        return cls(
            name=address.ifname("name", params["name"]),
            netns=address.netns_name("netns", params["netns"]),
            addresses=address.interface_addresses("addresses", params["addresses"]),
            state=params["state"],
        )

    @property
    def key(self) -> tuple[str | None, str]:
        return self.netns, self.name

    @classmethod
    def owned_keys(cls, world: World) -> list[tuple[str | None, str]]:
        places = [(netns, name) for netns in world.namespaces() for name in world.links(netns)]
        return [place for place in places if cls.observed(world, place).addresses]

    @classmethod
    def observed(cls, world: World, key: tuple[str | None, str]) -> ExtraAddress | None:
        netns, name = key
        if name not in world.links(netns):
            return None
        held = world.holding(netns, name).addresses
        ours = sorted(a.address for a in held if a.label == LABEL or (netns, a.address) in world.noted)
        return cls(name, netns, tuple(ours))

    @classmethod
    def strays(cls, wants: list[Any], world: World) -> list[Any]:
        return [stray.without(world, stray.addresses, replace(stray)) for stray in super().strays(wants, world)]

    def target(self, world: World, have: ExtraAddress | None) -> ExtraAddress | None:
        world.require_netns("netns", self.netns)
        if have is None:
            if self.state == "present":
                world.require_link("name", self.netns, self.name)
            return have
        if self.state == "absent":
            gone = have.addresses if self.addresses is None else self.addresses
            return have.without(world, gone, replace(have, addresses=tuple(a for a in have.addresses if a not in gone)))
        there = {held.address for held in world.holding(self.netns, self.name).addresses}
        added = [a for a in self.addresses if a not in there]
        return replace(have, addresses=tuple(sorted([*have.addresses, *added])))

    def without(self, world: World, gone: tuple[str, ...], after: ExtraAddress) -> ExtraAddress:
        """`after`, with what hangs on an address that goes (ip-sysctl: promote_secondaries)."""
        import netaddr

        held = world.holding(self.netns, self.name).addresses
        secondary = world.links(self.netns)[self.name].secondary
        primary = [a for a in gone if address.ip_version(a) == 4 and a in self.addresses and a not in secondary]
        subnets = {netaddr.IPNetwork(a).cidr for a in primary}
        hanging = [a for a in held if a.address not in gone and netaddr.IPNetwork(a.address).cidr in subnets]
        return replace(after, theirs=tuple(hanging))

    @classmethod
    def steps(cls, before: ExtraAddress, after: ExtraAddress | None) -> list[Step]:
        if after is None:
            after = replace(before, addresses=())
        netns, name = after.key
        gone = [a for a in before.addresses if a not in after.addresses]
        return (
            [_step("extra_del", netns, name, a, ["delete", a, "dev", name]) for a in gone]
            + [step for held in (after.theirs if gone else ()) for step in held.put(netns, name)]
            + [_add(netns, name, a) for a in after.addresses if a not in before.addresses]
        )

    def boot_steps(self) -> list[Step]:
        """All of ours, which may be there already."""
        return [_add(self.netns, self.name, a, "replace") for a in self.addresses]


def _add(netns: str | None, name: str, wanted: str, verb: str = "add") -> Step:
    text = label(name, wanted)
    return _step("extra_add", netns, name, wanted, [verb, wanted, "dev", name, *(["label", text] if text else [])])


def _step(op: str, netns: str | None, name: str, wanted: str, words: list[str]) -> Step:
    argv = ["ip", *(["-n", netns] if netns else []), "address", *words]
    noted = label(name, wanted) is None
    args = {"netns": netns, "name": name, "address": wanted, "noted": noted, "argv": argv}
    return Step(op, args, shlex.join(argv))
