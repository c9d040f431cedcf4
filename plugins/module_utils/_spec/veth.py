# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A veth pair, each end in a namespace of its own: veth(4), ip-link(8). Pure."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, replace
from typing import Any

from . import address, ip, link
from .base import MARK, Resource, SpecError, Step, control, hidden
from .world import Link, Route, World, in_order

_ROUTE_OPTIONS = {
    "dst": {"type": "str", "required": True},
    "gateway": {"type": "str"},
    "metric": {"type": "int"},
}

_END_OPTIONS = {
    "name": {"type": "str"},
    "netns": {"type": "str"},
    "ifname": {"type": "str"},
    "addresses": {"type": "list", "elements": "str"},
    "bridge": {"type": "str"},
    "mac": {"type": "str"},
    "mtu": {"type": "int"},
    "routes": {"type": "list", "elements": "dict", "options": _ROUTE_OPTIONS},
}


@dataclass(frozen=True)
class VethEnd(Resource):
    """One end. ``name`` is what it is called before it is moved and becomes ``ifname`` in ``netns``.

    ``placed`` says that it was seen there, and so is to be found there only.
    """

    name: str
    netns: str | None = None
    ifname: str = ""
    addresses: tuple[str, ...] | None = None
    bridge: str | None = None
    mac: str | None = None
    mtu: int | None = None
    routes: tuple[Route, ...] | None = None
    alias: str | None = hidden()
    up: bool | None = hidden()
    isolated: bool | None = hidden()
    secondary: tuple[str, ...] = control(())
    placed: bool = control(False)

    @classmethod
    def parse(cls, params: dict[str, Any], prefix: str = "") -> VethEnd:
        def option(name: str) -> str:
            return prefix + name

        name = address.ifname(option("name"), params["name"])
        routes = params["routes"]
        return cls(
            name=name,
            netns=address.netns_name(option("netns"), params["netns"]),
            ifname=address.ifname(option("ifname"), params["ifname"] or name),
            addresses=address.interface_addresses(option("addresses"), params["addresses"]),
            bridge=address.ifname(option("bridge"), params["bridge"]) if params["bridge"] else None,
            mac=address.mac(option("mac"), params["mac"]),
            mtu=address.mtu(option("mtu"), params["mtu"]),
            routes=None if routes is None else in_order(parse_route(option("routes"), r) for r in routes),
            alias=MARK,
            up=True,
        )

    @property
    def key(self) -> tuple[str | None, str]:
        """Where the end is: namespace and name there."""
        return self.netns, self.ifname

    def find(self, world: World) -> tuple[str | None, Link] | None:
        """The end where it belongs, else where a veth starts out: in the first namespace under its first name."""
        if found := world.link(*self.key, "veth"):
            return self.netns, found
        found = None if self.placed else world.links(None).get(self.name)
        return (None, found) if found and found.kind == "veth" else None

    def at(self, netns: str | None, found: Link) -> VethEnd:
        return VethEnd(
            name=self.name,
            netns=netns,
            ifname=found.name,
            addresses=found.addresses,
            secondary=found.secondary,
            bridge=found.master,
            mac=found.mac,
            mtu=found.mtu,
            routes=found.routes,
            alias=found.alias,
            up=found.up,
            isolated=bool(found.isolated),
            placed=True,
        )

    def after(self, have: VethEnd) -> VethEnd:
        """`have` as it is to be. A move or a rename takes addresses and routes, so only the wanted ones are left."""
        if have.key != self.key:
            have = replace(_moved(have, self.netns), netns=self.netns, addresses=())
        after = self.overlay(have, placed=False)
        return after if self.routes is not None else replace(after, routes=link.surviving_routes(have, after))

    @classmethod
    def steps(cls, before: VethEnd | None, after: VethEnd) -> list[Step]:
        changes: list[Step] = []
        if before is not None and before.key != after.key:
            # Before the move: after it, a run that was killed in between could not tell them from somebody's.
            unwanted = set(_moved(before, after.netns).addresses or ()) - set(after.addresses or ())
            before = replace(before, routes=())
            rest = replace(before, addresses=tuple(a for a in before.addresses or () if a not in unwanted))
            changes = link.steps(before, rest)
            # Only a link that is down can be renamed.
            changes += [ip.set_up(*before.key, False)] if before.up else []
            changes.append(ip.link_move(*before.key, *after.key))
            before = _moved(rest, after.netns)
        return changes + link.steps(before, after, born=("mac",)) + link.port_steps(before, after)


def _moved(end: VethEnd, netns: str | None) -> VethEnd:
    """What is left of an end that was taken down and given another name, or another namespace too."""
    if end.netns != netns:
        return replace(end, addresses=(), routes=(), bridge=None, isolated=False, up=False)
    # Going down is what loses the IPv6 ones.
    left = tuple(a for a in end.addresses or () if address.ip_version(a) == 4 or not end.up)
    return replace(end, addresses=left, routes=(), up=False)


@dataclass(frozen=True)
class Veth(Resource):
    """Both ends of a pair.

    ``orphan``: somebody took the name from the namespace of an end that is wanted there, and the end is out of reach.
    """

    kind = "veth"
    boot_folder = "veth"

    near: VethEnd
    peer: VethEnd | None
    orphan: bool = hidden(False)
    state: str = control("present")
    adopt: bool = control(False)

    argument_spec = {
        **_END_OPTIONS,
        "peer": {
            "type": "dict",
            "options": {**_END_OPTIONS, "name": {"type": "str", "required": True}},
        },
        "adopt": {"type": "bool", "default": False},
        "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    }

    @classmethod
    def parse(cls, params: dict[str, Any]) -> Veth:
        if params["state"] == "present" and not params["peer"]:
            raise SpecError("peer: it is missing; a veth has two ends, so give 'peer: {name: …}'")
        near = VethEnd.parse(params)
        peer = VethEnd.parse(params["peer"], "peer.") if params["peer"] else None
        if peer and (near.key == peer.key or near.name == peer.name):
            raise SpecError(f"peer.name: '{peer.name}' would be the name of both ends; name them differently")
        return cls(near=near, peer=peer, state=params["state"], adopt=params["adopt"])

    @property
    def name(self) -> str:
        return self.near.name

    @property
    def key(self) -> tuple[str | None, str]:
        return self.near.key

    def claims(self) -> list[tuple[str, Hashable]]:
        return [(end.ifname, end.key) for end in self.ends()]

    def boot_places(self) -> list[tuple[str | None, str]]:
        return [end.key for end in self.ends()]

    @classmethod
    def strays(cls, wants: list[Veth], world: World) -> list[Veth]:
        """Our pairs of which no end is where a wanted end is or starts from."""
        wanted = {place for want in wants for end in want.ends() for place in (end.key, (None, end.name))}
        found: dict[frozenset, Veth] = {}
        for key in world.owned(cls.kind):
            pair = Veth(near=VethEnd(key[1], *key, placed=True), peer=None).have(world)
            places = frozenset(end.key for end in pair.ends())
            if not places & wanted:
                found.setdefault(places, pair)
        return list(found.values())

    def ends(self) -> list[VethEnd]:
        return [self.near] + ([self.peer] if self.peer else [])

    def have(self, world: World) -> Veth | None:
        near = self.near.find(world)
        peer = self.peer.find(world) if self.peer else None
        if near is None and peer is None:
            return None
        for end, other in ((near, peer), (peer, near)):
            # Without word of where the other end belongs, it may be in a container that runs.
            if self.peer and end and not other and end[1].orphan:
                return Veth(near=self.near.at(*end), peer=VethEnd(name=self.name), orphan=True)
        near = near or _other_end(world, *peer)
        peer = peer or _other_end(world, *near)
        if near[1].peer != (peer[0], peer[1].name):
            raise SpecError(
                f"name: '{near[1].name}'{_where(near[0])} and '{peer[1].name}'{_where(peer[0])} are veths, "
                "but not ends of one pair; choose other names"
            )
        return Veth(near=self.near.at(*near), peer=(self.peer or VethEnd(peer[1].name)).at(*peer))

    def target(self, world: World, have: Veth | None) -> Veth | None:
        if have is not None and not self.adopt and not any(world.link(*end.key).owned for end in have.ends()):
            raise SpecError(
                f"name: the veth '{have.near.ifname}' exists and was not made by {MARK}; "
                "choose another name, or take it over with 'adopt: true'"
            )
        if self.state == "absent":
            return None
        for prefix, end in (("", self.near), ("peer.", self.peer)):
            world.require_netns(f"{prefix}netns", end.netns)
            if end.bridge and world.exists(end.netns):
                world.require_link(f"{prefix}bridge", end.netns, end.bridge, "bridge")
        if have is None or have.orphan:
            return Veth(near=self.near, peer=self.peer)
        return Veth(near=self.near.after(have.near), peer=self.peer.after(have.peer))

    def undone(self, after: Veth, now: Veth) -> Veth:
        """Nothing leads back to an end that was out of reach."""
        return now if self.orphan else super().undone(after, now)

    def as_dict(self) -> dict[str, Any]:
        return {**_end_as_dict(self.near), "peer": _end_as_dict(self.peer)}

    @classmethod
    def steps(cls, before: Veth | None, after: Veth | None) -> list[Step]:
        if after is None:
            return [ip.link_del(*before.near.key)]
        if before and before.orphan:
            return [ip.link_del(*before.near.key), *cls.steps(None, after)]
        if after.orphan:
            # The undo of that: what was left of the pair is gone.
            return []
        made = [] if before else [ip.veth_add(after.near.key, after.peer.key, (after.near.mac, after.peer.mac))]
        near = VethEnd.steps(before.near if before else None, after.near)
        return made + near + VethEnd.steps(before.peer if before else None, after.peer)


def _other_end(world: World, netns: str | None, end: Link) -> tuple[str | None, Link]:
    if end.peer is None:
        raise SpecError(
            f"name: '{end.name}'{_where(netns)} is one end of a veth whose other end is in a namespace that is not "
            "named here; name it, or remove the pair"
        )
    return end.peer[0], world.links(end.peer[0])[end.peer[1]]


def _where(netns: str | None) -> str:
    return f" in namespace '{netns}'" if netns else ""


def _end_as_dict(end: VethEnd) -> dict[str, Any]:
    shown = end.as_dict()
    if end.routes is not None:
        shown["routes"] = [
            {k: v for k, v in vars(r).items() if k in _ROUTE_OPTIONS and v is not None} for r in end.routes
        ]
    return shown


def parse_route(option: str, params: dict[str, Any]) -> Route:
    """A route as ip-route(8) takes it; ``default`` is of the gateway's family."""
    gateway = address.address(option, params["gateway"]) if params["gateway"] else None
    dst = params["dst"]
    if dst == "default":
        dst = "::/0" if gateway and ":" in gateway else "0.0.0.0/0"
    dst = address.network(option, dst)
    if gateway and address.ip_version(gateway) != address.ip_version(dst):
        raise SpecError(f"{option}: gateway '{gateway}' and destination '{dst}' are not of one address family")
    return Route(dst, gateway, _metric(option, params["metric"], address.ip_version(dst)))


def _metric(option: str, value: int | None, version: int) -> int | None:
    """None for the kernel's own: 0 in IPv4; in IPv6 1024 (IP6_RT_PRIO_USER), which 0 stands for too."""
    if value is not None and not 0 <= value < 2**32:
        raise SpecError(f"{option}: {value} is not a metric; it is from 0 to 4294967295")
    return None if value in ((0,) if version == 4 else (0, 1024)) else value
