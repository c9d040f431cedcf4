# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A bridge: ip-link(8) type bridge. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from . import address, ip, link
from .base import MARK, Resource, SpecError, Step, control, hidden
from .world import Link, World, require_owned


@dataclass(frozen=True)
class Bridge(Resource):
    """``forward_delay`` and ``ageing_time`` are in seconds, ``mtu`` in bytes."""

    kind = "bridge"

    name: str
    netns: str | None = None
    ports: tuple[str, ...] | None = None
    addresses: tuple[str, ...] | None = None
    stp: bool | None = None
    forward_delay: int | None = None
    ageing_time: int | None = None
    mac: str | None = None
    mtu: int | None = None
    vlan_filtering: bool | None = None
    alias: str | None = hidden()
    up: bool | None = hidden()
    state: str = control("present")
    adopt: bool = control(False)
    purge_ports: bool = control(False)

    argument_spec = {
        "name": {"type": "str"},
        "netns": {"type": "str"},
        "ports": {"type": "list", "elements": "str"},
        "purge_ports": {"type": "bool", "default": False},
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
        ports = params["ports"]
        return cls(
            name=address.ifname("name", params["name"]),
            netns=address.netns_name("netns", params["netns"]),
            ports=None if ports is None else tuple(sorted({address.ifname("ports", p) for p in ports})),
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
        )

    @property
    def key(self) -> tuple[str | None, str]:
        return self.netns, self.name

    @classmethod
    def owned_keys(cls, world: World) -> list[tuple[str | None, str]]:
        return world.owned(cls.kind)

    @classmethod
    def observed(cls, world: World, key: tuple[str | None, str]) -> Bridge | None:
        netns, name = key
        found = world.link(netns, name, cls.kind)
        if found is None:
            return None
        ports = tuple(sorted(p.name for p in world.links(netns).values() if p.master == name))
        return cls(
            name=name,
            netns=netns,
            ports=ports,
            addresses=found.addresses,
            mac=found.mac,
            mtu=found.mtu,
            alias=found.alias,
            up=found.up,
            **{option: found.info[option] for option in ip.BRIDGE_OPTIONS},
        )

    def target(self, world: World, have: Bridge | None) -> Bridge | None:
        if have is not None:
            require_owned(world.link(*self.key), self.adopt)
        if self.state == "absent":
            return None
        world.require_netns("netns", self.netns)
        for port in self.ports or ():
            self._check_port(world.require_link("ports", self.netns, port))
        after = self.overlay(have or Bridge(name=self.name, netns=self.netns))
        if have is not None and self.ports is not None and not self.purge_ports:
            after = replace(after, ports=tuple(sorted({*have.ports, *self.ports})))
        # br_set_forward_delay in net/bridge/br_stp.c: the range holds only while STP runs.
        if after.stp and after.forward_delay is not None and after.forward_delay < 2:
            raise SpecError(f"forward_delay: {after.forward_delay} s is too short with 'stp: true'; it is from 2 to 30 s")
        return after

    def _check_port(self, port: Link | None) -> None:
        if port and port.master not in (None, self.name) and not self.adopt:
            raise SpecError(
                f"ports: '{port.name}' is a port of '{port.master}'; take it off there first, or move it with 'adopt: true'"
            )

    @classmethod
    def steps(cls, before: Bridge | None, after: Bridge | None) -> list[Step]:
        if after is None:
            return [ip.link_del(*before.key)]
        options = {
            option: getattr(after, option)
            for option in ip.BRIDGE_OPTIONS
            if getattr(after, option) not in (None, getattr(before, option, None))
        }
        if before is None:
            return [ip.bridge_add(*after.key, options), *link.steps(None, after), *_port_steps(None, after)]
        # One by one and STP first: the kernel checks the delay against the STP state it finds.
        changes = [ip.bridge_set(*after.key, {name: value}) for name, value in options.items()]
        return changes + link.steps(before, after) + _port_steps(before, after)


def _seconds(option: str, value: int | None, most: int) -> int | None:
    if value is not None and not 0 <= value <= most:
        raise SpecError(f"{option}: {value} is out of range; it is from 0 to {most} seconds")
    return value


def _port_steps(before: Bridge | None, after: Bridge) -> list[Step]:
    def join(port: str) -> Step:
        return ip.set_master(after.netns, port, after.name)

    def leave(port: str) -> Step:
        return ip.set_master(after.netns, port, None)

    joined = [p for p in after.ports or () if p not in (before.ports if before else ())]
    ups = [ip.set_up(after.netns, port, True) for port in joined]
    return ip.difference(before.ports if before else (), after.ports, leave, join) + ups
