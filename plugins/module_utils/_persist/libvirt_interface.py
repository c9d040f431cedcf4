# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The NICs in the XML of a libvirt domain: https://libvirt.org/formatdomain.html. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from xml.etree import ElementTree
from xml.etree.ElementTree import Element, SubElement

from .._spec.libvirt_interface import Nic

_PCI = ("domain", "bus", "slot", "function")


def read(domain: str) -> Iterator[tuple[str, Nic, str]]:
    """MAC address, what options speak of, and the XML of each."""
    for element in ElementTree.fromstring(domain).findall("devices/interface"):
        mac = element.find("mac")
        if mac is not None:
            yield mac.get("address", "").lower(), _nic(element), ElementTree.tostring(element, encoding="unicode")


def edit(text: str, mac: str, wanted: Nic) -> str:
    """The XML of a NIC, or for "" that of a new one, with all that `wanted` says."""
    element = ElementTree.fromstring(text) if text else Element("interface")
    element.set("type", "network")
    _child(element, "mac").set("address", mac)
    source = _child(element, "source")
    if source.get("network") != wanted.network:
        # With what libvirt says of the place on the network of before.
        source.attrib.clear()
        source.set("network", wanted.network)
    if wanted.model:
        _child(element, "model").set("type", wanted.model)
    if wanted.pci_address:
        domain, bus, rest = wanted.pci_address.split(":")
        values = dict(zip(_PCI, (domain, bus, *rest.split("."))))
        place = _child(element, "address")
        place.attrib.clear()
        place.attrib.update({"type": "pci", **{key: f"0x{value}" for key, value in values.items()}})
    return ElementTree.tostring(element, encoding="unicode")


def _nic(element: Element) -> Nic:
    source, model, place = (element.find(tag) for tag in ("source", "model", "address"))
    pci = place is not None and place.get("type") == "pci"
    return Nic(
        network=source.get("network") if source is not None and element.get("type") == "network" else None,
        model=model.get("type") if model is not None else None,
        pci_address="{:04x}:{:02x}:{:02x}.{:x}".format(*(int(place.get(key, "0"), 16) for key in _PCI))
        if pci
        else None,
    )


def _child(parent: Element, tag: str) -> Element:
    found = parent.find(tag)
    return SubElement(parent, tag) if found is None else found
