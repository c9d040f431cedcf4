# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A long-running process that a supervisor keeps: systemd, or a plain daemon where PID 1 is not systemd. Pure."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from .base import SpecError
from .world import World

#: The environment of each process says which service it is, and what it was started from.
NAME_VARIABLE = "VIRTNET_SERVICE"
DIGEST_VARIABLE = "VIRTNET_DIGEST"

#: What a running process does not depend on: a change of these needs no restart.
_SUPERVISION = frozenset(
    ["description", "restart", "reload", "enabled", "after"]
    + ["start_timeout", "stop_timeout", "stop_argv", "ready_file", "start_pre", "stop_post"]
    + ["live_words"]
)


@dataclass(frozen=True)
class OpenedTap:
    """An existing tap that a process finds open, one descriptor for each queue, under these numbers.

    ``temporary``: the kernel removes the tap when the last process that has it open ends.
    """

    name: str
    descriptors: tuple[int, ...]
    temporary: bool


@dataclass(frozen=True)
class Service:
    """One process, run in the foreground by its supervisor.

    ``name`` is without prefix or suffix: ``dnsmasq-lab`` is the unit ``virtnet-dnsmasq-lab.service``. ``netns`` is a
    namespace of ip-netns(8). ``runtime_directory`` and ``state_directory`` are relative to /run and /var/lib, are made
    before each start, belong to ``user`` and ``group`` and are never removed by a supervisor. ``ready_file`` appears
    when the process is ready for use; a start waits for it, at most ``start_timeout`` seconds. ``stop_argv`` is run, as
    root, to end the process; what is left after it gets SIGTERM, and SIGKILL after ``stop_timeout`` seconds. ``reload``
    says that SIGHUP makes it read its files again. ``limits`` are pairs as in setrlimit(2), such as ``("memlock",
    "infinity")``. ``unit_options`` are pairs for the [Service] section of systemd.unit(5); they replace ours of the
    same name. ``start_pre`` and ``stop_post`` are commands that root runs before each start and after each end,
    whatever comes of the latter; only systemd sees each end, so a daemon has none. ``opened_taps`` are for a daemon
    only: systemd cannot pass them on. ``live_words``: the words of ``argv`` from the first of these numbers up to the
    second, and its opened taps, are what its owner changes while it runs, so a difference there needs no restart.
    """

    name: str
    description: str
    argv: tuple[str, ...]
    user: str | None = None
    group: str | None = None
    supplementary_groups: tuple[str, ...] = ()
    netns: str | None = None
    environment: tuple[tuple[str, str], ...] = ()
    runtime_directory: str | None = None
    state_directory: str | None = None
    directory_mode: int = 0o755
    ready_file: str | None = None
    limits: tuple[tuple[str, str], ...] = ()
    restart: bool = True
    enabled: bool = True
    start_timeout: int = 30
    stop_timeout: int = 30
    stop_argv: tuple[str, ...] | None = None
    reload: bool = False
    after: tuple[str, ...] = ()
    unit_options: tuple[tuple[str, str], ...] = ()
    start_pre: tuple[tuple[str, ...], ...] = ()
    stop_post: tuple[tuple[str, ...], ...] = ()
    opened_taps: tuple[OpenedTap, ...] = ()
    live_words: tuple[int, int] = (0, 0)

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.-]*", self.name):
            raise SpecError(f"name: '{self.name}' cannot name a service; use letters, digits, '_', '-' and '.'")
        for words in (self.argv, self.stop_argv or ()):
            if any("\0" in word for word in words):
                raise SpecError(f"service '{self.name}': a command's words may not contain a NUL character")
            if words and not words[0].startswith("/"):
                raise SpecError(f"service '{self.name}': '{words[0]}' is not an absolute path of a program")

    @property
    def digest(self) -> str:
        """What the running process depends on, in short."""
        seen = {name: value for name, value in asdict(self).items() if name not in _SUPERVISION}
        first, end = self.live_words
        if first < end:
            seen.update(argv=(*self.argv[:first], *self.argv[end:]), opened_taps=())
        return hashlib.sha256(json.dumps(seen, sort_keys=True).encode()).hexdigest()[:16]

    @property
    def full_environment(self) -> tuple[tuple[str, str], ...]:
        return (*self.environment, (NAME_VARIABLE, self.name), (DIGEST_VARIABLE, self.digest))

    def as_json(self) -> str:
        return json.dumps(asdict(self), indent=2, sort_keys=True) + "\n"

    @classmethod
    def from_json(cls, text: str) -> Service:
        """The opposite of `as_json`. Raises ValueError for anything else."""
        data = json.loads(text)
        if not isinstance(data, dict) or not set(data) <= {f.name for f in fields(cls)}:
            raise ValueError("not a service")
        taps = tuple(OpenedTap(**_frozen(tap)) for tap in data.pop("opened_taps", ()))
        return cls(**{name: _frozen(value) for name, value in data.items()}, opened_taps=taps)


@dataclass(frozen=True)
class ServiceState:
    """What a supervisor knows of a service.

    ``definition`` is the text of the installed definition, ``None`` when there is none; compare it with what the
    supervisor's ``definition(service)`` gives. ``pid`` is that of the running process, and ``digest`` that of the
    `Service` it was started from.
    """

    definition: str | None = None
    pid: int | None = None
    digest: str | None = None


def instance_name(value: str) -> str:
    """What a user calls one of several services of a kind; files are named after it too."""
    if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_-]{0,63}", value):
        raise SpecError(f"name: '{value}' cannot name an instance; use letters, digits, '_' and '-'")
    return value


def typed(service: str, verb: str, systemd: bool, start: str, remove: str) -> str:
    """What a person would type: `start` is the process by hand, `remove` takes its files away."""
    if systemd:
        unit = f"virtnet-{service}.service"
        special = {"install": f"systemctl enable {unit}", "remove": f"systemctl disable --now {unit}; {remove}"}
        return special.get(verb, f"systemctl {verb} {unit}")
    pid = f"$(cut -d ' ' -f 1 /run/virtnet/services/{service}.pid)"
    return {
        "install": f"tee /etc/virtnet/services/{service}.json",
        "start": start,
        "stop": f"kill {pid}",
        "restart": f"kill {pid}; {start}",
        "reload": f"kill -HUP {pid}",
        "remove": f"kill {pid}; {remove}",
    }[verb]


class ServedWorld:
    """What a supervisor keeps for the links of a host: what there is of it by name, and what those that are wanted come
    to there, apart from their processes."""

    def __init__(self, instances: Mapping[str, Any], wanted: Mapping[str, Any], links: World):
        self.instances = instances
        self.wanted = wanted
        self.links = links

    @property
    def missing(self) -> list[str]:
        return self.links.missing


def _frozen(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _frozen(v) for k, v in value.items()}
    return tuple(_frozen(v) for v in value) if isinstance(value, list) else value
