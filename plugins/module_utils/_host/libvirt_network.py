# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Networks of libvirt: as its daemon has them, and the bridges they are on the host."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from .._persist import libvirt_network as persist
from .._persist.libvirt_network import Mark
from .._spec.base import Step
from .._spec.libvirt_definition import Definition
from .._spec.libvirt_network import URI, LibvirtNetwork, LibvirtWorld, Network
from .._spec.world import World
from .libvirt import Connection, plainly
from .netlink import Netlink


class LibvirtNetworks:
    """The host adapter of the module."""

    def __init__(self) -> None:
        self._connection = Connection()
        self._netlink = Netlink()
        self._opened: Any = None

    def close(self) -> None:
        self._netlink.close()
        self._connection.close()

    # -- observation -----------------------------------------------------------------------------

    def observe(self, wants: list[LibvirtNetwork], everything: bool = False) -> LibvirtWorld:
        """All networks, whatever is asked about: a bridge or a subnet may be in the way of any."""
        links = self._netlink.observe([])
        self._opened = self._connection.open(wants[0].uri if wants else URI, links.missing)
        if self._opened is None:
            return LibvirtWorld({}, links, reached=False)
        with plainly("reading the networks"):
            found = [_observed(network, links) for network in self._opened.listAllNetworks()]
        return LibvirtWorld({network.name: network for network in found}, links)

    # -- changes ---------------------------------------------------------------------------------

    def commit(self, steps: list[Step]) -> None:
        for step in steps:
            act = getattr(self, f"_{step.op}", None)
            if act is None:
                self._netlink.commit([step])
                continue
            with plainly(f"'{step.line}'"):
                act(**step.args)

    def _network(self, name: str) -> Any:
        return self._opened.networkLookupByName(name)

    def _define(self, name: str, definition: Definition, xml: str, owned: bool, previous: Network | None) -> None:
        before = Mark(previous.xml, previous.active, previous.autostart) if previous else Mark()
        self._opened.networkDefineXML(persist.edit(xml, name, definition, before if owned else None))

    def _undefine(self, name: str) -> None:
        self._network(name).undefine()

    def _start(self, name: str) -> None:
        self._network(name).create()

    def _destroy(self, name: str) -> None:
        self._network(name).destroy()

    def _restart(self, name: str) -> None:
        network = self._network(name)
        network.destroy()
        network.create()
        # The bridge is another one.
        self._netlink.observe([])

    def _autostart(self, name: str, autostart: bool) -> None:
        self._network(name).setAutostart(int(autostart))

    def _update(self, name: str, verb: str, option: str, values: tuple[Any, ...]) -> None:
        import libvirt

        network = self._network(name)
        command = {
            "add": libvirt.VIR_NETWORK_UPDATE_COMMAND_ADD_LAST,
            "delete": libvirt.VIR_NETWORK_UPDATE_COMMAND_DELETE,
        }[verb]
        section = getattr(libvirt, f"VIR_NETWORK_SECTION_{_SECTIONS[option]}")
        for index, entry in _entries(option, values, network.XMLDesc()):
            network.update(command, section, index, entry, libvirt.VIR_NETWORK_UPDATE_AFFECT_LIVE)


_SECTIONS = {"ranges": "IP_DHCP_RANGE", "reservations": "IP_DHCP_HOST", "records": "DNS_HOST"}


def _entries(option: str, values: tuple[Any, ...], running: str) -> Iterator[tuple[int, str]]:
    """Which <ip> element each belongs to, and the element that it is."""
    if option == "records":
        for group in persist.grouped(values):
            yield -1, persist.text(persist.record_element(group))
    elif option == "ranges":
        for one in values:
            yield persist.ip_index(running, one.start), persist.text(persist.range_element(one))
    else:
        for one in values:
            yield persist.ip_index(running, one.address), persist.text(persist.reservation_element(one))


def _observed(network: Any, links: World) -> Network:
    import libvirt

    persistent = bool(network.isPersistent())
    running = network.XMLDesc() if network.isActive() else None
    defined = network.XMLDesc(libvirt.VIR_NETWORK_XML_INACTIVE) if persistent else running
    mark, live = persist.mark(defined), persist.read(running) if running else None
    definition = persist.read(defined)
    return Network(
        name=network.name(),
        definition=definition,
        live=live,
        autostart=persistent and bool(network.autostart()),
        owned=mark is not None,
        previous=_previous(network.name(), mark) if mark and mark.before else None,
        xml=defined,
        ports=_ports(links, (live or definition).bridge),
        persistent=persistent,
    )


def _previous(name: str, mark: Mark) -> Network:
    definition = persist.read(mark.before)
    return Network(name, definition, definition if mark.active else None, mark.autostart, xml=mark.before)


def _ports(links: World, bridge: str | None) -> tuple[Any, ...]:
    """Those of others: older versions of libvirt put one of their own on each bridge."""
    found = [link for link in links.links(None).values() if link.master == bridge and link.name != f"{bridge}-nic"]
    return tuple(sorted(found, key=lambda link: link.name)) if bridge else ()
