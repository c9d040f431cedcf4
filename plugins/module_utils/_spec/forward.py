# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Inbound translations as data: to see that no two want the same packets, and which connections they touched. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from .base import SpecError
from .packet_rule import negation
from .tag import Tag

ALL_PORTS = (0, 65535)
#: What has connections of its own; the first packet of a new one looks the rules up by itself.
CONNECTED = ("tcp", "sctp", "dccp")


@dataclass(frozen=True)
class Forward:
    """What is sent to ``destination`` (``None``: to this host) goes to ``target``, and to ``to_port`` if that is said.

    ``protocol`` is ``None`` for all. ``first`` and ``last``: the ports, all of them by default. ``extra``: the
    rest of the conditions, as text.
    """

    version: int
    destination: str | None
    protocol: str | None
    target: str
    to_port: str = ""
    first: int = ALL_PORTS[0]
    last: int = ALL_PORTS[1]
    extra: str = ""


@dataclass(frozen=True)
class Flush:
    """The connections to forget. With ``target`` those that were forwarded to it, else what was not translated at all.

    Of the latter never what is in ``CONNECTED``.
    """

    version: int
    destination: str | None
    protocol: str | None
    first: int
    last: int
    target: str | None


def everything(address: str) -> str:
    """All addresses of the version of IP that `address` has."""
    return "::/0" if ":" in address else "0.0.0.0/0"


def check_collisions(forwards: Iterable[tuple[Tag, Forward]]) -> None:
    """Refuse two forwards of the same packets: only one of them would ever be used."""
    groups: dict[tuple, list[tuple[Tag, Forward]]] = {}
    for tag, forward in forwards:
        key = (forward.version, forward.destination, forward.protocol, forward.extra)
        groups.setdefault(key, []).append((tag, forward))
    for group in groups.values():
        group.sort(key=lambda pair: (pair[1].first, pair[1].last))
        for (tag, lower), (other, upper) in zip(group, group[1:]):
            if upper.first <= lower.last:
                raise SpecError(_collision(tag, other, lower, upper))


def _collision(tag: Tag, other: Tag, lower: Forward, upper: Forward) -> str:
    ports = "" if (upper.first, upper.last) == ALL_PORTS else f" port {upper.first}"
    where = upper.destination or "this host"
    return (
        f"destination_port: {upper.protocol or 'everything'}{ports} sent to {where} is forwarded to {lower.target} "
        f"by rule {tag.label} and to {upper.target} by rule {other.label}; change or remove one of them"
    )


def flushes(before: set[Forward], after: set[Forward]) -> list[Flush]:
    """What must be forgotten for a change of forwards to hold for connections that are open.

    Who was forwarded by what is gone or changed is cut off. Who talked to the host itself on a port that is now
    forwarded is moved over where there is no connection to cut (UDP), but an open TCP connection stays: it could be
    the one this very module is run over.
    """
    gone = [_flush(f, f.target) for f in before - after]
    new = [_flush(f, None) for f in after - before if f.protocol not in CONNECTED]
    return sorted({*gone, *new}, key=lambda flush: tuple(str(value) for value in vars(flush).values()))


def _flush(forward: Forward, target: str | None) -> Flush:
    # conntrack(8) has a name of its own for it.
    protocol = "icmpv6" if forward.protocol == "ipv6-icmp" else forward.protocol
    return Flush(forward.version, forward.destination, protocol, forward.first, forward.last, target)


def typed(flush: Flush) -> str:
    """The conntrack(8) line that does the same, in a loop of the shell where it takes several."""
    words = ["conntrack -D"] + ["-f ipv6"] * (flush.version == 6)
    if flush.protocol or not flush.target:
        words.append(f"-p {flush.protocol or 'udp'}")
    port_words, port_loop = _typed_ports(flush)
    peer_words, peer_loop = _typed_addresses(flush)
    line = " ".join([*words, *port_words, *peer_words])
    for loop in (*port_loop, *peer_loop):
        line = f"{loop}; do {line}; done"
    return line


def _typed_ports(flush: Flush) -> tuple[list[str], list[str]]:
    if flush.last == flush.first:
        return [f"--orig-port-dst {flush.first}"], []
    if flush.last == ALL_PORTS[1]:
        return [], []
    return ["--orig-port-dst $port"], [f"for port in $(seq {flush.first} {flush.last})"]


def _typed_addresses(flush: Flush) -> tuple[list[str], list[str]]:
    if not flush.target and flush.destination is None:
        return ["--orig-dst $address --reply-src $address"], ["for address in $(hostname -I)"]
    words = [f"--reply-src {flush.target}"] if flush.target else []
    if flush.destination and not negation(flush.destination)[0]:
        words.insert(0, f"--orig-dst {flush.destination}")
    return words, []
