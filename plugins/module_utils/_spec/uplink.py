# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The uplink of a bridge: a physical NIC that becomes a port, and what of the host's network moves with it. Pure.

Everything is put on one interface before it is taken off the other, so a run that is killed loses nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from . import ip, uplink_tag
from .address import ip_version
from .base import Resource, SpecError, Step, control
from .holding import HeldAddress, HeldRoute, Holding
from .world import Link, World

#: What the kernel makes of router advertisements, which the bridge hears in the NIC's place.
SETTINGS = ("accept_ra", "autoconf", "disable_ipv6", "use_tempaddr")


def setting(interface: str, key: str) -> str:
    return ip.setting("ipv6", interface, key)


@dataclass(frozen=True)
class Uplink(Resource):
    """``nic`` is the wanted one, "" is none, ``None`` is the one that there is.

    ``own`` are those. ``known`` says that the bridge's mark names the NIC.
    ``on_bridge`` is without the bridge's own addresses. ``settings`` are those of the bridge.
    """

    kind = "uplink"

    bridge: str
    netns: str | None = None
    nic: str | None = None
    port: bool = False
    up: bool = False
    isolated: bool = False
    on_nic: Holding = Holding()
    on_bridge: Holding = Holding()
    settings: tuple[tuple[str, str], ...] = ()
    own: tuple[HeldAddress, ...] = control(())
    known: bool = control(False)
    flush: bool = control(False)
    state: str = control("present")

    @property
    def key(self) -> tuple[str | None, str, str]:
        return self.netns, self.bridge, self.kind

    @classmethod
    def observed(cls, world: World, key: tuple[str | None, str, str]) -> Uplink | None:
        return cls(bridge=key[1], netns=key[0]).have(world)

    def have(self, world: World) -> Uplink | None:
        bridge = world.links(self.netns).get(self.bridge)
        tagged, own = uplink_tag.read(bridge and bridge.alias)
        nic = world.links(self.netns).get(self.nic or tagged or "")
        if nic is None:
            return None
        on_bridge = world.holding(self.netns, self.bridge)
        if not tagged and not _is_port(nic, self.bridge):
            own = bridge.addresses if bridge else ()
        return replace(
            self,
            nic=nic.name,
            known=bool(tagged),
            port=_is_port(nic, self.bridge),
            up=nic.up,
            isolated=bool(nic.isolated) and _is_port(nic, self.bridge),
            on_nic=world.holding(self.netns, nic.name),
            on_bridge=replace(on_bridge, addresses=tuple(a for a in on_bridge.addresses if a.address not in own)),
            own=tuple(a for a in on_bridge.addresses if a.address in own),
            settings=_settings(world, self.netns, self.bridge if bridge else "default"),
        )

    def target(self, world: World, have: Uplink | None) -> Uplink | None:
        if have is None:
            return None
        if self.state == "absent" or self.nic == "":
            return have.released() if have.known else have
        if self.nic is None:
            return have
        if have.on_nic.unmovable:
            raise SpecError(
                f"uplink: '{have.nic}' has a route that cannot be moved to the bridge: {have.on_nic.unmovable[0]}; "
                "remove it first"
            )
        return have.joined(() if have.port else _settings(world, self.netns, have.nic))

    def joined(self, settings: tuple[tuple[str, str], ...]) -> Uplink:
        """With all that the NIC holds on the bridge."""
        moved = Holding() if self.flush else self.on_nic
        on_bridge = replace(
            self.on_bridge,
            addresses=_merged(self.on_bridge.addresses, moved.addresses),
            routes=_merged(self.on_bridge.routes, moved.movable()),
        )
        return replace(
            self,
            port=True,
            up=True,
            on_nic=Holding(),
            on_bridge=on_bridge,
            settings=settings if settings and self.settings else self.settings,
        )

    def released(self) -> Uplink:
        """With all that came from the NIC on it again."""
        movable = self.on_bridge.movable()
        back = [r for r in movable if self._is_reached(r)]
        on_nic = replace(
            self.on_nic,
            addresses=_merged(self.on_nic.addresses, self.on_bridge.addresses),
            routes=_merged(self.on_nic.routes, back),
        )
        left = tuple(r for r in self.on_bridge.routes if r in movable and r not in back)
        on_bridge = replace(self.on_bridge, addresses=(), routes=left)
        up = self.up or bool(on_nic.routes)
        return replace(self, port=False, isolated=False, up=up, on_nic=on_nic, on_bridge=on_bridge)

    def _is_reached(self, route: HeldRoute) -> bool:
        """Not only through one of the bridge's own addresses."""
        import netaddr

        if route.gateway is None or "onlink" in route.options:
            return True
        gateway = netaddr.IPAddress(route.gateway)
        if gateway.version == 6 and gateway in netaddr.IPNetwork("fe80::/10"):
            return True
        held = self.on_bridge.addresses + self.on_nic.addresses
        nets = [netaddr.IPNetwork(a.peer or a.address) for a in held]
        return any(gateway in net for net in nets) or any(
            gateway in netaddr.IPNetwork(r.dst) for r in self.on_bridge.routes if not r.via and "/" in r.dst
        )

    def vanishing(self, after: Uplink) -> list[HeldAddress]:
        """The bridge's own addresses that the kernel drops with one of the host's (ip-sysctl: promote_secondaries)."""
        import netaddr

        gone = [a for a in self.on_bridge.addresses if a not in after.on_bridge.addresses]
        subnets = {netaddr.IPNetwork(a.address).cidr for a in gone if ip_version(a.address) == 4}
        return [a for a in self.own if netaddr.IPNetwork(a.address).cidr in subnets]

    @classmethod
    def steps(cls, before: Uplink, after: Uplink | None) -> list[Step]:
        after = after or before.released()
        sides = ((before.on_nic, after.on_nic, after.nic), (before.on_bridge, after.on_bridge, after.bridge))
        netns, master = after.netns, after.bridge if after.port else None
        joins, leaves = after.port and not before.port, before.port and not after.port
        changes = [
            ip.sysctl_set(netns, setting(after.bridge, key), value)
            for key, value in after.settings
            if (key, value) not in before.settings
        ]
        if after.up and not (before.up or joins):
            changes.append(ip.set_up(netns, after.nic, True))
        for old, new, name in sides:
            missing = [a for a in _as_put(new.addresses) if a not in old.addresses]
            changes += [step for a in missing for step in a.put(netns, name)]
        if joins:
            changes.append(ip.set_master(netns, after.nic, master, up=after.up))
            changes += [ip.set_isolated(netns, after.nic, True)] if after.isolated else []
        for old, new, name in sides:
            lost = replace(new, routes=tuple(r for r in new.routes if r not in old.routes)).movable()
            changes += [r.put(netns, name) for r in _gateways_last(lost) if r not in old.routes]
        for old, new, name in sides:
            changes += [r.drop(netns, name) for r in old.routes if r not in new.routes]
            changes += [a.drop(netns, name) for a in _as_dropped(old.addresses) if a not in new.addresses]
        changes += [step for a in before.vanishing(after) for step in a.put(netns, after.bridge)]
        # At last: while the bridge has addresses, packets leave through it, and need its port.
        if leaves:
            changes.append(ip.set_master(netns, after.nic, None))
        if before.up and not after.up:
            changes.append(ip.set_up(netns, after.nic, False))
        return changes

    def as_dict(self) -> dict[str, Any]:
        return {
            "uplink": self.nic,
            "port_of": self.bridge if self.port else None,
            "addresses": {self.nic: _shown(self.on_nic.addresses), self.bridge: _shown(self.on_bridge.addresses)},
            "routes": {self.nic: _dsts(self.on_nic.routes), self.bridge: _dsts(self.on_bridge.routes)},
        }


def _is_port(nic: Link, bridge: str) -> bool:
    return nic.master == bridge


def _settings(world: World, netns: str | None, interface: str) -> tuple[tuple[str, str], ...]:
    values = world.sysctls(netns)
    return tuple((key, values[setting(interface, key)]) for key in SETTINGS if setting(interface, key) in values)


def _merged(there: Any, more: Any) -> tuple[Any, ...]:
    return tuple(dict.fromkeys([*there, *more]))


def _as_put(addresses: tuple[HeldAddress, ...]) -> list[HeldAddress]:
    """In the order in which they come to stand as they did: the kernel lists the newest IPv6 address first."""
    v6 = [held for held in addresses if ip_version(held.address) == 6]
    return [held for held in addresses if held not in v6] + v6[::-1]


def _as_dropped(addresses: tuple[HeldAddress, ...]) -> list[HeldAddress]:
    """IPv4 secondaries come behind their primary, and would go with it. The last IPv6 address of a network takes its
    route with it, if it is there for ever; one that is not gives the route its own end."""
    lasting = [held for held in addresses if ip_version(held.address) == 6 and held.valid is None]
    return [held for held in addresses[::-1] if held not in lasting] + lasting[::-1]


def _gateways_last(routes: list[HeldRoute]) -> list[HeldRoute]:
    return sorted(routes, key=lambda route: bool(route.via))


def _shown(addresses: tuple[HeldAddress, ...]) -> list[str]:
    return [held.address for held in addresses]


def _dsts(routes: tuple[HeldRoute, ...]) -> list[str]:
    return [" ".join([route.dst, *route.via]) for route in routes]
