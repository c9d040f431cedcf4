# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A veth pair, each end in a namespace of its own: veth(4), ip-link(8). Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from . import address, ip, link
from .base import MARK, Resource, SpecError, Step, control, hidden
from .world import Link, Route, World

_END_OPTIONS = {
    "name": {"type": "str"},
    "netns": {"type": "str"},
    "ifname": {"type": "str"},
    "addresses": {"type": "list", "elements": "str"},
    "bridge": {"type": "str"},
    "mac": {"type": "str"},
    "mtu": {"type": "int"},
    "routes": {
        "type": "list",
        "elements": "dict",
        "options": {
            "dst": {"type": "str", "required": True},
            "gateway": {"type": "str"},
            "metric": {"type": "int"},
        },
    },
}


@dataclass(frozen=True)
class VethEnd(Resource):
    """One end. ``name`` is what it is called before it is moved and becomes ``ifname`` in ``netns``."""

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
            routes=None if routes is None else tuple(parse_route(option("routes"), r) for r in routes),
            alias=MARK,
            up=True,
        )

    @property
    def key(self) -> tuple[str | None, str]:
        """Where the end is: namespace and name there."""
        return self.netns, self.ifname

    def find(self, world: World) -> tuple[str | None, Link] | None:
        """The end where it belongs, else where a veth starts out: in the first namespace under its first name."""
        for netns, name in (self.key, (None, self.name)):
            if found := world.link(netns, name, "veth"):
                return netns, found
        return None

    def at(self, netns: str | None, found: Link) -> VethEnd:
        return VethEnd(
            name=self.name,
            netns=netns,
            ifname=found.name,
            addresses=found.addresses,
            bridge=found.master,
            mac=found.mac,
            mtu=found.mtu,
            routes=found.routes,
            alias=found.alias,
            up=found.up,
        )

    @classmethod
    def steps(cls, before: VethEnd | None, after: VethEnd) -> list[Step]:
        changes: list[Step] = []
        if before is not None and before.key != after.key:
            # A move or a rename takes a link down, and with it go addresses, routes and the bridge.
            changes = [ip.set_up(*before.key, False), ip.link_move(*before.key, *after.key)]
            before = replace(before, addresses=(), routes=(), bridge=None, up=False)
        if after.bridge != (before.bridge if before else None):
            changes.append(ip.set_master(*after.key, after.bridge))
        return changes + link.steps(before, after)


@dataclass(frozen=True)
class Veth(Resource):
    """Both ends of a pair."""

    kind = "veth"

    near: VethEnd
    peer: VethEnd | None
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

    @classmethod
    def strays(cls, wants: list[Veth], world: World) -> list[Veth]:
        """Our pairs of which no end is where a wanted end is or starts from."""
        wanted = {place for want in wants for end in want.ends() for place in (end.key, (None, end.name))}
        found: dict[frozenset, Veth] = {}
        for key in world.owned(cls.kind):
            pair = Veth(near=VethEnd(key[1], key[0], key[1]), peer=None).have(world)
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
        near = near or _other_end(world, peer, self.near)
        peer = peer or _other_end(world, near, self.peer)
        if near[1].peer_index != peer[1].index or peer[1].peer_index != near[1].index:
            raise SpecError(
                f"name: '{near[1].name}' and '{peer[1].name}' are veths, but not ends of one pair; choose other names"
            )
        return Veth(near=self.near.at(*near), peer=(self.peer or VethEnd(peer[1].name)).at(*peer))

    def target(self, world: World, have: Veth | None) -> Veth | None:
        if have is not None and not self.adopt and MARK not in (have.near.alias, have.peer.alias):
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
        if have is None:
            return Veth(near=self.near, peer=self.peer)
        return Veth(near=self.near.overlay(have.near, netns=self.near.netns), peer=self.peer.overlay(have.peer, netns=self.peer.netns))

    def as_dict(self) -> dict[str, Any]:
        return {**_end_as_dict(self.near), "peer": _end_as_dict(self.peer)}

    @classmethod
    def steps(cls, before: Veth | None, after: Veth | None) -> list[Step]:
        if after is None:
            return [ip.link_del(*before.near.key)]
        made = [] if before else [ip.veth_add(*after.near.key, *after.peer.key)]
        near = VethEnd.steps(before.near if before else None, after.near)
        return made + near + VethEnd.steps(before.peer if before else None, after.peer)


def _other_end(world: World, known: tuple[str | None, Link], wanted: VethEnd | None) -> tuple[str | None, Link]:
    """The end across from `known`, by the indexes the kernel gives for a pair (IFLA_LINK)."""
    netns, end = known
    for there in world.namespaces():
        for found in world.links(there).values():
            if found.kind == "veth" and (found.index, found.peer_index) == (end.peer_index, end.index):
                if (there, found.name) != (netns, end.name):
                    return there, found
    expected = f"'{wanted.ifname}' in namespace '{wanted.netns or 'of the host'}'" if wanted else "any namespace named here"
    raise SpecError(
        f"name: '{end.name}' is one end of a veth whose other end is not {expected}; "
        "remove it, or name the namespace that holds the other end"
    )


def _end_as_dict(end: VethEnd) -> dict[str, Any]:
    shown = end.as_dict()
    if end.routes is not None:
        shown["routes"] = [{k: v for k, v in vars(r).items() if v is not None} for r in end.routes]
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
    return Route(dst, gateway, params["metric"])
