# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Networks of every model on a host whose own firewall drops what it does not know."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import pytest

from ansible_collections.virtnet.qemu.plugins.module_utils._spec.other_firewall import MARK
from tests.integration.support import Player, fails
from tests.integration.support.dhcp import lease, plug, plugged
from tests.integration.support.other_firewalls import FIREWALLS, NFT_FIREWALL, legacy_rules, load, loaded
from tests.integration.support.probe import Answer, Probe, ask_all, make_network
from tests.integration.support.rules import NFT, packet_rules, wrap
from tests.sandbox import LanHost, Sandbox

pytestmark = pytest.mark.newest_end

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
        return bool(self.reaching([(who, whom, version)]))

    def reaching(self, pairs: Iterable[tuple[str, str, int]]) -> set[tuple[str, str, int]]:
        """Those of (who, whom, IP version) that reach one another; all are asked at once."""
        asked = list(pairs)
        answers = ask_all([(self.probes[who], "tcp", _address(whom, v), PORT) for who, whom, v in asked])
        return {
            pair
            for pair, said in zip(asked, answers, strict=True)
            if isinstance(said, Answer) and said.server == pair[1]
        }

    def asks(self, who: str, address: str, port: int = PORT) -> str:
        """The name of who answers, or what came instead."""
        said = self.probes[who].ask("tcp", address, port)
        return said.server if isinstance(said, Answer) else said

    def pairs(self, *versions: int) -> set[tuple[str, str, int]]:
        """Link-local addresses of the isolated network, which has no others of IPv6, are not asked for."""
        return {
            (a, b, version)
            for version in versions
            for a in self.probes
            for b in self.probes
            if a != b and (version == 4 or "back" not in (network_of(a), network_of(b)))
        }


def _address(whom: str, version: int) -> str:
    return {"host": [HOST, HOST6], "lan": [LAN, LAN6], **OWN}[whom][version == 6].partition("/")[0]


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


@pytest.fixture(scope="module")
def site(play: Player, common_host: Sandbox, common_lan: LanHost) -> Iterator[Site]:
    host, lan = common_host, common_lan
    # Twice, since forwarding is made to suit the uplink, which the first run has made a port of a bridge.
    play(host, [role()] * 2)
    for each in (host, lan):
        # Else the kernel's limit for ICMP errors turns refusals into silence, which takes its time.
        each.run(["sysctl", "-w", "net.ipv4.icmp_ratelimit=0", "net.ipv6.icmp.ratelimit=0"])
    # It says of what it has no route to that it is unreachable.
    lan.run(["sysctl", "-w", "net.ipv4.ip_forward=1"])
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


@pytest.mark.parametrize(
    ("firewall", "br_netfilter"), [("docker", 1), ("docker", 0), ("ufw", 1), ("rejecting", 1), ("legacy", 1)], ids=str
)
def test_promises_are_broken_by_another_firewall_and_kept_after_the_next_run(play, site: Site, firewall, br_netfilter):
    """Docker, or another, is started after the networks; and again, when it makes its chains anew."""
    host, closed = site.host, firewall in CLOSED
    host.run(["sysctl", "-w", *(f"net.bridge.bridge-nf-call-{ip}tables={br_netfilter}" for ip in ("ip", "ip6"))])
    asked = {("lab1", "lan"), ("lan", "dmz1"), *([("back1", "back2"), ("ext1", "lan")] * br_netfilter)}
    broken = {(*pair, version) for pair in asked for version in (4, 6)} & site.pairs(4, 6)
    with loaded(host, firewall), plugged(host, "dhcp", "br-lab"):
        assert site.reaching(broken) == set()
        if closed:
            assert lease(host, "dhcp", tries=2) is None

        (repair,) = changed(play(host, [role()]))
        assert repair.commands[-1].endswith("-j ACCEPT")
        pairs = site.pairs(4, 6)
        assert site.reaching(pairs) == {(a, b, version) for a, b, version in pairs if may_reach(a, b, closed)}
        assert site.asks("lan", HOST, 2222) == "lab1"
        assert lease(host, "dhcp")["ip"].startswith("10.7.1.")

        load(host, firewall)
        assert not site.reaches("lab1", "lan")
        (again,) = changed(play(host, [role()]))
        assert again.commands == [line for line in repair.commands if line.startswith("ip")]
        assert site.reaches("lab1", "lan")


# -- the module alone ----------------------------------------------------------------------------

LAB = {"name": "lab", "bridge": "br-lab", "model": "nat", "subnets": ["10.7.1.0/24", "fd00:7:1::/64"]}
OTHERS = [
    {"name": "dmz", "bridge": "br-dmz", "model": "routed", "subnets": ["10.7.2.0/24"]},
    {"name": "back", "bridge": "br-back", "model": "isolated", "dhcp": True},
    {"name": "ext", "bridge": "br-ex", "model": "bridged"},
]
#: What has one network only, and needs nothing of the LAN.
GUESTS_OF_LAB = {"lab1": OWN["lab1"], "lab2": OWN["lab2"]}


def firewalls(*config: dict[str, Any], **options: Any) -> dict[str, Any]:
    return {"virtnet.qemu.network_firewall": {"config": list(config), **options}}


def everything(host: Sandbox, firewall: str) -> tuple[str, list[str]]:
    """All rules of the host; to look at those of the legacy tools makes their tables."""
    return packet_rules(host), legacy_rules(host) if firewall == "legacy" else []


@pytest.mark.parametrize("firewall", FIREWALLS)
def test_the_rules_of_others_are_as_before_when_the_last_network_goes(play: Player, host: Sandbox, firewall):
    load(host, firewall)
    before = everything(host, firewall)
    (checked,) = play(host, [firewalls(LAB, *OTHERS)], check=True, diff=True)
    assert everything(host, firewall) == before
    task = firewalls(LAB, *OTHERS)
    made, again, first, last, none = play(
        host,
        [task, task, firewalls({"name": "lab", "state": "absent"})]
        + [firewalls(*({"name": entry["name"], "state": "absent"} for entry in OTHERS))] * 2,
        diff=True,
    )
    assert (checked.commands, checked["diff"]) == (made.commands, made["diff"])
    assert "virtnet.qemu admits" in made["diff"]["after"]
    assert [r.changed for r in (made, again, first, last, none)] == [True, False, True, True, False]
    assert not any("admits" in line for line in first.commands)
    assert everything(host, firewall) == before
    play(host, [task, firewalls(purge=True)])
    assert everything(host, firewall) == before


def test_commands_can_be_typed(play: Player, host: Sandbox):
    load(host, "rejecting")
    (made,) = play(host, [firewalls(LAB)])
    whole = packet_rules(host)
    play(host, [firewalls(purge=True)])
    host.run(["sh", "-e"], input="\n".join(made.commands))
    assert packet_rules(host) == whole


@pytest.mark.both_ends
def test_what_is_not_needed_any_more_goes(play: Player, host: Sandbox):
    """The other firewall is taken away; then one comes whose chains have our rule too late."""
    load(host, "docker")
    play(host, [firewalls(LAB)])
    for tool in ("iptables", "ip6tables"):
        host.run([tool, "-P", "FORWARD", "ACCEPT"])
    gone, again = play(host, [firewalls(LAB)] * 2)
    assert (gone.changed, again.changed) == (True, False)
    assert "mark" not in packet_rules(host)
    host.run(["iptables", "-A", "FORWARD", "-j", "DROP"])
    play(host, [firewalls(LAB)])
    rule = host.run(["iptables-save"]).stdout.partition("-m mark")[2].splitlines()[0]
    host.run(["sh", "-c", f"iptables -D FORWARD -m mark{rule} && iptables -A FORWARD -m mark{rule}"])
    moved, again = play(host, [firewalls(LAB)] * 2)
    assert ([line.split()[4] for line in moved.commands], again.changed) == (["-D", "-I"], False)


@pytest.mark.both_ends
def test_in_a_namespace(play: Player, host: Sandbox):
    """Each namespace has chains of its own; purge knows them all."""
    host.run(["ip", "netns", "add", "r1"])
    host.run(["ip", "netns", "exec", "r1", "iptables", "-P", "FORWARD", "DROP"])
    (made,) = play(host, [firewalls(LAB, {**OTHERS[0], "netns": "r1"})])
    (line,) = [line for line in made.commands if "iptables" in line]
    assert line.startswith("ip netns exec r1 iptables-nft -w -t filter -A FORWARD ")
    (purged,) = play(host, [firewalls(LAB, purge=True)])
    assert any(line.startswith("ip netns exec r1 iptables-nft -w -t filter -D FORWARD ") for line in purged.commands)
    assert "admits" not in host.run(["ip", "netns", "exec", "r1", "iptables-save"]).stdout


def test_what_cannot_be_repaired_is_undone(play: Player, host: Sandbox):
    """The second family's tool fails: the first is taken back, and our own table with it."""
    load(host, "docker")
    before = packet_rules(host)
    wrap(host, "ip6tables-nft-restore", "echo 'no such luck' >&2; exit 1")
    (refused,) = play(host, [fails(firewalls(LAB))])
    assert "no such luck" in refused.msg
    assert "Everything is as it was before" in refused.msg
    assert packet_rules(host) == before


@pytest.fixture
def lab(host: Sandbox, lan: LanHost) -> Iterator[Site]:
    """A network by hand, routed; its guests, the host, and the LAN."""
    host.run(["sysctl", "-w", "net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1"])
    make_network(host, "br-lab", ["10.7.1.1/24", "fd00:7:1::1/64"], GUESTS_OF_LAB)
    lan.run(["ip", "route", "add", "10.7.1.0/24", "via", HOST])
    lan.run(["ip", "route", "add", "fd00:7:1::/64", "via", HOST6])
    with ExitStack() as stack:
        places = {"host": (host, None), "lan": (lan, None), **{guest: (host, guest) for guest in GUESTS_OF_LAB}}
        probes = {name: stack.enter_context(Probe(*place, name)) for name, place in places.items()}
        for probe in probes.values():
            probe.serve(PORT)
        yield Site(host, probes)


def test_a_table_of_nftables_is_not_edited_but_the_rule_to_add_is_told(play: Player, lab: Site):
    """The rules that the message names are added as they are; then everything holds."""
    host, routed = lab.host, {**LAB, "model": "routed"}
    host.run([NFT, "-f", "-"], input=NFT_FIREWALL)
    before = packet_rules(host)
    assert not lab.reaches("lab1", "lan")
    refused, checked = play(host, [fails(firewalls(routed)), fails({**firewalls(routed), "check_mode": True})])
    assert checked.msg == refused.msg
    assert "'input' of table 'inet mine', 'forward' of table 'inet mine'" in refused.msg
    assert packet_rules(host) == before
    host.run(["sh", "-e", "-c", refused.msg.partition("for example by: ")[2].partition("; or set")[0]])
    before = packet_rules(host)
    made, again = play(host, [firewalls(routed)] * 2)
    assert (made.changed, again.changed, made.warnings) == (True, False, [])
    pairs = {("lab1", "lan"), ("lan", "lab1"), ("lab1", "lab2"), ("lab1", "host"), ("host", "lab1")}
    asked = {(*pair, version) for version in (4, 6) for pair in (*pairs, ("lan", "host"))}
    assert lab.reaching(asked) == {(*pair, version) for version in (4, 6) for pair in pairs}
    play(host, [firewalls({"name": "lab", "state": "absent"})])
    assert packet_rules(host) == before


def test_a_table_of_nftables_may_be_left_to_its_owner(play: Player, host: Sandbox):
    host.run([NFT, "-f", "-"], input=NFT_FIREWALL)
    warned, ignored = play(host, [firewalls(LAB, foreign_drop="warn"), firewalls(LAB, foreign_drop="ignore")])
    assert len([text for text in warned.warnings if "'inet mine'" in text]) == 1
    assert ignored.warnings == []
    # An isolated network without DHCP needs neither chain, unless the bridge's packets pass them.
    calls = [f"net.bridge.bridge-nf-call-{ip}tables" for ip in ("ip", "ip6")]
    for value in (0, 1):
        host.run(["sysctl", "-w", *(f"{call}={value}" for call in calls)])
        task = firewalls({"name": "back", "bridge": "br-back", "model": "isolated"})
        (result,) = play(host, [fails(task) if value else task])
        assert ("br-back" in result.get("msg", "")) == bool(value)


def test_nothing_passes_without_our_table(play: Player, lab: Site):
    """Whoever flushes the rules of nftables leaves nothing open."""
    load(lab.host, "docker")
    play(lab.host, [firewalls({**LAB, "model": "routed"})])
    assert lab.reaches("lan", "lab1")
    lab.host.run([NFT, "delete", "table", "inet", "virtnet_filter"])
    assert not lab.reaches("lan", "lab1")


@pytest.mark.parametrize("backend", ["nftables", "iptables"])
def test_the_mark_is_on_no_packet_that_leaves(play: Player, lab: Site, backend):
    """With iptables as backend no mark is needed, as our own chains come first.

    The kernel itself sends MLD reports of ports with marks that mean nothing: only ours is looked for.
    """
    host = lab.host
    load(host, "docker")
    play(host, [firewalls({**LAB, "model": "routed"}, backend=backend)])
    counter = ["add table inet seen", "add chain inet seen post { type filter hook postrouting priority 300; }"]
    ours = f"add rule inet seen post meta mark & {MARK:#x}"
    counter += [f"{ours} == 0 counter", f"{ours} != 0 counter"]
    host.run([NFT, "-f", "-"], input="\n".join(counter))
    assert lab.reaches("lab1", "lan")
    assert lab.reaches("lan", "lab1")
    unmarked, marked = [
        int(line.split("packets ")[1].split()[0])
        for line in host.run([NFT, "list", "table", "inet", "seen"]).stdout.splitlines()
        if "counter" in line
    ]
    assert unmarked > 0
    assert marked == 0
