# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a bridge's mark says of its uplink: which NIC it is, and which addresses are the bridge's own. Pure.

All others are the host's, which came from the NIC and go back to it. The kernel keeps it with the bridge
(IFLA_IFALIAS), so it can neither be lost nor be left over.
"""

from __future__ import annotations

from .base import MARK, UPLINK_MARK, SpecError

#: IFALIASZ of <linux/if.h> is 256 bytes, the last of them NUL.
_ALIAS_MAX = 255


def write(uplink: str | None, addresses: tuple[str, ...] | None) -> str:
    """The alias of a bridge of ours."""
    if uplink is None:
        return MARK
    alias = f"{UPLINK_MARK}{uplink} own={','.join(addresses or ())}"
    if len(alias.encode()) > _ALIAS_MAX:
        raise SpecError(
            f"addresses: the kernel has no room to note all {len(addresses or ())} beside the uplink '{uplink}'; "
            "give the bridge fewer addresses of its own"
        )
    return alias


def read(alias: str | None) -> tuple[str | None, tuple[str, ...]]:
    """The uplink, or None, and the bridge's own addresses."""
    if not alias or not alias.startswith(UPLINK_MARK):
        return None, ()
    uplink, _own, listed = alias[len(UPLINK_MARK) :].partition(" own=")
    return uplink, tuple(address for address in listed.split(",") if address)
