# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What an interface holds of the host's network: addresses and routes with all that ip(8) knows of them. Pure.

A holding speaks of no interface, so it can be put on another one.
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass, field, replace
from typing import Any

from .address import IFNAME_MAX, ip_version
from .base import Step

#: Seconds: the longest life of a default route that routers advertise (RFC 4861, 6.2.1).
_ADVERTISED = 9000


@dataclass(frozen=True)
class HeldAddress:
    """``label`` is what follows the interface's name in it; times are in seconds, ``None`` is for ever."""

    address: str
    peer: str | None = None
    broadcast: str | None = None
    scope: str = "global"
    label: str | None = None
    metric: int | None = None
    flags: tuple[str, ...] = ()
    valid: int | None = field(default=None, compare=False)
    preferred: int | None = field(default=None, compare=False)

    def _key_words(self, name: str) -> list[Any]:
        if self.peer:
            return [self.address.partition("/")[0], "peer", self.peer, "dev", name]
        return [self.address, "dev", name]

    def words(self, name: str) -> list[Any]:
        """The address as ip-address(8) takes it, on the interface `name`."""
        words = self._key_words(name)
        if self.broadcast:
            words += ["broadcast", self.broadcast]
        label = f"{name}:{self.label}"
        if self.label and len(label.encode()) <= IFNAME_MAX:
            words += ["label", label]
        # The kernel works out the scope of an IPv6 address by itself.
        if ip_version(self.address) == 4:
            words += ["scope", self.scope]
        if self.metric:
            words += ["metric", self.metric]
        if self.valid is not None:
            words += ["valid_lft", self.valid]
        if self.preferred is not None:
            words += ["preferred_lft", self.preferred]
        return words + list(self.flags)

    def put(self, netns: str | None, name: str) -> list[Step]:
        """Without duplicate address detection, which would silence the host for a second: the address is known to be
        free. Whether one would be done is a lasting mark of the address, though, so it is set right afterwards."""
        words = self.words(name)
        if ip_version(self.address) == 4 or "nodad" in self.flags:
            return [self._step("held_address_put", netns, name, "replace", words)]
        return [
            self._step("held_address_put", netns, name, "replace", [*words, "nodad"]),
            self._step("held_address_put", netns, name, "change", words),
        ]

    def drop(self, netns: str | None, name: str) -> Step:
        return self._step("held_address_drop", netns, name, "delete", self._key_words(name))

    def _step(self, op: str, netns: str | None, name: str, verb: str, words: list[Any]) -> Step:
        return _step(op, netns, name, self, ["address", verb, *words])


@dataclass(frozen=True)
class HeldRoute:
    """``via``, ``selector`` (tos, from) and ``options`` are words of ip-route(8); ``version`` is that of IP.

    ``learned`` is made by the kernel from a router advertisement, for the one interface that heard it.
    """

    dst: str
    version: int = 4
    via: tuple[str, ...] = ()
    table: str = "main"
    metric: int | None = None
    protocol: str = "boot"
    selector: tuple[str, ...] = ()
    options: tuple[str, ...] = ()
    expires: int | None = field(default=None, compare=False)
    learned: bool = field(default=False, compare=False)

    @property
    def gateway(self) -> str | None:
        return self.via[-1] if self.via else None

    def stand_in(self) -> HeldRoute:
        """What takes the place of a learned route on another interface, until that one hears an advertisement.

        It comes right behind it: in its own place the kernel would not take any more advertisements (it could not add
        the route that they tell of), and would make one route of several next hops of it and others of that metric.
        """
        return replace(self, metric=(self.metric or 0) + 1, expires=self.expires or _ADVERTISED, learned=False)

    def _key_words(self, name: str) -> list[Any]:
        words = [self.dst, *self.selector, *self.via, "dev", name, "table", self.table]
        return words + (["metric", self.metric] if self.metric else [])

    def put(self, netns: str | None, name: str) -> Step:
        """Beside the one on the other interface, so that there is no moment without it."""
        expires = [] if self.expires is None else ["expires", self.expires]
        words = [*self._key_words(name), "proto", self.protocol, *self.options, *expires]
        return self._step("held_route_put", netns, name, ["append", *words])

    def drop(self, netns: str | None, name: str) -> Step:
        # The kernel tells the protocol of the first of several IPv6 next hops for all, but deletes each by its own.
        words = [] if self.version == 6 and self.via else ["proto", self.protocol]
        return self._step("held_route_drop", netns, name, ["delete", *self._key_words(name), *words])

    def _step(self, op: str, netns: str | None, name: str, words: list[Any]) -> Step:
        return _step(op, netns, name, self, [*(["-6"] if self.version == 6 else []), "route", *words])


@dataclass(frozen=True)
class Holding:
    """``unmovable`` names routes that this collection cannot put on another interface."""

    addresses: tuple[HeldAddress, ...] = ()
    routes: tuple[HeldRoute, ...] = ()
    unmovable: tuple[str, ...] = ()

    def movable(self) -> list[HeldRoute]:
        """The routes as they can be put on another interface, with the addresses."""
        import netaddr

        nets = [str(netaddr.IPNetwork(a.address).cidr) for a in self.addresses if "noprefixroute" not in a.flags]
        # The kernel makes its own with the addresses, but does not remove all of them so.
        moved = [r for r in self.routes if r.protocol != "kernel" or r.dst not in nets]
        return [r.stand_in() if r.learned else r for r in moved]


def _step(op: str, netns: str | None, name: str, held: Any, words: list[Any]) -> Step:
    argv = ["ip", *(["-n", netns] if netns else []), *(str(word) for word in words)]
    return Step(op, {"netns": netns, "name": name, "held": held, "argv": argv}, shlex.join(argv))
