# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A bridge: ip-link(8) type bridge. Pure."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from . import address, ip, link, uplink_tag
from .base import MARK, Resource, SpecError, Step, control, hidden
from .uplink import Uplink
from .world import Link, Route, World, require_owned


@dataclass(frozen=True)
class Bridge(Resource):
    """``forward_delay`` and ``ageing_time`` are in seconds, ``mtu`` in bytes.

    With an ``uplink`` (wanted: "" is none), that port, the addresses that came from it and all routes are left to
    `Uplink`, which follows each bridge.

    ``isolated`` and ``down`` are those of the ports that are so; ``homes`` are ports as they were before they joined;
    ``taken`` are those that another bridge has taken when this one is to leave them.
    """

    kind = "bridge"
    removed_last = True
    boot_folder = "bridge"

    name: str
    netns: str | None = None
    ports: tuple[str, ...] | None = None
    uplink: str | None = None
    addresses: tuple[str, ...] | None = None
    stp: bool | None = None
    forward_delay: int | None = None
    ageing_time: int | None = None
    mac: str | None = None
    mtu: int | None = None
    vlan_filtering: bool | None = None
    alias: str | None = hidden()
    up: bool | None = hidden()
    routes: tuple[Route, ...] | None = hidden()
    isolated: tuple[str, ...] | None = hidden()
    down: tuple[str, ...] | None = hidden()
    secondary: tuple[str, ...] = control(())
    homes: tuple[Link, ...] = control(())
    taken: tuple[str, ...] = control(())
    state: str = control("present")
    adopt: bool = control(False)
    purge_ports: bool = control(False)
    uplink_addresses: str = control("move")

    argument_spec = {
        "name": {"type": "str"},
        "netns": {"type": "str"},
        "ports": {"type": "list", "elements": "str"},
        "purge_ports": {"type": "bool", "default": False},
        "uplink": {"type": "str"},
        "uplink_addresses": {"type": "str", "choices": ["move", "flush"], "default": "move"},
        "addresses": {"type": "list", "elements": "str"},
        "stp": {"type": "bool"},
        "forward_delay": {"type": "int"},
        "ageing_time": {"type": "int"},
        "mac": {"type": "str"},
        "mtu": {"type": "int"},
        "vlan_filtering": {"type": "bool"},
        "adopt": {"type": "bool", "default": False},
        "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    }

    @classmethod
    def parse(cls, params: dict[str, Any]) -> Bridge:
        ports, uplink = params["ports"], params["uplink"]
        want = cls(
            name=address.ifname("name", params["name"]),
            netns=address.netns_name("netns", params["netns"]),
            ports=None if ports is None else tuple(sorted({address.ifname("ports", p) for p in ports})),
            uplink=uplink and address.ifname("uplink", uplink),
            addresses=address.interface_addresses("addresses", params["addresses"]),
            stp=params["stp"],
            forward_delay=_seconds("forward_delay", params["forward_delay"], 30),
            ageing_time=_seconds("ageing_time", params["ageing_time"], 1_000_000),
            mac=address.mac("mac", params["mac"]),
            mtu=address.mtu("mtu", params["mtu"]),
            vlan_filtering=params["vlan_filtering"],
            alias=MARK,
            up=True,
            state=params["state"],
            adopt=params["adopt"],
            purge_ports=params["purge_ports"],
            uplink_addresses=params["uplink_addresses"],
        )
        if want.uplink in (want.name, *(want.ports or ())):
            raise SpecError(
                f"uplink: '{want.uplink}' is the bridge itself or listed under 'ports'; it is one or the other"
            )
        return want

    @property
    def key(self) -> tuple[str | None, str]:
        return self.netns, self.name

    @classmethod
    def with_earlier(cls, given: Mapping[str, Any], earlier: Mapping[str, Any]) -> dict[str, Any]:
        options = super().with_earlier(given, earlier)
        if given["ports"] is not None and not given["purge_ports"]:
            options["ports"] = sorted({*given["ports"], *(earlier.get("ports") or ())})
        return options

    def claims(self) -> list[tuple[str, Hashable]]:
        ports = [*(self.ports or ()), *([self.uplink] if self.uplink else [])] if self.state == "present" else ()
        return super().claims() + [(port, ("port", self.netns, port)) for port in ports]

    @classmethod
    def gathered(cls, wants: list[Bridge]) -> list[Resource]:
        """A bridge is there before its uplink joins, and knows of it until it has left."""
        return [
            resource
            for want in wants
            for resource in ((want._uplink(), want) if want.uplink == "" else (want, want._uplink()))
        ]

    def _uplink(self) -> Uplink:
        return Uplink(
            bridge=self.name,
            netns=self.netns,
            nic=self.uplink,
            flush=self.uplink_addresses == "flush",
            state=self.state,
        )

    @classmethod
    def strays(cls, wants: list[Resource], world: World) -> list[Resource]:
        bridges = super().strays(wants, world)
        uplinks = [stray._uplink().have(world) for stray in bridges if stray.uplink]
        return [uplink for uplink in uplinks if uplink] + bridges

    @classmethod
    def owned_keys(cls, world: World) -> list[tuple[str | None, str]]:
        return world.owned(cls.kind)

    @classmethod
    def observed(cls, world: World, key: tuple[str | None, str]) -> Bridge | None:
        netns, name = key
        found = world.link(netns, name, cls.kind)
        if found is None:
            return None
        uplink, own = uplink_tag.read(found.alias)
        ports = [port for port in world.ports(netns, name) if port.name != uplink]
        return cls(
            name=name,
            netns=netns,
            ports=tuple(p.name for p in ports),
            uplink=uplink,
            isolated=tuple(p.name for p in ports if p.isolated),
            down=tuple(p.name for p in ports if not p.up),
            addresses=tuple(a for a in found.addresses if a in own) if uplink else found.addresses,
            secondary=found.secondary,
            routes=() if uplink else found.routes,
            mac=found.mac,
            mtu=found.mtu,
            alias=found.alias,
            up=found.up,
            **{option: found.info[option] for option in ip.BRIDGE_OPTIONS},
        )

    def have(self, world: World) -> Bridge | None:
        found = self.observed(world, self.key)
        if found and self.uplink and not found.uplink and self.state == "present":
            hosts = self._addresses_of_the_host(world)
            found = replace(
                found,
                ports=tuple(p for p in found.ports if p != self.uplink),
                addresses=tuple(a for a in found.addresses if a not in hosts),
                routes=(),
            )
        return found and replace(found, homes=self.homes)

    def _addresses_of_the_host(self, world: World) -> set[str]:
        """Those that came from the uplink, or are to."""
        bridge = world.links(self.netns).get(self.name)
        tagged, own = uplink_tag.read(bridge and bridge.alias)
        nic = world.links(self.netns).get(self.uplink or tagged or "")
        found = set(nic.addresses) if nic and self.uplink_addresses == "move" else set()
        if bridge and (tagged or (nic and nic.master == self.name)):
            found |= set(bridge.addresses).difference(own)
        return found

    def undone(self, after: Bridge, now: Bridge) -> Bridge:
        """With the routes: they may have gone with an address, and not be back yet."""
        return replace(super().undone(after, now), routes=self.routes)

    def target(self, world: World, have: Bridge | None) -> Bridge | None:
        if have is not None:
            require_owned(world.link(*self.key), self.adopt)
        if self.state == "absent":
            return None
        world.require_netns("netns", self.netns)
        after = self.overlay(have or Bridge(name=self.name, netns=self.netns), homes=self._joining(world))
        after = self._with_uplink(world, have, after)
        if have is not None:
            after = replace(after, routes=link.surviving_routes(have, after), **self._port_lists(world, have))
        elif not self.purge_ports:
            after = self._with_guests(world, after)
        # br_set_forward_delay in net/bridge/br_stp.c: the range holds only while STP runs.
        if after.stp and after.forward_delay is not None and after.forward_delay < 2:
            raise SpecError(
                f"forward_delay: {after.forward_delay} s is too short with 'stp: true'; it is from 2 to 30 s"
            )
        return after

    def _with_uplink(self, world: World, have: Bridge | None, after: Bridge) -> Bridge:
        """`after` with the mark that says which uplink and which addresses of its own it has."""
        old = have.uplink if have else None
        if old in (self.ports or ()):
            raise SpecError(f"ports: '{old}' is the uplink of '{self.name}'; list only the other ports")
        uplink = old if self.uplink is None else self.uplink or None
        forced: dict[str, Any] = {}
        if self.uplink:
            nic = self._bridgeable(world, old)
            if nic and nic.master != self.name and self.mac is None:
                forced["mac"] = nic.mac
        if uplink and after.addresses and (self.uplink or self.addresses is not None):
            hosts = self._addresses_of_the_host(world)
            forced["addresses"] = tuple(a for a in after.addresses if a not in hosts)
        after = replace(after, uplink=uplink, **forced)
        return replace(after, alias=uplink_tag.write(uplink, after.addresses))

    def _bridgeable(self, world: World, old: str | None) -> Link | None:
        """The NIC that is to be the uplink, when it can be."""
        if old not in (None, self.uplink):
            raise SpecError(
                f"uplink: '{self.name}' has the uplink '{old}'; take that away first, with an empty 'uplink'"
            )
        nic = world.require_link("uplink", self.netns, self.uplink)
        if nic is None:
            return None
        for wrong, text in (
            (nic.kind == "bridge", "is a bridge itself; name the physical NIC"),
            (nic.hardware == "loopback", "is the loopback interface; name the physical NIC"),
            (nic.hardware == "wireless", "is a wireless NIC, which cannot be a port of a bridge; use a NAT network"),
            (nic.hardware == "other", "is no Ethernet interface, so it cannot be a port of a bridge"),
            (nic.master not in (None, self.name), f"is a port of '{nic.master}'; take it off there first"),
        ):
            if wrong:
                raise SpecError(f"uplink: '{nic.name}' {text}")
        bridge = world.links(self.netns).get(self.name)
        twice = sorted(set(nic.addresses).intersection(bridge.addresses)) if bridge and not old else []
        if twice and nic.master != self.name:
            raise SpecError(
                f"uplink: '{twice[0]}' is on '{nic.name}' and on '{self.name}'; remove it from one of them first"
            )
        return nic

    def _joining(self, world: World) -> tuple[Link, ...]:
        """The listed ports as they are before they join."""
        listed = [world.require_link("ports", self.netns, port) for port in self.ports or ()]
        joining = tuple(port for port in listed if port and port.master != self.name)
        for port in joining:
            master = world.links(self.netns).get(port.master or "")
            if master and uplink_tag.read(master.alias)[0] == port.name:
                raise SpecError(f"ports: '{port.name}' is the uplink of '{port.master}'; take it away there first")
            if port.master and not self.adopt:
                raise SpecError(
                    f"ports: '{port.name}' is a port of '{port.master}'; "
                    "take it off there first, or move it with 'adopt: true'"
                )
        world.taken |= {(self.netns, port.name) for port in joining}
        return joining

    def _with_guests(self, world: World, after: Bridge) -> Bridge:
        """The bridge made anew takes in the taps of the guests that run on it: its owners cannot know that it went."""
        taps = [tap for tap in world.guest_taps if (self.netns, self.name) == (None, tap.bridge)]
        if not taps:
            return after
        return replace(
            after,
            ports=tuple(sorted({*(after.ports or ()), *(tap.name for tap in taps)})),
            isolated=tuple(sorted(tap.name for tap in taps if tap.isolated)),
        )

    def _port_lists(self, world: World, have: Bridge) -> dict[str, tuple[str, ...]]:
        """The fields about ports, of a bridge that is there."""
        if self.ports is None:
            return {}
        ports = self.ports if self.purge_ports else tuple(sorted({*have.ports, *self.ports}))
        return {
            "ports": ports,
            "isolated": tuple(port for port in have.isolated if port in ports),
            "down": tuple(port for port in have.down if port in ports),
            "taken": tuple(port for port in have.ports if port not in ports and (self.netns, port) in world.taken),
        }

    @classmethod
    def steps(cls, before: Bridge | None, after: Bridge | None) -> list[Step]:
        if after is None:
            return [ip.link_del(*before.key)] + [step for home in before.homes for step in _send_home(before, home)]
        options = {
            option: getattr(after, option)
            for option in ip.BRIDGE_OPTIONS
            if getattr(after, option) not in (None, getattr(before, option, None))
        }
        if before is None:
            made = ip.bridge_add(*after.key, after.mac, options)
            return [made, *link.steps(None, after, born=("mac",)), *_port_steps(None, after)]
        # One by one and STP first: the kernel checks the delay against the STP state it finds.
        changes = [ip.bridge_set(*after.key, {name: value}) for name, value in options.items()]
        noted = _noted(before, after)
        changes += [ip.set_alias(*after.key, noted)] if noted != (before.alias or "") else []
        changes += link.steps(replace(before, alias=after.alias), after)
        changes += [ip.set_alias(*after.key, after.alias)] if after.alias and after.alias != noted else []
        return changes + _port_steps(before, after)


def _seconds(option: str, value: int | None, most: int) -> int | None:
    if value is not None and not 0 <= value <= most:
        raise SpecError(f"{option}: {value} is out of range; it is from 0 to {most} seconds")
    return value


def _noted(before: Bridge, after: Bridge) -> str:
    """The mark while the change is made: an address that goes stays noted as the bridge's own until it is gone."""
    if after.uplink is None:
        return after.alias or ""
    return uplink_tag.write(after.uplink, tuple(dict.fromkeys([*(after.addresses or ()), *(before.addresses or ())])))


def _port_steps(before: Bridge | None, after: Bridge) -> list[Step]:
    old, new = before.ports if before else (), after.ports or ()
    homes = {home.name: home for home in before.homes} if before else {}
    left = [port for port in old if port not in new and port not in after.taken]
    joined = [port for port in new if port not in old]
    return (
        [step for port in left for step in _leave(after, port, homes.get(port))]
        + [ip.set_master(after.netns, port, after.name, up=port not in (after.down or ())) for port in joined]
        + [ip.set_isolated(after.netns, port, True) for port in joined if port in (after.isolated or ())]
    )


def _leave(bridge: Bridge, port: str, home: Link | None) -> list[Step]:
    return _send_home(bridge, home) if home else [ip.set_master(bridge.netns, port, None)]


def _send_home(bridge: Bridge, home: Link) -> list[Step]:
    """What leads a port back to where it was before it joined the bridge."""
    steps = [ip.set_master(bridge.netns, home.name, home.master)]
    if home.isolated:
        steps.append(ip.set_isolated(bridge.netns, home.name, True))
    return steps if home.up else steps + [ip.set_up(bridge.netns, home.name, False)]
