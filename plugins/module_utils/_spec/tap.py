# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A persistent tap: ip-tuntap(8) and the kernel's Documentation/networking/tuntap.rst. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from . import address, ip, link
from .base import MARK, Resource, SpecError, Step, control, hidden
from .world import Route, World, require_owned

#: What ip-tuntap(8) gives a tap when it makes it, and cannot change.
_MADE_WITH = ("owner", "group", "multi_queue", "vnet_hdr")


@dataclass(frozen=True)
class Tap(Resource):
    """``owner`` and ``group`` are names or ids when wanted, numeric ids when observed; ``mtu`` is in bytes."""

    kind = "tun"
    removed_last = True
    boot_folder = "tap"

    name: str
    netns: str | None = None
    bridge: str | None = None
    owner: Any = None
    group: Any = None
    multi_queue: bool | None = None
    vnet_hdr: bool | None = None
    mtu: int | None = None
    isolated: bool | None = None
    mac: str | None = None
    up: bool | None = None
    alias: str | None = hidden()
    addresses: tuple[str, ...] | None = hidden()
    routes: tuple[Route, ...] | None = hidden()
    secondary: tuple[str, ...] = control(())
    in_use: bool = control(False)
    state: str = control("present")
    adopt: bool = control(False)

    argument_spec = {
        "name": {"type": "str"},
        "netns": {"type": "str"},
        "bridge": {"type": "str"},
        "owner": {"type": "str"},
        "group": {"type": "str"},
        "multi_queue": {"type": "bool"},
        "vnet_hdr": {"type": "bool"},
        "mtu": {"type": "int"},
        "isolated": {"type": "bool"},
        "mac": {"type": "str"},
        "up": {"type": "bool", "default": True},
        "adopt": {"type": "bool", "default": False},
        "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    }

    @classmethod
    def parse(cls, params: dict[str, Any]) -> Tap:
        if params["isolated"] and not params["bridge"]:
            raise SpecError("isolated: it is a property of a bridge port; give 'bridge' too")
        return cls(
            name=address.ifname("name", params["name"]),
            netns=address.netns_name("netns", params["netns"]),
            bridge=address.ifname("bridge", params["bridge"]) if params["bridge"] else None,
            owner=params["owner"],
            group=params["group"],
            multi_queue=params["multi_queue"],
            vnet_hdr=params["vnet_hdr"],
            mtu=address.mtu("mtu", params["mtu"]),
            isolated=params["isolated"],
            mac=address.mac("mac", params["mac"]),
            up=params["up"],
            alias=MARK,
            state=params["state"],
            adopt=params["adopt"],
        )

    @property
    def key(self) -> tuple[str | None, str]:
        return self.netns, self.name

    @classmethod
    def owned_keys(cls, world: World) -> list[tuple[str | None, str]]:
        return world.owned(cls.kind)

    @classmethod
    def strays(cls, wants: list[Tap], world: World) -> list[Tap]:
        strays = super().strays(wants, world)
        for stray in strays:
            stray._check_idle()
        return strays

    @classmethod
    def observed(cls, world: World, key: tuple[str | None, str]) -> Tap | None:
        netns, name = key
        found = world.link(netns, name, cls.kind)
        if found is None:
            return None
        if found.info["mode"] != "tap":
            raise SpecError(f"name: '{name}' is a tun interface (layer 3), not a tap; choose another name")
        return cls(
            name=name,
            netns=netns,
            bridge=found.master,
            owner=found.info["owner"],
            group=found.info["group"],
            multi_queue=found.info["multi_queue"],
            vnet_hdr=found.info["vnet_hdr"],
            mtu=found.mtu,
            isolated=bool(found.isolated),
            mac=found.mac,
            up=found.up,
            alias=found.alias,
            addresses=found.addresses,
            secondary=found.secondary,
            routes=found.routes,
            in_use=found.carrier,
        )

    def target(self, world: World, have: Tap | None) -> Tap | None:
        if have is not None:
            require_owned(world.link(*self.key), self.adopt)
        if self.state == "absent":
            if have is not None:
                have._check_idle()
            return None
        world.require_netns("netns", self.netns)
        if self.bridge:
            world.require_link("bridge", self.netns, self.bridge, "bridge")
        ids = {option: world.require_id(option, getattr(self, option)) for option in ("owner", "group")}
        want = replace(self, **ids)
        if have is None:
            return want.overlay(Tap(name=self.name, netns=self.netns, multi_queue=False, vnet_hdr=False))
        return want._changed(have)

    def _changed(self, have: Tap) -> Tap:
        after = self.overlay(have)
        if not after.up:
            # What the kernel takes from a link that goes down.
            after = replace(after, addresses=tuple(a for a in after.addresses if ":" not in a), routes=())
        if not have.in_use:
            return after
        for option in ("multi_queue", "owner", "group"):
            if getattr(after, option) != getattr(have, option):
                raise SpecError(
                    f"{option}: '{self.name}' is in use by a guest, so this cannot be changed; stop the guest first"
                )
        # Whoever opens a tap sets this flag anew (tun_set_iff in drivers/net/tun.c), so it is the guest's now.
        return replace(after, vnet_hdr=have.vnet_hdr)

    def undone(self, after: Tap, now: Tap) -> Tap:
        """All of it: the tap may have been made anew, and half of that done."""
        return self

    def _check_idle(self) -> None:
        if self.in_use:
            raise SpecError(f"name: '{self.name}' is in use by a guest; stop the guest first")

    def _flags(self) -> tuple[str, ...]:
        return tuple(flag for flag in ("multi_queue", "vnet_hdr") if getattr(self, flag))

    @classmethod
    def steps(cls, before: Tap | None, after: Tap | None) -> list[Step]:
        if after is None:
            return [ip.link_del(*before.key)]
        made: list[Step] = []
        if before is not None and any(getattr(before, option) != getattr(after, option) for option in _MADE_WITH):
            made, before = [ip.link_del(*before.key)], None
        if before is None:
            made.append(ip.tap_add(*after.key, after.owner, after.group, after._flags()))
        return made + link.steps(before, after) + link.port_steps(before, after)
