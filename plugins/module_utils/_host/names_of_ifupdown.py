# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Name servers of interfaces, which ifupdown's scripts tell systemd-resolved or resolvconf of.

Both hold them with the interface, and ask them through it. Of all scripts these alone are run for an interface that
is adopted: what others do when an interface comes up need not be done for addresses that stayed.
"""

from __future__ import annotations

from pathlib import Path

from .command import attempt

_UP, _DOWN = Path("/etc/network/if-up.d"), Path("/etc/network/if-down.d")
_SCRIPTS = ("000resolvconf", "resolvconf", "resolved")


def tell(name: str) -> None:
    """This interface has the name servers that the files say."""
    values: dict[str, list[str]] = {}
    for line in attempt(["ifquery", name]).output.splitlines():
        option, _colon, value = line.partition(": ")
        if option.startswith("dns-"):
            values.setdefault(f"IF_{option.upper().replace('-', '_')}", []).append(value)
    _run(_UP, name, ["MODE=start", "PHASE=post-up", *(f"{key}={' '.join(found)}" for key, found in values.items())])


def forget(name: str) -> None:
    """This one has none."""
    _run(_DOWN, name, ["MODE=stop", "PHASE=pre-down"])


def _run(folder: Path, name: str, environment: list[str]) -> None:
    about = [f"IFACE={name}", f"LOGICAL={name}", "ADDRFAM=inet", "METHOD=manual"]
    for script in (folder / script for script in _SCRIPTS):
        if script.is_file():
            attempt(["env", *about, *environment, str(script)])
