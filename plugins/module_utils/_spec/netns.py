# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A named network namespace: ip-netns(8). Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from . import address, ip
from .base import MARK, Resource, SpecError, Step, control, hidden
from .world import World

#: Each also sets the forwarding, and some redirects, of every interface: ip-sysctl of the kernel's documentation.
_SWITCHES = ("net.ipv4.ip_forward", "net.ipv4.conf.all.forwarding", "net.ipv6.conf.all.forwarding")


@dataclass(frozen=True)
class Netns(Resource):
    """``sysctls`` are pairs of name and value, of the ``net.`` tree inside the namespace."""

    kind = "netns"
    removed_last = True
    boot_folder = "netns"

    name: str
    sysctls: tuple[tuple[str, str], ...] | None = None
    alias: str | None = hidden()
    up: bool | None = hidden()
    state: str = control("present")
    adopt: bool = control(False)

    argument_spec = {
        "name": {"type": "str"},
        "sysctls": {"type": "dict"},
        "adopt": {"type": "bool", "default": False},
        "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    }

    @classmethod
    def parse(cls, params: dict[str, Any]) -> Netns:
        sysctls = params["sysctls"]
        for name in sysctls or ():
            if not name.startswith("net.") or {"", "/", "//"} & set(name.split(".")):
                raise SpecError(
                    f"sysctls: '{name}' is not a name below 'net.'; only those belong to a network namespace"
                )
        return cls(
            name=address.netns_name("name", params["name"]),
            sysctls=None if sysctls is None else tuple(sorted((k, _text(k, v)) for k, v in sysctls.items())),
            alias=MARK,
            up=True,
            state=params["state"],
            adopt=params["adopt"],
        )

    @property
    def key(self) -> str:
        return self.name

    def boot_places(self) -> list[tuple[str | None, str]]:
        return [(None, self.name)]

    @classmethod
    def owned_keys(cls, world: World) -> list[str]:
        return [n for n in world.namespaces() if n is not None and world.links(n)["lo"].owned]

    @classmethod
    def observed(cls, world: World, key: str) -> Netns | None:
        if not world.exists(key):
            return None
        loopback = world.links(key)["lo"]
        sysctls = tuple(sorted(world.sysctls(key).items()))
        return cls(name=key, sysctls=sysctls, alias=loopback.alias, up=loopback.up)

    def target(self, world: World, have: Netns | None) -> Netns | None:
        if have is not None and not self.adopt and not world.links(self.name)["lo"].owned:
            raise SpecError(
                f"name: namespace '{self.name}' exists and was not made by {MARK}; "
                "choose another name, or take it over with 'adopt: true'"
            )
        if self.state == "present":
            return self.overlay(have or Netns(name=self.name))
        if have is not None and (running := world.processes(self.name)):
            raise SpecError(f"name: processes still run in namespace '{self.name}': {running}; stop them first")
        return None

    def as_dict(self) -> dict[str, Any]:
        return {"name": self.name, "sysctls": dict(self.sysctls or ())}

    @classmethod
    def steps(cls, before: Netns | None, after: Netns | None) -> list[Step]:
        if after is None:
            return [ip.netns_del(before.name)]
        steps = [] if before else [ip.netns_add(after.name)]
        if before is None or before.alias != after.alias:
            steps.append(ip.set_alias(after.name, "lo", after.alias or ""))
        if bool(after.up) != bool(before and before.up):
            steps.append(ip.set_up(after.name, "lo", bool(after.up)))
        return steps + [ip.sysctl_set(after.name, *pair) for pair in _to_set(before, after)]


def _to_set(before: Netns | None, after: Netns) -> list[tuple[str, str]]:
    """The sysctls to set, those first that set others too; when one of the forwarding switches is set, all of them."""
    old = set(before.sysctls or ()) if before else set()
    new = sorted(after.sysctls or (), key=lambda pair: (pair[0] not in _SWITCHES, ".all." not in pair[0]))
    changed = [pair for pair in new if pair not in old]
    return new if any(name in _SWITCHES for name, _value in changed) else changed


def _text(name: str, value: Any) -> str:
    """A sysctl's value as /proc/sys shows it: words parted by one tab."""
    if isinstance(value, bool):
        return str(int(value))
    if isinstance(value, (str, int)) and str(value).strip():
        return "\t".join(str(value).split())
    raise SpecError(f"sysctls: '{name}' has the value {value!r}; give a number or a text")
