# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Ethernet frames by hand, sent from one port of a bridge and looked for at another.

Each frame ends in its label, by which it is known again. Only IPv4 headers have a checksum: a bridge looks at no other.
"""

from __future__ import annotations

import json
import struct
import subprocess
import sys
from collections.abc import Mapping
from ipaddress import IPv6Address, ip_address

from tests.sandbox import Sandbox

EVERYONE = "ff:ff:ff:ff:ff:ff"
ARP, IPV4, IPV6 = 0x0806, 0x0800, 0x86DD
#: VLAN tags: one of VLAN 5, one that says only how urgent the frame is, and the outer one of IEEE 802.1ad.
VLAN, PRIORITY, SERVICE = (0x8100, 5), (0x8100, 0), (0x88A8, 5)
UDP, ICMPV6, HOP_BY_HOP = 17, 58, 0
NEIGHBOUR_SOLICIT, NEIGHBOUR_ADVERT, ROUTER_ADVERT = 135, 136, 134
_LAST = "last"
_LABEL_SIZE = 64
_LISTEN = """
import json, re, socket, sys
opened = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
opened.bind(("eth0", 0))
opened.settimeout(30)
print("ready", flush=True)
seen = set()
while "last" not in seen:
    seen.update(label.decode() for label in re.findall(rb"<<([^>]*)>>", opened.recv(4096)))
print(json.dumps(sorted(seen - {"last"})))
"""
_SEND = """
import json, socket, sys
opened = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
opened.bind(("eth0", 0))
for frame in json.load(sys.stdin):
    opened.send(bytes.fromhex(frame))
"""


def ethernet(source: str, kind: int, payload: bytes, *tags: tuple[int, int]) -> bytes:
    """To everyone."""
    tagged = b"".join(struct.pack("!HH", *tag) for tag in tags)
    return _mac(EVERYONE) + _mac(source) + tagged + struct.pack("!H", kind) + payload


def arp(mac: str, address: str, operation: int = 2) -> bytes:
    """Who has `mac` and `address` says so, or asks for an address."""
    head = struct.pack("!HHBBH", 1, IPV4, 6, 4, operation)
    return head + _mac(mac) + _ip(address) + bytes(6) + _ip("10.9.9.99")


def ipv4(source: str, payload: bytes) -> bytes:
    addresses = _ip(source) + _ip("255.255.255.255")
    words = (0x4500, 20 + len(payload) + _LABEL_SIZE, 0, 0, 64 << 8 | UDP)
    total = sum(words) + sum(struct.unpack("!4H", addresses))
    total = (total & 0xFFFF) + (total >> 16)
    return struct.pack("!6H", *words, ~total & 0xFFFF) + addresses + payload


def ipv6(source: str, payload: bytes, protocol: int = UDP, target: str = "ff02::1") -> bytes:
    return (
        struct.pack("!IHBB", 6 << 28, len(payload) + _LABEL_SIZE, protocol, 255) + _ip(source) + _ip(target) + payload
    )


def udp(source_port: int, port: int) -> bytes:
    return struct.pack("!HHHH", source_port, port, 8 + _LABEL_SIZE, 0)


def icmpv6(kind: int, target: str = "::") -> bytes:
    return struct.pack("!BBHI", kind, 0, 0, 0) + _ip(target)


def hop_by_hop(protocol: int, payload: bytes) -> bytes:
    return struct.pack("!BBHHH", protocol, 0, 0x0104, 0, 0) + payload


def arrived(host: Sandbox, sender: str, receiver: str, frames: Mapping[str, bytes], last: bytes) -> set[str]:
    """The labels of the frames that came through, from one namespace's ``eth0`` to another's; `last` does."""
    listener = host.popen(
        ["ip", "netns", "exec", receiver, sys.executable, "-c", _LISTEN], stdout=subprocess.PIPE, text=True
    )
    assert listener.stdout.readline() == "ready\n"
    sent = [_labelled(frame, label).hex() for label, frame in {**frames, _LAST: last}.items()]
    host.run(["ip", "netns", "exec", sender, sys.executable, "-c", _SEND], input=json.dumps(sent))
    said, _none = listener.communicate(timeout=15)
    return set(json.loads(said))


def _labelled(frame: bytes, label: str) -> bytes:
    return frame + f"<<{label}>>".encode().ljust(_LABEL_SIZE, b"\0")


def _mac(text: str) -> bytes:
    return bytes.fromhex(text.replace(":", ""))


def _ip(text: str) -> bytes:
    return ip_address(text).packed


def link_local(mac: str) -> str:
    """The address that most systems give an interface: RFC 4291, appendix A."""
    octets = _mac(mac)
    identifier = bytes([octets[0] ^ 2]) + octets[1:3] + b"\xff\xfe" + octets[3:]
    return str(IPv6Address(b"\xfe\x80" + bytes(6) + identifier))
