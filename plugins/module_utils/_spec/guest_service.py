# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A guest as a service of the host's supervisor. Pure."""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from . import guest_device, guest_paths as paths
from .guest_definition import Definition
from .guest_nic import Nic
from .guest_tap import taps_to_start
from .ip import link_del
from .qemu_argv import Choices, fixed_argv, nic_argv, qemu_argv, tap_descriptors
from .service import OpenedTap, Service
from .tap import Tap

#: What ends a guest when its host shuts down: press its power button, and wait until QEMU has gone.
_POWER_DOWN = """\
import asyncio, contextlib, sys
from qemu.qmp import QMPClient

async def main():
    qmp = QMPClient()
    await qmp.connect(sys.argv[1])
    await qmp.execute("system_powerdown")
    await qmp.runstate_changed()

with contextlib.suppress(Exception):
    asyncio.run(main())
"""

#: Each of these implies NoNewPrivileges (systemd.exec(5)), under which a setuid bridge helper is of no use.
_WITH_BRIDGE_HELPER = (
    *(
        (name, "no")
        for name in ("NoNewPrivileges", "ProtectKernelModules", "ProtectKernelTunables", "ProtectKernelLogs")
    ),
    *((name, "no") for name in ("ProtectHostname", "RestrictNamespaces", "RestrictRealtime")),
    *((name, "no") for name in ("RestrictSUIDSGID", "LockPersonality")),
    *((name, "") for name in ("RestrictAddressFamilies", "SystemCallArchitectures", "SystemCallFilter")),
)
_WITHOUT_CAPABILITIES = (("CapabilityBoundingSet", ""),)


def service_name(guest: str) -> str:
    return f"guest-{guest}"


def guest_service(
    guest: str, definition: Definition, choices: Choices, supervisor: str, owner: int | None, python: str
) -> Service:
    """`supervisor` is its kind, `owner` the id of the guest's user, `python` an interpreter that has qemu.qmp.

    systemd makes the taps before each start and removes them after each stop, also when the guest stopped by itself.
    A daemon has nobody to do so: it gets the taps open, and they are gone when the last program that has them ends.
    """
    numbers = {} if supervisor == "systemd" else tap_descriptors(definition)
    choices = replace(choices, descriptors=numbers)
    common = Service(
        name=service_name(guest),
        description=f"Guest {guest}",
        argv=qemu_argv(guest, definition, choices),
        live_words=_nic_words(guest, definition, choices),
        user=None if definition.user == "root" else definition.user,
        runtime_directory=f"virtnet/guests/{guest}",
        directory_mode=0o750,
        # A socket is there a moment before it listens; this one comes after that of QMP, which then does.
        ready_file=paths.socket(guest, "console"),
        enabled=definition.autostart,
        start_timeout=definition.start_timeout,
        stop_timeout=definition.stop_timeout,
        stop_argv=(python, "-c", _POWER_DOWN, paths.socket(guest, "qmp")),
        unit_options=_unit_options(definition),
        **_for_devices(definition),
    )
    if supervisor == "systemd":
        taps = taps_to_start(guest, definition, owner)
        return replace(common, start_pre=_start_pre(definition, taps), stop_post=_stop_post(definition, taps))
    return replace(
        common,
        opened_taps=tuple(
            OpenedTap(nic.ifname, numbers[nic.ifname], goes_by_itself(nic))
            for nic in definition.nics
            if nic.type == "tap"
        ),
    )


def _for_devices(definition: Definition) -> dict[str, Any]:
    """QEMU locks all of the guest's memory, and the devices are there when these units have started."""
    if not definition.host_devices:
        return {}
    limit = str(guest_device.locked_memory(definition.memory))
    return {"limits": (("memlock", limit),), "after": guest_device.UNITS}


def _unit_options(definition: Definition) -> tuple[tuple[str, str], ...]:
    if any(nic.type == "bridge" for nic in definition.nics):
        return _WITH_BRIDGE_HELPER
    return () if definition.user == "root" else _WITHOUT_CAPABILITIES


def _nic_words(guest: str, definition: Definition, choices: Choices) -> tuple[int, int]:
    first = len(fixed_argv(guest, definition, choices))
    return first, first + len(nic_argv(definition, choices))


def goes_by_itself(nic: Nic) -> bool:
    """A tap that a script is to be told of stays until that was done."""
    return nic.own_tap and nic.downscript is None


def scripts(nics: Iterable[Nic], option: str) -> tuple[tuple[str, str], ...]:
    """Pairs of ``script`` or ``downscript`` and the tap it is about; other NICs have none."""
    return tuple((getattr(nic, option), nic.ifname) for nic in nics if getattr(nic, option) and not nic.lost)


def _start_pre(definition: Definition, taps: tuple[Tap, ...]) -> tuple[tuple[str, ...], ...]:
    made = [tuple(shlex.split(step.line)) for tap in taps for step in Tap.steps(None, tap)]
    handed = guest_device.handed_over(definition.host_devices, definition.user)
    return (*handed, *made, *scripts(definition.nics, "script"))


def _stop_post(definition: Definition, taps: tuple[Tap, ...]) -> tuple[tuple[str, ...], ...]:
    removed = (tuple(shlex.split(link_del(*tap.key).line)) for tap in taps)
    handed = guest_device.handed_over(definition.host_devices, "root")
    return (*scripts(definition.nics, "downscript"), *removed, *handed)
