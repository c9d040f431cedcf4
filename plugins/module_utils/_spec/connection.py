# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which open connections a change of forwards concerns. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from .forward import ALL_PORTS, CONNECTED, Flush
from .packet_rule import negation

_WORD = re.compile(r"\b(src|dst|sport|dport)=(\S+)")


@dataclass(frozen=True)
class Connection:
    """An entry of connection tracking: who was asked (``destination``, ``port``) and who answers (``answering``)."""

    protocol: str
    destination: str
    port: int | None
    answering: str

    @property
    def words(self) -> tuple[str, ...]:
        """The options of conntrack(8) for this and the connections like it, whoever opened them."""
        port = () if self.port is None else ("--orig-port-dst", str(self.port))
        return ("-p", self.protocol, "--orig-dst", self.destination, *port, "--reply-src", self.answering)


def parse(listing: str) -> Iterator[Connection]:
    """What ``conntrack -L`` says."""
    for line in listing.splitlines():
        words = _WORD.findall(line)
        # The first direction's words, then the same ones of the answers.
        asked, answered = dict(words[: len(words) // 2]), dict(words[len(words) // 2 :])
        if asked:
            port = asked.get("dport")
            yield Connection(line.split(" ", 1)[0], asked["dst"], port and int(port), answered["src"])


def stale(connections: Iterable[Connection], flushes: Iterable[Flush], own: frozenset[str]) -> list[Connection]:
    """Those that the flushes mean; `own` are the host's addresses."""
    # By protocol and port, as there may be very many of both.
    index: dict[tuple[str | None, int | None], list[Flush]] = {}
    for flush in flushes:
        index.setdefault((flush.protocol, flush.first if flush.first == flush.last else None), []).append(flush)
    found = {
        connection
        for connection in connections
        for protocol in (connection.protocol, None)
        for port in (connection.port, None)
        if any(_means(flush, connection, own) for flush in index.get((protocol, port), ()))
    }
    return sorted(found, key=lambda connection: connection.words)


def _means(flush: Flush, connection: Connection, own: frozenset[str]) -> bool:
    if (flush.first, flush.last) != ALL_PORTS and not (
        connection.port and flush.first <= connection.port <= flush.last
    ):
        return False
    if flush.destination is None and connection.destination not in own:
        return False
    if flush.destination and not _within(flush.destination, connection.destination):
        return False
    if flush.target is None:
        return connection.answering == connection.destination and connection.protocol not in CONNECTED
    return _within(flush.target, connection.answering)


def _within(network: str, address: str) -> bool:
    import netaddr

    negated, plain = negation(network)
    return (netaddr.IPAddress(address) in netaddr.IPNetwork(plain)) != negated
