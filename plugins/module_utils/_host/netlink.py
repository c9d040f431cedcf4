# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Links, addresses, routes and namespaces through netlink (rtnetlink(7)).

What comes in thousands goes through `rtnetlink`, and what is left through pyroute2 0.7.2 to 0.9, imported when it is
needed. Of that only what all those versions share is used: `IPRoute` opened inside the namespace it is to serve; no
return value of a change is looked at.
"""

from __future__ import annotations

import grp
import itertools
import os
import pwd
import secrets
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from .._spec import uplink, uplink_tag
from .._spec.base import Resource, Step
from .._spec.world import GuestTap, Link, Route, World
from . import boot, command, guest_taps, holdings, journal, libraries, link_messages, namespace, rtnetlink, tuntap
from .errors import HostError
from .journal import Place
from .links import ROUTE_PROTOCOLS, read_links

_RT_SCOPE_LINK = 253
#: The steps that make a link, or a namespace, without our mark yet.
_MAKING = ("netns_add", "link_add", "tap_set", "veth_add")
_REMOVING = ("netns_del", "link_del", "link_move")
#: Links that are removed at once: the kernel waits once for all of them, and is not kept from other changes for long.
_AT_ONCE = 16


class Netlink:
    """One netlink socket for each namespace touched, opened on first use; one of pyroute2's where that is needed."""

    def __init__(self) -> None:
        self._sockets: dict[str | None, rtnetlink.Socket] = {}
        self._routes: dict[str | None, Any] = {}
        self._indexes: dict[Place, int] = {}
        self._journal: set[Place] = set()
        self._unfinished: set[Place] = set()

    def close(self) -> None:
        for sockets in (self._sockets, self._routes):
            for one in sockets.values():
                one.close()
            sockets.clear()

    # -- observation -----------------------------------------------------------------------------

    def observe(self, wants: list[Resource], everything: bool = False) -> World:
        """The links of every namespace that `wants` speak of, or of every one there is, in one dump each."""
        self.close()
        existing = namespace.names()
        # A veth that is named by one end only may have the other anywhere.
        everywhere = everything or any(want.kind == "veth" and want.peer is None for want in wants)
        named = _namespaces_of(wants) - {None}
        seen = [None, *(name for name in existing if everywhere or name in named)]
        asked = {w.name: dict(w.sysctls or ()) for w in wants if w.kind == "netns" and w.name in existing}
        removed = [w.name for w in wants if w.kind == "netns" and w.name in asked and w.state == "absent"]
        with _plainly("reading the network interfaces"):
            links = self._links(seen, wants)
            uplinked = _uplinked(wants, links, everything)
            _find_wireless(links, uplinked)
            if everything or any(want.kind == "veth" for want in wants):
                self._find_peers(links, [name for name in existing if name not in links])
            return World(
                {**links, **dict.fromkeys(named.difference(links))},
                sysctls={
                    **{name: namespace.read_sysctls(name, keys) for name, keys in asked.items()},
                    **{name: namespace.read_sysctls(name, _settings(names)) for name, names in uplinked.items()},
                },
                processes={name: namespace.processes(name) for name in removed},
                ids=_ids(wants),
                holdings={
                    (netns, name): holding
                    for netns, names in uplinked.items()
                    for name, holding in holdings.read(netns, names).items()
                },
                noted=journal.read(journal.ADDRESSES) | boot.noted_addresses(),
                guest_taps=_homeless(wants, links),
            )

    def _links(self, names: list[str | None], wants: list[Resource]) -> dict[str | None, dict[str, Link]]:
        found = {netns: read_links(self._socket(netns), _listed_addresses(wants, netns)) for netns in names}
        self._indexes = {(netns, name): link.index for netns in found for name, link in found[netns].items()}
        unmarked = {place for place in self._indexes if not found[place[0]][place[1]].alias}
        self._journal = journal.read()
        self._unfinished = {place for place in self._journal if place in unmarked or place[0] not in found}
        for netns, name in self._unfinished & unmarked:
            found[netns][name] = replace(found[netns][name], unfinished=True)
        return found

    def _find_peers(self, found: dict[str | None, dict[str, Link]], others: list[str]) -> None:
        """Where the other ends of veths are; `others` are the namespaces that were not looked into."""
        names = {(netns, index): name for (netns, name), index in self._indexes.items()}
        for netns, links in found.items():
            for link in [link for link in links.values() if link.kind == "veth"]:
                index, nsid = link.info["peer_index"], link.info["peer_nsid"]
                for there in found:
                    if (there, index) in names and nsid == (None if there == netns else self._nsid(netns, there)):
                        links[link.name] = replace(link, peer=(there, names[there, index]))
                lost = link.owned and not links[link.name].peer
                if lost and not any(nsid == self._nsid(netns, other) for other in others):
                    links[link.name] = replace(link, orphan=True)

    def _nsid(self, netns: str | None, there: str | None) -> int:
        """The number by which one namespace knows another one: `ip netns list-id`."""
        with namespace.descriptor(there) as fd:
            return self._iproute(netns).get_netnsid(fd=fd)["nsid"]

    def _socket(self, netns: str | None) -> rtnetlink.Socket:
        if netns not in self._sockets:
            with namespace.entered(netns):
                self._sockets[netns] = rtnetlink.Socket()
        return self._sockets[netns]

    def _iproute(self, netns: str | None) -> Any:
        libraries.spare_pyroute2()
        from pyroute2.iproute import IPRoute

        if netns not in self._routes:
            with namespace.entered(netns):
                self._routes[netns] = IPRoute()
        return self._routes[netns]

    def _index(self, netns: str | None, name: str) -> int:
        if (netns, name) not in self._indexes:
            with namespace.entered(netns):
                self._indexes[netns, name] = socket.if_nametoindex(name)
        return self._indexes[netns, name]

    # -- changes ---------------------------------------------------------------------------------

    def commit(self, steps: list[Step]) -> None:
        self._write_journal(self._unfinished | {_place(step) for step in steps if step.op in _MAKING})
        for batch in _batches(steps):
            if len(batch) > 1 and self._links_del(batch):
                continue
            for step in batch:
                with _plainly(f"'{step.line}'"):
                    getattr(self, f"_{step.op}")(**step.args)
        self._unfinished -= {_place(step) for step in steps if step.op in _REMOVING or step.args.get("ifalias")}
        self._write_journal(self._unfinished)

    def _write_journal(self, places: set[Place]) -> None:
        if places != self._journal:
            journal.write(places)
            self._journal = places

    def _netns_add(self, name: str) -> None:
        namespace.create(name)

    def _netns_del(self, name: str) -> None:
        for sockets in (self._sockets, self._routes):
            if one := sockets.pop(name, None):
                one.close()
        namespace.remove(name)

    def _sysctl_set(self, netns: str | None, key: str, value: str) -> None:
        namespace.write_sysctl(netns, key, value)

    def _link_add(self, netns: str | None, name: str, **attributes: Any) -> None:
        self._socket(netns).request(*link_messages.add(name, **attributes))

    def _link_set(self, netns: str | None, name: str, **attributes: Any) -> None:
        self._socket(netns).request(*link_messages.change(self._index(netns, name), **attributes))

    def _link_del(self, netns: str | None, name: str) -> None:
        self._socket(netns).request(*link_messages.delete(self._index(netns, name)))
        del self._indexes[netns, name]

    def _links_del(self, steps: list[Step]) -> bool:
        """Whether they are gone. Where not, to remove them one by one shows what is in the way."""
        places = [_place(step) for step in steps]
        # One that nobody has: those that people give out are small.
        kernel, group = self._socket(places[0][0]), (1 << 16) + secrets.randbits(30)
        try:
            for place in places:
                kernel.request(*link_messages.change(self._index(*place), group=group))
            kernel.request(*link_messages.delete_group(group))
        except OSError:
            return False
        for place in places:
            del self._indexes[place]
        return True

    def _link_move(self, netns: str | None, name: str, to_netns: str | None, to_name: str) -> None:
        index = self._index(netns, name)
        attributes: dict[str, Any] = {"ifname": to_name}
        with namespace.descriptor(to_netns) as fd:
            if to_netns != netns:
                attributes["net_ns_fd"] = fd
            self._iproute(netns).link("set", index=index, **attributes)
        del self._indexes[netns, name]

    def _veth_add(
        self,
        netns: str | None,
        name: str,
        peer_netns: str | None,
        peer_name: str,
        macs: tuple[str | None, str | None],
    ) -> None:
        near, far = ({"address": mac} if mac else {} for mac in macs)
        with namespace.descriptor(peer_netns) as fd:
            peer = {"ifname": peer_name, "net_ns_fd": fd, **far}
            self._iproute(netns).link("add", ifname=name, kind="veth", peer=peer, **near)
        # An end that was there before went with its other end.
        self._indexes.pop((peer_netns, peer_name), None)

    def _tap_set(self, netns: str | None, **options: Any) -> None:
        with namespace.entered(netns):
            tuntap.set_persistent(**options)

    def _master_set(self, netns: str | None, name: str, master: str | None, up: bool) -> None:
        attributes = {"state": "up"} if up else {}
        self._link_set(netns, name, master=self._index(netns, master) if master else 0, **attributes)

    def _isolated_set(self, netns: str | None, name: str, isolated: bool) -> None:
        self._iproute(netns).brport("set", index=self._index(netns, name), isolated=int(isolated))

    def _address_add(self, netns: str | None, name: str, address: str) -> None:
        self._socket(netns).request(*link_messages.address_add(self._index(netns, name), address))

    def _address_del(self, netns: str | None, name: str, address: str) -> None:
        self._socket(netns).request(*link_messages.address_delete(self._index(netns, name), address))

    def _extra_add(self, netns: str | None, name: str, address: str, noted: bool, argv: list[str]) -> None:
        if noted:
            journal.write(journal.read(journal.ADDRESSES) | {(netns, address)}, journal.ADDRESSES)
        command.run(argv)

    def _extra_del(self, netns: str | None, name: str, address: str, noted: bool, argv: list[str]) -> None:
        command.run(argv)
        if noted:
            journal.write(journal.read(journal.ADDRESSES) - {(netns, address)}, journal.ADDRESSES)

    def _held_address_put(self, netns: str | None, name: str, held: Any, argv: list[str]) -> None:
        command.run(argv)

    def _held_address_drop(self, netns: str | None, name: str, held: Any, argv: list[str]) -> None:
        # One whose time is over goes by itself.
        command.run(argv) if held.valid is None else command.attempt(argv)

    def _held_route_put(self, netns: str | None, name: str, held: Any, argv: list[str]) -> None:
        command.run(argv)

    def _held_route_drop(self, netns: str | None, name: str, held: Any, argv: list[str]) -> None:
        command.run(argv) if held.expires is None else command.attempt(argv)

    def _route_add(self, netns: str | None, name: str, route: Route) -> None:
        self._iproute(netns).route("add", oif=self._index(netns, name), **_route_arguments(route))

    def _route_replace(self, netns: str | None, name: str, route: Route) -> None:
        self._iproute(netns).route("replace", oif=self._index(netns, name), **_route_arguments(route))

    def _route_del(self, netns: str | None, name: str, route: Route) -> None:
        self._iproute(netns).route("del", oif=self._index(netns, name), **_route_arguments(route))


@contextmanager
def _plainly(action: str) -> Iterator[None]:
    """Turn whatever netlink or the kernel says about one action into one sentence about it."""
    try:
        yield
    except OSError as exc:
        raise HostError(f"{action} failed: {exc.strerror or exc}") from exc
    except Exception as exc:
        code = _netlink_error(exc)
        if code is None:
            raise
        raise HostError(f"{action} failed: {os.strerror(code)}") from exc


def _netlink_error(exc: Exception) -> int | None:
    """The error number of one that pyroute2 raised, which nobody can have raised who has not imported it."""
    exceptions = sys.modules.get("pyroute2.netlink.exceptions")
    return exc.code if exceptions and isinstance(exc, exceptions.NetlinkError) else None


def _batches(steps: list[Step]) -> Iterator[list[Step]]:
    """Each by itself, but what removes links of one namespace in a row."""
    for (is_removal, _netns), found in itertools.groupby(steps, lambda s: (s.op == "link_del", s.args.get("netns"))):
        row, size = list(found), _AT_ONCE if is_removal else 1
        for start in range(0, len(row), size):
            yield row[start : start + size]


def _place(step: Step) -> tuple[str | None, str | None]:
    """Where a step makes or changes a link; a namespace carries its mark on its loopback."""
    if step.op in ("netns_add", "netns_del"):
        return step.args["name"], "lo"
    return step.args["netns"], step.args.get("name")


def _parts(wants: list[Resource]) -> list[Any]:
    """The wanted links: a veth has two."""
    links = [want for want in wants if want.kind != "uplink"]
    return [part for want in links for part in (want.ends() if want.kind == "veth" else [want])]


def _namespaces_of(wants: list[Resource]) -> set[str | None]:
    return {want.name if want.kind == "netns" else want.netns for want in _parts(wants)}


def _listed_addresses(wants: list[Resource], netns: str | None) -> dict[str, tuple[str, ...]]:
    """What is wanted of each link in that namespace."""
    ends = [part for part in _parts(wants) if part.kind != "netns" and part.netns == netns]
    return {end.key[1]: getattr(end, "addresses", None) or () for end in ends}


def _uplinked(wants: list[Resource], links: dict[str | None, dict[str, Link]], everything: bool) -> dict:
    """The interfaces whose holding matters, by namespace: bridges with uplinks, their NICs, those to be given more."""
    places = {(want.netns, name) for want in wants if want.kind == "uplink" for name in (want.bridge, want.nic)}
    tags = {(netns, n): uplink_tag.read(link.alias)[0] for netns, found in links.items() for n, link in found.items()}
    bridges = {place for place, nic in tags.items() if nic and (everything or place in places)}
    asked = {
        place
        for want in wants
        if want.kind == "uplink" and want.nic
        for place in ((want.netns, want.bridge), (want.netns, want.nic))
    }
    asked |= {(want.netns, want.name) for want in wants if want.kind == "address"}
    asked |= set(tags) if everything else set()
    asked |= bridges | {(place[0], tags[place]) for place in bridges}
    found: dict[str | None, list[str]] = {}
    for netns, name in sorted(asked, key=str):
        if name in (links.get(netns) or {}):
            found.setdefault(netns, []).append(name)
    return found


def _find_wireless(links: dict[str | None, dict[str, Link]], uplinked: dict[str | None, list[str]]) -> None:
    # The folder shows the namespace of whoever mounted it: the host's.
    for name in uplinked.get(None, ()):
        if any(os.path.exists(f"/sys/class/net/{name}/{entry}") for entry in ("wireless", "phy80211")):
            links[None][name] = replace(links[None][name], hardware="wireless")


def _settings(names: list[str]) -> list[str]:
    return [uplink.setting(name, key) for name in [*names, "default"] for key in uplink.SETTINGS]


def _homeless(wants: list[Resource], links: dict[str | None, dict[str, Link]]) -> list[GuestTap]:
    """The taps of guests that a bridge took with it when it was deleted by hand."""
    gone = any(want.kind == "bridge" and want.netns is None and want.name not in links[None] for want in wants)
    return guest_taps.homes(links[None].values()) if gone else []


def _ids(wants: list[Resource]) -> dict[tuple[str, str], int]:
    lookups = {"owner": lambda n: pwd.getpwnam(n).pw_uid, "group": lambda n: grp.getgrnam(n).gr_gid}
    found = {}
    for option, lookup in lookups.items():
        for name in {getattr(want, option, None) for want in wants} - {None}:
            try:
                found[option, name] = lookup(name)
            except KeyError:
                continue
    return found


def _route_arguments(route: Route) -> dict[str, Any]:
    v4 = ":" not in route.dst
    protocol = next(number for number, name in ROUTE_PROTOCOLS.items() if name == route.protocol)
    arguments = {"dst": route.dst, "family": socket.AF_INET if v4 else socket.AF_INET6, "proto": protocol}
    if route.gateway:
        arguments["gateway"] = route.gateway
    elif v4:
        arguments["scope"] = _RT_SCOPE_LINK
    if route.metric:
        arguments["priority"] = route.metric
    return arguments
