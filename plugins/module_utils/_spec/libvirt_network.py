# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A network of libvirt: what libvirt has on file, what runs, and the way from one to another. Pure."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from . import ip, libvirt_definition as definitions
from .address import ip_version
from .base import MARK, Resource, SpecError, Step, control, hidden
from .libvirt_definition import Definition
from .world import Link, World

STATES = ("active", "inactive", "present", "absent")
URI = "qemu:///system"


@dataclass(frozen=True)
class LibvirtNetwork(Resource):
    """What a user wants of a network; `Network` is what there is."""

    kind = "libvirt_network"

    name: str
    definition: Definition = Definition()
    autostart: bool | None = None
    state: str = control("active")
    adopt: bool = control(False)
    allow_restart: bool = control(False)
    uri: str = control(URI)

    argument_spec = {
        "name": {"type": "str"},
        **definitions.OPTIONS,
        "autostart": {"type": "bool"},
        "adopt": {"type": "bool", "default": False},
        "allow_restart": {"type": "bool", "default": False},
        "state": {"type": "str", "choices": list(STATES), "default": "active"},
    }
    run_options = {"uri": {"type": "str", "default": URI}}

    @classmethod
    def parse(cls, params: dict[str, Any]) -> LibvirtNetwork:
        gone = params["state"] == "absent"
        return cls(
            name=network_name("name", params["name"]),
            # For a removal the name is enough, and what else is given need not fit any more.
            definition=Definition() if gone else definitions.parse(params),
            autostart=None if gone else params["autostart"],
            state=params["state"],
            adopt=params["adopt"],
            allow_restart=params["allow_restart"],
            uri=params["uri"],
        )

    @property
    def key(self) -> str:
        return self.name

    @classmethod
    def owned_keys(cls, world: LibvirtWorld) -> list[str]:
        return [name for name, network in world.networks.items() if network.owned]

    @classmethod
    def observed(cls, world: LibvirtWorld, key: str) -> Network | None:
        return world.networks.get(key)

    @classmethod
    def strays(cls, wants: list[LibvirtNetwork], world: LibvirtWorld) -> list[Network]:
        strays = super().strays(wants, world)
        for stray in strays:
            stray.check_idle("purge")
        return strays

    def target(self, world: LibvirtWorld, have: Network | None) -> Network | None:
        if have is not None and not have.owned and not self.adopt:
            raise SpecError(
                f"name: the network '{self.name}' exists and was not made by {MARK}; "
                "choose another name, or take it over with 'adopt: true'"
            )
        if self.state == "absent":
            return self._absent(have)
        if have is not None and not have.persistent:
            raise SpecError(
                f"name: the network '{self.name}' was started without being defined, so it is gone when it ends; "
                f"define it first ('virsh net-dumpxml {self.name}' tells how it is), or choose another name"
            )
        after = self._defined(have)
        if world.reached:
            definitions.check(after.definition)
        self._check_place(world, after)
        active = {"active": True, "inactive": False}.get(self.state, bool(have and have.active))
        if have and have.active and not active:
            have.check_idle("state")
        after = replace(after, live=self._live(have, after.definition) if active else None)
        if after.restart_required:
            world.warn(
                f"'{self.name}' runs otherwise than it is now defined, until it is restarted; 'allow_restart: true' "
                "does that, and puts guests on the new bridge"
            )
        return after

    def _absent(self, have: Network | None) -> Network | None:
        """One that was taken over goes back to what it was; of one that is somebody else's there is nothing of ours."""
        if have is None or not have.owned:
            return have
        before = have.previous
        if before is None or not before.live:
            have.check_idle("state")
        return before and replace(before, live=self._live(have, before.definition) if before.live else None)

    def _defined(self, have: Network | None) -> Network:
        if have is None:
            fresh = Definition(mode="nat")
            return Network(self.name, self.definition.over(fresh), None, bool(self.autostart), owned=True)
        for option in ("uuid", "mode"):
            self._check_same(option, have)
        return replace(
            have,
            definition=self.definition.over(have.definition),
            autostart=have.autostart if self.autostart is None else self.autostart,
            owned=True,
            previous=have.previous if have.owned else have,
        )

    def _check_same(self, option: str, have: Network) -> None:
        wanted, there = getattr(self.definition, option), getattr(have.definition, option)
        if wanted in (None, there) or (option == "mode" and "bridge" not in (wanted, there)):
            return
        raise SpecError(
            f"{option}: the network '{self.name}' has '{there}', and a network is known by that; "
            "leave the option out, or remove the network first"
        )

    def _live(self, have: Network | None, wanted: Definition) -> Definition:
        """What is to run: what can be changed without a restart is, and all of it where a restart is allowed."""
        if have is None or have.live is None or self.allow_restart:
            return wanted
        if wanted.addresses != have.live.addresses:
            return have.live
        return replace(have.live, **{option: getattr(wanted, option) for option in definitions.LIVE})

    def _check_place(self, world: LibvirtWorld, after: Network) -> None:
        bridge = after.definition.bridge
        for other in world.networks.values():
            clashes = bridge and other.definition.bridge == bridge and other.name != after.name
            if clashes and "bridge" not in (other.definition.mode, after.definition.mode):
                raise SpecError(f"bridge: '{bridge}' is that of libvirt's network '{other.name}'; choose another")
        if after.definition.mode == "bridge":
            world.links.require_link("bridge", None, bridge, "bridge")
            return
        have = world.networks.get(after.name)
        own = {network.bridge for network in (have,) if network and network.active}
        if bridge and bridge not in own and bridge in world.links.links(None):
            raise SpecError(f"bridge: the host has an interface '{bridge}' already; choose another name")
        _check_subnets(world.links, after, own)

    @classmethod
    def report(cls, wants: list[LibvirtNetwork], world: LibvirtWorld, changes: list[Any]) -> dict[str, Any]:
        targets = [want.target(world, want.have(world)) for want in wants if want.state != "absent"]
        return {"networks": [target.told() for target in targets]}


@dataclass(frozen=True)
class Network(Resource):
    """A network on a host. ``live`` is how it runs, or None; ``definition`` is what it is when it next starts.

    ``previous`` is what it was before it was taken over. ``xml`` is the definition as libvirt has it, with all that no
    option speaks of. ``ports`` are the interfaces on its bridge.
    """

    kind = "libvirt_network"

    name: str
    definition: Definition
    live: Definition | None
    autostart: bool
    owned: bool = hidden(False)
    previous: Network | None = control()
    xml: str = control("")
    ports: tuple[Link, ...] = control(())
    persistent: bool = control(True)

    @property
    def key(self) -> str:
        return self.name

    @property
    def active(self) -> bool:
        return self.live is not None

    @property
    def bridge(self) -> str | None:
        return (self.live or self.definition).bridge

    @property
    def restart_required(self) -> bool:
        """Whether it runs otherwise than it is defined."""
        return self.live is not None and bool(self.definition.given().items() - self.live.given().items())

    def check_idle(self, option: str) -> None:
        """Refuse to take a bridge away from under somebody."""
        if self.active and self.definition.mode != "bridge" and self.ports:
            names = ", ".join(port.name for port in self.ports)
            raise SpecError(f"{option}: {names} on the bridge of '{self.name}' would be cut off; stop the guests first")

    @classmethod
    def observed(cls, world: LibvirtWorld, key: str) -> Network | None:
        return world.networks.get(key)

    def undone(self, after: Network, now: Network) -> Network:
        """All of it: libvirt has one definition of a network, not parts of it."""
        return self

    def as_dict(self) -> dict[str, Any]:
        shown = {"name": self.name, "active": self.active, "autostart": self.autostart, **self.definition.as_dict()}
        if self.live:
            running = Definition(**self.live.different(self.definition)).as_dict()
            shown.update({"running": running} if running and self.restart_required else {})
        return shown

    def told(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "bridge": self.bridge,
            "active": self.active,
            "autostart": self.autostart,
            "restart_required": self.restart_required,
        }

    @classmethod
    def steps(cls, before: Network | None, after: Network | None) -> list[Step]:
        if after is None:
            if before.previous is not None:
                return cls.steps(before, before.previous)
            return [*([_step("destroy", before)] if before.active else []), _step("undefine", before)]
        steps = []
        if before is None or (before.definition, before.owned) != (after.definition, after.owned):
            steps.append(_define(after))
        if before is not None and before.active:
            steps += _running(before, after)
        elif after.active:
            steps.append(_step("start", after))
        if after.autostart != bool(before and before.autostart):
            line = _virsh("autostart", after.name, *([] if after.autostart else ["--disable"]))
            steps.append(Step("autostart", {"name": after.name, "autostart": after.autostart}, line))
        return steps


def _running(before: Network, after: Network) -> list[Step]:
    """From one running network to another, or to none."""
    if after.live is None:
        return [_step("destroy", before)]
    changed = after.live.different(before.live)
    if set(changed) <= set(definitions.LIVE):
        return [step for option in changed for step in _updates(option, before, after)]
    line = f"{_virsh('destroy', after.name)}; {_virsh('start', after.name)}"
    steps = [Step("restart", {"name": after.name}, line)]
    if after.definition.mode == "bridge":
        return steps
    # The bridge is another one, which nobody is on.
    for port in before.ports:
        steps.append(ip.set_master(None, port.name, after.live.bridge))
        if port.isolated:
            steps.append(ip.set_isolated(None, port.name, True))
    return steps


def _updates(option: str, before: Network, after: Network) -> list[Step]:
    """What is gone makes room first."""
    old, new = getattr(before.live, option), getattr(after.live, option)
    if option == "records":
        # Those of one address are one entry.
        moved = {one.address for one in {*old} ^ {*new}}
        old, new = (tuple(one for one in side if one.address in moved) for side in (old, new))
    else:
        old, new = tuple(one for one in old if one not in new), tuple(one for one in new if one not in old)
    return [
        Step(
            "update",
            {"name": after.name, "verb": verb, "option": option, "values": side},
            _virsh("update", after.name, verb, _SECTIONS[option]),
        )
        for verb, side in (("delete", old), ("add", new))
        if side
    ]


_SECTIONS = {"ranges": "ip-dhcp-range", "reservations": "ip-dhcp-host", "records": "dns-host"}


def _define(after: Network) -> Step:
    previous = after.previous if after.owned else None
    args = {"definition": after.definition, "xml": after.xml, "owned": after.owned, "previous": previous}
    return Step("define", {"name": after.name, **args}, _virsh("define", f"{after.name}.xml"))


def _step(op: str, network: Network) -> Step:
    return Step(op, {"name": network.name}, _virsh(op, network.name))


def _virsh(verb: str, *words: str) -> str:
    return shlex.join(["virsh", f"net-{verb}", *words])


class LibvirtWorld:
    """The networks of libvirt by name, and the links of the host.

    Where libvirt was not ``reached``, which check mode takes for granted, nobody knows what the networks have.
    """

    def __init__(self, networks: Mapping[str, Network], links: World, reached: bool = True):
        self.networks = networks
        self.links = links
        self.reached = reached

    @property
    def missing(self) -> list[str]:
        return self.links.missing

    @property
    def warnings(self) -> list[str]:
        return self.links.warnings

    def warn(self, text: str) -> None:
        if text not in self.warnings:
            self.warnings.append(text)


def network_name(option: str, value: str) -> str:
    """What can name a file, too."""
    if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.+-]{0,63}", value):
        raise SpecError(f"{option}: '{value}' cannot name a network of libvirt; use letters, digits, '_', '-' and '.'")
    return value


def _check_subnets(links: World, after: Network, own: set[str | None]) -> None:
    """libvirt would refuse to start what the host has another way to."""
    import netaddr

    for wanted in after.definition.addresses or ():
        for link in links.links(None).values():
            for there in link.addresses if link.name not in own else ():
                if ip_version(there) == ip_version(wanted) and _overlap(netaddr, there, wanted):
                    raise SpecError(
                        f"addresses: {wanted} is in a subnet that the host has on '{link.name}' ({there}) already; "
                        "choose another"
                    )


def _overlap(netaddr: Any, one: str, other: str) -> bool:
    first, second = (netaddr.IPNetwork(value).cidr for value in (one, other))
    return first in second or second in first
