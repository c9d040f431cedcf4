# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Waits for what the kernel tells by itself of the network: rtnetlink(7)."""

from __future__ import annotations

import select
import socket
import time
from contextlib import suppress
from typing import Any, Callable

#: RTMGRP_LINK and RTMGRP_NEIGH of <linux/rtnetlink.h>.
LINKS, NEIGHBOURS = 1, 4
_MESSAGE = 65536


def wait_until(condition: Callable[[], Any], groups: int, patience: float) -> Any:
    """What `condition` gives as soon as that is true, or at last, after so many seconds.

    It is looked at again whenever there was a change of what `groups` are about, whatever that was.
    """
    deadline = time.monotonic() + patience
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE) as line:
        line.bind((0, groups))
        while True:
            found, left = condition(), deadline - time.monotonic()
            if found or left <= 0:
                return found
            if select.select([line], [], [], left)[0]:
                # More than it could keep: there was a change all the same.
                with suppress(OSError):
                    line.recv(_MESSAGE)
