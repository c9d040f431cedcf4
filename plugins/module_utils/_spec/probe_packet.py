# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The packets that probes ask with: ICMP echo (RFC 792, RFC 4443) and DNS queries (RFC 1035). Pure."""

from __future__ import annotations

import ipaddress
import struct

from .address import ip_version

#: What may be heard about an echo.
ASKED, ANSWERED, REJECTED, UNREACHABLE = "asked", "answered", "rejected", "unreachable"
_HOPS = 64
_ECHO = {4: (8, 0), 6: (128, 129)}
_UNREACHABLE = {4: 3, 6: 1}
_FORBIDDEN = {4: (9, 10, 13), 6: (1,)}
#: The fields of a DNS header's flags: "this is an answer", and the code of the result.
_ANSWER, _CODE = 0x8000, 0x000F
_RECURSION_DESIRED = 0x0100
#: Asked where only an answer counts, not what it says.
ANY_NAME = "localhost"
_CODES = {0: "NOERROR", 1: "FORMERR", 2: "SERVFAIL", 3: "NXDOMAIN", 4: "NOTIMP", 5: "REFUSED"}


def echo(version: int, identifier: int, sequence: int) -> bytes:
    """For IPv6 the kernel fills in the checksum."""
    kind = _ECHO[version][0]
    packet = struct.pack("!BBHHH", kind, 0, 0, identifier, sequence) + b"virtnet probe..."
    if version == 6:
        return packet
    return packet[:2] + struct.pack("!H", _checksum(packet)) + packet[4:]


def echo_from(source: str, destination: str, identifier: int, sequence: int) -> bytes:
    """The same as a whole IP packet (RFC 791, RFC 8200), for whoever passes over the routes."""
    version = ip_version(destination)
    ends = ipaddress.ip_address(source).packed + ipaddress.ip_address(destination).packed
    packet = echo(version, identifier, sequence)
    if version == 6:
        protocol = 58
        pseudo = ends + struct.pack("!IHBB", len(packet), 0, 0, protocol)
        packet = packet[:2] + struct.pack("!H", _checksum(pseudo + packet)) + packet[4:]
        return struct.pack("!IHBB", 6 << 28, len(packet), protocol, _HOPS) + ends + packet
    header = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(packet), 0, 0, _HOPS, 1, 0) + ends
    return header[:10] + struct.pack("!H", _checksum(header)) + header[12:] + packet


def _checksum(packet: bytes) -> int:
    total = sum(struct.unpack(f"!{len(packet) // 2}H", packet))
    total = (total & 0xFFFF) + (total >> 16)
    return ~(total + (total >> 16)) & 0xFFFF


def heard(version: int, packet: bytes) -> tuple[str, int, int] | None:
    """Of what a raw ICMP socket gave: what it is about an echo, and identifier and sequence of that.

    One of `ASKED`, `ANSWERED`, `REJECTED`, `UNREACHABLE`; ``None`` for anything else.
    """
    try:
        icmp = packet[(packet[0] & 0xF) * 4 :] if version == 4 else packet
        kind, code = icmp[0], icmp[1]
        if kind in _ECHO[version]:
            return (ASKED if kind == _ECHO[version][0] else ANSWERED, *struct.unpack("!HH", icmp[4:8]))
        if kind != _UNREACHABLE[version]:
            return None
        quoted = icmp[8:]
        inner = quoted[(quoted[0] & 0xF) * 4 :] if version == 4 else quoted[40:]
        if inner[0] != _ECHO[version][0]:
            return None
        return (REJECTED if code in _FORBIDDEN[version] else UNREACHABLE, *struct.unpack("!HH", inner[4:8]))
    except (IndexError, struct.error):
        return None


def query(identifier: int, name: str) -> bytes:
    """For the IPv4 address of a name."""
    labels = b"".join(bytes([len(label)]) + label.encode() for label in name.rstrip(".").split(".") if label)
    return struct.pack("!6H", identifier, _RECURSION_DESIRED, 1, 0, 0, 0) + labels + struct.pack("!BHH", 0, 1, 1)


def resolved(packet: bytes, identifier: int) -> tuple[int, str] | None:
    """The number of records in an answer, and its code as a word; ``None`` when it is no answer to that query."""
    if len(packet) < 12:
        return None
    number, flags, _questions, answers = struct.unpack("!4H", packet[:8])
    if number != identifier or not flags & _ANSWER:
        return None
    return answers, _CODES.get(flags & _CODE, str(flags & _CODE))
