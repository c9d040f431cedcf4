# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where a guest's files are on its host. Pure."""

from __future__ import annotations

import re

from .base import SpecError

DEFINITIONS = "/etc/virtnet/guests"
RUNTIME = "/run/virtnet/guests"
DATA = "/var/lib/virtnet/guests"
IMAGES = "/var/lib/virtnet/images"
#: sun_path of unix(7) has 108 bytes, the last of them NUL.
SOCKET_PATH_MAX = 107


def guest_name(option: str, name: str) -> str:
    """A name that can be a file, a unit and a host name; with at most 63 bytes its sockets' paths fit too."""
    if len(name) > 63:
        raise SpecError(f"{option}: '{name}' has {len(name)} characters; a guest's name has at most 63")
    if not re.fullmatch(r"[A-Za-z0-9]([A-Za-z0-9_.-]*[A-Za-z0-9])?", name):
        raise SpecError(
            f"{option}: '{name}' cannot name a guest; use letters, digits, and '-', '_' and '.' between them"
        )
    return name


def definition(guest: str) -> str:
    return f"{DEFINITIONS}/{guest}.json"


def password(guest: str) -> str:
    """The VNC password, for the guest's user alone."""
    return f"{DEFINITIONS}/{guest}.vnc-password"


def data(guest: str, file: str = "") -> str:
    return f"{DATA}/{guest}/{file}".rstrip("/")


def socket(guest: str, which: str) -> str:
    """`which`: qmp, console, agent or vnc."""
    return f"{RUNTIME}/{guest}/{which}.sock"


def socket_path(option: str, path: str) -> str:
    """An absolute path that a unix socket can have."""
    absolute(option, path)
    if len(path.encode()) > SOCKET_PATH_MAX:
        raise SpecError(
            f"{option}: '{path}' has {len(path.encode())} bytes; "
            f"the path of a unix socket has at most {SOCKET_PATH_MAX}"
        )
    return path


def absolute(option: str, path: str) -> str:
    if not path.startswith("/"):
        raise SpecError(f"{option}: '{path}' is not an absolute path; begin it with '/'")
    return path


def image(path: str) -> str:
    """A path as a user writes it: what is not absolute is in the directory for images."""
    return path if path.startswith("/") else f"{IMAGES}/{path}"
