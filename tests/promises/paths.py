# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The paths between guests, host and LAN: how each is tried, and whether its model promises it. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from .networks import LAN, LAN_NAME, Network

#: Guest -> its addresses, by IP version.
Addresses = dict[str, dict[int, str]]

#: The columns of the table.
GUESTS, TO_HOST, FROM_HOST, TO_LAN, NAMES, SEEN, FROM_LAN = (
    *("guest-guest", "guest-host", "host-guest", "guest-LAN", "LAN's names"),
    *("seen there as", "LAN-guest"),
)
FORWARD, BETWEEN = "forward", "between"

#: What a name is asked for, by IP version.
RECORDS = {4: "a", 6: "aaaa"}

#: Seconds: what is promised may take its time on a busy machine; nobody waits that long for what is not.
PATIENCE = {True: "20", False: "3"}
#: An isolated guest is given a way, so that it is not only for want of one that it reaches nobody.
DETOUR = 'ip route replace {to} {way}; "$@"; rc=$?; ip route del {to} {way}; exit $rc'


@dataclass(frozen=True)
class Path:
    """One path; `other` is the network it leads to, and `answer` what the one who answers must have said."""

    network: str
    kind: str
    source: str
    target: str
    argv: tuple[str, ...]
    promised: bool = True
    answer: str = ""
    other: str = ""
    how: str = ""

    def tried(self, status: int, output: str) -> Outcome:
        return Outcome(self, status == 0 and self.answer in output)


@dataclass(frozen=True)
class Outcome:
    path: Path
    reached: bool

    @property
    def kept(self) -> bool:
        return self.reached == self.path.promised


def url(address: str, rest: str = "/") -> str:
    return f"http://[{address}]{rest}" if ":" in address else f"http://{address}{rest}"


def said_by(guest: str) -> str:
    """A line of a guest's web page."""
    return f"host {guest}\n"


def seen_path(guest: str, version: int) -> str:
    """What a guest asks the LAN's web server for, and is known by in its log."""
    return f"/from-{guest}-by-IPv{version}"


def from_guests(networks: list[Network], addresses: Addresses) -> list[Path]:
    return [
        detoured(path, network, address)
        for network in networks
        for path, address in [*_inside(network, addresses), *_outward(network, addresses)]
        + [pair for other in networks if other != network for pair in _between(network, other, addresses)]
    ]


def _inside(network: Network, addresses: Addresses) -> Iterator[tuple[Path, str]]:
    for source in network.guests:
        for target in network.guests:
            for address in addresses[target].values() if source != target else ():
                yield _fetch(network.name, GUESTS, source, target, address, True, said_by(target)), address
    for version, port, guest in network.forwards:
        address = network.entrance[version]
        for source in network.guests:
            if source != guest:
                yield _fetch(network.name, FORWARD, source, guest, address, True, said_by(guest), f":{port}/"), address


def _outward(network: Network, addresses: Addresses) -> Iterator[tuple[Path, str]]:
    for source in network.guests:
        for version in addresses[source]:
            address = network.gateways[version] if network.served_by_host else network.host[version]
            argv = ("ping", "-c", "1", "-W", PATIENCE[network.meets_host], address)
            yield Path(network.name, TO_HOST, source, "host", argv, network.meets_host, how=address), address
            rest = seen_path(source, version)
            yield _fetch(network.name, TO_LAN, source, "LAN", LAN[version], network.leaves, "", rest), LAN[version]
            yield _named(network, source, version), LAN[version]


def _named(network: Network, source: str, version: int) -> Path:
    argv = ("timeout", PATIENCE[network.leaves], "nslookup", f"-type={RECORDS[version]}", LAN_NAME)
    answer = f"Name:\t{LAN_NAME}\nAddress: {LAN[version]}\n"
    return Path(network.name, NAMES, source, "LAN", argv, network.leaves, answer, how=" ".join(argv[2:]))


def _between(network: Network, other: Network, addresses: Addresses) -> Iterator[tuple[Path, str]]:
    for source, target in zip(network.guests[:1], other.guests[:1], strict=False):
        for version, address in addresses[target].items():
            if version in addresses[source]:
                path = _fetch(network.name, BETWEEN, source, target, address, network.reaches(other), said_by(target))
                yield replace(path, other=other.name), address


def _fetch(
    network: str, kind: str, source: str, target: str, address: str, promised: bool, answer: str, rest: str = "/"
) -> Path:
    # Not wget's own time-out: with -T the busybox of Debian 12 crashes.
    argv = ("timeout", PATIENCE[promised], "wget", "-q", "-O", "-", url(address, rest))
    return Path(network, kind, source, target, argv, promised, answer, how=argv[-1])


def detoured(path: Path, network: Network, address: str) -> Path:
    if network.leaves or path.promised:
        return path
    way = f"via {network.gateways[6 if ':' in address else 4]}" if network.host_address else "dev eth0"
    return replace(path, argv=("sh", "-c", DETOUR.format(to=address, way=way), "sh", *path.argv))


def from_host(network: Network, addresses: Addresses) -> list[Path]:
    return _into(network, addresses, "host", FROM_HOST, network.met_by_host)


def from_lan(network: Network, addresses: Addresses) -> list[Path]:
    return _into(network, addresses, "LAN", FROM_LAN, network.open)


def _into(network: Network, addresses: Addresses, source: str, kind: str, promised: bool) -> list[Path]:
    wanted = [
        (kind, guest, address, "/", promised) for guest in network.guests for address in addresses[guest].values()
    ]
    wanted += [
        (FORWARD, guest, network.entrance[version], f":{port}/", True) for version, port, guest in network.forwards
    ]
    return [
        _curl(network.name, kind, source, guest, url(address, rest), kept)
        for kind, guest, address, rest, kept in wanted
    ]


def _curl(network: str, kind: str, source: str, guest: str, asked: str, promised: bool) -> Path:
    argv = ("curl", "--silent", "--show-error", "--fail", "--max-time", PATIENCE[promised], asked)
    return Path(network, kind, source, guest, argv, promised, said_by(guest), how=asked)


def seen(network: Network, addresses: Addresses, clients: dict[str, str]) -> list[Outcome]:
    """As whom the LAN saw the guests; `clients` are the addresses it was last asked from, by what it was asked for."""
    outcomes = []
    for guest in network.guests if network.leaves else ():
        for version, own in addresses[guest].items():
            wanted = network.seen_as.get(version, own)
            client = clients.get(seen_path(guest, version), "nobody")
            path = Path(network.name, SEEN, guest, "LAN", (), how=f"seen as {client}, not as {wanted}")
            outcomes.append(Outcome(path, client == wanted))
    return outcomes
