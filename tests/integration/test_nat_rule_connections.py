# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""nat_rule: what becomes of connections that are open when a forward is added, changed or removed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass

import pytest

from tests.integration.support import Player
from tests.integration.support.probe import Answer, Probe, forward_packets, make_network
from tests.sandbox import LanHost, Sandbox

pytestmark = pytest.mark.newest_end

HOST = {4: "192.0.2.10", 6: "2001:db8:1::10"}
LAN = {4: LanHost.ADDRESS, 6: LanHost.ADDRESS6}
WEB = {"web1": {4: "192.168.4.11", 6: "fd00:4::11"}, "web2": {4: "192.168.4.12", 6: "fd00:4::12"}}


@dataclass
class Network:
    on_host: Probe
    on_lan: Probe
    web1: Probe
    web2: Probe


@pytest.fixture
def network(host: Sandbox, lan: LanHost) -> Iterator[Network]:
    forward_packets(host)
    guests = {name: [f"{own[4]}/24", f"{own[6]}/64"] for name, own in WEB.items()}
    make_network(host, "br-lab", ["192.168.4.1/24", "fd00:4::1/64"], guests)
    lan.run(["ip", "route", "add", "192.168.4.0/24", "via", HOST[4]])
    lan.run(["ip", "route", "add", "fd00:4::/64", "via", HOST[6]])
    with ExitStack() as probes:
        made = [Probe(host, name="host"), Probe(lan, name="lan"), Probe(host, "web1"), Probe(host, "web2")]
        for probe in made:
            probes.enter_context(probe)
            probe.serve(5300)
        yield Network(*made)


@pytest.fixture(params=["nftables", "iptables"])
def forward(request: pytest.FixtureRequest, play: Player, host: Sandbox, network: Network) -> Callable[..., list[str]]:
    """Leads a port of the host to a guest, by UDP and TCP, IPv4 and IPv6; to no one with ``None``."""

    def lead(guest: str | None, port: int = 5300, **options: object) -> list[str]:
        rules = [
            {"name": f"{protocol}-{version}", "action": "dnat", "protocol": protocol, "destination_port": str(port)}
            | {"ip_version": f"ipv{version}", "to_port": "5300"}
            | ({"to_address": WEB[guest][version]} if guest else {"state": "absent"})
            | options
            for protocol in ("udp", "tcp")
            for version in (4, 6)
        ]
        (result,) = play(host, [{"virtnet.qemu.nat_rule": {"config": rules, "backend": request.param}}])
        assert result.changed
        return result.commands

    return lead


def said_by(answer: Answer | str) -> str:
    return answer.server if isinstance(answer, Answer) else answer


def test_udp_that_goes_on_finds_the_new_way(forward, network):
    """One socket throughout, so its packets belong to one connection (the case of a stale path)."""

    def asking() -> list[str]:
        return [said_by(network.on_lan.ask("udp", host, 5300, keep=f"udp{version}")) for version, host in HOST.items()]

    assert asking() == ["host", "host"]
    commands = forward("web1")
    assert asking() == ["web1", "web1"]
    assert any("conntrack -D" in line for line in commands)
    forward("web2")
    assert asking() == ["web2", "web2"]
    forward(None)
    assert asking() == ["host", "host"]


def test_tcp_through_a_forward_ends_with_it_and_tcp_to_the_host_stays(forward, network):
    for version, host in HOST.items():
        assert said_by(network.on_lan.ask("tcp", host, 5300, keep=f"own{version}")) == "host"
    forward("web1")
    for version, host in HOST.items():
        # It may be the connection that the module is run over.
        assert said_by(network.on_lan.ask("tcp", host, 5300, keep=f"own{version}")) == "host"
        assert said_by(network.on_lan.ask("tcp", host, 5300, keep=f"forwarded{version}")) == "web1"
    forward("web2")
    for version, host in HOST.items():
        assert said_by(network.on_lan.ask("tcp", host, 5300, keep=f"own{version}")) == "host"
        assert said_by(network.on_lan.ask("tcp", host, 5300, keep=f"forwarded{version}")) == "Connection reset by peer"
        assert said_by(network.on_lan.ask("tcp", host, 5300)) == "web2"


def test_other_connections_are_not_touched(forward, network, host):
    """The same port elsewhere, another port to the same guest, another protocol: each keeps its entry in the kernel."""
    forward("web1", port=7000, to_port="5300")
    for version in (4, 6):
        for protocol in ("udp", "tcp"):
            # A guest's own question to the LAN on the port that is forwarded, and another forward to that guest.
            assert said_by(network.web1.ask(protocol, LAN[version], 5300, keep=f"out-{protocol}{version}")) == "lan"
            assert said_by(network.on_lan.ask(protocol, HOST[version], 7000, keep=f"in-{protocol}{version}")) == "web1"
    before = tracked(host)
    add = {"network": "other"}
    forward("web1", **add)
    for version in (4, 6):
        assert said_by(network.on_lan.ask("udp", HOST[version], 5300, keep=f"new{version}")) == "web1"
    forward("web2", **add)
    forward(None, **add)
    assert before - tracked(host) == set()
    for version in (4, 6):
        for protocol in ("udp", "tcp"):
            assert said_by(network.web1.ask(protocol, LAN[version], 5300, keep=f"out-{protocol}{version}")) == "lan"
            assert said_by(network.on_lan.ask(protocol, HOST[version], 7000, keep=f"in-{protocol}{version}")) == "web1"


def tracked(host: Sandbox) -> set[str]:
    """The ids of the connections to or from the LAN, which the kernel gives to each anew."""
    listings = [host.run(["conntrack", "-L", "-f", family, "-o", "id"]).stdout for family in ("ipv4", "ipv6")]
    lines = [line for listing in listings for line in listing.splitlines() if "port=" in line]
    return {word for line in lines for word in line.split() if word.startswith("id=")}
