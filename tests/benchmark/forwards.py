# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What forwards cost the packets: new connections through 1, 100 and 10,000 of them, each to another port."""

from __future__ import annotations

import itertools
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.sandbox import Machine, Sandbox, link

from .measure import cost
from .plays import Plays

COUNTS = (1, 100, 10000)
CONNECTIONS = 20000
FIRST_PORT = 20000
HOST, GUEST = "192.0.2.10", "10.9.0.11"
_NUMBERS = itertools.count(1)

#: Accepts and closes, once it listens says so, and goes on for ever.
SERVER = """
import socket
listener = socket.create_server(("", 22), backlog=4096)
print("ready", flush=True)
while True:
    listener.accept()[0].close()
"""
#: The packets of a connection are handled in the time of whoever sends them, so that this process pays for all of it.
CLIENT = """
import socket, struct, sys
host, first, ports, count = sys.argv[1], *map(int, sys.argv[2:])
reset = struct.pack("ii", 1, 0)
for number in range(count):
    with socket.socket() as one:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, reset)
        one.connect((host, first + number * 7919 % ports))
"""


class Forwards:
    """Three hosts in a row: a client, a host that forwards, a guest."""

    def __init__(self, folder: Path) -> None:
        self._plays = Plays(folder)

    def figures(self, count: int) -> Iterator[dict[str, Any]]:
        for who, make in (("our maps", self._by_maps), ("iptables rules", self._by_rules)):
            with _row() as (client, host):
                make(host, count)
                argv = [sys.executable, "-c", CLIENT, HOST, str(FIRST_PORT), str(count), str(CONNECTIONS)]
                yield {
                    "count": count,
                    "phase": "connections",
                    "who": who,
                    "cost": vars(cost([*client.enter(), *argv])),
                }

    def _by_maps(self, host: Sandbox, count: int) -> None:
        rules = [
            {
                "name": f"f{number}",
                "action": "dnat",
                "protocol": "tcp",
                "destination_port": str(FIRST_PORT + number),
                "to_address": GUEST,
                "to_port": "22",
            }
            for number in range(count)
        ]
        self._plays.cost([host], [{"name": "Forward", "virtnet.qemu.nat_rule": {"config": rules}}])

    def _by_rules(self, host: Sandbox, count: int) -> None:
        lines = (
            f"-A PREROUTING -p tcp --dport {FIRST_PORT + number} -j DNAT --to-destination {GUEST}:22"
            for number in range(count)
        )
        host.run(["iptables-restore"], input="\n".join(["*nat", *lines, "COMMIT", ""]))


@contextmanager
def _row() -> Iterator[tuple[Sandbox, Sandbox]]:
    number = next(_NUMBERS)
    client, host, guest = (Sandbox(f"bench-{os.getpid()}-{role}{number}") for role in ("client", "host", "guest"))
    with client, host, guest:
        _join(client, "192.0.2.1/24", host, f"{HOST}/24")
        _join(host, "10.9.0.1/24", guest, f"{GUEST}/24")
        guest.run(["ip", "route", "add", "default", "via", "10.9.0.1"])
        host.run(["sysctl", "-w", "net.ipv4.ip_forward=1"])
        server = guest.popen([sys.executable, "-c", SERVER], stdout=-1, text=True)
        try:
            server.stdout.readline()
            yield client, host
        finally:
            server.kill()
            server.wait()
            server.stdout.close()


def _join(a: Sandbox, a_address: str, b: Sandbox, b_address: str) -> None:
    names = f"to-{b.name.rpartition('-')[2][:10]}", f"to-{a.name.rpartition('-')[2][:10]}"
    link(a, names[0], b, names[1])
    for machine, name, address in ((a, names[0], a_address), (b, names[1], b_address)):
        _address(machine, name, address)


def _address(machine: Machine, name: str, address: str) -> None:
    machine.run(["ip", "address", "add", address, "dev", name])
