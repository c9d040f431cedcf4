# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest

from ansible_collections.virtnet.qemu.plugins.module_utils._spec.connection import Connection, parse, stale
from ansible_collections.virtnet.qemu.plugins.module_utils._spec.forward import Flush, Forward, flushes, typed

LISTING = """\
tcp      6 431999 ESTABLISHED src=192.0.2.1 dst=192.0.2.10 sport=4000 dport=2222 src=192.168.4.11 dst=192.0.2.1 \
sport=22 dport=4000 [ASSURED] mark=0 use=1
udp      17 29 src=192.0.2.1 dst=192.0.2.10 sport=4001 dport=53 [UNREPLIED] src=192.0.2.10 dst=192.0.2.1 sport=53 \
dport=4001 mark=0 use=1
udp      17 29 src=192.168.4.11 dst=198.51.100.1 sport=4002 dport=53 src=198.51.100.1 dst=192.0.2.10 sport=53 \
dport=4002 mark=0 use=1
icmp     1 29 src=192.0.2.1 dst=192.0.2.10 type=8 code=0 id=7 src=192.0.2.10 dst=192.0.2.1 type=0 code=0 id=7 \
mark=0 use=1
"""
SSH = Connection("tcp", "192.0.2.10", 2222, "192.168.4.11")
DNS = Connection("udp", "192.0.2.10", 53, "192.0.2.10")
LOOKUP = Connection("udp", "198.51.100.1", 53, "198.51.100.1")
PING = Connection("icmp", "192.0.2.10", None, "192.0.2.10")
OWN = frozenset({"192.0.2.10", "127.0.0.1"})


def test_a_listing_is_understood():
    assert list(parse(LISTING)) == [SSH, DNS, LOOKUP, PING]


@pytest.mark.parametrize(
    ("flush", "meant"),
    [
        (Flush(4, None, "tcp", 2222, 2222, "192.168.4.11"), [SSH]),
        (Flush(4, None, "tcp", 2000, 2999, "192.168.4.11"), [SSH]),
        (Flush(4, "192.0.2.10", "tcp", 2222, 2222, "192.168.4.11"), [SSH]),
        (Flush(4, "192.0.2.0/24", None, 0, 65535, "192.168.4.8/29"), [SSH]),
        (Flush(4, None, "tcp", 2222, 2222, "192.168.4.12"), []),
        (Flush(4, None, "tcp", 2223, 2223, "192.168.4.11"), []),
        (Flush(4, None, "tcp", 2000, 2221, "192.168.4.11"), []),
        (Flush(4, "192.0.2.20", "tcp", 2222, 2222, "192.168.4.11"), []),
        (Flush(4, "!192.0.2.10", "tcp", 2222, 2222, "192.168.4.11"), []),
        # New forwards: what the host itself took, but never an open TCP connection nor what a guest asks elsewhere.
        (Flush(4, None, "udp", 53, 53, None), [DNS]),
        (Flush(4, "198.51.100.1", "udp", 53, 53, None), [LOOKUP]),
        (Flush(4, "0.0.0.0/0", None, 0, 65535, None), [PING, DNS, LOOKUP]),
        (Flush(4, None, "udp", 54, 60, None), []),
    ],
)
def test_what_is_meant_and_nothing_else(flush, meant):
    assert stale([SSH, DNS, LOOKUP, PING], [flush], OWN) == meant


def test_the_words_for_conntrack_tell_the_target_too():
    assert " ".join(SSH.words) == "-p tcp --orig-dst 192.0.2.10 --orig-port-dst 2222 --reply-src 192.168.4.11"
    assert " ".join(PING.words) == "-p icmp --orig-dst 192.0.2.10 --reply-src 192.0.2.10"


OLD = Forward(4, None, "tcp", "192.168.4.11", "22", 2222, 2222)


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ({OLD}, {OLD}, []),
        ({OLD}, set(), [Flush(4, None, "tcp", 2222, 2222, "192.168.4.11")]),
        (
            {OLD},
            {Forward(4, None, "tcp", "192.168.4.12", "22", 2222, 2222)},
            [Flush(4, None, "tcp", 2222, 2222, "192.168.4.11")],
        ),
        (
            {OLD},
            {Forward(4, None, "tcp", "192.168.4.11", "23", 2222, 2222)},
            [Flush(4, None, "tcp", 2222, 2222, "192.168.4.11")],
        ),
        (set(), {OLD}, []),
        (
            set(),
            {Forward(6, None, "ipv6-icmp", "fd00::1"), Forward(4, None, "udp", "10.0.0.1", "53", 53, 53)},
            [Flush(4, None, "udp", 53, 53, None), Flush(6, None, "icmpv6", 0, 65535, None)],
        ),
    ],
)
def test_which_connections_a_change_concerns(before, after, expected):
    assert flushes(before, after) == expected


@pytest.mark.parametrize(
    ("flush", "line"),
    [
        (
            Flush(4, None, "tcp", 2222, 2222, "192.168.4.11"),
            "conntrack -D -p tcp --orig-port-dst 2222 --reply-src 192.168.4.11",
        ),
        (
            Flush(6, "2001:db8::1", "tcp", 80, 81, "fd00::1"),
            "for port in $(seq 80 81); do "
            "conntrack -D -f ipv6 -p tcp --orig-port-dst $port --orig-dst 2001:db8::1 --reply-src fd00::1; done",
        ),
        (
            Flush(4, None, "udp", 53, 53, None),
            "for address in $(hostname -I); do "
            "conntrack -D -p udp --orig-port-dst 53 --orig-dst $address --reply-src $address; done",
        ),
        (
            Flush(4, "192.0.2.0/24", None, 0, 65535, "10.0.0.0/24"),
            "conntrack -D --orig-dst 192.0.2.0/24 --reply-src 10.0.0.0/24",
        ),
        (Flush(4, "!192.0.2.1", None, 0, 65535, None), "conntrack -D -p udp"),
    ],
)
def test_the_line_that_a_person_types(flush, line):
    assert typed(flush) == line
