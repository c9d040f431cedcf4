# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Networks of every model on a host whose own firewall drops what it does not know."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import pytest

from tests.integration.support import Player, fails
from tests.integration.support.dhcp import lease, plug
from tests.integration.support.other_firewalls import FIREWALLS, NFT_FIREWALL, legacy_rules, load
from tests.integration.support.probe import Answer, Probe, make_network
from tests.integration.support.rules import NFT, packet_rules
from tests.sandbox import LanHost, Sandbox

LAN, LAN6 = LanHost.ADDRESS, LanHost.ADDRESS6
HOST, HOST6 = "192.0.2.10", "2001:db8:1::10"
PORT = 4000
NETWORKS = [
    {"name": "ext", "model": "bridged", "bridge": "br-ex", "uplink": "uplink0"},
    {
        "name": "lab",
        "model": "nat",
        "subnet": "10.7.1.0/24",
        "subnet6": "fd00:7:1::/64",
        "forwards": [{"port": 2222, "guest": "lab1", "guest_port": PORT}],
    },
    {"name": "dmz", "model": "routed", "subnet": "10.7.2.0/24", "subnet6": "2001:db8:2::/64"},
    {"name": "back", "model": "isolated", "subnet": "10.7.3.0/24"},
]
GUESTS = [{"name": "lab1", "nics": [{"network": "lab", "address": "10.7.1.11"}]}]
#: Two guests of each network, and what they have beside the gateway's address.
OWN = {
    "ext1": ["192.0.2.61/24", "2001:db8:1::61/64"],
    "ext2": ["192.0.2.62/24", "2001:db8:1::62/64"],
    "lab1": ["10.7.1.11/24", "fd00:7:1::11/64"],
    "lab2": ["10.7.1.12/24", "fd00:7:1::12/64"],
    "dmz1": ["10.7.2.11/24", "2001:db8:2::11/64"],
    "dmz2": ["10.7.2.12/24", "2001:db8:2::12/64"],
    "back1": ["10.7.3.11/24", "fe80::11/64"],
    "back2": ["10.7.3.12/24", "fe80::12/64"],
}
GATEWAYS = {"ext": (HOST, HOST6), "lab": ("10.7.1.1", "fd00:7:1::1"), "dmz": ("10.7.2.1", "2001:db8:2::1")}
REACHES = {"lab": {"host", "lan"}, "dmz": {"host", "lan"}, "back": set(), "ext": {"host", "lan"}}
REACHED = {"lab": {"host"}, "dmz": {"host", "lan"}, "back": set(), "ext": {"host", "lan"}}
#: Firewalls that let the LAN do nothing with the host.
CLOSED = ("ufw", "rejecting")


def role(tasks_from: str = "main", **variables: Any) -> dict[str, Any]:
    return {
        "ansible.builtin.include_role": {"name": "virtnet.qemu.networks", "tasks_from": tasks_from},
        "vars": {"networks_list": NETWORKS, "networks_guests": GUESTS, **variables},
    }


def changed(results: list[Any]) -> list[Any]:
    return [result for result in results if result.changed]


@dataclass
class Site:
    host: Sandbox
    probes: dict[str, Probe]

    def reaches(self, who: str, whom: str, version: int = 4) -> bool:
        own = {"host": [HOST, HOST6], "lan": [LAN, LAN6], **OWN}[whom]
        return self.asks(who, own[version == 6].partition("/")[0]) == whom

    def asks(self, who: str, address: str, port: int = PORT, protocol: str = "tcp") -> str:
        """The name of who answers, or what came instead."""
        said = self.probes[who].ask(protocol, address, port)
        return said.server if isinstance(said, Answer) else said

    def pairs(self) -> set[tuple[str, str]]:
        return {(a, b) for a in self.probes for b in self.probes if a != b}


def network_of(name: str) -> str:
    return name[:-1] if name[-1] in "12" else ""


def may_reach(who: str, whom: str, closed: bool) -> bool:
    """`closed`: the host's own firewall keeps the LAN from the host."""
    mine, its = network_of(who), network_of(whom)
    if mine == its != "":
        return True
    on_lan = who == "lan" or mine == "ext"
    if whom == "host":
        return "host" in REACHES.get(mine, {"host"}) and not (closed and on_lan)
    if not its:
        return whom in REACHES.get(mine, {whom})
    # A guest on the LAN is the LAN to other networks, and they to it.
    return ("lan" if on_lan else mine or who) in REACHED[its] or (its == "ext" and "lan" in REACHES[mine])


@pytest.fixture
def host_with_networks(play: Player, host: Sandbox, lan: LanHost) -> Sandbox:
    play(host, [role()])
    return host


@pytest.fixture
def site(host_with_networks: Sandbox, lan: LanHost) -> Iterator[Site]:
    host = host_with_networks
    for each in (host, lan):
        # Else the kernel's limit for ICMP errors turns refusals into silence, which takes its time.
        each.run(["sysctl", "-w", "net.ipv4.icmp_ratelimit=0", "net.ipv6.icmp.ratelimit=0"])
    lan.run(["ip", "route", "add", "10.7.2.0/24", "via", HOST])
    lan.run(["ip", "route", "add", "2001:db8:2::/64", "via", HOST6])
    for guest, own in OWN.items():
        plug(host, guest, f"br-{network_of(guest).replace('ext', 'ex')}")
        lines = ["link set lo up", "link set eth0 up"]
        lines += [f"address add {a} dev eth0{' nodad' if ':' in a else ''}" for a in own]
        lines += [f"route add default via {gateway}" for gateway in GATEWAYS.get(network_of(guest), ())]
        host.run(["ip", "-n", guest, "-batch", "-"], input="\n".join(lines) + "\n")
    with ExitStack() as stack:
        places = {"host": (host, None), "lan": (lan, None), **{guest: (host, guest) for guest in OWN}}
        probes = {name: stack.enter_context(Probe(*place, name)) for name, place in places.items()}
        for probe in probes.values():
            probe.serve(PORT)
        yield Site(host, probes)


def reached(site: Site, version: int) -> set[tuple[str, str]]:
    """Link-local addresses of the isolated network, which has no others of IPv6, are not asked for."""
    return {
        (a, b)
        for a, b in site.pairs()
        if (version == 4 or network_of(b) != "back") and site.reaches(a, b, version)
    }


def promised(site: Site, version: int, closed: bool) -> set[tuple[str, str]]:
    return {
        (a, b)
        for a, b in site.pairs()
        if (version == 4 or "back" not in (network_of(a), network_of(b))) and may_reach(a, b, closed)
    }


@pytest.mark.newest_end
@pytest.mark.parametrize(
    ("firewall", "br_netfilter"), [("docker", 1), ("docker", 0), ("ufw", 1), ("rejecting", 1), ("legacy", 1)], ids=str
)
def test_promises_are_broken_by_another_firewall_and_kept_after_the_next_run(play, site: Site, firewall, br_netfilter):
    """Docker, or another, is started after the networks; and again, when it makes its chains anew."""
    host, closed = site.host, firewall in CLOSED
    host.run(["sysctl", "-w", *(f"net.bridge.bridge-nf-call-{ip}tables={br_netfilter}" for ip in ("ip", "ip6"))])
    plug(host, "dhcp", "br-lab")
    load(host, firewall)
    for who, whom in (("lab1", "lan"), ("lan", "dmz1"), *((("back1", "back2"), ("ext1", "lan")) * br_netfilter)):
        for version in (4,) if who == "back1" else (4, 6):
            assert not site.reaches(who, whom, version), (who, whom, version)
    if closed:
        assert lease(host, "dhcp", tries=2) is None

    for _start in range(2):
        (repair,) = changed(play(host, [role()]))
        assert "-j ACCEPT" in repair.commands[-1]
        assert changed(play(host, [role()])) == []
        for version in (4, 6):
            assert reached(site, version) == promised(site, version, closed)
        assert site.asks("lan", HOST, 2222) == "lab1"
        assert lease(host, "dhcp")["ip"].startswith("10.7.1.")
        load(host, firewall)
        assert not site.reaches("lab1", "lan")
