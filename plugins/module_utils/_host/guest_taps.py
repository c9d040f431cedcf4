# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where taps of guests belong that a bridge left behind when it was deleted by hand.

Of a guest's file only that is read: the modules of the network do not carry along all that there is about guests.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from .._spec import guest_paths as paths
from .._spec.guest_mark import guest_of
from .._spec.world import GuestTap, Link
from . import files


def homes(links: Iterable[Link]) -> list[GuestTap]:
    """The bridges of those of `links` that are on none."""
    alone = {link.name: guest for link in links if not link.master and (guest := guest_of(link.alias))}
    nics = [nic for guest in sorted(set(alone.values())) for nic in _nics(guest)]
    return [GuestTap(nic["ifname"], nic["bridge"], nic["isolated"]) for nic in nics if nic.get("ifname") in alone]


def _nics(guest: str) -> list[dict]:
    """Those with a tap of its own, of a file that is as it should be; the module for guests says what is not."""
    try:
        nics = json.loads(files.read(Path(paths.definition(guest))) or "")["definition"]["nics"]
        return [nic for nic in nics if nic["type"] == "tap" and nic.get("bridge")]
    except (ValueError, TypeError, KeyError):
        return []
