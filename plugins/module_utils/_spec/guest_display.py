# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A guest's display: none, or VNC on an address or a unix socket. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from . import address, guest_paths as paths
from .base import SpecError

DISPLAY_OPTIONS = {
    "type": {"type": "str", "choices": ["none", "vnc"], "default": "none"},
    "address": {"type": "str"},
    "number": {"type": "int"},
    "socket": {"type": "path"},
    "password": {"type": "str", "no_log": True},
}

#: Display number 0 is this port (RFC 6143, section 4).
VNC_PORT = 5900


@dataclass(frozen=True)
class Display:
    """VNC is on ``address`` and ``number``, or on ``socket``. The password itself is kept apart, in its own file."""

    type: str = "none"
    address: str | None = None
    number: int | None = None
    socket: str | None = None
    has_password: bool = False
    password: str | None = field(default=None, compare=False, repr=False)

    @property
    def port(self) -> int | None:
        return None if self.number is None else VNC_PORT + self.number


def parse_display(entry: dict[str, Any] | None, guest: str) -> Display | None:
    if entry is None:
        return None
    if entry["type"] == "vnc":
        return _vnc(entry, guest)
    for option in ("address", "number", "socket", "password"):
        if entry[option] is not None:
            raise SpecError(f"display.{option}: it is for VNC; add 'type: vnc'")
    return Display()


def _vnc(entry: dict[str, Any], guest: str) -> Display:
    number, socket, password = entry["number"], entry["socket"], _password(entry["password"])
    if number is not None and socket:
        raise SpecError("display: VNC is on a 'number' or on a 'socket'; leave one of them out")
    if entry["address"] and number is None:
        raise SpecError("display.address: a display 'number' is missing; VNC is then on port 5900 plus that number")
    if number is None:
        path = paths.socket_path("display.socket", socket or paths.socket(guest, "vnc"))
        return Display("vnc", socket=path, has_password=bool(password), password=password)
    if not 0 <= number <= 65535 - VNC_PORT:
        raise SpecError(f"display.number: {number} is out of range; it is from 0 to {65535 - VNC_PORT}")
    ip = address.address("display.address", entry["address"] or "127.0.0.1")
    return Display("vnc", ip, number, has_password=bool(password), password=password)


def _password(value: str | None) -> str | None:
    if value and len(value.encode()) > 8:
        # RFC 6143, section 7.2.2: the password is a DES key.
        raise SpecError("display.password: VNC ignores what comes after 8 bytes; give a shorter one")
    return value or None
