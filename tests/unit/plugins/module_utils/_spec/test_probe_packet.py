# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import struct

import pytest

from ansible_collections.virtnet.qemu.plugins.module_utils._spec import probe_packet

# Of RFC 1071's kind: the sum of all words, the checksum among them, is all ones.
WHOLE = 0xFFFF


def total(packet: bytes) -> int:
    value = sum(struct.unpack(f"!{len(packet) // 2}H", packet))
    while value > WHOLE:
        value = (value & WHOLE) + (value >> 16)
    return value


@pytest.mark.parametrize("numbers", [(0, 0), (65535, 65535), (1, 4711)])
def test_checksums(numbers):
    assert total(probe_packet.echo(4, *numbers)) == WHOLE
    v4 = probe_packet.echo_from("192.0.2.11", "10.9.0.77", *numbers)
    assert total(v4[:20]) == total(v4[20:]) == WHOLE
    v6 = probe_packet.echo_from("2001:db8::11", "fd00:9::77", *numbers)
    pseudo = v6[8:40] + struct.pack("!IHBB", len(v6) - 40, 0, 0, 58)
    assert total(pseudo + v6[40:]) == WHOLE


def quoted(version: int, kind: int, code: int, original: bytes) -> bytes:
    """An ICMP error as a raw socket gives it; `original` is the packet that it is about."""
    error = struct.pack("!BBHI", kind, code, 0, 0) + original
    return error if version == 6 else bytes([0x45]) + bytes(19) + error


V4 = probe_packet.echo_from("192.0.2.11", "10.9.0.77", 7, 9)
V6 = probe_packet.echo_from("2001:db8::11", "fd00:9::77", 7, 9)


@pytest.mark.parametrize(
    ("version", "packet", "heard"),
    [
        (4, bytes([0x45]) + bytes(19) + struct.pack("!BBHHH", 0, 0, 0, 7, 9), ("answered", 7, 9)),
        (6, struct.pack("!BBHHH", 129, 0, 0, 7, 9), ("answered", 7, 9)),
        (4, quoted(4, 3, 13, V4), ("rejected", 7, 9)),
        (4, quoted(4, 3, 1, V4), ("unreachable", 7, 9)),
        (6, quoted(6, 1, 1, V6), ("rejected", 7, 9)),
        (6, quoted(6, 1, 3, V6), ("unreachable", 7, 9)),
        (4, V4, ("asked", 7, 9)),
        (6, V6[40:], ("asked", 7, 9)),
        # Another kind of error; too short; nothing.
        (4, quoted(4, 11, 0, V4), None),
        (4, quoted(4, 3, 13, V4[:22]), None),
        (4, b"", None),
        (6, b"", None),
    ],
)
def test_what_is_heard(version, packet, heard):
    assert probe_packet.heard(version, packet) == heard


def answer(number: int, flags: int, records: int) -> bytes:
    return struct.pack("!6H", number, flags, 1, records, 0, 0)


@pytest.mark.parametrize(
    ("packet", "expected"),
    [
        (answer(7, 0x8180, 1), (1, "NOERROR")),
        (answer(7, 0x8183, 0), (0, "NXDOMAIN")),
        (answer(7, 0x8185, 0), (0, "REFUSED")),
        (answer(8, 0x8180, 1), None),
        (answer(7, 0x0100, 1), None),
        (b"short", None),
    ],
)
def test_answers_of_name_servers(packet, expected):
    assert probe_packet.resolved(packet, 7) == expected


def test_a_query():
    assert probe_packet.query(7, "www.lan.test.") == (b"\0\7\1\0\0\1\0\0\0\0\0\0\3www\3lan\4test\0\0\1\0\1")
