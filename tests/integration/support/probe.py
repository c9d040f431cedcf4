# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Networks by hand, with probes in their guests' places that send real traffic."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Self

from tests.sandbox import Sandbox

from .dhcp import make_bridge, plug

AGENT = Path(__file__).with_name("probe_agent.py")


class Answer(NamedTuple):
    """Who answered on which port, and the address and port it was asked from."""

    server: str
    client: str
    client_port: int
    port: int


class Probe:
    """A program in a sandbox host, or in a namespace of it, that asks and answers; it ends with the test."""

    def __init__(self, host: Sandbox, netns: str | None = None, name: str | None = None) -> None:
        self.name = name or netns or host.name
        enter = ["ip", "netns", "exec", netns] if netns else []
        self._process = host.popen(
            [*enter, sys.executable, str(AGENT), self.name], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self._process.kill()
        self._process.communicate()

    def _do(self, **request: Any) -> Any:
        self._tell(**request)
        return self._said()

    def _tell(self, **request: Any) -> None:
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()

    def _said(self) -> Any:
        return json.loads(self._process.stdout.readline())

    def serve(self, *ports: int) -> None:
        """Answer on these ports, over TCP and UDP, IPv4 and IPv6."""
        for port in ports:
            for protocol in ("tcp", "udp"):
                self._do(do="serve", protocol=protocol, port=port)

    def ask(self, protocol: str, address: str, port: int, **options: Any) -> Answer | str:
        """Ask once; the answer, or a word for what came instead (``silence`` after 5 s).

        :param source: own address; :param source_port: own port; :param keep: name of a connection to be used again
        """
        return _answer(self._do(do="ask", protocol=protocol, address=address, port=port, **options))


def ask_all(questions: Sequence[tuple[Probe, str, str, int]]) -> list[Answer | str]:
    """The answers to all (who, protocol, address, port), in order, asked at once: silences are waited for together."""
    by_probe: dict[Probe, list[int]] = {}
    for number, (probe, *_what) in enumerate(questions):
        by_probe.setdefault(probe, []).append(number)
    for probe, numbers in by_probe.items():
        probe._tell(do="ask_all", questions=[questions[number][1:] for number in numbers])
    said = {
        number: answer
        for probe, numbers in by_probe.items()
        for number, answer in zip(numbers, probe._said(), strict=True)
    }
    return [_answer(said[number]) for number in range(len(questions))]


def _answer(said: Any) -> Answer | str:
    return said if isinstance(said, str) else Answer(*said)


def forward_packets(host: Sandbox) -> None:
    """Make the host a router, for both versions of IP."""
    host.run(["sysctl", "-w", "net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1"])


def make_network(
    host: Sandbox, bridge: str, addresses: Sequence[str], guests: Mapping[str, Sequence[str]], netns: str | None = None
) -> None:
    """A bridge with addresses, and a namespace in each guest's place whose way out is the bridge's addresses.

    All addresses with prefix length. The bridge is in namespace `netns` of the host.
    """
    make_bridge(host, bridge, addresses, netns)
    for guest in guests:
        plug(host, guest, bridge, netns=netns)
    for guest, own in guests.items():
        lines = ["link set lo up", "link set eth0 up"]
        lines += [f"address add {address} dev eth0{_nodad(address)}" for address in own]
        lines += [f"route add {_everything(address)} via {address.split('/')[0]}" for address in addresses]
        host.run(["ip", "-n", guest, "-batch", "-"], input="\n".join(lines) + "\n")


def _nodad(address: str) -> str:
    return " nodad" if ":" in address else ""


def _everything(address: str) -> str:
    return "::/0" if ":" in address else "0.0.0.0/0"
