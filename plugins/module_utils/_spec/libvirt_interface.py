# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A NIC of a libvirt domain on one of libvirt's networks, as it is defined and as it runs. Pure."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from . import address
from .base import Resource, SpecError, Step, control
from .libvirt_network import URI, network_name

_NEW_MODEL = "virtio"


@dataclass(frozen=True)
class Nic:
    """``network`` is None for one that is on none of libvirt's networks; ``pci_address`` is None for any."""

    network: str | None = None
    model: str | None = None
    pci_address: str | None = None

    def over(self, other: Nic) -> Nic:
        return replace(other, **{name: value for name, value in vars(self).items() if value is not None})

    def as_dict(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if value is not None}


@dataclass(frozen=True)
class LibvirtInterface(Resource):
    """What a user wants of a NIC; `Interface` is what there is. ``name`` is the domain's."""

    kind = "libvirt_interface"

    name: str
    mac: str = ""
    nic: Nic = Nic()
    state: str = control("present")
    uri: str = control(URI)

    argument_spec = {
        "name": {"type": "str"},
        "mac": {"type": "str"},
        "network": {"type": "str"},
        "model": {"type": "str"},
        "pci_address": {"type": "str"},
        "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    }
    run_options = {"uri": {"type": "str", "default": URI}}

    @classmethod
    def parse(cls, params: dict[str, Any]) -> LibvirtInterface:
        if not params["mac"]:
            raise SpecError("mac: it is not given; a NIC is known by it")
        if params["state"] == "present" and not params["network"]:
            raise SpecError("network: it is not given; name the network of libvirt that the NIC is to be on")
        return cls(
            name=params["name"],
            mac=address.mac("mac", params["mac"]),
            nic=Nic(
                network=network_name("network", params["network"]) if params["network"] else None,
                model=_model(params["model"]),
                pci_address=_pci_address(params["pci_address"]),
            ),
            state=params["state"],
            uri=params["uri"],
        )

    @property
    def key(self) -> tuple[str, str]:
        return self.name, self.mac

    @classmethod
    def owned_keys(cls, world: DomainWorld) -> list[tuple[str, str]]:
        """None: libvirt keeps no mark of whose a NIC is."""
        return []

    @classmethod
    def observed(cls, world: DomainWorld, key: tuple[str, str]) -> Interface | None:
        return world.interfaces.get(key)

    def target(self, world: DomainWorld, have: Interface | None) -> Interface | None:
        domain = world.domains.get(self.name)
        if self.state == "absent":
            return None
        if domain is None:
            world.miss(f"name: libvirt has no domain '{self.name}'; define it first")
            domain = Domain(persistent=True, runs=False)
        if self.nic.network not in world.networks:
            world.miss(
                f"network: libvirt has no network '{self.nic.network}'; make it first (module libvirt_network does)"
            )
        for name, mac in world.interfaces:
            if mac == self.mac and name != self.name:
                raise SpecError(f"mac: {mac} is that of a NIC of '{name}'; every NIC has its own, choose another")
        have = have or Interface(self.name, self.mac)
        fresh = Nic(model=_NEW_MODEL)
        defined = self.nic.over(have.defined or fresh) if domain.persistent else None
        live = self._live(have, fresh) if domain.runs else None
        return replace(have, defined=defined, live=live)

    def _live(self, have: Interface, fresh: Nic) -> Nic:
        """What a guest sees of a NIC cannot be changed under it; the network behind it can."""
        if have.live is None:
            return self.nic.over(fresh)
        return replace(have.live, network=self.nic.network)

    @classmethod
    def report(cls, wants: list[LibvirtInterface], world: DomainWorld, changes: list[Any]) -> dict[str, Any]:
        pairs = [(want, want.target(world, want.have(world))) for want in wants if want.state != "absent"]
        return {
            "interfaces": [
                {"name": want.name, "mac": want.mac, "restart_required": target.differs(want.nic)}
                for want, target in pairs
            ]
        }


@dataclass(frozen=True)
class Interface(Resource):
    """A NIC of a domain: ``defined`` for its next start, ``live`` while it runs. The ``xml`` are of these two."""

    kind = "libvirt_interface"

    name: str
    mac: str
    defined: Nic | None = None
    live: Nic | None = None
    xml_defined: str = control("")
    xml_live: str = control("")

    @property
    def key(self) -> tuple[str, str]:
        return self.name, self.mac

    @classmethod
    def observed(cls, world: DomainWorld, key: tuple[str, str]) -> Interface | None:
        return world.interfaces.get(key)

    def differs(self, wanted: Nic) -> bool:
        """Whether the domain runs with another NIC than is wanted."""
        return self.live is not None and wanted.over(self.live) != self.live

    def undone(self, after: Interface, now: Interface) -> Interface:
        return self

    def as_dict(self) -> dict[str, Any]:
        sides = {"defined": self.defined, "live": self.live}
        return {"name": self.name, "mac": self.mac, **{side: nic.as_dict() for side, nic in sides.items() if nic}}

    @classmethod
    def steps(cls, before: Interface | None, after: Interface | None) -> list[Step]:
        known = before or after
        before, after = (side or Interface(known.name, known.mac) for side in (before, after))
        # The definition first: it is what a domain that is then restarted has.
        return [step for side in ("defined", "live") for step in _steps(side, before, after)]


def _steps(side: str, before: Interface, after: Interface) -> list[Step]:
    old, new = getattr(before, side), getattr(after, side)
    if old == new:
        return []
    args = {"name": after.name, "mac": after.mac, "side": side, "xml": getattr(before, f"xml_{side}")}
    if new is None:
        return [_detach(args, old)]
    if old is None:
        return [_attach(args, new)]
    if old.pci_address != new.pci_address:
        # libvirt looks for a NIC at the place that it is to have.
        return [_detach(args, old), _attach(args, new)]
    line = f"virsh update-device {shlex.quote(after.name)} {after.mac.replace(':', '-')}.xml {_FLAGS[side]}"
    return [Step("update", {**args, "nic": new}, line)]


_FLAGS = {"defined": "--config", "live": "--live"}


def _detach(args: Mapping[str, Any], nic: Nic) -> Step:
    words = f"{shlex.quote(args['name'])} network --mac {args['mac']} {_FLAGS[args['side']]}"
    return Step("detach", {**args, "nic": nic}, f"virsh detach-interface {words}")


def _attach(args: Mapping[str, Any], nic: Nic) -> Step:
    words = f"--mac {args['mac']} --model {nic.model} {_FLAGS[args['side']]}"
    line = f"virsh attach-interface {shlex.quote(args['name'])} network {nic.network} {words}"
    return Step("attach", {**args, "nic": nic}, line)


@dataclass(frozen=True)
class Domain:
    """Whether it is there after it ends, and whether it runs now."""

    persistent: bool
    runs: bool


class DomainWorld:
    """The domains of libvirt, their NICs by domain and MAC address, and the names of its networks."""

    def __init__(
        self,
        domains: Mapping[str, Domain],
        interfaces: Mapping[tuple[str, str], Interface],
        networks: frozenset[str],
    ):
        self.domains = domains
        self.interfaces = interfaces
        self.networks = networks
        self.missing: list[str] = []

    def miss(self, text: str) -> None:
        if text not in self.missing:
            self.missing.append(text)


def _model(value: str | None) -> str | None:
    if value is not None and not re.fullmatch(r"[a-z0-9][a-z0-9_-]*", value):
        raise SpecError(f"model: '{value}' is not a model of a NIC such as virtio or e1000e")
    return value


def _pci_address(value: str | None) -> str | None:
    """As lspci(8) writes it, with its domain."""
    if value is None:
        return None
    match = re.fullmatch(r"(?:([0-9a-f]{1,4}):)?([0-9a-f]{1,2}):([01]?[0-9a-f])\.([0-7])", value.lower())
    if match is None:
        raise SpecError(f"pci_address: '{value}' is not a PCI address such as 0000:07:00.0")
    return f"{int(match[1] or '0', 16):04x}:{int(match[2], 16):02x}:{int(match[3], 16):02x}.{match[4]}"
