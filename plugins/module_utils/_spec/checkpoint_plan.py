# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""From the state that a checkpoint saved and the one that is there to the lines that lead back. Pure.

Each phase is planned from what is there when its turn comes; a phase that is done plans nothing.
"""

from __future__ import annotations

from .base import Step
from .checkpoint_addresses import addressed
from .checkpoint_links import joined, made, placed, renamed, set_up
from .checkpoint_match import State
from .checkpoint_packets import iptables, nftables, sysctls
from .checkpoint_routes import routed, ruled

_LINKS = ("links", "namespaces", "namespace_ids")
_PACKETS = ("nftables", "iptables", "legacy")
#: Each with what it has to know. Sysctls come before addresses: they can forbid IPv6 on an interface.
PHASES = (
    (placed, _LINKS),
    (renamed, _LINKS),
    (made, _LINKS),
    (joined, _LINKS),
    (set_up, _LINKS),
    (sysctls, ("sysctls",)),
    (addressed, ("links",)),
    (routed, ("routes",)),
    (ruled, ("rules",)),
    (nftables, _PACKETS),
    (iptables, _PACKETS),
)


def differences(saved: State, seen: State) -> list[Step]:
    return [step for phase, _names in PHASES for step in phase(saved, seen)]
