# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Who reaches whom, measured from inside the guests, from their host and from the LAN."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from tests.sandbox import LanHost, Machine

from . import paths
from .networks import VERSIONS, Network
from .paths import Addresses, Outcome, Path

#: Runs commands in guests, at once, and returns the exit status and output of each.
InGuests = Callable[[Sequence[tuple[str, Sequence[str]]]], list[tuple[int, str]]]

#: How many attempts of a guest run at once, and what comes before the exit status of each.
AT_ONCE = 6
RESULT = "exit status: "

#: Names the guest, and prints its addresses once it has one of each version that it shall have.
INTRODUCE = """\
hostname "$1"; shift
wait-online eth0
for version; do
    until ip -o "-$version" address show dev eth0 scope global | grep -v tentative; do usleep 100000; done
done"""


def measure(networks: list[Network], host: Machine, lan: LanHost, in_guests: InGuests) -> list[Outcome]:
    """Try every path. Host and LAN get routes to all networks, so that it is not for want of one if they reach none."""
    addresses = introduced(networks, in_guests)
    outcomes = []
    for together in rounds(networks):
        with routes(host, lan, together):
            if together[0] is networks[0]:
                outcomes += inside(networks, addresses, in_guests)
            outcomes += outside(host, [path for network in together for path in paths.from_host(network, addresses)])
            outcomes += outside(lan, [path for network in together for path in paths.from_lan(network, addresses)])
    clients = {request["path"]: request["client"] for request in lan.requests()}
    return outcomes + [outcome for network in networks for outcome in paths.seen(network, addresses, clients)]


def introduced(networks: list[Network], in_guests: InGuests) -> Addresses:
    """The addresses of all guests, once they have them."""
    asked = []
    for network in networks:
        versions = [str(version) for version in network.subnets or VERSIONS]
        asked += [(guest, ["sh", "-c", INTRODUCE, "sh", guest, *versions]) for guest in network.guests]
    said = in_guests(asked)
    found = [re.findall(r" inet6? ([0-9a-f.:]+)/", text) for _status, text in said]
    return {
        guest: {6 if ":" in address else 4: address for address in addresses}
        for (guest, _argv), addresses in zip(asked, found, strict=True)
    }


def inside(networks: list[Network], addresses: Addresses, in_guests: InGuests) -> list[Outcome]:
    by_guest: dict[str, list[Path]] = {}
    for path in paths.from_guests(networks, addresses):
        by_guest.setdefault(path.source, []).append(path)
    said = in_guests([(guest, ["sh", "-c", script(tried)]) for guest, tried in by_guest.items()])
    return [
        path.tried(*result)
        for tried, (_status, text) in zip(by_guest.values(), said, strict=True)
        for path, result in zip(tried, results(text), strict=True)
    ]


def script(tried: Sequence[Path]) -> str:
    """A few at a time: a guest is a slow machine."""
    lines = ["cd /tmp"]
    for number, path in enumerate(tried, 1):
        lines.append(f"({shlex.join(path.argv)} > {number}; echo {RESULT}$? >> {number}) 2> /dev/null &")
        if number % AT_ONCE == 0:
            lines.append("wait")
    return "\n".join([*lines, "wait", "cat " + " ".join(str(number) for number in range(1, len(tried) + 1))])


def results(text: str) -> Iterator[tuple[int, str]]:
    """The exit status and output of each command of a script."""
    output = ""
    for line in text.splitlines(keepends=True):
        before, found, status = line.partition(RESULT)
        output += before
        if found:
            yield int(status), output
            output = ""


def outside(host: Machine, tried: Sequence[Path]) -> list[Outcome]:
    def try_out(path: Path) -> Outcome:
        done = host.run(path.argv, check=False)
        return path.tried(done.returncode, done.stdout)

    with ThreadPoolExecutor(len(tried) or 1) as pool:
        return list(pool.map(try_out, tried))


def rounds(networks: Iterable[Network]) -> list[list[Network]]:
    """Networks with the same subnet cannot be told apart by routes: they have their turns."""
    found: list[list[Network]] = []
    for network in networks:
        for together in found:
            if not any(set(network.subnets.values()) & set(other.subnets.values()) for other in together):
                together.append(network)
                break
        else:
            found.append([network])
    return found


@contextmanager
def routes(host: Machine, lan: LanHost, networks: list[Network]) -> Iterator[None]:
    """The LAN keeps them; the host is as before."""
    for network in networks:
        via = network.entrance
        lines = [f"route replace {subnet} via {via[version]}" for version, subnet in network.subnets.items()]
        lan.run(["ip", "-batch", "-"], input="\n".join(lines))
    added = [line for network in networks for line in _from_host(network)]
    host.run(["ip", "-batch", "-"], input="\n".join(f"route add {line}" for line in added))
    try:
        yield
    finally:
        host.run(["ip", "-batch", "-"], input="\n".join(f"route del {line}" for line in added))


def _from_host(network: Network) -> Iterator[str]:
    for version, subnet in network.subnets.items():
        if network.outside:
            yield f"{subnet} via {network.outside[version]}"
        elif not network.served_by_host:
            yield f"{subnet} dev br-{network.name}"
