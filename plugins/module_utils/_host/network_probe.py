# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Probes networks: plugs two probes into each, asks what their models promise, and takes the probes away again."""

from __future__ import annotations

import json
import os
import select
import signal
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from .._spec import ip, probe_check, probe_place
from .._spec.netns import Netns
from .._spec.probe import ProbedNetwork, parse, without_ipv6
from .._spec.probe_check import Pair
from .._spec.probe_table import broken, table
from .._spec.veth import Veth
from . import ask, command, kernel_events, namespace, process
from .errors import HostError
from .lease import Leases
from .lock import host_lock
from .netlink import Netlink

#: Seconds that processes in left-over probes have for their end.
_PATIENCE = 5.0
#: BR_STATE_FORWARDING of linux/if_bridge.h; seconds that a bridge with the spanning tree protocol needs at most (twice
#: the greatest forward delay).
_FORWARDING, _SETTLING = "3", 61.0


def run(params: Mapping[str, Any], check_mode: bool) -> dict[str, Any]:
    """The module's result, but for ``changed``."""
    networks = parse(params)
    if not Path("/proc/sys/net/ipv6").exists():
        networks = without_ipv6(networks)
    if params["state"] == "absent":
        if not check_mode:
            _removed()
        return {}
    targets: list[dict[str, Any]] = []
    if check_mode:
        pairs = {name: _unknown(pair) for name, pair in probe_place.probes(networks, os.uname().nodename).items()}
        results = _results(networks, pairs, [], params, asking=False)
    else:
        pairs, results = _probed(networks, params)
        if params["state"] == "present":
            targets = probe_check.targets_of_neighbour(networks, pairs)
    return {"results": results, "table": table(results), "broken": broken(results), "neighbour_targets": targets}


def _unknown(pair: Pair) -> Pair:
    return tuple(replace(probe, addresses=()) for probe in pair)  # type: ignore[return-value]


def _probed(networks: list[ProbedNetwork], params: Mapping[str, Any]) -> tuple[dict[str, Pair], list[dict[str, Any]]]:
    """Make the probes, ask, and take them away unless they are to stay."""
    done = False
    with _netlink() as netlink:
        _remove(netlink)
        try:
            _build(netlink, networks)
            found = _examine(netlink, networks, params)
            done = True
        finally:
            if not (done and params["state"] == "present"):
                _remove(netlink)
    return found


def _removed() -> None:
    with _netlink() as netlink:
        _remove(netlink)


@contextmanager
def _netlink() -> Iterator[Netlink]:
    with host_lock():
        netlink = Netlink()
        try:
            yield netlink
        finally:
            netlink.close()


# -- probes ----------------------------------------------------------------------------------------


def _build(netlink: Netlink, networks: list[ProbedNetwork]) -> None:
    pairs = probe_place.probes(networks, os.uname().nodename)
    wanted = [resource for network in networks for resource in probe_place.resources(network, pairs[network.name])]
    world = netlink.observe(wanted)
    for network in networks:
        world.require_link("bridge", None, network.bridge, "bridge")
    if world.missing:
        raise HostError("; ".join(world.missing))
    for kind in (Netns, Veth):
        netlink.commit([step for want in wanted if isinstance(want, kind) for step in kind.steps(None, want)])
    for network in networks:
        # Read now: where the probes are its only ports, it has changed.
        mac = Path("/sys/class/net", network.bridge, "address").read_text().strip()
        for probe in pairs[network.name]:
            for version in network.versions:
                lines = "\n".join(probe_place.lines_to_host(version, mac)) + "\n"
                _batch(["ip", f"-{version}", "-n", probe.netns, "-batch", "-"], lines)
    _await_forwarding(probe.link for pair in pairs.values() for probe in pair)


def _batch(argv: list[str], lines: str) -> None:
    done = command.attempt(argv, input=lines)
    if done.code:
        raise HostError(f"'{' '.join(argv)}' failed: {done.errors}")


def _await_forwarding(links: Iterable[str]) -> None:
    """A bridge that keeps a spanning tree listens at each new port for a while."""
    states = [Path("/sys/class/net", link, "brport/state") for link in links]
    kernel_events.wait_until(
        lambda: all(not state.exists() or state.read_text().strip() == _FORWARDING for state in states),
        kernel_events.LINKS,
        _SETTLING,
    )


def _remove(netlink: Netlink) -> None:
    found = probe_place.left_overs(namespace.names())
    world = netlink.observe(found)
    steps = probe_place.removal(world, found)
    _end_processes(netns.name for netns in found)
    netlink.commit(steps)


def _end_processes(namespaces: Iterable[str]) -> None:
    """A DHCP client of a run that was killed gives its lease back by itself."""
    for netns in namespaces:
        for pid in command.run(["ip", "netns", "pids", netns]).split():
            with suppress(ProcessLookupError):
                os.kill(int(pid), signal.SIGTERM)
                _await_end(int(pid))


def _await_end(pid: int) -> None:
    handle = process.pidfd(pid)
    if handle is None:
        return
    try:
        if not select.select([handle], [], [], _PATIENCE)[0]:
            signal.pidfd_send_signal(handle, signal.SIGKILL)
            select.select([handle], [], [], _PATIENCE)
    finally:
        os.close(handle)


# -- questions ---------------------------------------------------------------------------------------


def _examine(
    netlink: Netlink, networks: list[ProbedNetwork], params: Mapping[str, Any]
) -> tuple[dict[str, Pair], list[dict[str, Any]]]:
    pairs = probe_place.probes(networks, os.uname().nodename)
    asking = [p.netns for network in networks if network.asks_for_lease for p in pairs[network.name]]
    with Leases() as leases:
        given = leases.get(asking, params["dhcp_timeout"])
        pairs = {name: tuple(p.with_lease(given.get(p.netns)) for p in pair) for name, pair in pairs.items()}
        for pair in pairs.values():
            _configure(netlink, pair)
        return pairs, _results(networks, pairs, _own_addresses(), params, asking=True)


def _configure(netlink: Netlink, pair: Pair) -> None:
    """Give the probes what they got a lease for."""
    for probe in pair:
        if probe.lease is None:
            continue
        steps = [ip.address_add(probe.netns, probe_place.INSIDE, probe.lease.address)]
        if route := probe_place.lease_route(probe.lease):
            steps.append(ip.route_add(probe.netns, probe_place.INSIDE, route))
        netlink.commit(steps)


def _own_addresses() -> list[str]:
    """The host's, with prefix length; those of the loopback and link-local ones are nobody else's business."""
    links = json.loads(command.run(["ip", "-json", "address", "show"]))
    found = [a for link in links if link for a in link["addr_info"] if a["scope"] == "global"]
    return [f"{a['local']}/{a['prefixlen']}" for a in found if "local" in a]


def _heard_by_bridges() -> dict[str, set[str]]:
    """The MAC addresses that each bridge has learnt."""
    heard: dict[str, set[str]] = {}
    for entry in json.loads(command.run(["bridge", "-json", "fdb", "show"])):
        if "master" in entry:
            heard.setdefault(entry["master"], set()).add(entry["mac"])
    return heard


def _results(
    networks: list[ProbedNetwork], pairs: dict[str, Pair], own: list[str], params: Mapping[str, Any], asking: bool
) -> list[dict[str, Any]]:
    checks = probe_check.checks(networks, pairs, own, params["dns_name"])
    # Probes that are kept are for a neighbour to ask.
    checks += probe_check.left_to_neighbour(networks) if params["state"] == "probed" else []
    asks = [one for check in checks for _who, ways in check.asked for one in ways]
    answers: dict[probe_check.Ask, probe_check.Answer] = {}
    if asking:
        answers = ask.ask_all(asks, params["timeout"])
        heard = _heard_by_bridges()
        checks = [probe_check.with_shared_segments(check, networks, pairs, heard) for check in checks]
    results = []
    for network in networks:
        results += probe_check.lease_results(network, pairs[network.name], tried=asking)
        results += [check.result(answers) for check in checks if check.network == network.name]
    return results
