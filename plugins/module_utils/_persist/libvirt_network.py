# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A network of libvirt as XML: read, and edited, so that what no option speaks of stays as it is. Pure.

The texts come from libvirt itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Callable
from xml.etree import ElementTree
from xml.etree.ElementTree import Element, SubElement

from .._spec.libvirt_definition import Definition, Range, Record, Reservation, Route

#: Names our element among the metadata, which libvirt keeps for whoever wrote it.
NAMESPACE = "urn:virtnet:qemu"
_MARK = f"{{{NAMESPACE}}}network"
_PREFIXES = {"virtnet": NAMESPACE, "dnsmasq": "http://libvirt.org/schemas/network/dnsmasq/1.0"}


@dataclass(frozen=True)
class Mark:
    """That a network is ours, and for one that was somebody else's how it had been: its XML, and whether it was
    active and started at boot."""

    before: str = ""
    active: bool = False
    autostart: bool = False


# -- reading ---------------------------------------------------------------------------------------


def mark(text: str) -> Mark | None:
    found = ElementTree.fromstring(text).find(f"metadata/{_MARK}")
    if found is None:
        return None
    return Mark((found.text or "").strip(), found.get("active") == "yes", found.get("autostart") == "yes")


def read(text: str) -> Definition:
    """Every field is known."""
    network = ElementTree.fromstring(text)
    forward, bridge = network.find("forward"), network.find("bridge")
    mode = "isolated" if forward is None else forward.get("mode", "nat")
    links = [] if forward is None else [forward.get("dev"), *(link.get("dev") for link in forward.iter("interface"))]
    bridge = Element("bridge") if bridge is None else bridge
    own_bridge = mode != "bridge"
    return Definition(
        mode=mode,
        bridge=bridge.get("name"),
        forward_dev=next((dev for dev in links if dev), "") if own_bridge else "",
        nat_ipv6=_get(network, "forward/nat", "ipv6") == "yes",
        stp=bridge.get("stp", "on" if own_bridge else "off") == "on",
        delay=int(bridge.get("delay", "0")),
        mac=_get(network, "mac", "address"),
        mtu=int(_get(network, "mtu", "size") or 0),
        uuid=network.findtext("uuid"),
        domain=_get(network, "domain", "name") or "",
        addresses=tuple(sorted(_address(ip) for ip in network.findall("ip"))),
        ranges=tuple(sorted(_range(one) for one in network.findall("ip/dhcp/range"))),
        reservations=tuple(sorted(_reservation(one) for one in _hosts(network))),
        routes=tuple(sorted(_route(one) for one in network.findall("route"))),
        dns=_get(network, "dns", "enable") != "no",
        forwarders=tuple(sorted(_forwarder(one) for one in _plain_forwarders(network))),
        records=tuple(sorted(record for host in network.findall("dns/host") for record in _records(host))),
    )


def ip_index(text: str, address: str) -> int:
    """Which of the network's <ip> elements serves an address."""
    for index, ip in enumerate(ElementTree.fromstring(text).findall("ip")):
        if _is_in(address, _address(ip)):
            return index
    return -1


def _get(network: Element, path: str, attribute: str) -> str | None:
    found = network.find(path)
    return None if found is None else found.get(attribute)


def _address(element: Element) -> str:
    import netaddr

    length = element.get("prefix") or element.get("netmask") or ("64" if element.get("family") == "ipv6" else "24")
    return str(netaddr.IPNetwork(f"{element.get('address')}/{length}"))


def _canonical(address: str | None) -> str:
    import netaddr

    return str(netaddr.IPAddress(address))


def _is_in(address: str, interface: str) -> bool:
    import netaddr

    return netaddr.IPAddress(address) in netaddr.IPNetwork(interface).cidr


def _range(element: Element) -> Range:
    return Range(_canonical(element.get("start")), _canonical(element.get("end")))


def _hosts(parent: Element) -> Iterator[Element]:
    """The reservations by MAC address; libvirt knows some by name or DUID too."""
    return (one for one in parent.iter("host") if one.get("mac") and one.get("ip"))


def _reservation(element: Element) -> Reservation:
    return Reservation(element.get("mac").lower(), _canonical(element.get("ip")), element.get("name", ""))


def _route(element: Element) -> Route:
    import netaddr

    network = netaddr.IPNetwork(_address(element)).cidr
    return Route(str(network), _canonical(element.get("gateway")), int(element.get("metric", "1")))


def _plain_forwarders(network: Element) -> Iterator[Element]:
    """Those for all names."""
    return (one for one in network.findall("dns/forwarder") if one.get("addr") and not one.get("domain"))


def _forwarder(element: Element) -> str:
    return _canonical(element.get("addr"))


def _records(element: Element) -> list[Record]:
    return [Record(_canonical(element.get("ip")), name.text or "") for name in element.findall("hostname")]


# -- writing ---------------------------------------------------------------------------------------


def edit(text: str, name: str, wanted: Definition, owner: Mark | None) -> str:
    """The XML `text`, or for "" that of a new network, with all that `wanted` says and with our mark, or without."""
    network = ElementTree.fromstring(text) if text else Element("network")
    _child(network, "name").text = name
    if wanted.uuid:
        _child(network, "uuid").text = wanted.uuid
    _set_mark(network, owner)
    _set_forward(network, wanted)
    _set_bridge(network, wanted)
    _set_named(network, "domain", "name", wanted.domain)
    _set_ips(network, wanted)
    if wanted.routes is not None:
        _match(network, network.findall("route"), _route, wanted.routes, _route_element)
    _set_dns(network, wanted)
    return _text(network)


def _set_mark(network: Element, owner: Mark | None) -> None:
    metadata = network.find("metadata")
    if metadata is not None:
        for found in metadata.findall(_MARK):
            metadata.remove(found)
    if owner is not None:
        element = SubElement(_child(network, "metadata"), _MARK)
        if owner.before:
            element.set("active", _yes(owner.active))
            element.set("autostart", _yes(owner.autostart))
            element.text = owner.before
    metadata = network.find("metadata")
    if metadata is not None and not len(metadata):
        network.remove(metadata)


def _set_forward(network: Element, wanted: Definition) -> None:
    forward = network.find("forward")
    if wanted.mode == "isolated":
        if forward is not None:
            network.remove(forward)
        return
    forward = _child(network, "forward")
    if wanted.mode is not None:
        forward.set("mode", wanted.mode)
    _set_nat(forward, wanted)
    if wanted.forward_dev is not None:
        forward.attrib.pop("dev", None)
        for link in forward.findall("interface"):
            forward.remove(link)
        if wanted.forward_dev:
            forward.set("dev", wanted.forward_dev)


def _set_nat(forward: Element, wanted: Definition) -> None:
    nat = forward.find("nat")
    if nat is not None and wanted.mode not in (None, "nat"):
        forward.remove(nat)
    elif wanted.nat_ipv6 or (nat is not None and wanted.nat_ipv6 is False):
        _child(forward, "nat").set("ipv6", _yes(wanted.nat_ipv6))


def _set_bridge(network: Element, wanted: Definition) -> None:
    values = {"name": wanted.bridge}
    if wanted.mode != "bridge":
        values["stp"] = None if wanted.stp is None else "on" if wanted.stp else "off"
        values["delay"] = None if wanted.delay is None else str(wanted.delay)
        _set_named(network, "mac", "address", wanted.mac)
        _set_named(network, "mtu", "size", None if wanted.mtu is None else str(wanted.mtu or ""))
    if any(value is not None for value in values.values()):
        bridge = _child(network, "bridge")
        bridge.attrib.update({key: value for key, value in values.items() if value is not None})


def _set_named(network: Element, tag: str, attribute: str, value: str | None) -> None:
    """An element with one attribute that matters; "" is without it, None leaves it alone."""
    found = network.find(tag)
    if value:
        _child(network, tag).set(attribute, value)
    elif value == "" and found is not None:
        network.remove(found)


def _set_ips(network: Element, wanted: Definition) -> None:
    if wanted.addresses is not None:
        _match(network, network.findall("ip"), _address, wanted.addresses, _ip_element)
    for ip in network.findall("ip"):
        own = _address(ip)
        dhcp = _child(ip, "dhcp")
        if wanted.ranges is not None:
            ranges = [one for one in wanted.ranges if _is_in(one.start, own)]
            _match(dhcp, dhcp.findall("range"), _range, ranges, range_element)
        if wanted.reservations is not None:
            hosts = [one for one in wanted.reservations if _is_in(one.address, own)]
            _match(dhcp, list(_hosts(dhcp)), _reservation, hosts, reservation_element)
        if not len(dhcp):
            ip.remove(dhcp)


def _set_dns(network: Element, wanted: Definition) -> None:
    dns = _child(network, "dns")
    if wanted.dns is False:
        dns.set("enable", "no")
    elif wanted.dns:
        dns.attrib.pop("enable", None)
    if wanted.forwarders is not None:
        _match(dns, list(_plain_forwarders(network)), _forwarder, wanted.forwarders, _forwarder_element)
    if wanted.records is not None:
        names = grouped(wanted.records)
        _match(dns, dns.findall("host"), lambda host: tuple(_records(host)), names, record_element)
    if not len(dns) and not dns.attrib:
        network.remove(dns)


def _match(
    parent: Element,
    found: Iterable[Element],
    parse: Callable[[Element], Any],
    wanted: Iterable[Any],
    make: Callable[[Any], Element],
) -> None:
    """Remove those that are not wanted, add those that are missing, and leave alone the others."""
    there = []
    for element in found:
        value = parse(element)
        if value in wanted and value not in there:
            there.append(value)
        else:
            parent.remove(element)
    parent.extend(make(value) for value in wanted if value not in there)


def grouped(records: Iterable[Record]) -> list[tuple[Record, ...]]:
    """By address, as libvirt has them."""
    groups: dict[str, list[Record]] = {}
    for record in records:
        groups.setdefault(record.address, []).append(record)
    return [tuple(group) for group in groups.values()]


def range_element(one: Range) -> Element:
    return Element("range", start=one.start, end=one.end)


def reservation_element(one: Reservation) -> Element:
    return Element("host", mac=one.mac, ip=one.address, **({"name": one.hostname} if one.hostname else {}))


def record_element(group: tuple[Record, ...]) -> Element:
    host = Element("host", ip=group[0].address)
    for record in group:
        SubElement(host, "hostname").text = record.name
    return host


def text(element: Element) -> str:
    return ElementTree.tostring(element, encoding="unicode")


def _ip_element(value: str) -> Element:
    return Element("ip", _placed(value))


def _route_element(one: Route) -> Element:
    metric = {"metric": str(one.metric)} if one.metric != 1 else {}
    return Element("route", _placed(one.destination), gateway=one.gateway, **metric)


def _forwarder_element(value: str) -> Element:
    return Element("forwarder", addr=value)


def _placed(value: str) -> dict[str, str]:
    address, _slash, prefix = value.partition("/")
    return {**({"family": "ipv6"} if ":" in address else {}), "address": address, "prefix": prefix}


def _child(parent: Element, tag: str) -> Element:
    found = parent.find(tag)
    return SubElement(parent, tag) if found is None else found


def _yes(value: bool | None) -> str:
    return "yes" if value else "no"


def _text(network: Element) -> str:
    for prefix, uri in _PREFIXES.items():
        ElementTree.register_namespace(prefix, uri)
    ElementTree.indent(network)
    return ElementTree.tostring(network, encoding="unicode") + "\n"
