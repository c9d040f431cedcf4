# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The steps that change guests, each with a line that does or tells the same. Pure."""

from __future__ import annotations

import json
import shlex
from typing import Any

from . import guest_device, guest_hotplug, guest_live, guest_paths as paths
from .base import Step
from .guest_disk import Disk
from .guest_hotplug import Plugged
from .guest_seed import LABEL, Seed
from .guest_service import scripts, service_name
from .tap import Tap


def steps(before: Any, after: Any) -> list[Step]:
    """From one `Guest` to another; ``None`` is "not there". What stops comes first, what starts comes last."""
    if after is None:
        return [*_stop(before), _remove(before)]
    stops = before is not None and before.running and is_new(before, after.process, after.plugged)
    starts = after.running and (before is None or not before.running or stops)
    stopped = [] if before is None or (before.running and not stops) else _stop(before)
    if starts:
        return [*stopped, *_define(before, after), *_start(after)]
    return [*stopped, *_define(before, after), *(guest_live.steps(before, after) if after.running else [])]


def is_new(before: Any, process: str | None, plugged: Plugged | None) -> bool:
    """Whether a process is not the one that `before` has: nothing that is done while it runs makes it so."""
    if before.process is None or process != before.process:
        return True
    return guest_hotplug.reachable(before.plugged, plugged.nics)[0] != plugged


# -- stopping ------------------------------------------------------------------------------------


def _stop(guest: Any) -> list[Step]:
    """Stop it if it runs, and put away what it or an earlier run left."""
    if not guest.running:
        return _put_away(guest, {tap.name for tap in guest.taps})
    commands = "".join(json.dumps({"execute": c}) for c in ("qmp_capabilities", "system_powerdown"))
    line = f"echo {shlex.quote(commands)} | socat - UNIX-CONNECT:{paths.socket(guest.name, 'qmp')}"
    args = {"name": guest.name, "timeout": guest.definition.stop_timeout, **_supervised(guest)}
    return [
        Step("guest_stop", args, line),
        *_put_away(guest, {tap.name for tap in guest.taps} - _gone_by_itself(guest)),
    ]


def _supervised(guest: Any) -> dict[str, str]:
    return {"service": service_name(guest.name), "supervised_by": guest.definition.supervisor}


def _gone_by_itself(guest: Any) -> set[str]:
    """The taps that the kernel or systemd removes when QEMU ends."""
    if guest.service is None:
        return set()
    unit = {words[-1] for words in guest.service.stop_post}
    return unit | {tap.name for tap in guest.service.opened_taps if tap.temporary}


def _put_away(guest: Any, names: set[str]) -> list[Step]:
    nics = guest.plugged.nics if guest.plugged else guest.definition.nics
    told = {ifname: script for script, ifname in scripts(nics, "downscript")}
    given = {nic.ifname for nic in nics if nic.type == "tap" and not nic.own_tap and not nic.lost}
    by_systemd = guest.service is not None and guest.service.stop_post
    done = []
    if guest.running and not by_systemd:
        done += [guest_live.script(told[name], name, "_after") for name in sorted(given) if name in told]
    for name in sorted(names):
        done += [guest_live.script(told[name], name, "_after")] if name in told else []
        done.append(guest_live.tap_remove(name))
    return done


def _remove(guest: Any) -> Step:
    seeds = [guest.definition.seed.path(guest.name)] if guest.definition.seed else []
    disks = [] if guest.keep_disks else list(guest.made)
    paths_shown = [*seeds, *disks, f"{paths.RUNTIME}/{guest.name}", paths.definition(guest.name)]
    args = {"name": guest.name, "disks": disks, **_supervised(guest)}
    return Step("guest_remove", args, f"rm -r {shlex.join(paths_shown)}")


# -- files ---------------------------------------------------------------------------------------


def _define(before: Any, after: Any) -> list[Step]:
    """The definition first: by it the next run finds what a killed one has made."""
    made: list[Step] = []
    goes_on = before is not None and before.running and not is_new(before, after.process, after.plugged)
    # What is plugged in and out is noted with what the process has, which therefore has to be known.
    plugs = goes_on and guest_hotplug.differ(before.plugged, after.plugged)
    if before is None or _record(before) != _record(after) or plugs:
        args = {"guest": after, "plugged": guest_hotplug.retapped(before.plugged, after.plugged) if goes_on else None}
        made.append(Step("guest_define", args, f"# write {paths.definition(after.name)}"))
    if after.password != getattr(before, "password", None):
        line = f"# {'write' if after.password else 'remove'} {paths.password(after.name)}"
        args = {"name": after.name, "password": after.password, "user": after.definition.user}
        made.append(Step("password_write", args, line))
    made += _files(dict(before.files) if before else {}, after)
    # Only the undo of a run has less made than there was: a disk that is no longer wanted may still be dear.
    made += [_remove_disk(path) for path in (before.made if before else ()) if path not in after.made]
    if after.service != getattr(before, "service", None):
        args = {"service": after.service, "supervised_by": after.definition.supervisor}
        made.append(Step("service_install", args, f"# write the service {after.service.name}"))
    return made


def _record(guest: Any) -> Any:
    return guest.definition, guest.argv, guest.made, guest.service


def _files(before: dict[str, int], after: Any) -> list[Step]:
    disks = {disk.file: disk for disk in after.definition.disks}
    made = []
    for path, size in after.files:
        if path not in before:
            made.append(_create(after, disks[path], size) if path in disks else _seed(after, after.definition.seed))
        elif size > before[path]:
            made.append(_resize(disks[path], size))
    return made


def _create(guest: Any, disk: Disk, size: int) -> Step:
    words = ["qemu-img", "create", "-q", "-f", disk.format]
    if disk.base:
        words += ["-b", disk.base, *(["-F", disk.base_format] if disk.base_format else [])]
    args = {"wanted": disk, "user": guest.definition.user}
    return Step(
        "disk_create", args, shlex.join([*words, disk.file, *([str(size)] if disk.size or not disk.base else [])])
    )


def _resize(disk: Disk, size: int) -> Step:
    line = shlex.join(["qemu-img", "resize", "-q", "-f", disk.format, disk.file, str(size)])
    return Step("disk_resize", {"wanted": disk, "size": size}, line)


def _remove_disk(path: str) -> Step:
    return Step("disk_remove", {"path": path}, shlex.join(["rm", path]))


def _seed(guest: Any, seed: Seed) -> Step:
    path = seed.path(guest.name)
    names = [name for name, _text in seed.files]
    line = shlex.join(["xorriso", "-as", "mkisofs", "-V", LABEL, "-J", "-r", "-o", path, *names])
    return Step("seed_create", {"wanted": seed, "path": path, "user": guest.definition.user}, line)


# -- starting ------------------------------------------------------------------------------------


def _start(guest: Any) -> list[Step]:
    """Under systemd the unit itself makes the taps; a daemon's are made here."""
    made: list[Step] = []
    if not guest.service.start_pre:
        # systemd does it itself.
        handed = guest_device.handed_over(guest.definition.host_devices, guest.definition.user)
        made += [Step("guest_command", {"argv": list(argv)}, shlex.join(argv)) for argv in handed]
    if guest.service.opened_taps:
        made += [step for tap in guest.taps for step in Tap.steps(None, tap)]
        made += [guest_live.script(path, ifname) for path, ifname in scripts(guest.definition.nics, "script")]
    args = {"name": guest.name, "timeout": guest.definition.start_timeout, **_supervised(guest)}
    return [*made, Step("guest_start", args, shlex.join(guest.argv))]
