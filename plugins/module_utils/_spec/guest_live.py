# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The steps that change a guest while it runs. Pure."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterable, Iterator
from typing import Any

from . import guest_hotplug, guest_paths as paths, nic_arguments
from .base import Step
from .guest_nic import Nic
from .guest_service import goes_by_itself, scripts
from .qemu_argv import host_choices
from .tap import Tap


def steps(before: Any, after: Any) -> list[Step]:
    """From one `Guest` to another, both with the same process. What goes makes room for what comes."""
    gone = guest_hotplug.gone(before.plugged, after.plugged)
    new = guest_hotplug.new(before.plugged, after.plugged)
    changes = [step for nic in gone for step in _unplug(after, nic)]
    changes += _unclaimed(before, after, gone)
    changes += _kept_taps(before, after, new)
    changes += [step for nic in new for step in _plug(after, nic)]
    if after.password and after.password != before.password:
        args = {"name": after.name, "password": after.password}
        changes.append(Step("password_set", args, f"# set the VNC password of the running guest {after.name}"))
    return changes


def script(path: str, ifname: str, when: str = "") -> Step:
    return Step(f"guest_script{when}", {"path": path, "ifname": ifname}, shlex.join([path, ifname]))


def tap_remove(name: str) -> Step:
    return Step("tap_remove", {"name": name}, f"ip link delete dev {shlex.quote(name)}")


def _unclaimed(before: Any, after: Any, gone: Iterable[Nic]) -> list[Step]:
    """Taps of the guest that no NIC of it has: what a killed run left."""
    known = {nic.ifname for nic in gone} | {tap.name for tap in after.taps}
    return [tap_remove(tap.name) for tap in before.taps if tap.name not in known]


def _kept_taps(before: Any, after: Any, new: Iterable[Nic]) -> Iterator[Step]:
    made = {nic.ifname for nic in new}
    wanted = {tap.name: tap for tap in after.taps if tap.name not in made}
    return (step for tap in before.taps if tap.name in wanted for step in Tap.steps(tap, wanted[tap.name]))


def _unplug(guest: Any, nic: Nic) -> list[Step]:
    orders = [("device_del", {"id": nic.id}), ("netdev_del", {"id": f"net-{nic.id}"})]
    args = {"name": guest.name, "nic": nic.id, "timeout": guest.definition.stop_timeout}
    return [
        Step("nic_unplug", args, _typed(guest.name, orders)),
        *(script(path, ifname, "_after") for path, ifname in scripts([nic], "downscript")),
        *([tap_remove(nic.ifname)] if nic.own_tap else []),
    ]


def _plug(guest: Any, nic: Nic) -> list[Step]:
    made = [step for tap in guest.taps if tap.name == nic.ifname for step in Tap.steps(None, tap)]
    vhost, helper = host_choices(guest.argv, nic)
    device = nic_arguments.device(nic, guest.definition.machine)
    is_tap = nic.type == "tap"
    args = {
        "name": guest.name,
        "nic": nic,
        # QEMU gets a tap open, whoever supervises it: it may not be allowed to open one.
        "netdev": nic_arguments.netdev(nic, vhost, helper, queue_names(nic) if is_tap else ()),
        "device": device,
        "queues": queue_names(nic) if is_tap else (),
        "temporary": guest.service.opened_taps != () and goes_by_itself(nic),
    }
    orders = [("netdev_add", nic_arguments.netdev(nic, vhost, helper)), ("device_add", device)]
    return [
        *made,
        *(script(path, ifname) for path, ifname in scripts([nic], "script")),
        Step("nic_plug", args, _typed(guest.name, orders)),
    ]


def queue_names(nic: Nic) -> tuple[str, ...]:
    """What QEMU is to call the queues of an open tap."""
    return tuple(f"{nic.id}-{number}" for number in range(nic.queues))


def _typed(guest: str, orders: list[tuple[str, Any]]) -> str:
    """What a person would type to give QEMU these orders."""
    said = [{"execute": "qmp_capabilities"}, *({"execute": order, "arguments": given} for order, given in orders)]
    text = "".join(json.dumps(one) for one in said)
    return f"echo {shlex.quote(text)} | socat - UNIX-CONNECT:{paths.socket(guest, 'qmp')}"
