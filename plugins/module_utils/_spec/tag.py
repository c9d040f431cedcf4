# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The comment that every rule of ours carries in the kernel: whose it is, and what is needed to keep it. Pure."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass

#: Longest network name that can be part of a chain's name: iptables allows 28 bytes, of which "vn-wide-" takes 8.
_TOKEN_MAX = 20
_FORM = re.compile(r"(?P<network>[\w.-]+)(?:/(?P<name>[\w.:@+-]+))?(?:#(?P<rank>\d+))?(?: hairpin (?P<hairpin>\S+))?")


@dataclass(frozen=True)
class Tag:
    """``network`` is the network's token, ``rank`` the place in its chain, ``hairpin`` the subnet of a forward."""

    network: str
    name: str | None = None
    rank: str = ""
    hairpin: str | None = None

    def __str__(self) -> str:
        name = f"/{self.name}" if self.name else ""
        rank = f"#{self.rank}" if self.rank else ""
        return f"{self.network}{name}{rank}" + (f" hairpin {self.hairpin}" if self.hairpin else "")

    @property
    def label(self) -> str:
        return f"'{self.name}' of network '{self.network}'"


def parse(comment: str | None) -> Tag | None:
    """The tag that a comment is, or ``None`` for a comment (or none) of someone else."""
    found = _FORM.fullmatch(comment or "")
    return found and Tag(found["network"], found["name"], found["rank"] or "", found["hairpin"])


def token(network: str) -> str:
    """The network's name in chain names and comments: itself, or shortened and told apart by a digest."""
    if len(network) <= _TOKEN_MAX:
        return network
    return f"{network[:11]}-{hashlib.sha256(network.encode()).hexdigest()[:8]}"
