# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What was observed of a host that guests depend on: a picture that planning reads. Pure."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from .base import SpecError
from .guest_claims import Claim, claims, places
from .guest_definition import Definition, Identity
from .pci import PciBus
from .world import Link, World


@dataclass(frozen=True)
class Emulator:
    """What one QEMU binary has, by the names it prints for ``help``."""

    path: str
    machines: tuple[str, ...]
    cpus: tuple[str, ...]
    nics: tuple[str, ...]


@dataclass(frozen=True)
class Image:
    """What ``qemu-img info`` finds; sizes in bytes. ``format`` is None for what it cannot read."""

    format: str | None
    virtual_size: int = 0
    backing: str | None = None
    error: str | None = None


@dataclass(frozen=True)
class File:
    """A file, block device or folder, and what the guest's user may do with it. ``size`` is in bytes."""

    regular: bool
    size: int
    readable: bool
    writable: bool
    executable: bool
    real_path: str
    image: Image | None = None


@dataclass(frozen=True)
class Account:
    """A user as whom guests run. The others say why those are of no use to that user, or nothing when they are."""

    uid: int
    gid: int
    kvm: str | None = None
    vhost: str | None = None
    tun: str | None = None


@dataclass(frozen=True)
class BridgeHelper:
    """qemu-bridge-helper(8); ``rules`` are pairs like ("allow", "br0") of its bridge.conf."""

    path: str
    privileged: bool
    config: str
    rules: tuple[tuple[str, str], ...]

    def allows(self, bridge: str) -> bool:
        """As the helper does: a deny wins over any allow."""
        verbs = {verb for verb, name in self.rules if name in (bridge, "all")}
        return "allow" in verbs and "deny" not in verbs


@dataclass(frozen=True)
class Plan:
    """A guest as it is to be after this run: of those wanted now, and the others of the host."""

    definition: Definition
    runs: bool


@dataclass(frozen=True)
class Facts:
    """``memory`` is in bytes. What was looked for and not found is None, or not in its mapping."""

    hostname: str = ""
    arch: str = ""
    memory: int = 0
    unprivileged_port: int = 1024
    python: str = "/usr/bin/python3"
    supervisors: Mapping[str, str] = field(default_factory=dict)
    emulators: Mapping[str | None, Emulator | None] = field(default_factory=dict)
    accounts: Mapping[str, Account | None] = field(default_factory=dict)
    files: Mapping[tuple[str, str], File] = field(default_factory=dict)
    taken: Mapping[tuple[str, str, int], str] = field(default_factory=dict)
    tools: Mapping[str, str | None] = field(default_factory=dict)
    bridge_helper: BridgeHelper | None = None
    devices: PciBus = PciBus()


class GuestWorld(World):
    """The links, the facts, the guests there are, and those that this run is to lead to."""

    def __init__(
        self,
        links: Mapping[str, Link],
        facts: Facts,
        guests: Mapping[str, Any] | None = None,
        plans: Mapping[str, Plan] | None = None,
        started: frozenset[str] = frozenset(),
    ):
        super().__init__({None: links})
        self.facts = facts
        self.guests = guests or {}
        self.plans = plans or {}
        #: Guests that this very run has started or restarted.
        self.started = started
        #: Warnings that are not about one guest, each to be given once.
        self.about_all: list[str] = []
        self._claims: dict[Hashable, list[Claim]] | None = None

    def identity(self, fleet: str, host: str | None) -> Identity:
        return Identity(fleet, host or self.facts.hostname, self.facts.arch)

    def require(self, found: Any, message: str) -> Any:
        """`found`; when it is nothing, `message` is about what an earlier task has to make."""
        if found is None:
            self.missing.append(message)
        return found

    def account(self, user: str) -> Account | None:
        return self.require(
            self.facts.accounts.get(user),
            f"user: there is no user '{user}' on this host; make it first (role virtnet.qemu.host_setup does)",
        )

    def emulator(self, path: str | None) -> Emulator | None:
        name = path or f"qemu-system-{self.facts.arch}"
        return self.require(
            self.facts.emulators.get(path),
            f"emulator: there is no '{name}' on this host; install QEMU first (role virtnet.qemu.host_setup does)",
        )

    def bridge_helper(self, bridge: str, where: str) -> BridgeHelper | None:
        """qemu-bridge-helper, where it may be used for that bridge."""
        helper = self.require(
            self.facts.bridge_helper,
            f"{where}: there is no qemu-bridge-helper on this host; install QEMU first "
            "(role virtnet.qemu.host_setup does)",
        )
        if helper and not helper.privileged:
            self.missing.append(
                f"{where}: {helper.path} is neither setuid root nor has cap_net_admin; make it so "
                "(role virtnet.qemu.host_setup does), or use type 'tap', which needs no privilege"
            )
        if helper and not helper.allows(bridge):
            self.missing.append(
                f"{where}: {helper.config} does not allow '{bridge}'; add a line 'allow {bridge}' to it"
            )
        return helper

    def file(self, user: str, path: str) -> File | None:
        return self.facts.files.get((user, path))

    def require_readable(self, option: str, path: str, user: str) -> File | None:
        """A file that has to be there, and that the guest's user can read."""
        file = self.require(self.file(user, path), f"{option}: '{path}' does not exist; put it there first")
        if file is None:
            return None
        if not file.regular:
            raise SpecError(f"{option}: '{path}' is not a file")
        if not file.readable:
            raise SpecError(
                f"{option}: user '{user}' cannot read '{path}'; let that user read it, and enter its folders"
            )
        return file

    def real_path(self, user: str, path: str) -> str:
        found = self.file(user, path)
        return found.real_path if found else path

    def rivals(self, name: str) -> Iterator[tuple[Claim, Claim]]:
        """What the guest `name` lays claim to and another one does too: pairs of claims, its own first."""
        if self._claims is None:
            self._claims = {}
            for guest, plan in self.plans.items():
                for claim in claims(guest, plan.definition, plan.runs, self.real_path):
                    self._claims.setdefault(claim.key, []).append(claim)
        for rivals in self._claims.values():
            for own in (claim for claim in rivals if claim.guest == name):
                yield from ((own, other) for other in rivals if other.guest != name and own.excludes(other))

    def places_in_use(self) -> set[tuple[str, str, int]]:
        """The ports that guests which run now are known to have."""
        running = [guest for guest in self.guests.values() if guest.process is not None]
        return {place for guest in running for place in places(guest.definition)}
