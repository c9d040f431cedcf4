# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The addresses of a host, whoever gave them and for however long."""

from __future__ import annotations

import socket
from contextlib import closing

from . import rtnetlink
from .errors import HostError
from .links import read_addresses


def addresses() -> list[dict[str, str]]:
    """Of each interface, but for what every interface has of IPv6."""
    names = dict(socket.if_nameindex())
    try:
        with closing(rtnetlink.Socket()) as kernel:
            found = list(read_addresses(kernel))
    except OSError as exc:
        raise HostError(f"the addresses of the interfaces cannot be read: {exc.strerror}") from exc
    # One that came or went meanwhile has no name.
    listed = (one for one in found if one.index in names and not one.is_link_local)
    return [{"interface": names[one.index], "address": one.cidr} for one in listed]
