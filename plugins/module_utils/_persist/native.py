# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the files of host network managers have in common, whoever reads them. Pure.

A manager's renderer is a module of this package, which offers:

``NAME``: what a user calls the manager.
``is_native(path)``: whether a file of that path is one that this renderer writes or changes, and no other does.
``bridges(there)``: the bridges that ours among the files `there` are about.
``without(bridge, there)``: those of the files `there` that are to be different when ours of that bridge go, by path;
``None`` for one that goes with it.

How a manager configures a NIC is an object of the renderer's own, which offers ``uplink_files(bridge)``: the files, by
path, that have the manager make that bridge with that NIC as its uplink. How it makes bridges that have none is one
that offers ``bridge_files(bridge, there)``, where `there` are our files as they are by then; ``None`` where it cannot
have that bridge.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Callable, Optional

Files = dict[str, Optional[str]]


@dataclass(frozen=True)
class Natives:
    """The renderers of all managers, and whom to ask what this host's do.

    ``managed`` tells how a NIC is configured, by NIC, the bridge that it is for, and our files that there are;
    ``None`` when no manager that we know does. ``keeper`` tells how bridges without an uplink are made; ``None`` when
    that is left to us.
    """

    renderers: tuple[Any, ...]
    managed: Callable[[str, str, Mapping[str, str]], Any]
    keeper: Callable[[], Any] = lambda: None

    def is_native(self, path: str) -> bool:
        return any(renderer.is_native(path) for renderer in self.renderers)

    def without(self, bridge: str, there: Mapping[str, str]) -> Files:
        return {path: text for renderer in self.renderers for path, text in renderer.without(bridge, there).items()}

    def bridges(self, there: Mapping[str, str]) -> set[str]:
        return {name for renderer in self.renderers for name in renderer.bridges(there)}
