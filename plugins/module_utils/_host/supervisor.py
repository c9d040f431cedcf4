# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Chooses what keeps processes running on this host.

Both kinds, `Systemd` and `Daemon`, offer the same, of many services at once:

``installed()`` names them; ``states(names)`` gives a `ServiceState` each.
``definition(service)`` is the text that ``install({name: text})`` puts in place; what runs goes on as it is.
``start(names)`` leaves alone what runs, ``restart(names)`` does not; both wait until the services are ready.
``reload(names)`` sends SIGHUP. ``stop(names)`` and ``remove(names)``, which stops first, return when all have ended.
``log(name)`` is what a service said last.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Union

from .daemon import Daemon
from .errors import HostError
from .systemd import Systemd

CHOICES = ("auto", "systemd", "daemon")
#: There exactly when systemd is PID 1: sd_booted(3).
_BOOTED = Path("/run/systemd/system")

Supervisor = Union[Systemd, Daemon]


def booted() -> bool:
    """Whether systemd runs this host."""
    return _BOOTED.is_dir()


def find(choice: str, names: Iterable[str] = ()) -> Supervisor:
    """The supervisor by one of `CHOICES`; ``auto`` is systemd where it runs.

    Services of those `names` must not be kept by the other kind: two processes would be in each other's way.
    """
    if choice == "systemd" and not booted():
        raise HostError("supervisor: systemd does not run this host; use 'daemon' or 'auto'")
    systemd = choice == "systemd" or (choice == "auto" and booted())
    found, other = (Systemd(), Daemon()) if systemd else (Daemon(), Systemd())
    for name in sorted(set(names) & set(other.installed())):
        raise HostError(
            f"supervisor: service '{name}' is kept by '{other.kind}'; "
            f"remove it by 'state: absent' with 'supervisor: {other.kind}' first, or go on using that"
        )
    return found
