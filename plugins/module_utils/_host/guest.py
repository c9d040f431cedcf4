# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The adapter for guests: what there is of them on this host, and how it is changed.

Of many guests, all that are to stop do so first and together; all that are to start do so together when everything
they need is there; and what is removed goes last.
"""

from __future__ import annotations

import itertools
import os
import pwd
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from .._spec import guest_device, guest_hotplug, guest_paths as paths, guest_tap
from .._spec.base import Step
from .._spec.guest import Guest
from .._spec.guest_definition import Definition, Identity
from .._spec.guest_disk import Disk
from .._spec.guest_files import observed_files
from .._spec.guest_hotplug import Plugged
from .._spec.guest_nic import Nic
from .._spec.guest_seed import Seed
from .._spec.guest_service import service_name
from .._spec.guest_world import Emulator, GuestWorld, Plan
from .._spec.service import Service, ServiceState
from . import command, disk, files, guest_facts, guest_nics, guest_store, process, qemu_binary, qmp, seed, supervisor
from .errors import HostError
from .guest_store import Saved
from .netlink import Netlink


class GuestHost:
    """Guests, their files, taps and processes."""

    def __init__(self) -> None:
        self._netlink = Netlink()
        self._emulators: dict[str | None, Emulator | None] = {}
        self._started: set[str] = set()
        self._warnings: list[str] = []

    def close(self) -> None:
        self._netlink.close()

    # -- observation -----------------------------------------------------------------------------

    def observe(self, wants: list[Guest], everything: bool = False) -> GuestWorld:
        """The guests of this host, in full those that `wants` speak of, or `everything`."""
        saved = guest_store.read_all()
        wanted = {want.name: want for want in wants}
        definitions = {name: found.definition for name, found in saved.items()}
        complete = {
            name: want.definition.completed(name, definitions.get(name), _identity(want))
            for name, want in wanted.items()
            if want.state != "absent"
        }
        looked_at = [(n, d) for n, d in definitions.items() if everything or n in wanted] + list(complete.items())
        states = _states(saved)
        # Before the links: a QEMU that answers has opened its taps, so one that nobody has open then is not its tap.
        devices = qmp.devices(_control(name) for name in wanted if name in states and states[name].pid)
        world = GuestWorld(
            links=self._netlink.observe([]).links(None),
            facts=guest_facts.gather(looked_at, self._look_up_emulators(d for _name, d in looked_at)),
            started=frozenset(self._started),
        )
        complete = {name: guest_device.placed(found, world.facts.devices) for name, found in complete.items()}
        world.guests = {
            name: _guest(name, found, states[name], wanted.get(name), devices.get(name), world)
            for name, found in saved.items()
        }
        world.plans = _plans(wanted, complete, world.guests)
        world.warnings += self._warnings
        return world

    def _look_up_emulators(self, definitions: Iterable[Definition]) -> dict[str | None, Emulator | None]:
        for path in {definition.emulator for definition in definitions} - set(self._emulators):
            self._emulators[path] = qemu_binary.find(path, guest_facts.arch())
        return self._emulators

    # -- changes ---------------------------------------------------------------------------------

    def commit(self, steps: list[Step]) -> None:
        first, last = ("guest_stop",), ("guest_start", "guest_remove")
        try:
            self._stop([step for step in steps if step.op in first])
            self._change([step for step in steps if step.op not in first + last])
            self._start([step for step in steps if step.op == "guest_start"])
            self._make([step for step in steps if step.op == "guest_remove"])
            for step in steps:
                if step.op == "guest_define":
                    _tidy(step.args["guest"])
        except OSError as exc:
            raise HostError(f"{exc.filename or 'a file'}: {exc.strerror}") from exc

    def _change(self, steps: list[Step]) -> None:
        for ours, group in itertools.groupby(steps, lambda step: hasattr(self, f"_{step.op}")):
            commit = self._make if ours else self._netlink.commit
            commit(list(group))

    def _make(self, steps: list[Step]) -> None:
        for step in steps:
            getattr(self, f"_{step.op}")(**step.args)

    def _stop(self, steps: list[Step]) -> None:
        if not steps:
            return
        qmp.shut_down([_target(step) for step in steps], at_once=self._started)
        for step in steps:
            supervisor.find(step.args["supervised_by"]).stop([step.args["service"]])
            self._started.discard(step.args["name"])
        # Taps went with the guests.
        self._netlink.observe([])

    def _start(self, steps: list[Step]) -> None:
        if not steps:
            return
        self._started.update(step.args["name"] for step in steps)
        for choice in sorted({step.args["supervised_by"] for step in steps}):
            names = [step.args["service"] for step in steps if step.args["supervised_by"] == choice]
            supervisor.find(choice).start(names)
        try:
            qmp.await_running([_target(step) for step in steps])
        except HostError as exc:
            raise HostError(f"{exc}{_last_words(steps)}") from exc

    def _guest_define(self, guest: Guest, plugged: Plugged | None) -> None:
        for folder in (paths.DEFINITIONS, paths.data(guest.name)):
            Path(folder).mkdir(parents=True, exist_ok=True)
        owner = pwd.getpwnam(guest.definition.user)
        os.chown(paths.data(guest.name), owner.pw_uid, owner.pw_gid)
        os.chmod(paths.data(guest.name), 0o750)
        live = (process.identity(guest.pid), plugged) if plugged and guest.pid else None
        guest_store.write(guest.name, Saved(guest.definition, guest.argv, guest.made, guest.service, live))

    def _guest_remove(self, name: str, service: str, supervised_by: str, disks: list[str]) -> None:
        """The definition goes last: as long as it is there, another run finds what is left."""
        supervisor.find(supervised_by).remove([service])
        for path in disks:
            disk.remove(path)
        data, runtime = Path(paths.data(name)), Path(paths.RUNTIME, name)
        seed.tidy(data, keep=None)
        files.remove_tree(runtime)
        guest_store.write_password(name, None, None)
        guest_store.remove(name)
        for folder in (data, data.parent, runtime.parent, Path(paths.DEFINITIONS)):
            # Not empty: a user's own files are in it, or other guests are there.
            with suppress(OSError):
                folder.rmdir()

    def _password_write(self, name: str, password: str | None, user: str) -> None:
        guest_store.write_password(name, password, user)

    def _password_set(self, name: str, password: str) -> None:
        qmp.set_vnc_password(_control(name), password)

    def _nic_plug(self, name: str, nic: Nic, temporary: bool, **orders: Any) -> None:
        guest_nics.plug(_control(name), nic, temporary, **orders)

    def _nic_unplug(self, name: str, nic: str, timeout: float) -> None:
        guest_nics.unplug(_control(name, timeout), nic)

    def _service_install(self, service: Service, supervised_by: str) -> None:
        keeper = supervisor.find(supervised_by)
        keeper.install({service.name: keeper.definition(service)})

    def _disk_create(self, wanted: Disk, user: str) -> None:
        disk.create(wanted, user)

    def _disk_resize(self, wanted: Disk, size: int) -> None:
        disk.resize(wanted, size)

    def _disk_remove(self, path: str) -> None:
        disk.remove(path)

    def _seed_create(self, wanted: Seed, path: str, user: str) -> None:
        seed.create(wanted, path, user)

    def _tap_remove(self, name: str) -> None:
        guest_nics.remove_tap(self._netlink, name)

    def _guest_command(self, argv: list[str]) -> None:
        command.run(argv)

    def _guest_script(self, path: str, ifname: str) -> None:
        command.run([path, ifname])

    def _guest_script_after(self, path: str, ifname: str) -> None:
        """The guest has stopped, whatever the script says about that."""
        try:
            command.run([path, ifname])
        except HostError as exc:
            self._warnings.append(str(exc))


def _target(step: Step) -> qmp.Target:
    return _control(step.args["name"], step.args["timeout"])


def _control(name: str, *timeout: float) -> qmp.Target:
    return qmp.Target(name, paths.socket(name, "qmp"), *timeout)


def _last_words(steps: list[Step]) -> str:
    """What those said that have ended again."""
    said = ""
    for step in steps:
        keeper, service = supervisor.find(step.args["supervised_by"]), step.args["service"]
        if keeper.states([service])[service].pid is None:
            said += f"; the last words of '{service}': {keeper.log(service) or '(none)'}"
    return said


def _tidy(guest: Guest) -> None:
    keep = guest.definition.seed and guest.definition.seed.path(guest.name)
    seed.tidy(Path(paths.data(guest.name)), keep)


def _identity(want: Guest) -> Identity:
    return Identity(want.fleet, want.host or guest_facts.hostname(), guest_facts.arch())


def _states(saved: dict[str, Saved]) -> dict[str, ServiceState]:
    states = {}
    for choice in {found.definition.supervisor for found in saved.values()}:
        names = {service_name(n): n for n, found in saved.items() if found.definition.supervisor == choice}
        states.update({names[service]: state for service, state in supervisor.find(choice).states(names).items()})
    return states


def _guest(
    name: str,
    saved: Saved,
    state: ServiceState,
    want: Guest | None,
    devices: frozenset[str] | None,
    world: GuestWorld,
) -> Guest:
    definition = saved.definition
    installed = supervisor.find(definition.supervisor).definition(saved.service) == state.definition
    return Guest(
        name=name,
        definition=definition,
        argv=saved.argv,
        process=(state.digest or "unknown") if state.pid else None,
        plugged=_plugged(saved, state.pid, devices, world) if state.pid else None,
        service=saved.service if installed else None,
        password=guest_store.read_password(name),
        made=saved.made,
        files=observed_files(name, definition, world),
        taps=guest_tap.observed_taps(world, name, definition),
        pid=state.pid,
        keep_disks=want is not None and want.state == "absent" and want.keep_disks,
    )


def _plugged(saved: Saved, pid: int, devices: frozenset[str] | None, world: GuestWorld) -> Plugged:
    """What the process has: what was written when it was last changed, less what was taken from it since.

    A guest can throw out a NIC, and anybody can remove a tap from the host.
    """
    definition = saved.definition
    if saved.live and saved.live[0] == process.identity(pid):
        known = saved.live[1]
    else:
        known = guest_hotplug.at_start(definition, supervisor.find(definition.supervisor).kind)
    if devices is None:
        return known
    left = (nic for nic in known.nics if nic.id in devices)
    return replace(known, nics=tuple(guest_tap.as_it_is(nic, world) for nic in left))


def _plans(wanted: dict[str, Guest], complete: dict[str, Definition], guests: dict[str, Guest]) -> dict[str, Plan]:
    plans = {n: Plan(g.definition, g.running) for n, g in guests.items() if n not in wanted}
    return {**plans, **{n: Plan(d, wanted[n].runs(guests.get(n))) for n, d in complete.items()}}
