# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""rtnetlink(7) for what comes in thousands: messages put together and taken apart here.

A general library decodes every attribute of every link, fifty of a bridge alone; here only those are that someone
reads, which is some thirty times as fast. What comes once in a while is left to pyroute2.
"""

from __future__ import annotations

import os
import socket
import struct
import sys
from collections.abc import Iterator, Mapping
from typing import Any, Callable, Union

from .errors import HostError

# <linux/rtnetlink.h>, <linux/netlink.h>
NEWLINK, DELLINK, GETLINK = 16, 17, 18
NEWADDR, DELADDR, GETADDR = 20, 21, 22
GETROUTE = 26
REPLACE, EXCL, CREATE = 0x100, 0x200, 0x400
_REQUEST, _ACK, _DUMP = 0x1, 0x4, 0x300
_DUMP_INTR = 0x10
_ERROR, _DONE = 2, 3
_NESTED = 0x8000
_TYPE_MASK = 0x3FFF
_RECEIVE = 1 << 18
_DUMPS = 50

_HEADER = struct.Struct("=IHHII")
_ATTRIBUTE = struct.Struct("=HH")
_INT = struct.Struct("=i")
_HEADER_SIZE, _ATTRIBUTE_SIZE = _HEADER.size, _ATTRIBUTE.size

#: What an attribute can be: a number of 32 or 8 bits, a text, raw bytes, or attributes.
Value = Union[int, bool, str, bytes, Mapping[int, Any]]


class Interrupted(Exception):
    """Something changed while the kernel told of it, so that what it told fits together only by luck."""


class Socket:
    """A connection to the kernel, to the namespace that it was opened in."""

    def __init__(self, protocol: int = socket.NETLINK_ROUTE) -> None:
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, protocol)
        self._socket.bind((0, 0))
        self._sequence = 0

    def close(self) -> None:
        self._socket.close()

    def request(self, kind: int, flags: int, head: bytes, attributes: Mapping[int, Value]) -> None:
        """Have something changed.

        :raises OSError: the kernel refuses
        """
        self._send(kind, _ACK | flags, head + encode(attributes))
        for answer, _flags, body in self._answers():
            if answer == _ERROR:
                _raise(body)
                return

    def dump(self, kind: int, head: bytes, attributes: Mapping[int, Value]) -> list[bytes]:
        """All there is of a kind, each the message without its header.

        :raises Interrupted: something changed meanwhile
        """
        self._send(kind, _DUMP, head + encode(attributes))
        found = []
        for answer, flags, body in self._answers():
            if flags & _DUMP_INTR:
                self._drain(answer)
                raise Interrupted
            if answer in (_ERROR, _DONE):
                _raise(body)
                break
            found.append(body)
        return found

    def _drain(self, answer: int) -> None:
        """Take what is still to come of a dump, lest it be taken for the answer to the next question."""
        if answer not in (_ERROR, _DONE):
            for later, _flags, _body in self._answers():
                if later in (_ERROR, _DONE):
                    return

    def _send(self, kind: int, flags: int, body: bytes) -> None:
        self._sequence += 1
        self._socket.send(_HEADER.pack(_HEADER_SIZE + len(body), kind, _REQUEST | flags, self._sequence, 0) + body)

    def _answers(self) -> Iterator[tuple[int, int, bytes]]:
        """Type, flags and body of each message that answers the last question."""
        while True:
            data = self._socket.recv(_RECEIVE)
            position = 0
            while position < len(data):
                length, kind, flags, sequence, _port = _HEADER.unpack_from(data, position)
                if sequence == self._sequence:
                    yield kind, flags, data[position + _HEADER_SIZE : position + length]
                position += (length + 3) & ~3


def steady(ask: Callable[[], list[bytes]]) -> list[bytes]:
    """All messages of one moment: a dump that a change came into is asked for again."""
    for _attempt in range(_DUMPS):
        try:
            return ask()
        except Interrupted:
            continue
    raise HostError("what is asked of the kernel changes all the time; find out what changes it")


def _raise(body: bytes) -> None:
    """An error number of 0 says that all went well."""
    code = -_INT.unpack_from(body)[0] if len(body) >= _INT.size else 0
    if code:
        raise OSError(code, os.strerror(code))


def encode(attributes: Mapping[int, Value]) -> bytes:
    parts = []
    for kind, value in attributes.items():
        data = _encoded(value)
        nested = _NESTED if isinstance(value, Mapping) else 0
        parts.append(_ATTRIBUTE.pack(_ATTRIBUTE_SIZE + len(data), kind | nested) + data + bytes(-len(data) % 4))
    return b"".join(parts)


def _encoded(value: Value) -> bytes:
    if isinstance(value, bytes):
        return value
    if isinstance(value, str):
        return value.encode() + b"\0"
    if isinstance(value, bool):
        return bytes([value])
    return _INT.pack(value) if isinstance(value, int) else encode(value)


def decode(data: bytes, position: int = 0) -> dict[int, bytes]:
    """The attributes from `position` on; of one that comes twice, the last."""
    found = {}
    end = len(data) - _ATTRIBUTE_SIZE
    unpack = _ATTRIBUTE.unpack_from
    while position <= end:
        length, kind = unpack(data, position)
        if length < _ATTRIBUTE_SIZE:
            break
        found[kind & _TYPE_MASK] = data[position + _ATTRIBUTE_SIZE : position + length]
        position += (length + 3) & ~3
    return found


def number(data: bytes | None) -> int | None:
    """What an attribute of 8 or 32 bits says; ``None`` for one that is not there."""
    return None if data is None else int.from_bytes(data, sys.byteorder)


def text(data: bytes | None) -> str | None:
    return None if data is None else data.rstrip(b"\0").decode(errors="backslashreplace")
