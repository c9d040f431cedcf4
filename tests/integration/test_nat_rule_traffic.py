# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""nat_rule: what packets really meet, for each action, backend and version of IP."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass

import pytest

from tests.integration.support import Player
from tests.integration.support.probe import Answer, Probe, forward_packets, make_network
from tests.sandbox import LanHost, Sandbox

pytestmark = pytest.mark.newest_end

BACKENDS = ["nftables", "iptables"]
# usage: TARGET SOURCE: one datagram from port 700 to port 5999 of an address, a group or everyone.
SENDER = """
import socket, sys
target, source = sys.argv[1:]
family = socket.AF_INET6 if ":" in target else socket.AF_INET
sender = socket.socket(family, socket.SOCK_DGRAM)
sender.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
if family == socket.AF_INET:
    sender.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(source))
else:
    sender.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF, socket.if_nametoindex("uplink0"))
sender.bind((source, 700))
sender.sendto(b"?", (target, 5999))
"""


@dataclass(frozen=True)
class Addresses:
    """The addresses of one version of IP; ``extra`` is one more of the host's, ``outside`` maps to ``inside``."""

    lan: str
    host: str
    extra: str
    gateway: str
    subnet: str
    web1: str
    web2: str
    outside: str
    inside: str
    web1_outside: str


ADDRESSES = {
    4: Addresses(
        lan="192.0.2.1",
        host="192.0.2.10",
        extra="192.0.2.20",
        gateway="192.168.4.1",
        subnet="192.168.4.0/24",
        web1="192.168.4.11",
        web2="192.168.4.12",
        outside="192.0.2.64/29",
        inside="192.168.4.8/29",
        web1_outside="192.0.2.67",
    ),
    6: Addresses(
        lan="2001:db8:1::1",
        host="2001:db8:1::10",
        extra="2001:db8:1::20",
        gateway="fd00:4::1",
        subnet="fd00:4::/64",
        web1="fd00:4::11",
        web2="fd00:4::12",
        outside="2001:db8:1::40/124",
        inside="fd00:4::10/124",
        web1_outside="2001:db8:1::41",
    ),
}


@dataclass
class Network:
    """A host on a LAN with a network of two guests, all with probes."""

    host: Sandbox
    on_lan_host: LanHost
    on_host: Probe
    on_lan: Probe
    web1: Probe
    web2: Probe


@pytest.fixture
def network(host: Sandbox, lan: LanHost) -> Iterator[Network]:
    forward_packets(host)
    extra = [f"{a.extra}/{128 if ':' in a.extra else 32}" for a in ADDRESSES.values()]
    extra += [f"{a.web1_outside}/{128 if ':' in a.extra else 32}" for a in ADDRESSES.values()]
    for address in extra:
        # Deprecated, so that none of them is chosen as a source unasked.
        options = ["nodad", "preferred_lft", "0"] if ":" in address else []
        host.run(["ip", "address", "add", address, "dev", "uplink0", *options])
    gateways = [f"{ADDRESSES[4].gateway}/24", f"{ADDRESSES[6].gateway}/64"]
    guests = {
        name: [f"{getattr(ADDRESSES[4], name)}/24", f"{getattr(ADDRESSES[6], name)}/64"] for name in ("web1", "web2")
    }
    make_network(host, "br-lab", gateways, guests)
    with ExitStack() as probes:
        made = [
            probes.enter_context(probe)
            for probe in (Probe(host, name="host"), Probe(lan, name="lan"), Probe(host, "web1"), Probe(host, "web2"))
        ]
        yield Network(host, lan, *made)


@pytest.fixture(params=BACKENDS)
def nat(request: pytest.FixtureRequest, play: Player, network: Network) -> Callable[..., None]:
    """Applies the rules that a function makes for each version of IP, twice: the second time nothing changes."""

    def apply(rules: Callable[[Addresses], list[dict]]) -> None:
        config = [
            {"network": "lab", **rule, "name": f"{rule['name']}-{version}"}
            for version, addresses in ADDRESSES.items()
            for rule in rules(addresses)
        ]
        task = {"virtnet.qemu.nat_rule": {"config": config, "backend": request.param}}
        first, second = play(network.host, [task, task])
        assert (first.changed, second.changed) == (True, False)

    return apply


def asked_from(answer: Answer | str) -> str:
    assert isinstance(answer, Answer), answer
    return answer.client


def server(answer: Answer | str) -> str:
    assert isinstance(answer, Answer), answer
    return f"{answer.server}:{answer.port}"


def out(at: Addresses) -> dict:
    return {"name": "out", "action": "masquerade", "source": at.subnet, "destination": f"!{at.subnet}"}


def test_masquerade_by_not_to_itself(nat, network):
    nat(lambda at: [out(at)])
    network.on_lan.serve(8080)
    network.on_host.serve(80)
    network.web2.serve(80)
    for at in ADDRESSES.values():
        for protocol in ("tcp", "udp"):
            answer = network.web1.ask(protocol, at.lan, 8080, source_port=700)
            assert asked_from(answer) == at.host
            # Port 700 would be trusted by NFS servers.
            assert answer.client_port >= 1024
        assert asked_from(network.web1.ask("tcp", at.web2, 80)) == at.web1
        assert asked_from(network.web1.ask("tcp", at.gateway, 80)) == at.web1
        assert asked_from(network.on_host.ask("tcp", at.lan, 8080)) == at.host
        network.host.run(["ip", "netns", "exec", "web1", "ping", "-c1", "-W5", at.lan])


def test_masquerade_by_interface_and_range_of_ports(nat, network):
    nat(lambda at: [{**out(at), "destination": None, "out_interface": "uplink0", "ports": "40000-40010"}])
    network.on_lan.serve(8080)
    network.on_host.serve(80)
    for at in ADDRESSES.values():
        for protocol in ("tcp", "udp"):
            answer = network.web1.ask(protocol, at.lan, 8080)
            assert asked_from(answer) == at.host
            assert 40000 <= answer.client_port <= 40010
        assert asked_from(network.web1.ask("tcp", at.gateway, 80)) == at.web1


@pytest.mark.parametrize("translated", [4, 6], ids=["ipv4", "ipv6"])
def test_masquerade_whatever_the_source_is_for_one_version_of_ip(nat, network, translated):
    rule = {"name": "out", "action": "masquerade", "out_interface": "uplink0", "ip_version": f"ipv{translated}"}
    nat(lambda at: [rule] if at is ADDRESSES[translated] else [])
    network.on_lan.serve(8080)
    for version, at in ADDRESSES.items():
        network.on_lan_host.run(["ip", "route", "add", at.subnet, "via", at.host])
        assert asked_from(network.web1.ask("udp", at.lan, 8080)) == (at.host if version == translated else at.web1)


def test_snat_to_a_fixed_address(nat, network):
    rule = {"action": "snat", "out_interface": "uplink0"}
    nat(
        lambda at: [
            {"name": "all", **rule, "source": at.subnet, "to_address": at.extra},
            {"name": "web2", **rule, "source": at.web2, "to_address": at.host},
        ]
    )
    network.on_lan.serve(8080)
    for at in ADDRESSES.values():
        for protocol in ("tcp", "udp"):
            answer = network.web1.ask(protocol, at.lan, 8080, source_port=700)
            assert asked_from(answer) == at.extra
            assert answer.client_port >= 1024
            # The narrower rule comes first though it was listed last.
            assert asked_from(network.web2.ask(protocol, at.lan, 8080)) == at.host
        network.host.run(["ip", "netns", "exec", "web1", "ping", "-c1", "-W5", at.lan])


def forwards(at: Addresses) -> list[dict]:
    tcp = {"action": "dnat", "protocol": "tcp", "to_address": at.web1, "hairpin": at.subnet}
    udp = {**tcp, "protocol": "udp"}
    return [
        out(at),
        {"name": "tcp", **tcp, "destination_port": "2222", "to_port": "22"},
        {"name": "udp", **udp, "destination_port": "2222", "to_port": "22"},
        {"name": "same", **tcp, "destination_port": "80"},
        {"name": "elsewhere", **tcp, "destination": at.extra, "destination_port": "80", "to_port": "22"},
        {"name": "range", **tcp, "destination_port": "8000-8010"},
        {"name": "shifted", **tcp, "destination_port": "9000-9002", "to_port": "8003-8005"},
        {"name": "many-to-one", **udp, "destination_port": "7000-7002", "to_port": "22"},
    ]


def test_dnat_from_lan_host_and_neighbours(nat, network):
    nat(forwards)
    # Else a frame for the port it came from is dropped by the bridge, before it is routed.
    network.host.run(
        ["sysctl", "-w", *(f"net.bridge.bridge-nf-call-{tables}=0" for tables in ("iptables", "ip6tables"))]
    )
    network.web1.serve(22, 80, 8004, 8007)
    network.on_host.serve(2223)
    for at in ADDRESSES.values():
        for asking in (network.on_lan, network.on_host, network.web2, network.web1):
            assert server(asking.ask("tcp", at.host, 2222)) == "web1:22"
            assert server(asking.ask("udp", at.host, 2222)) == "web1:22"
            assert server(asking.ask("tcp", at.host, 80)) == "web1:80"
            assert server(asking.ask("tcp", at.extra, 80)) == "web1:22"
            assert server(asking.ask("tcp", at.host, 8007)) == "web1:8007"
            assert server(asking.ask("tcp", at.host, 9001)) == "web1:8004"
            assert server(asking.ask("udp", at.host, 7001)) == "web1:22"
            assert server(asking.ask("tcp", at.host, 2223)) == "host:2223"
        assert server(network.web2.ask("tcp", at.gateway, 2222)) == "web1:22"
        # Its own address is seen of who is not on the same network.
        assert asked_from(network.on_lan.ask("tcp", at.host, 2222)) == at.lan
        assert asked_from(network.web2.ask("tcp", at.host, 2222)) == at.gateway


def test_dnat_only_by_one_interface_or_from_one_source(nat, network):
    rule = {"action": "dnat", "protocol": "tcp", "to_port": "80"}
    nat(
        lambda at: [
            {"name": "all", **rule, "destination_port": "80", "to_address": at.web1},
            {"name": "uplink", **rule, "destination_port": "80", "to_address": at.web2, "in_interface": "uplink0"},
            {"name": "others", **rule, "destination_port": "81", "to_address": at.web2, "in_interface": "!uplink0"},
            {"name": "lan", **rule, "destination_port": "82", "to_address": at.web2, "source": at.lan},
        ]
    )
    network.web1.serve(80)
    network.web2.serve(80)
    network.on_host.serve(81, 82)
    for at in ADDRESSES.values():
        assert server(network.on_lan.ask("tcp", at.host, 80)) == "web2:80"
        assert server(network.on_host.ask("tcp", at.host, 80)) == "web1:80"
        assert server(network.on_lan.ask("tcp", at.host, 81)) == "host:81"
        assert server(network.on_lan.ask("tcp", at.host, 82)) == "web2:80"
        assert server(network.web1.ask("tcp", at.gateway, 82)) == "host:82"


def test_dnat_of_a_whole_address_leaves_single_ports_alone(nat, network):
    port = {"action": "dnat", "protocol": "tcp", "destination_port": "80"}
    nat(
        lambda at: [
            {"name": "address", "action": "dnat", "destination": at.extra, "to_address": at.web1},
            {"name": "port", **port, "destination": at.extra, "to_address": at.web2},
        ]
    )
    network.web1.serve(22, 80)
    network.web2.serve(80)
    for at in ADDRESSES.values():
        assert server(network.on_lan.ask("tcp", at.extra, 22)) == "web1:22"
        assert server(network.on_lan.ask("udp", at.extra, 80)) == "web1:80"
        assert server(network.on_lan.ask("tcp", at.extra, 80)) == "web2:80"
        assert network.on_lan.ask("tcp", at.host, 22) == "Connection refused"


def test_netmap_in_both_directions(nat, network):
    rule = {"name": "own", "action": "netmap", "out_interface": "uplink0"}
    nat(lambda at: [{**rule, "source": at.inside, "to_address": at.outside}])
    network.web1.serve(22)
    network.on_lan.serve(8080)
    for at in ADDRESSES.values():
        for protocol in ("tcp", "udp"):
            assert server(network.on_lan.ask(protocol, at.web1_outside, 22)) == "web1:22"
            assert server(network.on_host.ask(protocol, at.web1_outside, 22)) == "web1:22"
            assert asked_from(network.web1.ask(protocol, at.lan, 8080)) == at.web1_outside


def test_redirect_to_the_host(nat, network):
    rule = {"name": "proxy", "action": "redirect", "in_interface": "br-lab", "protocol": "tcp"}
    nat(
        lambda at: [
            {**rule, "destination_port": "8080", "to_port": "3128", "destination": f"!{at.subnet}"},
            out(at),
        ]
    )
    network.on_lan.serve(8080)
    network.on_host.serve(3128)
    for at in ADDRESSES.values():
        assert server(network.web1.ask("tcp", at.lan, 8080)) == "host:3128"
        assert server(network.web1.ask("udp", at.lan, 8080)) == "lan:8080"
        assert server(network.on_host.ask("tcp", at.lan, 8080)) == "lan:8080"


def test_loopback_services_stay_on_the_host(nat, network):
    nat(lambda at: [{**forwards(at)[3], "name": "web"}])
    network.on_host.serve(80)
    network.web1.serve(80)
    for at in ADDRESSES.values():
        assert server(network.on_host.ask("tcp", at.host, 80)) == "web1:80"
    for loopback in ("127.0.0.1", "127.0.0.9", "::1"):
        assert server(network.on_host.ask("tcp", loopback, 80)) == "host:80"


def test_multicast_and_broadcast_keep_their_source(nat, network):
    """Seen on the wire, as nobody answers them."""
    nat(lambda at: [{"name": "out", "action": "snat", "out_interface": "uplink0", "to_address": at.host}])
    host = network.host
    host.run(["ip", "route", "add", "255.255.255.255", "dev", "uplink0"])
    capture = host.popen(
        ["tcpdump", "-i", "uplink0", "-nn", "-l", "-c", "4", "udp port 5999"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert any("listening on" in line for line in iter(capture.stderr.readline, ""))
    for target, source in (
        ("224.0.0.251", ADDRESSES[4].extra),
        ("255.255.255.255", ADDRESSES[4].extra),
        ("ff02::fb", ADDRESSES[6].extra),
        (ADDRESSES[4].lan, ADDRESSES[4].extra),
    ):
        host.run([sys.executable, "-c", SENDER, target, source])
    seen = capture.communicate(timeout=60)[0].splitlines()
    senders = ["192.0.2.20.700 >", "192.0.2.20.700 >", "2001:db8:1::20.700 >", "192.0.2.10."]
    assert [sender in line for line, sender in zip(seen, senders, strict=True)] == [True] * 4
