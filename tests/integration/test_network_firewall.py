# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""network_firewall: who reaches whom, and what becomes of the host's rules."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import pytest

from tests.integration.support import Player, fails
from tests.integration.support.dhcp import lease, plug
from tests.integration.support.examples import examples
from tests.integration.support.probe import Answer, Probe, ask_all, forward_packets, make_network
from tests.integration.support.rules import NFT, load_foreign_rules, packet_rules, wrap
from tests.sandbox import LanHost, Sandbox

pytestmark = pytest.mark.newest_end

BACKENDS = ["nftables", "iptables"]
LAN = {4: LanHost.ADDRESS, 6: LanHost.ADDRESS6}
HOST = {4: "192.0.2.10", 6: "2001:db8:1::10"}
#: Network -> the number that its addresses have in them.
NUMBERS = {"nat": 1, "nat-too": 2, "routed": 3, "routed-too": 4, "isolated": 5, "isolated-too": 6}
PORT = 4000
# usage: SOURCE TARGET: a reset from port 9 to port 9 that belongs to no connection.
RESET = """
import socket, struct, sys
source, target = map(socket.inet_aton, sys.argv[1:])
def segment(checksum):
    return struct.pack("!HHIIBBHHH", 9, 9, 1, 0, 5 << 4, 4, 0, checksum, 0)
total = sum(struct.unpack("!16H", source + target + struct.pack("!HH", 6, 20) + segment(0)))
raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_TCP)
raw.sendto(segment(~(total + (total >> 16)) & 0xFFFF), (sys.argv[2], 0))
"""
# usage: INTERFACE: a router advertisement of a default route and of a prefix for addresses (RFC 4861, 4.2).
ADVERTISEMENT = """
import socket, struct, sys
head = struct.pack("!BBHBBHII", 134, 0, 0, 64, 0, 1800, 0, 0)
prefix = struct.pack("!BBBBIII16s", 3, 4, 64, 0xC0, 3600, 3600, 0, socket.inet_pton(socket.AF_INET6, "fd00:bad::"))
raw = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6)
raw.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, 255)
raw.sendto(head + prefix, ("ff02::1", 0, 0, socket.if_nametoindex(sys.argv[1])))
"""
#: What an answer to a rejected packet is to the one who sent it (RFC 1812 and RFC 4443: administratively prohibited).
REJECTED = {
    ("tcp", 4): "Connection refused",
    ("tcp", 6): "Connection refused",
    ("udp", 4): "No route to host",
    ("udp", 6): "Permission denied",
}
#: The same for a program of the host itself, whose own kernel tells it.
REJECTED_HOST = {**REJECTED, ("udp", 4): "Operation not permitted", ("udp", 6): "Operation not permitted"}


def subnet(network: str, version: int) -> str:
    number = NUMBERS[network]
    return f"10.9.{number}.0/24" if version == 4 else f"fd00:9:{number}::/64"


def address(network: str, last: int, version: int) -> str:
    return subnet(network, version).partition("0/" if version == 4 else "/")[0] + str(last)


def wanted(network: str, **options: Any) -> dict[str, Any]:
    model = network.removesuffix("-too")
    return {
        "name": network,
        "bridge": f"br{NUMBERS[network]}",
        "model": model,
        "subnets": [subnet(network, 4), subnet(network, 6)],
        **options,
    }


def firewalls(backend: str, *config: dict[str, Any], **options: Any) -> dict[str, Any]:
    return {"virtnet.qemu.network_firewall": {"config": list(config), "backend": backend, **options}}


@dataclass
class Site:
    """A host on a LAN with networks of each model, two guests in the first network of each."""

    host: Sandbox
    probes: dict[str, Probe]

    def asks(self, who: str, where: str, protocol: str = "tcp", port: int = PORT, **options: Any) -> str:
        """The name of who answers, or what came instead."""
        said = self.probes[who].ask(protocol, where, port, **options)
        return said.server if isinstance(said, Answer) else said


@pytest.fixture
def site(host: Sandbox, lan: LanHost) -> Iterator[Site]:
    forward_packets(host)
    # Else the kernel's limit for ICMP errors turns some refusals into silence.
    host.run(["sysctl", "-w", "net.ipv4.icmp_ratelimit=0", "net.ipv6.icmp.ratelimit=0"])
    guests = []
    for network, number in NUMBERS.items():
        lasts = {f"{network}.{last}": last for last in ((11, 12) if not network.endswith("-too") else (11,))}
        own = {
            name: [f"{address(network, last, 4)}/24", f"{address(network, last, 6)}/64"] for name, last in lasts.items()
        }
        # An interface has the guest's name, which may have 15 bytes.
        own = {name.replace("isolated", "iso"): addresses for name, addresses in own.items()}
        make_network(host, f"br{number}", [f"{address(network, 1, 4)}/24", f"{address(network, 1, 6)}/64"], own)
        guests += own
        for version in (4, 6):
            lan.run(["ip", "route", "add", subnet(network, version), "via", HOST[version]])
    with ExitStack() as stack:
        places = [(host, None), (lan, None), *((host, guest) for guest in guests)]
        names = ["host", "lan", *guests]
        probes = {name: stack.enter_context(Probe(*place, name)) for name, place in zip(names, places, strict=True)}
        for probe in probes.values():
            probe.serve(PORT)
        yield Site(host, probes)


@pytest.fixture(params=BACKENDS)
def backend(request: pytest.FixtureRequest) -> str:
    return request.param


def everywhere(version: int) -> dict[str, str]:
    """The address of each that may be asked."""
    found = {"host": HOST[version], "lan": LAN[version]}
    for network in NUMBERS:
        name = network.replace("isolated", "iso")
        found[f"{name}.11"] = address(network, 11, version)
        if not network.endswith("-too"):
            found[f"{name}.12"] = address(network, 12, version)
    return found


#: Model -> whom its guests reach besides one another, and who reaches them.
REACHES = {"nat": {"host", "lan"}, "routed": {"host", "lan"}, "iso": set()}
REACHED = {"nat": {"host"}, "routed": {"host", "lan"}, "iso": set()}


def network_of(name: str) -> str:
    return name.rpartition(".")[0]


def may_reach(who: str, whom: str) -> bool:
    if network_of(who) == network_of(whom):
        return True
    if network_of(who):
        return whom in REACHES[network_of(who).removesuffix("-too")]
    return who in REACHED[network_of(whom).removesuffix("-too")]


@pytest.mark.parametrize(("backend", "br_netfilter"), [("nftables", 0), ("nftables", 1), ("iptables", 1)], ids=str)
def test_each_model_keeps_its_promise(play: Player, site: Site, backend, br_netfilter):
    """The design's truth table, between everyone there is, of every network of every model on one host.

    With br_netfilter, as Docker turns it on, what guests of one network send one another meets the rules too.
    """
    tables = [f"net.bridge.bridge-nf-call-{name}tables={br_netfilter}" for name in ("ip", "ip6")]
    site.host.run(["sysctl", "-w", *tables])
    masquerade = [
        {"name": f"out{version}", "network": network, "action": "masquerade"}
        | {"source": subnet(network, version), "destination": f"!{subnet(network, version)}"}
        for network in ("nat", "nat-too")
        for version in (4, 6)
    ]
    tasks = [
        firewalls(backend, *map(wanted, NUMBERS)),
        {"virtnet.qemu.nat_rule": {"config": masquerade, "backend": backend}},
    ]
    results = play(site.host, tasks * 2)
    assert [result.changed for result in results] == [True, True, False, False]
    for version in (4, 6):
        targets = everywhere(version)
        for protocol in ("tcp", "udp"):
            pairs = [(a, b) for a in targets for b in targets if a != b]
            said = ask_all([(site.probes[a], protocol, targets[b], PORT) for a, b in pairs])
            answers = zip(pairs, said, strict=True)
            reached = {(a, b) for (a, b), each in answers if isinstance(each, Answer) and each.server == b}
            assert reached == {(a, b) for a in targets for b in targets if a != b and may_reach(a, b)}


def test_what_is_not_allowed_is_rejected_at_once(play: Player, site: Site, backend):
    play(site.host, [firewalls(backend, *map(wanted, NUMBERS))])
    for (protocol, version), answer in REJECTED.items():
        assert site.asks("iso.11", LAN[version], protocol) == answer
        assert site.asks("iso.11", address("isolated", 1, version), protocol) == answer
        assert site.asks("lan", address("nat", 11, version), protocol) == answer
        assert site.asks("routed.11", address("routed-too", 11, version), protocol) == answer
        assert site.asks("host", address("isolated", 11, version), protocol) == REJECTED_HOST[protocol, version]


def test_forwards_lead_into_a_nat_network_and_nothing_else_does(play: Player, site: Site, backend):
    forward = {"network": "nat", "action": "dnat", "protocol": "tcp", "destination_port": "2222", "to_port": str(PORT)}
    rules = [
        {**forward, "name": f"ssh{v}", "to_address": address("nat", 11, v), "hairpin": subnet("nat", v)} for v in (4, 6)
    ]
    rules += [
        {"name": f"out{v}", "network": "nat", "action": "masquerade", "source": subnet("nat", v)}
        | {"destination": f"!{subnet('nat', v)}"}
        for v in (4, 6)
    ]
    play(
        site.host,
        [
            firewalls(backend, *map(wanted, NUMBERS)),
            {"virtnet.qemu.nat_rule": {"config": rules, "backend": backend}},
        ],
    )
    for version in (4, 6):
        for who in ("lan", "host", "nat.12", "routed.11", "nat-too.11"):
            assert site.asks(who, HOST[version], port=2222) == "nat.11"
        assert site.asks("lan", address("nat", 11, version)) == "Connection refused"
    # It is for the outside, and an isolated network's guests have none. Translation mangles the refusal.
    assert ask_all([(site.probes["iso.11"], "tcp", HOST[version], 2222) for version in (4, 6)]) == ["silence"] * 2


def test_nothing_leaves_a_nat_network_with_an_address_of_its_own(play: Player, site: Site, backend):
    """A guest sends from an address outside its subnet, and in the middle of a connection nobody knows."""
    rules = {"name": "out", "network": "nat", "action": "masquerade", "source": subnet("nat", 4)}
    play(
        site.host,
        [firewalls(backend, wanted("nat")), {"virtnet.qemu.nat_rule": {"config": [rules], "backend": backend}}],
    )
    for version, stranger, prefix in ((4, "198.51.100.7", 32), (6, "2001:db8:66::7", 128)):
        nodad = ["nodad"] if version == 6 else []
        site.host.run(["ip", "-n", "nat.11", "address", "add", f"{stranger}/{prefix}", "dev", "eth0", *nodad])
        site.host.run(["ip", "route", "add", f"{stranger}/{prefix}", "dev", "br1"])
        for protocol in ("tcp", "udp"):
            assert site.asks("nat.11", LAN[version], protocol, source=stranger) == REJECTED[protocol, version]
    capture = site.host.popen(
        ["tcpdump", "--relinquish-privileges=root", "-i", "uplink0", "-nn", "-l", "tcp port 9 or udp port 9"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert any("listening on" in line for line in iter(capture.stderr.readline, ""))
    # A reset that ends no connection; then what ends the wait for it.
    site.host.run(["ip", "netns", "exec", "nat.11", sys.executable, "-c", RESET, address("nat", 11, 4), LAN[4]])
    assert site.asks("nat.11", LAN[4], "udp", port=9) == "Connection refused"
    first = capture.stdout.readline()
    capture.kill()
    capture.communicate()
    assert f"{HOST[4]}." in first
    assert "UDP" in first


def start_dhcp(host: Sandbox, network: str) -> None:
    """A server that has one address to give; it is there when this returns."""
    one = address(network, 77, 4)
    # With --bind-interfaces, dnsmasq 2.90 sends files of a single port from an address that it did not set.
    host.run(
        ["dnsmasq", "--conf-file=/dev/null", "--port=0", "--user=root", f"--pid-file=/run/{network}.pid"]
        + [f"--interface=br{NUMBERS[network]}", "--except-interface=lo", "--bind-dynamic", "--no-ping"]
        + [f"--dhcp-range={one},{one}", f"--dhcp-leasefile=/run/{network}.leases", "--dhcp-authoritative"]
        + ["--enable-tftp", "--tftp-single-port", "--tftp-root=/etc"]
    )


def fetched(host: Sandbox, guest: str, server: str) -> subprocess.CompletedProcess[str]:
    """A file of the server."""
    get = ["busybox", "tftp", "-g", "-r", "hostname", "-l", "/dev/stdout", server]
    return host.run(["ip", "netns", "exec", guest, *get], check=False)


def test_the_host_serves_addresses_and_names_and_no_more_where_it_is_not_to_be_reached(play, site: Site, backend):
    """By DHCP from real clients, by DNS from a server on the host."""
    closed = [
        wanted("nat", host_access=False, dhcp=True, dns=True),
        wanted("isolated", dhcp=True, tftp=True),
        wanted("isolated-too", host_access=True),
    ]
    play(site.host, [firewalls(backend, *closed)])
    site.probes["host"].serve(53)
    for network in ("nat", "isolated"):
        start_dhcp(site.host, network)
    got = fetched(site.host, "iso.11", address("isolated", 1, 4))
    assert got.stdout == site.host.path("/etc/hostname").read_text(), got
    assert fetched(site.host, "nat.11", address("nat", 1, 4)).stdout == ""
    for network, guest in (("nat", "nat.dhcp"), ("isolated", "iso.dhcp")):
        plug(site.host, guest, f"br{NUMBERS[network]}")
        assert lease(site.host, guest)["ip"] == address(network, 77, 4)
    for version in (4, 6):
        for protocol in ("tcp", "udp"):
            gateway = address("nat", 1, version)
            assert site.asks("nat.11", gateway, protocol, port=53) == "host"
            assert site.asks("nat.11", gateway, protocol) == REJECTED[protocol, version]
            assert site.asks("host", address("nat", 11, version), protocol) == REJECTED_HOST[protocol, version]
            assert site.asks("nat.11", LAN[version], protocol) == "lan"
            assert site.asks("iso.11", address("isolated", 1, version), protocol, port=53) != "host"
            assert site.asks("iso-too.11", address("isolated-too", 1, version), protocol) == "host"
            assert site.asks("host", address("isolated-too", 11, version), protocol) == "iso-too.11"


def test_no_guest_becomes_the_router_of_a_host_that_does_not_forward(play: Player, site: Site, backend):
    """That lets its guests in."""
    site.host.run(["sysctl", "-w", "net.ipv6.conf.all.forwarding=0", "net.ipv6.conf.br5.accept_ra=1"])

    def advertised() -> str:
        site.host.run(["ip", "netns", "exec", "iso.11", sys.executable, "-c", ADVERTISEMENT, "eth0"])
        # It is there when what was sent after it is.
        assert site.asks("iso.11", address("isolated", 1, 6)) == "host"
        return site.host.run(["ip", "-6", "route", "show", "proto", "ra"]).stdout

    play(site.host, [firewalls(backend, wanted("isolated", host_access=True))])
    assert advertised() == ""
    play(site.host, [firewalls(backend, wanted("isolated", state="absent"))])
    assert "dev br5" in advertised()


@pytest.mark.both_ends
def test_check_mode_says_what_a_run_does_and_does_nothing(play: Player, host: Sandbox, backend):
    load_foreign_rules(host)
    before = host.snapshot()
    change = firewalls(backend, wanted("nat"), wanted("routed"), wanted("isolated", dhcp=True), foreign_drop="ignore")
    (checked,) = play(host, [change], check=True, diff=True)
    assert host.snapshot() == before
    (done,) = play(host, [change], diff=True)
    assert checked.changed
    assert checked["commands"] == done["commands"]
    assert checked["diff"] == done["diff"]
    assert "10.9.1.0/24" in done["diff"]["after"]


@pytest.mark.both_ends
def test_rules_of_others_are_untouched_and_nothing_of_ours_stays(play: Player, host: Sandbox, backend):
    load_foreign_rules(host)
    before = packet_rules(host)
    text = host.run([NFT, "list", "table", "inet", "virtnet"]).stdout
    gone = [{"name": network, "state": "absent"} for network in ("nat", "routed")]
    task = firewalls(backend, wanted("nat"), wanted("routed"), foreign_drop="ignore")
    made, removed = play(host, [task, firewalls(backend, *gone)])
    assert (made.changed, removed.changed) == (True, True)
    assert packet_rules(host) == before
    assert host.run([NFT, "list", "table", "inet", "virtnet"]).stdout == text


DAMAGE = {
    "nftables": [
        "nft insert rule inet virtnet_filter from-nat accept",
        "nft flush chain inet virtnet_filter to-nat",
        "nft insert rule inet virtnet_filter forward accept comment '\"nat#00\"'",
        "nft delete element inet virtnet_filter from '{ \"br1\" }'",
        "nft add element inet virtnet_filter bridges '{ \"eth0\" }'",
        "nft flush chain inet virtnet_filter refuse",
        "nft delete table inet virtnet_filter",
    ],
    "iptables": [
        "iptables -I vn-from-nat -j ACCEPT",
        "ip6tables -F vn-to-nat",
        "iptables -D FORWARD 1",
        "iptables -F vn-forward",
        "ip6tables -F vn-refuse",
    ],
}


@pytest.mark.parametrize("backend", BACKENDS)
def test_damage_by_hand_is_repaired(play: Player, host: Sandbox, backend):
    task = firewalls(backend, wanted("nat"), wanted("routed"))
    play(host, [task])
    whole = packet_rules(host)
    tasks = [step for damage in DAMAGE[backend] for step in ({"ansible.builtin.shell": damage}, task)]
    results = play(host, [*tasks, task])
    assert [result.changed for result in results[1::2]] == [True] * len(DAMAGE[backend])
    assert not results[-1].changed
    assert packet_rules(host) == whole


def test_a_network_is_changed_alone_and_in_place(play: Player, host: Sandbox, backend):
    """Another bridge, another model, another subnet; what belongs to the other network is not even written again."""
    _first, changed, again = play(
        host,
        [
            firewalls(backend, wanted("nat"), wanted("routed")),
            *[firewalls(backend, {**wanted("nat"), "bridge": "other", "model": "routed", "subnets": ["10.99.0.0/16"]})]
            * 2,
        ],
    )
    assert (changed.changed, again.changed) == (True, False)
    assert not any("from-routed " in line and "add rule" in line for line in changed.commands)
    listing = packet_rules(host)
    assert "10.99.0.0" in listing
    assert "br1" not in listing
    assert "br3" in listing


def test_purge_and_namespaces(play: Player, host: Sandbox, backend):
    before = packet_rules(host)
    (refused,) = play(host, [fails(firewalls(backend, wanted("nat", netns="r1")))])
    assert "namespace 'r1' does not exist" in refused.msg
    host.run(["ip", "netns", "add", "r1"])
    play(host, [firewalls(backend, wanted("nat", netns="r1"), wanted("routed"), wanted("isolated"))])
    kept = firewalls(backend, wanted("isolated"), purge=True)
    purged, again = play(host, [kept, kept])
    assert (purged.changed, again.changed) == (True, False)
    assert "br3" not in packet_rules(host)
    assert "br5" in packet_rules(host)
    inside = [host.run(["ip", "netns", "exec", "r1", tool]).stdout for tool in ("iptables-save", "ip6tables-save")]
    inside.append(host.run(["ip", "netns", "exec", "r1", NFT, "list", "tables"]).stdout)
    assert "vn-" not in "".join(inside)
    assert "virtnet" not in "".join(inside)
    play(host, [firewalls(backend, purge=True)])
    assert packet_rules(host) == before


def test_what_the_kernel_refuses_changes_nothing(play: Player, host: Sandbox):
    """The second family is refused: the first is taken back."""
    play(host, [firewalls("iptables", wanted("nat"))])
    for command in ("-N mine", "-A mine -j vn-from-nat"):
        host.run(["ip6tables", *command.split()])
    before = packet_rules(host)
    (result,) = play(host, [fails(firewalls("iptables", {"name": "nat", "state": "absent"}))])
    assert "vn-from-nat" in result.msg
    assert "Everything is as it was before" in result.msg
    assert packet_rules(host) == before


def test_a_change_that_does_not_hold_is_undone(play: Player, host: Sandbox):
    play(host, [firewalls("nftables", wanted("nat"))])
    before = packet_rules(host)
    wrap(host, "nft", '[ "$1" = -f ] || exec $real "$@"; grep -v 10.9.3.0 | $real -f -')
    (result,) = play(host, [fails(firewalls("nftables", wanted("routed"), wanted("nat", host_access=False)))])
    assert "reading it back shows these still to be made" in result.msg
    assert packet_rules(host) == before


def test_examples_run_and_run_again(play: Player, host: Sandbox):
    for task in examples("network_firewall"):
        first, second = play(host, [task, task])
        assert (task["name"], first.changed, second.changed) == (task["name"], True, False)


def test_mistakes_are_told_plainly_before_anything_is_changed(play: Player, host: Sandbox):
    play(host, [firewalls("nftables", wanted("nat"))])
    before = packet_rules(host)
    mistakes = {
        "bridge: it is missing": {"name": "x", "model": "isolated"},
        "subnets: 'model: nat' needs them": {"name": "x", "bridge": "br9", "model": "nat"},
        "subnets: '172.30,1.51' is not an IP address": wanted("routed", subnets=["172.30,1.51"]),
        "subnets: '10.9.3.1/24' has host bits set; the network is 10.9.3.0/24": wanted(
            "routed", subnets=["10.9.3.1/24"]
        ),
        "bridge: 'br1' belongs to network 'nat' and to 'routed'": wanted("routed", bridge="br1"),
        "bridge: 'br*' has a '*'": wanted("routed", bridge="br*"),
        "name: 'a b' is not a network's name": wanted("routed", name="a b"),
    }
    tasks = [fails(firewalls("nftables", wanted("isolated"), mistake)) for mistake in mistakes.values()]
    for result, text in zip(play(host, tasks), mistakes, strict=True):
        assert text in result.msg
    assert packet_rules(host) == before
