# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What was observed of a machine's links: a picture that planning reads. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from .base import MARK, UPLINK_MARK, SpecError
from .holding import Holding


@dataclass(frozen=True)
class Route:
    """A route of the main table through one link; ``dst`` is a network, 0.0.0.0/0 or ::/0 for the default.

    ``protocol`` says who made it: rtnetlink(7), by the names that ip-route(8) has.
    """

    dst: str
    gateway: str | None = None
    metric: int | None = None
    protocol: str = field(default="static", compare=False)


def in_order(routes: Iterable[Route]) -> tuple[Route, ...]:
    """Routes as a set: each once, in one order."""
    return tuple(sorted(set(routes), key=lambda route: (route.dst, route.gateway or "", route.metric or 0)))


@dataclass(frozen=True)
class Link:
    """One network interface.

    ``addresses`` are the permanent ones, a link-local one only where it is asked about; ``secondary`` are those that
    another one of the same subnet came before. ``peer`` is where the other end of a veth is: namespace and name.
    ``orphan``: that end of a veth of ours is in a namespace that has no name any more.
    ``hardware`` is ethernet, loopback, wireless or other.
    ``unfinished`` says that a run of ours was killed before it could mark the link.
    """

    index: int
    name: str
    kind: str
    mac: str
    mtu: int
    up: bool
    carrier: bool
    alias: str | None
    master: str | None
    peer: tuple[str | None, str] | None = None
    orphan: bool = False
    isolated: bool | None = None
    info: Mapping[str, Any] = field(default_factory=dict)
    addresses: tuple[str, ...] = ()
    secondary: tuple[str, ...] = ()
    routes: tuple[Route, ...] = ()
    hardware: str = "ethernet"
    unfinished: bool = False

    @property
    def owned(self) -> bool:
        return self.alias == MARK or (self.alias or "").startswith(UPLINK_MARK) or self.unfinished


@dataclass(frozen=True)
class GuestTap:
    """A tap of a guest of ours that is on no bridge, and where it belongs."""

    name: str
    bridge: str
    isolated: bool


class World:
    """The links of each namespace that was looked at; ``None`` for one that does not exist."""

    def __init__(
        self,
        namespaces: Mapping[str | None, Mapping[str, Link] | None],
        sysctls: Mapping[str | None, Mapping[str, str]] | None = None,
        processes: Mapping[str, str] | None = None,
        ids: Mapping[tuple[str, str], int] | None = None,
        holdings: Mapping[tuple[str | None, str], Holding] | None = None,
        noted: Iterable[tuple[str | None, str]] = (),
        guest_taps: Iterable[GuestTap] = (),
    ):
        self._namespaces = namespaces
        self._sysctls = sysctls or {}
        self._processes = processes or {}
        self._ids = ids or {}
        self._holdings = holdings or {}
        #: Namespace and address of those that are ours without a label that says so.
        self.noted = frozenset(noted)
        #: Those that a bridge which is made again takes back.
        self.guest_taps = tuple(guest_taps)
        #: What an earlier task has to make first, found while planning.
        self.missing: list[str] = []
        #: Namespace and name of the ports that a bridge planned before takes.
        self.taken: set[tuple[str | None, str]] = set()
        #: What the user should know of though it is no error, found while planning.
        self.warnings: list[str] = []
        self._ports: dict[str | None, dict[str | None, list[Link]]] = {}

    def exists(self, netns: str | None) -> bool:
        return self._namespaces.get(netns) is not None

    def namespaces(self) -> list[str | None]:
        return [name for name, links in self._namespaces.items() if links is not None]

    def links(self, netns: str | None) -> Mapping[str, Link]:
        return self._namespaces.get(netns) or {}

    def ports(self, netns: str | None, master: str) -> list[Link]:
        """The links that are ports of another, by name."""
        if netns not in self._ports:
            ports = self._ports[netns] = {}
            for name in sorted(self.links(netns)):
                link = self.links(netns)[name]
                ports.setdefault(link.master, []).append(link)
        return self._ports[netns].get(master, [])

    def link(self, netns: str | None, name: str, kind: str | None = None) -> Link | None:
        """The link of that name; an error when it is there but of another kind than expected."""
        found = self.links(netns).get(name)
        if found and kind and found.kind != kind:
            raise SpecError(
                f"name: '{name}' is a {found.kind or 'physical'} interface, not a {kind}; choose another name"
            )
        return found

    def owned(self, kind: str) -> list[tuple[str | None, str]]:
        """Namespace and name of every link of that kind that carries our mark."""
        return [
            (netns, found.name)
            for netns in self.namespaces()
            for found in self.links(netns).values()
            if found.kind == kind and found.owned
        ]

    def sysctls(self, netns: str | None) -> Mapping[str, str]:
        """The values of the sysctls that someone asked about, in that namespace."""
        return self._sysctls.get(netns, {})

    def processes(self, netns: str) -> str:
        """The processes in that namespace as a text, or nothing."""
        return self._processes.get(netns, "")

    def holding(self, netns: str | None, name: str) -> Holding:
        """What an interface holds that someone asked about; nothing when it is not there."""
        return self._holdings.get((netns, name), Holding())

    def require_id(self, option: str, name: str | None) -> int | None:
        """The numeric id of a user (option ``owner``) or group (option ``group``)."""
        if name is None or re.fullmatch("[0-9]+", name):
            return None if name is None else int(name)
        if (option, name) not in self._ids:
            what = "user" if option == "owner" else "group"
            self._miss(f"{option}: there is no {what} '{name}' on this host; make it first")
        return self._ids.get((option, name))

    def _miss(self, text: str) -> None:
        if text not in self.missing:
            self.missing.append(text)

    def require_netns(self, option: str, netns: str | None) -> None:
        if not self.exists(netns):
            self._miss(f"{option}: namespace '{netns}' does not exist; make it with virtnet.qemu.netns first")

    def require_link(self, option: str, netns: str | None, name: str, kind: str | None = None) -> Link | None:
        found = self.links(netns).get(name)
        where = f" in namespace '{netns}'" if netns else ""
        if found is None:
            self._miss(f"{option}: there is no {kind or 'interface'} '{name}'{where}; make it first")
        elif kind and found.kind != kind:
            raise SpecError(f"{option}: '{name}'{where} is not a {kind}")
        return found


def require_owned(link: Link, adopt: bool) -> None:
    """Refuse to take over what someone else made (design §5.3)."""
    if not link.owned and not adopt:
        raise SpecError(
            f"name: '{link.name}' exists and was not made by {MARK}; "
            "choose another name, or take it over with 'adopt: true'"
        )
