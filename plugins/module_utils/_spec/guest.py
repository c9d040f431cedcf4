# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A guest: a QEMU process under a supervisor, with its taps and files. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from . import guest_device, guest_files, guest_hotplug, guest_paths as paths, guest_report, guest_steps, guest_tap
from .base import Resource, SpecError, Step, control, hidden
from .guest_check import accelerator, check
from .guest_definition import DEFINITION_OPTIONS, Definition
from .guest_hotplug import Plugged
from .guest_service import guest_service
from .guest_world import Account, GuestWorld
from .qemu_argv import Choices, qemu_argv
from .service import Service
from .tap import Tap

#: In place of the digest of a running process: one of the same service, but started in this run.
_ANEW = "anew"


@dataclass(frozen=True)
class Guest(Resource):
    """A guest as it is wanted, and as it is.

    ``argv`` is the command line of the next start. ``files`` are those of its disks and its seed that are there, with
    their virtual sizes in bytes, and ``made`` the paths of those that were made for it. ``service`` is what the
    supervisor has, ``process`` the digest of the service that the running process was started from, ``None`` while
    the guest does not run (and something else for a process yet to come). ``plugged`` is what the process has of NICs
    by now. ``taps`` are its own ones.
    """

    kind = "guest"
    removed_last = True

    name: str
    definition: Definition
    argv: tuple[str, ...] = ()
    process: str | None = hidden()
    plugged: Plugged | None = hidden()
    service: Service | None = hidden()
    password: str | None = hidden()
    made: tuple[str, ...] = hidden(())
    files: tuple[tuple[str, int], ...] = hidden(())
    taps: tuple[Tap, ...] = hidden(())
    pid: int | None = control()
    state: str = control("started")
    allow_restart: bool = control(False)
    keep_disks: bool = control(False)
    fleet: str = control("virtnet")
    host: str | None = control()

    argument_spec = {
        "name": {"type": "str"},
        **DEFINITION_OPTIONS,
        "fleet": {"type": "str", "default": "virtnet"},
        "host": {"type": "str"},
        "allow_restart": {"type": "bool", "default": False},
        "keep_disks": {"type": "bool", "default": False},
        "state": {
            "type": "str",
            "choices": ["started", "stopped", "restarted", "present", "absent"],
            "default": "started",
        },
    }

    @classmethod
    def parse(cls, params: dict[str, Any]) -> Guest:
        name = paths.guest_name("name", params["name"])
        return cls(
            name=name,
            definition=Definition.parse(name, params),
            state=params["state"],
            allow_restart=params["allow_restart"],
            keep_disks=params["keep_disks"],
            fleet=params["fleet"],
            host=params["host"],
        )

    @property
    def key(self) -> str:
        return self.name

    @property
    def running(self) -> bool:
        return self.process is not None

    @property
    def in_place(self) -> bool:
        """Whether the NICs of a guest that runs lead to where they should."""
        bridges = {tap.name: tap.bridge for tap in self.taps}
        nics = self.plugged.nics if self.plugged else ()
        return not any(nic.lost or (nic.own_tap and bridges.get(nic.ifname) != nic.bridge) for nic in nics)

    @property
    def restart_required(self) -> bool:
        if not self.running or self.service is None:
            return False
        return self.process not in (self.service.digest, _ANEW) or not self.plugged.has(self.definition.nics)

    @classmethod
    def owned_keys(cls, world: GuestWorld) -> list[str]:
        return list(world.guests)

    @classmethod
    def observed(cls, world: GuestWorld, key: str) -> Guest | None:
        return world.guests.get(key)

    def runs(self, have: Guest | None) -> bool:
        """Whether it is to run."""
        if self.state == "present":
            return have is not None and have.running
        return self.state in ("started", "restarted")

    def completed(self, have: Guest | None, world: GuestWorld) -> Definition:
        return self.definition.completed(self.name, have and have.definition, world.identity(self.fleet, self.host))

    def target(self, world: GuestWorld, have: Guest | None) -> Guest | None:
        if self.state == "absent":
            return None
        missing, warnings = len(world.missing), len(world.warnings)
        try:
            return self._target(world, have)
        except SpecError as exc:
            raise SpecError(f"guest '{self.name}': {exc}") from exc
        finally:
            for texts, old in ((world.missing, missing), (world.warnings, warnings)):
                texts[old:] = [f"guest '{self.name}': {text}" for text in texts[old:]]
            world.warnings += [text for text in dict.fromkeys(world.about_all) if text not in world.warnings]

    def _target(self, world: GuestWorld, have: Guest | None) -> Guest:
        definition = guest_files.with_formats(self.completed(have, world), world)
        definition = guest_device.placed(definition, world.facts.devices)
        if have is not None:
            self._check_supervisor(have.definition, definition, world)
        restart = self.state == "restarted" and bool(have and have.running) and self.name not in world.started
        starts = self.runs(have) and not (have and have.running)
        same = have is not None and definition == have.definition and have.service is not None and have.in_place
        pending = self.allow_restart and have is not None and have.restart_required
        after = have if same and not (starts or restart or pending) else self._checked(world, have, definition)
        process = self._process(have, after.service, restart)
        plugged = self._plugged(have, after, process, world)
        new_process = process is not None and (have is None or guest_steps.is_new(have, process, plugged))
        account = world.facts.accounts.get(definition.user)
        return replace(
            after,
            process=process,
            plugged=plugged,
            password=self._password(have, definition),
            files=guest_files.wanted_files(self.name, definition, world, grow=process is None or new_process),
            made=guest_files.made(definition, world, have.made if have else ()),
            taps=self._taps(have, after, plugged, new_process, account),
        )

    def _check_supervisor(self, before: Definition, after: Definition, world: GuestWorld) -> None:
        kinds = [world.facts.supervisors[definition.supervisor] for definition in (before, after)]
        if kinds[0] != kinds[1]:
            raise SpecError(
                f"supervisor: it is {kinds[0]} for this guest and cannot become {kinds[1]}; "
                "remove the guest first, with 'state: absent' and 'keep_disks: true'"
            )

    def _checked(self, world: GuestWorld, have: Guest | None, definition: Definition) -> Guest:
        check(self.name, definition, world, bool(have and have.running))
        account = world.account(definition.user)
        emulator = world.facts.emulators.get(definition.emulator)
        helper = world.facts.bridge_helper
        choices = Choices(
            emulator=emulator.path if emulator else f"/usr/bin/qemu-system-{world.facts.arch}",
            accel=accelerator(definition, account, world),
            vhost=account is not None and account.vhost is None,
            bridge_helper=helper.path if helper else None,
        )
        supervisor = world.facts.supervisors[definition.supervisor]
        owner = account.uid if account else None
        service = guest_service(self.name, definition, choices, supervisor, owner, world.facts.python)
        base = have or Guest(self.name, definition)
        return replace(base, definition=definition, argv=qemu_argv(self.name, definition, choices), service=service)

    def _process(self, have: Guest | None, service: Service, restart: bool) -> str | None:
        if not self.runs(have):
            return None
        if restart:
            return _ANEW
        starts = have is None or not have.running or self.allow_restart
        return service.digest if starts else have.process

    def _password(self, have: Guest | None, definition: Definition) -> str | None:
        if not definition.display.has_password:
            return None
        password = definition.display.password or (have and have.password)
        if password is None:
            raise SpecError(f"display.password: {paths.password(self.name)} is gone; give the password again")
        return password

    def _plugged(self, have: Guest | None, after: Guest, process: str | None, world: GuestWorld) -> Plugged | None:
        if process is None:
            return None
        definition = after.definition
        at_start = guest_hotplug.at_start(definition, world.facts.supervisors[definition.supervisor])
        if have is None or process != have.process:
            return at_start
        reached, obstacles = guest_hotplug.reachable(have.plugged, definition.nics)
        if obstacles and self.allow_restart:
            return at_start
        world.warnings += [f"while it runs, {obstacle}" for obstacle in obstacles]
        return reached

    def _taps(
        self, have: Guest | None, after: Guest, plugged: Plugged | None, new_process: bool, account: Account | None
    ) -> tuple[Tap, ...]:
        if plugged is None:
            return ()
        owner = account.uid if account else None
        if new_process:
            return guest_tap.taps_to_start(self.name, after.definition, owner)
        return guest_tap.taps_of_running(self.name, have.plugged, plugged, owner, have.taps)

    def undone(self, after: Guest, now: Guest) -> Guest:
        """A tap that was removed under its guest does not come back, so what has become of its NIC stays."""
        back = super().undone(after, now)
        if self.plugged is None or back.plugged is None or now.plugged is None:
            return back
        plugged = guest_hotplug.with_lost_as(back.plugged, now.plugged)
        names = {nic.ifname for nic in plugged.nics} - {tap.name for tap in back.taps}
        taps = tuple(sorted([*back.taps, *(tap for tap in now.taps if tap.name in names)], key=lambda tap: tap.name))
        return replace(back, plugged=plugged, taps=taps)

    def recorded(self, after: Guest | None) -> Guest | None:
        if after is None:
            return None
        own = guest_tap.own_tap_nics(self.definition.nics)
        unmoved = {name for name, nic in guest_tap.own_tap_nics(after.definition.nics).items() if own.get(name) == nic}
        goes_on = self.running and after.process == self.process
        taps = {tap.name: tap for tap in after.taps if tap.name in unmoved and goes_on}
        files = {path: size for path, size in after.files if path in self.made}
        return replace(
            self,
            service=self.service or after.service,
            taps=tuple({**{tap.name: tap for tap in self.taps}, **taps}.values()),
            files=tuple({**files, **dict(self.files)}.items()),
        )

    @classmethod
    def steps(cls, before: Guest | None, after: Guest | None) -> list[Step]:
        return guest_steps.steps(before, after)

    @classmethod
    def report(cls, wants: list[Guest], world: GuestWorld, changes: list[Any]) -> dict[str, Any]:
        after = {change.key: change.after for change in changes}
        guests = [after[w.key] if w.key in after else world.guests.get(w.key) for w in wants]
        pids = {name: guest.pid for name, guest in world.guests.items()}
        return {"guests": [guest_report.as_dict(guest, pids.get(guest.name)) for guest in guests if guest]}

    def as_dict(self) -> dict[str, Any]:
        return {"name": self.name, **self.definition.as_dict(), "argv": list(self.argv), "running": self.running}
