# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Sends one router advertisement (RFC 4861, 4.2): INTERFACE PREFIX, whose length is 64."""

from __future__ import annotations

import socket
import struct
import sys

_LIFETIME = 1800
_PREFIX_LIFETIME = 600
#: On-link, and to make addresses of.
_FLAGS = 0xC0


def advertisement(prefix: str) -> bytes:
    router = struct.pack("!BBHBBHII", 134, 0, 0, 64, 0, _LIFETIME, 0, 0)
    option = struct.pack("!BBBBIII", 3, 4, 64, _FLAGS, _PREFIX_LIFETIME, _PREFIX_LIFETIME, 0)
    return router + option + socket.inet_pton(socket.AF_INET6, prefix)


def main(interface: str, prefix: str) -> None:
    index = socket.if_nametoindex(interface)
    with socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6) as line:
        # Nobody takes one that a router may have passed on.
        line.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, 255)
        line.sendto(advertisement(prefix), ("ff02::1", 0, 0, index))


if __name__ == "__main__":
    main(*sys.argv[1:])
