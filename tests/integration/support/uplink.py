# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A host's NIC, uplink0, on a LAN, for a host network manager to configure."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager

from tests.sandbox import LanHost

from .links import ip
from .systemd_host import SystemdHost


def start_dbus(host: SystemdHost, *more: str) -> None:
    """Now, and with `more` units at each boot."""
    host.run(["systemctl", "add-wants", "multi-user.target", "dbus.service", *more])
    host.run(["systemctl", "start", "dbus.service"])


@contextmanager
def plugged_in(host: SystemdHost) -> Iterator[LanHost]:
    """A LAN with a DHCP server."""
    with LanHost(f"{host.name}-lan") as lan:
        lan.serve_guests()
        lan.connect(host)
        bare(host)
        yield lan


def bare(host: SystemdHost) -> None:
    """The uplink as the kernel has it at boot, and no other link."""
    for entry in json.loads(host.run(["ip", "-j", "link"]).stdout):
        if entry["ifname"] not in ("lo", "uplink0"):
            ip(host, "link", "delete", "dev", entry["ifname"])
    ip(host, "address", "flush", "dev", "uplink0")
    ip(host, "link", "set", "uplink0", "down")
