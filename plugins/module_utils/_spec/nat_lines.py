# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""From a user's rules of address translation to packet rules, each with its place and its rank. Pure.

Places, in the order in which a packet meets them, and specific before general in each:

- inbound: ``pre`` (only from some interface or source), ``at`` (one address and port), ``port`` (a port of the host),
  ``wide`` (ranges of ports, whole addresses and networks); the host's own packets meet the last three;
- outbound: ``post`` (from some source), ``any`` (whatever the source).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from . import packet_option
from .nat import UNPRIVILEGED_PORTS, NatRule
from .packet_rule import PacketRule, negation

INBOUND = ("pre", "at", "port", "wide")
OUTBOUND = ("post", "any")

#: What does not leave the link is never translated: RFC 5771 section 4, RFC 919, RFC 4291 section 2.7.
_LINK_ONLY = {4: ("224.0.0.0/24", "255.255.255.255"), 6: ("ff02::/16",)}
_HAIRPIN, _EXEMPT, _NETMAP, _SNAT, _MASQUERADE, _INBOUND = range(6)


@dataclass(frozen=True)
class Placed:
    """``rank``: what sorts lower comes first in its chain."""

    place: str
    rank: str
    rule: PacketRule


def placed(rule: NatRule) -> list[Placed]:
    """All that one rule of a user comes to."""
    return [_ranked(order, packet) for order, packet in _MAKERS[rule.action](rule)]


def hairpin(subnet: str) -> Placed:
    """Who reaches a neighbour by a forward gets the host's address, so that the answer comes back through the host."""
    version = packet_option.version_of(subnet)
    packet = PacketRule("masquerade", version, source=subnet, destination=subnet, dnatted=True)
    return _ranked(_HAIRPIN, packet)


def _masquerade(rule: NatRule) -> Iterator[tuple[int, PacketRule]]:
    yield from _outbound(rule, _MASQUERADE, _packet(rule, "masquerade"))


def _snat(rule: NatRule) -> Iterator[tuple[int, PacketRule]]:
    yield from _outbound(rule, _SNAT, replace(_packet(rule, "snat"), to_address=rule.to_address))


def _outbound(rule: NatRule, order: int, packet: PacketRule) -> Iterator[tuple[int, PacketRule]]:
    yield from _exempt(packet)
    ports = rule.ports or UNPRIVILEGED_PORTS
    for protocol in (rule.protocol,) if rule.protocol else ("tcp", "udp"):
        # Unasked only where source ports mean privilege.
        if protocol in ("tcp", "udp") or rule.ports:
            yield order, replace(packet, protocol=protocol, to_port=ports)
    if rule.protocol not in ("tcp", "udp") and not (rule.protocol and rule.ports):
        yield order, packet


def _exempt(packet: PacketRule) -> Iterator[tuple[int, PacketRule]]:
    if packet.destination and not negation(packet.destination)[0]:
        return
    for group in _LINK_ONLY[packet.version]:
        kept = {"source": packet.source, "out_interface": packet.out_interface}
        yield _EXEMPT, PacketRule("return", packet.version, destination=group, **kept)


def _netmap(rule: NatRule) -> Iterator[tuple[int, PacketRule]]:
    out = PacketRule(
        "snat", rule.version, out_interface=rule.out_interface, source=rule.source, to_address=rule.to_address
    )
    yield from _exempt(out)
    yield _NETMAP, out
    yield (
        _INBOUND,
        PacketRule(
            "dnat", rule.version, in_interface=rule.in_interface, destination=rule.to_address, to_address=rule.source
        ),
    )


def _dnat(rule: NatRule) -> Iterator[tuple[int, PacketRule]]:
    packet = replace(_packet(rule, "dnat"), local=rule.destination is None, to_address=rule.to_address)
    yield from ((_INBOUND, part) for part in _by_port(packet, rule))


def _redirect(rule: NatRule) -> Iterator[tuple[int, PacketRule]]:
    yield from ((_INBOUND, part) for part in _by_port(_packet(rule, "redirect"), rule))


def _by_port(packet: PacketRule, rule: NatRule) -> Iterator[PacketRule]:
    """One packet rule for a port or an unshifted range; one for each port of a range that moves to others."""
    if rule.destination_port is None:
        yield packet
        return
    first, last = packet_option.bounds(rule.destination_port)
    to_first, to_last = packet_option.bounds(rule.to_port or rule.destination_port)
    if first != last and (first, last) == (to_first, to_last):
        # Without a port named, each keeps its own.
        yield packet
        return
    if to_first == to_last:
        yield replace(packet, to_port=str(to_first))
        return
    for port in range(first, last + 1):
        yield replace(packet, destination_port=str(port), to_port=str(port - first + to_first))


def _packet(rule: NatRule, verdict: str) -> PacketRule:
    """The conditions that a user gave; all of IPv4 or IPv6 is none."""
    return PacketRule(
        verdict,
        rule.version,
        in_interface=rule.in_interface,
        out_interface=rule.out_interface,
        source=_condition(rule.source),
        destination=_condition(rule.destination),
        protocol="ipv6-icmp" if rule.protocol == "icmpv6" else rule.protocol,
        source_port=rule.source_port,
        destination_port=rule.destination_port,
    )


def _condition(network: str | None) -> str | None:
    return None if network is None or packet_option.is_everything(network) else network


_MAKERS = {"masquerade": _masquerade, "snat": _snat, "dnat": _dnat, "redirect": _redirect, "netmap": _netmap}


def _ranked(order: int, packet: PacketRule) -> Placed:
    place = _inbound_place(packet) if order == _INBOUND else _outbound_place(packet)
    given = (packet.in_interface, packet.out_interface, packet.protocol, packet.destination_port, packet.source_port)
    narrowness = len(given) - sum(value is not None for value in given)
    return Placed(place, f"{order}{_width(packet.source):03}{_width(packet.destination):03}{narrowness}", packet)


def _inbound_place(packet: PacketRule) -> str:
    if packet.verdict == "redirect" or packet.source or packet.source_port:
        return "pre"
    if packet.in_interface and "/" not in packet.to_address:
        return "pre"
    single = packet.destination_port and "-" not in packet.destination_port
    if single and packet.local:
        return "port"
    if single and packet.destination and not set("!/") & set(packet.destination):
        return "at"
    return "wide"


def _outbound_place(packet: PacketRule) -> str:
    return "post" if packet.source and not negation(packet.source)[0] else "any"


def _width(network: str | None) -> int:
    """How many bits of an address are left open, so that narrower sorts first; what is negated is nearly everything."""
    if network is None:
        return 129
    if negation(network)[0]:
        return 128
    longest = 128 if ":" in network else 32
    _host, _slash, prefix = network.partition("/")
    return longest - int(prefix or longest)
