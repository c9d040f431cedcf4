# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""NICs of libvirt's domains."""

from __future__ import annotations

from typing import Any

from .._persist import libvirt_interface as persist
from .._spec.base import Step
from .._spec.libvirt_interface import URI, Domain, DomainWorld, Interface, LibvirtInterface, Nic
from .errors import HostError
from .libvirt import Connection, plainly

#: Seconds that a guest has for giving a NIC back.
_PATIENCE = 60


class LibvirtInterfaces:
    """The host adapter of the module."""

    def __init__(self) -> None:
        self._connection = Connection()
        self._opened: Any = None

    def close(self) -> None:
        self._connection.close()

    # -- observation -----------------------------------------------------------------------------

    def observe(self, wants: list[LibvirtInterface], everything: bool = False) -> DomainWorld:
        """All domains: a MAC address may be any one's."""
        missing: list[str] = []
        self._opened = self._connection.open(wants[0].uri if wants else URI, missing)
        world = DomainWorld({}, {}, frozenset())
        if self._opened is not None:
            with plainly("reading the domains"):
                world = self._world()
        world.missing += missing
        return world

    def _world(self) -> DomainWorld:
        import libvirt

        domains, interfaces = {}, {}
        for domain in self._opened.listAllDomains():
            name = domain.name()
            domains[name] = Domain(bool(domain.isPersistent()), bool(domain.isActive()))
            defined = domain.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE) if domain.isPersistent() else None
            live = domain.XMLDesc() if domain.isActive() else None
            interfaces.update(_interfaces(name, defined, live))
        networks = frozenset(network.name() for network in self._opened.listAllNetworks())
        return DomainWorld(domains, interfaces, networks)

    # -- changes ---------------------------------------------------------------------------------

    def commit(self, steps: list[Step]) -> None:
        for step in steps:
            with plainly(f"'{step.line}'"):
                getattr(self, f"_{step.op}")(**step.args)

    def _attach(self, name: str, mac: str, side: str, nic: Nic, xml: str) -> None:
        self._domain(name).attachDeviceFlags(persist.edit(xml, mac, nic), _flag(side))

    def _update(self, name: str, mac: str, side: str, nic: Nic, xml: str) -> None:
        self._domain(name).updateDeviceFlags(persist.edit(xml, mac, nic), _flag(side))

    def _detach(self, name: str, mac: str, side: str, nic: Nic, xml: str) -> None:
        domain = self._domain(name)
        domain.detachDeviceFlags(xml, _flag(side))
        if side == "live":
            self._await_gone(domain, mac)

    def _await_gone(self, domain: Any, mac: str) -> None:
        """libvirt only asks the guest for it."""
        import libvirt

        over: list[bool] = []
        event = libvirt.VIR_DOMAIN_EVENT_ID_DEVICE_REMOVED
        callback = self._opened.domainEventRegisterAny(domain, event, lambda *_: None, None)
        timer = libvirt.virEventAddTimeout(_PATIENCE * 1000, lambda *_: over.append(True), None)
        try:
            while mac in dict(_found(domain.XMLDesc())):
                if over:
                    raise HostError(
                        f"mac: the guest in '{domain.name()}' did not give back the NIC {mac} within {_PATIENCE} s; "
                        "it does that only when its system runs"
                    )
                libvirt.virEventRunDefaultImpl()
        finally:
            libvirt.virEventRemoveTimeout(timer)
            self._opened.domainEventDeregisterAny(callback)

    def _domain(self, name: str) -> Any:
        return self._opened.lookupByName(name)


def _flag(side: str) -> int:
    import libvirt

    return {"defined": libvirt.VIR_DOMAIN_AFFECT_CONFIG, "live": libvirt.VIR_DOMAIN_AFFECT_LIVE}[side]


def _found(text: str | None) -> dict[str, tuple[Nic, str]]:
    return {mac: (nic, xml) for mac, nic, xml in persist.read(text)} if text else {}


def _interfaces(name: str, defined: str | None, live: str | None) -> dict[tuple[str, str], Interface]:
    ours, running = _found(defined), _found(live)
    nothing = (None, "")
    found = {}
    for mac in {**ours, **running}:
        (nic, xml), (live_nic, live_xml) = ours.get(mac, nothing), running.get(mac, nothing)
        found[name, mac] = Interface(name, mac, nic, live_nic, xml_defined=xml, xml_live=live_xml)
    return found
