# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Asks many things over the network at once, from many namespaces: pings, TCP connections, DNS queries.

A socket stays in the namespace that it was made in, so one loop serves them all. Times are in seconds.
"""

from __future__ import annotations

import errno
import os
import random
import selectors
import socket
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import replace
from typing import Any

from .._spec import probe_packet
from .._spec.address import ip_version
from .._spec.probe_check import BY_ROUTE, TO_HOST, Answer, Ask
from .._spec.probe_place import MARK_TO_HOST
from . import namespace, next_hop
from .errors import HostError

_FAMILIES = {4: socket.AF_INET, 6: socket.AF_INET6}
_PROTOCOLS = {4: socket.IPPROTO_ICMP, 6: socket.IPPROTO_ICMPV6}
#: From sys/socket.h and linux/in6.h; Python has no names for them.
_SO_MARK = 36
#: How often a question is asked that nobody answers: a packet may get lost, or wait for a neighbour's address.
_TRIES = 4
_BUFFER = 2048


def ask_all(asks: Iterable[Ask], timeout: float) -> dict[Ask, Answer]:
    """The answer to each. What nobody answers within `timeout` is not reached."""
    asker = _Asker()
    try:
        asker.open(sorted(set(asks), key=lambda ask: ask.netns or ""))
        return asker.run(timeout)
    finally:
        asker.close()


class _Asker:
    def __init__(self) -> None:
        self._selector = selectors.DefaultSelector()
        self._open: set[Ask] = set()
        self._answers: dict[Ask, Answer] = {}
        #: One socket for all pings of a place, a way and an IP version.
        self._pings: dict[tuple[str | None, str, int], socket.socket] = {}
        self._others: dict[Ask, socket.socket] = {}
        self._numbers: dict[Ask, tuple[int, int]] = {}
        self._echoes: dict[tuple[int, ...], Ask] = {}
        #: Questions that got where they were to go, whether or not an answer came back.
        self._arrived: set[Ask] = set()

    def close(self) -> None:
        for line in (*self._pings.values(), *self._others.values()):
            line.close()
        self._selector.close()

    # -- sockets -----------------------------------------------------------------------------------

    def open(self, asks: list[Ask]) -> None:
        """Make the sockets; `asks` are sorted by namespace."""
        first = random.randrange(65536)
        for index, (netns, ask) in enumerate(_inside(asks)):
            number = ((first + index // 65536) % 65536, index % 65536)
            self._numbers[ask] = number
            self._open.add(ask)
            version = ip_version(ask.address)
            if ask.port or ask.name:
                line = _socket(ask.way, version, socket.SOCK_STREAM if ask.port else socket.SOCK_DGRAM)
                if line is None:
                    self._settle(ask, Answer(False, "unreachable"))
                else:
                    self._others[ask] = line
                continue
            self._echoes[number] = ask
            if not self._opened(ask.way, netns, version):
                self._settle(ask, Answer(False, "unreachable"))
        for version in _FAMILIES:
            # The host hears what arrives there also where it asks nothing.
            self._opened(BY_ROUTE, None, version)

    def _opened(self, way: str, netns: str | None, version: int) -> bool:
        """Whether there is a socket for pings of that kind; we are in that namespace."""
        place = (netns, way, version)
        if place not in self._pings:
            line = _socket(way, version, socket.SOCK_RAW, _PROTOCOLS[version])
            if line is None:
                return False
            self._pings[place] = line
            self._selector.register(line, selectors.EVENT_READ, (self._hear_ping, (netns, version)))
        return True

    def _settle(self, ask: Ask, answer: Answer) -> None:
        self._answers[ask] = answer
        self._open.discard(ask)
        if line := self._others.pop(ask, None):
            with suppress(KeyError, ValueError):
                self._selector.unregister(line)
            line.close()

    # -- the loop ----------------------------------------------------------------------------------

    def run(self, timeout: float) -> dict[Ask, Answer]:
        start = time.monotonic()
        for attempt in range(_TRIES):
            for ask in sorted(self._open, key=self._numbers.__getitem__):
                self._send(ask)
            self._listen(start + timeout * (attempt + 1) / _TRIES)
        for ask in list(self._open):
            self._settle(ask, self._answers.get(ask) or Answer(False, "no answer"))
        return {ask: replace(answer, arrived=ask in self._arrived) for ask, answer in self._answers.items()}

    def _listen(self, deadline: float) -> None:
        while self._open:
            left = deadline - time.monotonic()
            if left <= 0:
                return
            for key, _events in self._selector.select(left):
                hear, what = key.data
                hear(key.fileobj, what)

    # -- pings -------------------------------------------------------------------------------------

    def _send(self, ask: Ask) -> None:
        try:
            if ask.port:
                self._connect(ask)
            elif ask.name:
                self._query(ask)
            else:
                self._ping(ask)
        except BlockingIOError:
            # The next attempt sends it.
            return
        except OSError as exc:
            self._answers[ask] = Answer(False, _word(exc.errno))

    def _ping(self, ask: Ask) -> None:
        version, number = ip_version(ask.address), self._numbers[ask]
        if ask.via:
            next_hop.find(ask.via).send(ask.address, *number)
        else:
            self._pings[ask.netns, ask.way, version].sendto(probe_packet.echo(version, *number), (ask.address, 0))

    def _hear_ping(self, line: socket.socket, place: tuple[str | None, int]) -> None:
        netns, version = place
        for packet, sender in _packets(line):
            kind, *number = probe_packet.heard(version, packet) or ("",)
            ask = self._echoes.get(tuple(number))
            if ask is None:
                continue
            if kind == probe_packet.ASKED and netns != ask.netns:
                self._arrived.add(ask)
            if ask not in self._open:
                continue
            if kind == probe_packet.ANSWERED and sender == ask.address:
                self._settle(ask, Answer(True))
            elif kind == probe_packet.REJECTED:
                self._settle(ask, Answer(False, f"rejected by {sender}"))
            elif kind == probe_packet.UNREACHABLE:
                # It may still be reached: who forwards did not know its neighbour yet.
                self._answers[ask] = Answer(False, f"unreachable, says {sender}")

    # -- TCP ---------------------------------------------------------------------------------------

    def _connect(self, ask: Ask) -> None:
        line = self._others[ask]
        if line in self._selector.get_map():
            # The kernel repeats the request by itself.
            return
        code = line.connect_ex((ask.address, ask.port))
        if code in (0, errno.EINPROGRESS):
            self._selector.register(line, selectors.EVENT_WRITE, (self._hear_tcp, ask))
        else:
            self._settle(ask, Answer(False, _word(code)))

    def _hear_tcp(self, line: socket.socket, ask: Ask) -> None:
        code = line.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        self._settle(ask, Answer(code == 0, "" if code == 0 else _word(code)))

    # -- DNS ---------------------------------------------------------------------------------------

    def _query(self, ask: Ask) -> None:
        line = self._others[ask]
        if line not in self._selector.get_map():
            line.connect((ask.address, 53))
            self._selector.register(line, selectors.EVENT_READ, (self._hear_dns, ask))
        line.send(probe_packet.query(self._numbers[ask][1], ask.name))

    def _hear_dns(self, line: socket.socket, ask: Ask) -> None:
        try:
            packet = line.recv(_BUFFER)
        except BlockingIOError:
            return
        except OSError as exc:
            self._settle(ask, Answer(False, _word(exc.errno)))
            return
        if found := probe_packet.resolved(packet, self._numbers[ask][1]):
            records, code = found
            # Whether a server answers at all is asked by a name that nobody needs to know.
            reached = records > 0 or ask.name == probe_packet.ANY_NAME
            self._settle(ask, Answer(reached, "" if reached else code))


def _inside(asks: list[Ask]) -> Iterator[tuple[str | None, Ask]]:
    """Each ask, while we are in its namespace."""
    places: dict[str | None, list[Ask]] = {}
    for ask in asks:
        places.setdefault(ask.netns, []).append(ask)
    for netns, inside in places.items():
        with namespace.entered(netns):
            for ask in inside:
                yield netns, ask


def _socket(way: str, version: int, kind: int, protocol: int = 0) -> socket.socket | None:
    """``None`` where the host has no such IP version, or no such interface."""
    try:
        line = socket.socket(_FAMILIES[version], kind | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC, protocol)
    except PermissionError:
        raise HostError("packets cannot be sent from the probes; run as root ('become: true')") from None
    except OSError:
        return None
    try:
        if way == TO_HOST:
            line.setsockopt(socket.SOL_SOCKET, _SO_MARK, MARK_TO_HOST)
        elif way != BY_ROUTE:
            line.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, way.encode() + b"\0")
    except OSError:
        line.close()
        return None
    return line


def _packets(line: socket.socket) -> Iterator[tuple[bytes, str]]:
    """All that has arrived, and from whom."""
    while True:
        try:
            packet, sender = line.recvfrom(_BUFFER)
        except BlockingIOError:
            return
        except OSError:
            # An error of an earlier packet; what it was about comes as a message too.
            continue
        yield packet, sender[0].partition("%")[0]


def _word(code: Any) -> str:
    if code in (errno.EPERM, errno.EACCES):
        return "rejected by the host itself"
    return {errno.ECONNREFUSED: "refused", errno.ENETUNREACH: "no route"}.get(code, os.strerror(code))
