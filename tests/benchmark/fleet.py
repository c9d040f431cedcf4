# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A fleet: hosts in one inventory, each with one network, at several numbers of forks."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from tests.sandbox import Sandbox

from .contenders import MAKE
from .networks import networks, taps
from .plays import Plays

#: Hosts, and how many of them Ansible works on at once.
FLEETS = ((1, 5), (10, 5), (10, 10), (50, 10))


def figures(folder: Path) -> Iterator[dict[str, Any]]:
    plays = Plays(folder)
    for count, forks in FLEETS:
        with ExitStack() as stack:
            hosts = [stack.enter_context(Sandbox(f"bench-{os.getpid()}-fleet{n}")) for n in range(count)]
            found = plays.cost(hosts, MAKE, {"networks_list": networks(1), "taps": taps(1)}, forks)
        yield {"count": count, "phase": "fleet", "who": f"{forks} forks", "cost": vars(found)}
