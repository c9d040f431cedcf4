# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""NICs that come and go while their guest runs, and their taps."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any

from .._spec import ip
from .._spec.guest_nic import Nic
from . import guest_store, qmp, tuntap
from .netlink import Netlink


def plug(
    target: qmp.Target,
    nic: Nic,
    temporary: bool,
    netdev: Mapping[str, Any],
    device: Mapping[str, Any],
    queues: tuple[str, ...],
) -> None:
    """`queues` is how QEMU is to call those of the NIC's tap; a temporary tap goes when nobody has it open."""
    opened = tuntap.open_queues(nic.ifname, len(queues)) if queues else []
    try:
        if temporary:
            tuntap.make_temporary(opened[0])
        qmp.plug(target, netdev, device, dict(zip(queues, opened)))
    finally:
        for fd in opened:
            os.close(fd)
    _remember(target.name, nic.id, nic)


def unplug(target: qmp.Target, nic: str) -> None:
    qmp.unplug(target, nic)
    _remember(target.name, nic, None)


def remove_tap(netlink: Netlink, name: str) -> None:
    """It may be gone already: by the kernel, when QEMU ended or closed it, or by systemd."""
    with suppress(OSError):
        socket.if_nametoindex(name)
        netlink.commit([ip.link_del(None, name)])


def _remember(guest: str, nic: str, now: Nic | None) -> None:
    """At once, so that a run that is killed later leaves nothing unknown."""
    saved = guest_store.read(guest)
    process, plugged = saved.live
    nics = tuple(other for other in plugged.nics if other.id != nic) + ((now,) if now else ())
    guest_store.write(guest, replace(saved, live=(process, replace(plugged, nics=nics))))
