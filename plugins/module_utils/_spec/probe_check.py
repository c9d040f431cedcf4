# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the models of probed networks promise, how that is asked, and what the answers come to. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from .address import ip_version
from .probe import ProbedNetwork
from .probe_packet import ANY_NAME
from .probe_place import Probe

#: Ways for a packet to take: where the routes lead; to the host's bridge, whatever they say; or an interface's name.
BY_ROUTE, TO_HOST = "", "host"
NOT_CHECKED = "not checked"
FROM_LAN, OTHERS = "LAN to guest", "guest to other networks"
_ROUTE_BACK = "has the LAN a route back?"
Pair = tuple[Probe, Probe]


@dataclass(frozen=True)
class Ask:
    """One question; `netns` is where it is asked from, ``None`` for the host itself.

    It is a ping; with `port` a TCP connection; with `name` a DNS query for that name. A ping with `via` goes to that
    neighbour, whatever the routes say.
    """

    netns: str | None
    address: str
    port: int | None = None
    name: str | None = None
    way: str = BY_ROUTE
    via: str | None = None


@dataclass(frozen=True)
class Answer:
    """What came of an `Ask`; `detail` says more for the user, such as who refused it.

    ``arrived``: the question got there, even if no answer came back.
    """

    reached: bool
    detail: str = ""
    arrived: bool = False


@dataclass(frozen=True)
class Check:
    """One promise of one network: whoever is asked answers (`promised`), or nobody does.

    `asked` has for each of them a name for the user, and the ways to ask; `found` is who was found to be reached
    without being asked; `hint` is for when nobody answers.
    """

    network: str
    name: str
    promised: bool
    asked: tuple[tuple[str, tuple[Ask, ...]], ...]
    found: tuple[str, ...] = ()
    hint: str = ""

    def result(self, answers: Mapping[Ask, Answer]) -> dict[str, Any]:
        heard = {who: [answers[ask] for ask in asks] for who, asks in self.asked}
        reached = [who for who, given in heard.items() if any(map(self._counts, given))] + list(self.found)
        missed = [who for who in heard if who not in reached]
        wrong = missed if self.promised else reached
        seen = "yes" if self.promised != bool(wrong) else "no"
        details = [answer.detail for given in heard.values() for answer in given if answer.detail]
        if wrong:
            seen += f": {', '.join(wrong)}" if len(heard) > 1 or self.found else ""
            seen += f" ({'; '.join([*details[:1], *([self.hint] if self.hint else [])])})" if self.promised else ""
        return (
            row(self.network, self.name, _word(self.promised), seen, not wrong)
            if heard or self.found
            else self.unasked()
        )

    def _counts(self, answer: Answer) -> bool:
        """What must not be reached must not even hear the question."""
        return answer.reached or (answer.arrived and not self.promised)

    def unasked(self) -> dict[str, Any]:
        return row(self.network, self.name, _word(self.promised), NOT_CHECKED, None)


def row(network: str, check: str, expected: str, seen: str, ok: bool | None) -> dict[str, Any]:
    return {"network": network, "check": check, "expected": expected, "seen": seen, "ok": ok}


def _word(promised: bool) -> str:
    return "yes" if promised else "no"


def lease_results(network: ProbedNetwork, pair: Pair, tried: bool = True) -> list[dict[str, Any]]:
    """What came by DHCP; in check mode (`tried` is false) only what would be looked at."""
    if not network.asks_for_lease:
        return []
    expected = "yes" if network.dhcp else "if there is a server"
    leases = [probe.lease for probe in pair]
    if not tried:
        results = [row(network.name, "guest gets lease", expected, NOT_CHECKED, None)]
    else:
        given = ", ".join(lease.address for lease in leases if lease)
        # A range may have room for one more guest only.
        ok = True if given else (False if network.dhcp else None)
        results = [row(network.name, "guest gets lease", expected, given or "no", ok)]
    gateways = [g for g in network.gateways if ip_version(g) == 4]
    servers = [a for a in network.dns_servers or network.gateways if ip_version(a) == 4]
    if network.leaves and gateways:
        named = [lease.routers for lease in leases if lease]
        results.append(_named(network, "lease names gateway", gateways, named))
    if network.dns and servers:
        named = [lease.servers for lease in leases if lease]
        results.append(_named(network, "lease names server", servers, named))
    return results


def _named(network: ProbedNetwork, check: str, expected: list[str], named: list[tuple[str, ...]]) -> dict[str, Any]:
    seen = sorted({", ".join(addresses) or "none" for addresses in named})
    ok = seen == [", ".join(expected)] if seen else None
    return row(network.name, check, ", ".join(expected), "; ".join(seen) or NOT_CHECKED, ok)


def checks(
    networks: list[ProbedNetwork], pairs: Mapping[str, Pair], own: Iterable[str], dns_name: str | None
) -> list[Check]:
    """All that is to be asked; `own` are the host's addresses with prefix length."""
    own = sorted(own)
    return [check for network in networks for check in _of_network(network, networks, pairs, own, dns_name)]


def _of_network(
    network: ProbedNetwork,
    networks: list[ProbedNetwork],
    pairs: Mapping[str, Pair],
    own: list[str],
    dns_name: str | None,
) -> Iterator[Check]:
    one, other = _best_first(pairs[network.name])
    versions = {ip_version(a) for a in one.addresses}

    def check(name: str, promised: bool, asked: Iterable[tuple[str, Ask]]) -> Check:
        asked = [(who, ask) for who, ask in asked if ip_version(ask.address) in versions]
        return Check(network.name, name, promised, tuple((who, _ways(ask, promised, network)) for who, ask in asked))

    yield check("guest to guest", True, ((a, Ask(one.netns, a)) for a in other.addresses))
    gateways = _gateways(network, one)
    if network.leaves or gateways:
        yield check("guest to gateway", True, ((a, Ask(one.netns, a)) for a in gateways))
    yield check(
        "guest to host", network.host_access, ((a, Ask(one.netns, a)) for a in _host_addresses(network, one, own))
    )
    promised = one.addresses if network.host_addresses != () else ()
    yield check("host to guest", network.host_access, ((a, Ask(None, a)) for a in promised))
    if network.dns:
        servers = network.dns_servers or (one.lease and one.lease.servers) or gateways
        name = dns_name or ANY_NAME
        yield check(f"guest resolves {dns_name or 'names'}", True, ((a, Ask(one.netns, a, name=name)) for a in servers))
    for target in network.lan or (None,):
        asked = [(target.name, Ask(one.netns, target.address, target.port))] if target else []
        to_lan = check(f"guest to LAN {target.name}" if target else "guest to LAN", network.leaves, asked)
        yield replace(to_lan, hint=_ROUTE_BACK) if network.model == "routed" else to_lan
    yield check(OTHERS, False, _others(network, networks, pairs))


def _best_first(pair: Pair) -> Pair:
    """A probe without a lease can ask for nothing."""
    return (pair[1], pair[0]) if pair[1].lease and not pair[0].lease else pair


def _ways(ask: Ask, promised: bool, network: ProbedNetwork) -> tuple[Ask, ...]:
    """What must not be reached is asked also as somebody would who keeps to no routes."""
    if promised:
        return (ask,)
    forced = network.bridge if ask.netns is None else TO_HOST
    return ask, Ask(ask.netns, ask.address, ask.port, ask.name, forced)


def _gateways(network: ProbedNetwork, probe: Probe) -> tuple[str, ...]:
    if network.gateways or not probe.lease:
        return network.gateways
    return probe.lease.routers if network.leaves else ()


def _host_addresses(network: ProbedNetwork, probe: Probe, own: list[str]) -> list[str]:
    """Those that the promise is about: where the host is promised as a neighbour only, those of the same subnet."""
    import netaddr

    if network.host_addresses is not None:
        return list(network.host_addresses)
    if not network.host_access or network.model in ("routed", "nat"):
        return [a.partition("/")[0] for a in own]
    return [
        a.partition("/")[0] for a in own if any(netaddr.IPAddress(p) in netaddr.IPNetwork(a) for p in probe.addresses)
    ]


def _others(
    network: ProbedNetwork, networks: list[ProbedNetwork], pairs: Mapping[str, Pair]
) -> Iterator[tuple[str, Ask]]:
    one, two = _best_first(pairs[network.name])
    mine = {*one.addresses, *two.addresses}
    for other in networks:
        if other.name == network.name or _meet_on_the_lan(network, other):
            continue
        for address in _best_first(pairs[other.name])[0].addresses:
            # Networks behind routers of their own may have the same addresses; asking there asks oneself.
            if address not in mine:
                yield f"{other.name} ({address})", Ask(one.netns, address)


def with_shared_segments(
    check: Check, networks: list[ProbedNetwork], pairs: Mapping[str, Pair], heard: Mapping[str, set[str]]
) -> Check:
    """The check for other networks with those that are on one segment with this one.

    `heard` are the MAC addresses that each bridge has learnt; no probe of another network may be among them.
    """
    if check.name != OTHERS:
        return check
    mine = next(network for network in networks if network.name == check.network)
    others = [n for n in networks if n.name != mine.name and not mine.model == n.model == "bridged"]
    there = [n.name for n in others if heard.get(mine.bridge, set()) & {probe.mac for probe in pairs[n.name]}]
    return replace(check, found=tuple(f"{name} (on the same segment)" for name in there))


def _meet_on_the_lan(network: ProbedNetwork, other: ProbedNetwork) -> bool:
    """A bridged network is the LAN, which guests reach, and from which a routed network is reached."""
    if other.model == "bridged":
        return network.model != "isolated"
    return network.model == "bridged" and other.model == "routed"


def targets_of_neighbour(networks: list[ProbedNetwork], pairs: Mapping[str, Pair]) -> list[dict[str, Any]]:
    """What somebody on the LAN is to ask while the probes are up, and what is promised."""
    return [
        {"name": network.name, "address": address, "reached": _reached_from_lan(network)}
        for network in networks
        for address in _best_first(pairs[network.name])[0].addresses
    ]


def _reached_from_lan(network: ProbedNetwork) -> bool:
    return network.model in ("routed", "bridged")


def left_to_neighbour(networks: list[ProbedNetwork]) -> list[Check]:
    """The same promises, where there is no neighbour to ask."""
    return [Check(network.name, FROM_LAN, _reached_from_lan(network), ()) for network in networks]


def neighbour_check(name: str, addresses: Iterable[str], hops: Mapping[int, str], reached: bool) -> Check:
    """`hops` are neighbours, by IP version, that are to pass the question on."""
    vias = {address: hops.get(ip_version(address)) for address in addresses}
    asked = ((a, (Ask(None, a), *((Ask(None, a, via=via),) if via else ()))) for a, via in vias.items())
    return Check(name, FROM_LAN, reached, tuple(asked))
