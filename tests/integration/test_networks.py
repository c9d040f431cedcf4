# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The role networks: every model side by side on one host, with probes in the guests' places."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import pytest

from tests.integration.support import Player
from tests.integration.support.dhcp import lease, plug, resolve
from tests.integration.support.links import network
from tests.integration.support.probe import Answer, Probe, ask_all
from tests.sandbox import LanHost, Sandbox

pytestmark = pytest.mark.newest_end

LAN, LAN6 = LanHost.ADDRESS, LanHost.ADDRESS6
HOST, HOST6 = "192.0.2.10", "2001:db8:1::10"
PORT = 4000
ROUTER = {"gateway": "namespace", "external_bridge": "br-ex", "external_gateways": [LAN]}
NETWORKS = [
    {
        "name": "lab",
        "model": "nat",
        "subnet": "10.7.1.0/24",
        "subnet6": "fd00:7:1::/64",
        "uplink": "br-ex",
        "forwards": [{"port": 2222, "guest": "lab1", "guest_port": PORT}],
        "one_to_one": [{"external_address": "192.0.2.77", "guest": "lab2"}],
    },
    {"name": "back", "model": "isolated", "subnet": "10.7.2.0/24"},
    {"name": "only", "model": "isolated", "subnet": "10.7.3.0/24", "host_address": True, "domain": "only.test"},
    {"name": "dmz", "model": "routed", "subnet": "10.7.4.0/24", "subnet6": "2001:db8:4::/64"},
    {"name": "r1", "model": "nat", "subnet": "10.7.9.0/24", "external_addresses": ["192.0.2.51/24"], **ROUTER},
    {"name": "r2", "model": "nat", "subnet": "10.7.9.0/24", "external_addresses": ["192.0.2.52/24"], **ROUTER}
    | {"forwards": [{"port": 2222, "guest": "r21", "guest_port": PORT}]},
    {"name": "r3", "model": "routed", "subnet": "10.7.10.0/24", "external_addresses": ["192.0.2.53/24"], **ROUTER},
    {"name": "plain", "model": "isolated"},
]
NAMES = [entry["name"] for entry in NETWORKS]
#: Whom the guests of a network reach besides one another, and who reaches them by their own address.
REACHES = {"lab": {"host", "lan"}, "only": {"host"}, "dmz": {"host", "lan"}} | {
    name: {"host", "lan"} for name in ("r1", "r2", "r3")
}
REACHED = {"lab": {"host"}, "only": {"host"}, "dmz": {"host", "lan"}, "r3": {"host", "lan"}}
BY_THE_HOST = {"lab", "back", "only", "dmz"}
#: The addresses that are not left to DHCP.
FIXED = {
    "lab1": {"address": "10.7.1.11", "address6": "fd00:7:1::11"},
    "lab2": {"address": "10.7.1.12", "address6": "fd00:7:1::12"},
    "dmz1": {"address6": "2001:db8:4::11"},
    "dmz2": {"address6": "2001:db8:4::12"},
    "r21": {"address": "10.7.9.11"},
}


def guests() -> list[dict[str, Any]]:
    found = []
    for name in NAMES:
        for guest in (f"{name}1", f"{name}2"):
            found.append({"name": guest, "nics": [{"network": name, **FIXED.get(guest, {})}]})
    return found


def role(entries: list[dict[str, Any]], tasks_from: str = "main") -> dict[str, Any]:
    return {
        "ansible.builtin.include_role": {"name": "virtnet.qemu.networks", "tasks_from": tasks_from},
        "vars": {"networks_list": entries, "networks_guests": guests()},
    }


def changed(results: list[Any]) -> list[str]:
    return [result.task for result in results if result.changed]


@pytest.fixture
def bridged(host: Sandbox, lan: LanHost) -> Sandbox:
    bridge_uplink(host, lan)
    return host


@pytest.fixture(scope="module")
def common_bridged(common_host: Sandbox, common_lan: LanHost) -> Sandbox:
    bridge_uplink(common_host, common_lan)
    return common_host


def bridge_uplink(host: Sandbox, lan: LanHost) -> None:
    """Make the uplink a port of ``br-ex``, which gets the host's address."""
    lines = ["link add br-ex type bridge stp_state 0 forward_delay 0", "link set br-ex up"]
    lines += ["link set uplink0 master br-ex", "address flush dev uplink0"]
    lines += [f"address add {HOST}/24 dev br-ex", f"address add {HOST6}/64 dev br-ex nodad"]
    lines += [f"route replace default via {LAN}", f"route replace ::/0 via {LAN6}"]
    host.run(["ip", "-batch", "-"], input="\n".join(lines) + "\n")
    lan.run(["ip", "route", "add", "10.7.4.0/24", "via", HOST])
    lan.run(["ip", "route", "add", "2001:db8:4::/64", "via", HOST6])
    for each in (lan, host):
        each.run(["ip", "route", "add", "10.7.10.0/24", "via", "192.0.2.53"])
        # Else the kernel's limit for ICMP errors turns refusals into silence, which takes its time.
        each.run(["sysctl", "-w", "net.ipv4.icmp_ratelimit=0", "net.ipv6.icmp.ratelimit=0"])
    # It says of what it has no route to that it is unreachable.
    lan.run(["sysctl", "-w", "net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1"])


@dataclass
class Site:
    """Probes by their names, and their addresses."""

    probes: dict[str, Probe]
    addresses: dict[str, str]

    def reached(self, pairs: Iterable[tuple[str, str, str]]) -> set[tuple[str, str]]:
        """Those of (who, whom, whose address) that reach one another; all are asked at once."""
        asked = list(pairs)
        answers = ask_all([(self.probes[who], "tcp", address, PORT) for who, _whom, address in asked])
        return {
            (who, whom)
            for (who, whom, _address), said in zip(asked, answers, strict=True)
            if isinstance(said, Answer) and said.server == whom
        }

    def asks(self, who: str, address: str, port: int = PORT) -> str:
        said = self.probes[who].ask("tcp", address, port)
        return said.server if isinstance(said, Answer) else said

    def seen_as(self, who: str, address: str, port: int = PORT) -> str:
        """The address that the one who answers sees."""
        return self.probes[who].ask("tcp", address, port).client


def join(host: Sandbox, guest: str, bridge: str, mac: str) -> str:
    """Plug a probe in, and give it what DHCP says, and the IPv6 address of the inventory; returns its IPv4 address."""
    plug(host, guest, bridge, mac)
    # It has the addresses that are asked for, and no more.
    host.run(["ip", "netns", "exec", guest, "sysctl", "-w", "net.ipv6.conf.eth0.accept_ra=0"])
    got = lease(host, guest, hostname=guest)
    lines = ["link set lo up", f"address add {got['ip']}/{got['mask']} dev eth0"]
    lines += [f"route add default via {got['router']}"] if "router" in got else []
    if address6 := FIXED.get(guest, {}).get("address6"):
        gateway = address6.partition("::")[0] + "::1"
        lines += [f"address add {address6}/64 dev eth0 nodad", f"route replace ::/0 via {gateway} metric 1"]
    host.run(["ip", "-n", guest, "-batch", "-"], input="\n".join(lines) + "\n")
    return got["ip"]


@pytest.fixture(scope="module")
def site(play: Player, common_bridged: Sandbox, common_lan: LanHost) -> Iterator[Site]:
    bridged, lan = common_bridged, common_lan
    play(bridged, [role(NETWORKS)])
    for router in ("vn-r1", "vn-r2", "vn-r3"):
        bridged.run(["ip", "netns", "exec", router, "sysctl", "-w", "net.ipv4.icmp_ratelimit=0"])
    macs = macs_of(play, bridged)
    addresses = {"host": HOST, "lan": LAN}
    for guest in (f"{name}{n}" for name in NAMES if name != "plain" for n in (1, 2)):
        addresses[guest] = join(bridged, guest, f"br-{guest[:-1]}", macs[guest])
    with ExitStack() as stack:
        places = {"host": (bridged, None), "lan": (lan, None)}
        probes = {name: stack.enter_context(Probe(*places.get(name, (bridged, name)), name)) for name in addresses}
        for probe in probes.values():
            probe.serve(PORT)
        yield Site(probes, addresses)


def macs_of(play: Player, host: Sandbox) -> dict[str, str]:
    """What a guest's NIC has by default."""
    message = "{{ guests | virtnet.qemu.with_macs('virtnet', inventory_hostname) }}"
    task = {"ansible.builtin.debug": {"msg": message}, "vars": {"guests": guests()}}
    return {guest["name"]: guest["nics"][0]["mac"] for guest in play(host, [task])[-1]["msg"]}


def network_of(name: str) -> str:
    return name[:-1] if name[-1] in "12" else ""


def address_for(site: Site, who: str, whom: str) -> str:
    """Guests of a network that is the host's only know no other address of it."""
    return "10.7.3.1" if (network_of(who), whom) == ("only", "host") else site.addresses[whom]


def may_reach(who: str, whom: str) -> bool:
    if network_of(who) == network_of(whom):
        return True
    if not network_of(who):
        return who in REACHED.get(network_of(whom), ())
    reaches = REACHES.get(network_of(who), ())
    # Two that meet on the LAN, not on the host, are each other's LAN.
    meet_there = not {network_of(who), network_of(whom)} <= BY_THE_HOST
    return whom in reaches or (meet_there and "lan" in reaches and "lan" in REACHED.get(network_of(whom), ()))


def test_every_model_keeps_its_promise_beside_the_others(site: Site):
    pairs = {(a, b) for a in site.addresses for b in site.addresses if a != b}
    # What has the same address as another is asked for by its own network only.
    twins = ("r1", "r2")
    asked = {(a, b) for a, b in pairs if network_of(b) not in twins or network_of(a) == network_of(b)}
    reached = site.reached((a, b, address_for(site, a, b)) for a, b in asked)
    assert reached == {(a, b) for a, b in asked if may_reach(a, b)}

    # Who they are to the LAN.
    seen = {name: site.seen_as(f"{name}1", LAN) for name in ("lab", "dmz", "r1", "r2", "r3")}
    assert seen == {
        "lab": HOST,
        "r1": "192.0.2.51",
        "r2": "192.0.2.52",
        **{name: site.addresses[f"{name}1"] for name in ("dmz", "r3")},
    }
    # Ports, and an address of a guest's own, in both directions.
    assert site.asks("lan", HOST, 2222) == "lab1"
    assert site.asks("host", HOST, 2222) == "lab1"
    assert site.asks("lab2", HOST, 2222) == "lab1"
    assert site.asks("lan", "192.0.2.52", 2222) == "r21"
    assert site.asks("r22", "192.0.2.52", 2222) == "r21"
    assert site.asks("lan", "192.0.2.77") == "lab2"
    assert site.seen_as("lab2", LAN) == "192.0.2.77"


def test_both_versions_of_ip_keep_the_promise(site: Site):
    addresses = {guest: fixed["address6"] for guest, fixed in FIXED.items() if "address6" in fixed}
    addresses |= {"host": HOST6, "lan": LAN6}
    pairs = {(a, b) for a in addresses for b in addresses if a != b}
    reached = site.reached((a, b, addresses[b]) for a, b in pairs)
    assert reached == {(a, b) for a, b in pairs if may_reach(a, b)}
    assert [site.seen_as(guest, LAN6) for guest in ("lab1", "dmz1")] == [HOST6, addresses["dmz1"]]
    for who in ("lan", "host", "lab2"):
        assert site.asks(who, HOST6, 2222) == "lab1"


def test_names_are_resolved_where_there_is_a_way_to(site: Site, common_bridged: Sandbox):
    bridged = common_bridged
    assert resolve(bridged, "lab1", "10.7.1.1", LanHost.WEB_NAME) == [LAN, LAN6]
    assert resolve(bridged, "r11", "10.7.9.1", LanHost.WEB_NAME) == [LAN, LAN6]
    assert resolve(bridged, "back1", "10.7.2.1", LanHost.WEB_NAME) == []
    assert resolve(bridged, "only1", "10.7.3.1", "only2.only.test") == [site.addresses["only2"]]


def test_made_once_and_removed_without_a_trace(play: Player, bridged: Sandbox):
    before = network(bridged)
    processes = bridged.snapshot()["processes"]
    assert changed(play(bridged, [role(NETWORKS)], check=True))
    assert network(bridged) == before
    assert changed(play(bridged, [role(NETWORKS)]))
    assert changed(play(bridged, [role(NETWORKS)])) == []

    forwarding = ["net.ipv4.ip_forward", "net.ipv6.conf.all.forwarding", "net.ipv6.conf.br-ex.accept_ra"]
    undo = {"virtnet.qemu.sysctl": {"config": [{"name": name, "state": "absent"} for name in forwarding]}}
    play(bridged, [role(NETWORKS, "teardown"), undo])
    assert network(bridged) == before
    assert bridged.snapshot()["processes"] == processes
    assert changed(play(bridged, [role(NETWORKS, "teardown")])) == []


def test_a_bridge_in_the_uplinks_place_takes_its_router_advertisements(play: Player, host: Sandbox, lan: LanHost):
    entries = [
        {"name": "lan", "model": "bridged", "uplink": "uplink0"},
        {"name": "lab", "model": "nat", "subnet": "10.7.1.0/24", "subnet6": "fd00:7:1::/64"},
    ]
    ask = ["sysctl", "--all", "--pattern", r"(\.accept_ra|all\.forwarding|ip_forward)$"]
    advertised, on_nic = (f"net.ipv6.conf.{name}.accept_ra" for name in ("br-lan", "uplink0"))
    host.run(["sysctl", "-w", f"{on_nic}=0"])
    before = host.run(ask).stdout
    # Who takes no advertisements on the uplink takes none on the bridge.
    play(host, [role(entries)])
    assert f"{advertised} = 0\n" in host.run(ask).stdout
    assert "accept_ra" not in host.path("/etc/sysctl.d/60-virtnet.conf").read_text()
    host.run(["sysctl", "-w", f"{advertised}=1"])
    play(host, [role(entries)])
    for at_boot in (host.run(ask).stdout, host.path("/etc/sysctl.d/60-virtnet.conf").read_text()):
        assert "net.ipv6.conf.br-lan.accept_ra = 2\n" in at_boot
        assert "net.ipv6.conf.all.forwarding = 1\n" in at_boot
    # The facts of a second run have another interface with the default route.
    assert changed(play(host, [role(entries)])) == []

    undo = {"ansible.builtin.include_role": {"name": "virtnet.qemu.host_setup", "tasks_from": "teardown"}}
    play(host, [role(entries, "teardown"), undo])
    assert host.run(ask).stdout == before
    assert changed(play(host, [role(entries, "teardown"), undo])) == []


def test_what_leaves_a_network_leaves_the_host(play: Player, bridged: Sandbox):
    lab = NETWORKS[0]
    play(bridged, [role([lab])])
    less = {key: value for key, value in lab.items() if key not in ("forwards", "one_to_one")}
    play(bridged, [role([less])])
    rules = bridged.run(["nft", "list", "ruleset"]).stdout
    assert "masquerade" in rules and "2222" not in rules and "192.0.2.77" not in rules
    routed = {key: value for key, value in less.items() if key != "uplink"} | {"model": "routed"}
    play(bridged, [role([routed])])
    assert "masquerade" not in bridged.run(["nft", "list", "ruleset"]).stdout


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ({"subnet": "192.0.2.0/28"}, ["192.0.2.0", "br-ex"]),
        ({"subnet": "10.8.0.0/24", "gateway": "namespace"}, ["external_bridge"]),
        (
            {"subnet": "10.8.0.0/24", "one_to_one": [{"external_address": "192.0.2.9", "address": "10.8.0.9"}]},
            ["uplink"],
        ),
    ],
)
def test_a_mistake_is_refused_before_anything_is_changed(play: Player, bridged: Sandbox, entry, words):
    before = network(bridged)
    results = play.start(bridged, [role([{"name": "wrong", "model": "nat", **entry}])]).finish()
    (failure,) = [result for result in results if result.failed]
    assert all(word in failure.msg for word in words), failure.msg
    assert network(bridged) == before
