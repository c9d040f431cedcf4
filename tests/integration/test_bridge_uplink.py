# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""bridge with an uplink: the host's network moves to the bridge and back, on a LAN with real connections."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.integration.support import Player, fails
from tests.integration.support.examples import examples
from tests.integration.support.links import BY_ITSELF, addresses, ip, link, links, network, replay
from tests.integration.support.probe import Probe
from tests.integration.test_faults import holder
from tests.sandbox import LanHost, Sandbox

ON = {"name": "br-lan", "uplink": "uplink0"}
# More than LanHost.connect gives; IPv6 first, since its routes stay when IPv4 addresses change.
MORE = """
address add 192.0.2.20/24 dev uplink0 label uplink0:web
address add 198.51.100.7/28 broadcast 198.51.100.15 dev uplink0
address add 203.0.113.5 peer 203.0.113.6/32 dev uplink0
address add 198.51.100.40/29 dev uplink0 noprefixroute metric 50
address add 2001:db8:7::10/56 dev uplink0 valid_lft 5000 preferred_lft 4000 nodad
address add 2001:db8:8::10/64 dev uplink0 noprefixroute nodad
route add 198.51.100.40/29 dev uplink0 proto kernel scope link src 198.51.100.40 metric 100
route add default via 192.0.2.2 dev uplink0 metric 200 proto static
route add 10.1.0.0/16 via 10.0.0.1 dev uplink0 onlink
route add 10.2.0.0/16 via 192.0.2.3 dev uplink0 src 192.0.2.20 mtu 1300 initcwnd 20 proto 99
route append 10.2.0.0/16 via 192.0.2.4 dev uplink0
route add 10.3.0.0/16 dev uplink0 scope link table 1000 tos 0x10
route add default via 192.0.2.5 dev uplink0 table 1000
-6 route add default via 2001:db8:1::2 dev uplink0 metric 2048
-6 route append default via 2001:db8:1::3 dev uplink0 metric 2048
-6 route add 2001:db8:9::/48 via fe80::1 dev uplink0 table 1000 src 2001:db8:1::10 pref high
-6 route add 2001:db8:a::/48 dev uplink0 expires 5000 proto ra
"""


def bridge(**options: Any) -> dict[str, Any]:
    return {"virtnet.qemu.bridge": options}


def crowd(host: Sandbox) -> None:
    """Give the host's NIC everything that can move."""
    replay(host, [f"ip {line}" for line in MORE.strip().splitlines()])


def all_routes(host: Sandbox, name: str) -> list[str]:
    """Every route through an interface but the kernel's local ones, each next hop for itself, without what counts."""
    found = []
    for family in "46":
        for route in json.loads(host.run(["ip", f"-{family}", "-j", "route", "show", "table", "all"]).stdout):
            hops = [{**route, **hop} for hop in route.pop("nexthops", [{}])]
            found += [hop for hop in hops if hop["dev"] == name and hop.get("table") != "local"]
    told = [{k: v for k, v in hop.items() if k not in ("dev", "flags", "weight", "expires")} for hop in found]
    return sorted(json.dumps(hop, sort_keys=True) for hop in told if not hop["dst"].startswith(BY_ITSELF))


def test_everything_moves_to_the_bridge_and_back(play: Player, host, lan: LanHost, new_host):
    crowd(host)
    before, mac = network(host), link(host, "uplink0")["address"]
    had, held = all_routes(host, "uplink0"), addresses(link(host, "uplink0"))
    made, again, left, gone, idle = play(
        host,
        [bridge(**ON), bridge(**ON), bridge(name="br-lan"), bridge(name="br-lan", state="absent")]
        + [bridge(**ON, state="absent")],
    )
    assert made.changed and gone.changed
    assert not again.changed and not left.changed and not idle.changed
    assert network(host) == before
    assert all_routes(host, "uplink0") == had
    (check,) = play(host, [bridge(**ON)], check=True)
    assert network(host) == before
    play(host, [bridge(**ON)])
    assert strip(check.commands) == strip(made.commands)
    assert link(host, "br-lan")["address"] == mac
    assert link(host, "uplink0")["master"] == "br-lan"
    assert (addresses(link(host, "uplink0")), addresses(link(host, "br-lan"))) == ([], held)
    labels = {info.get("label") for info in link(host, "br-lan")["addr_info"]}
    assert "br-lan:web" in labels
    assert all_routes(host, "uplink0") == []
    assert all_routes(host, "br-lan") == sorted(had)


def strip(commands: list[str]) -> list[str]:
    """Without the numbers of what counts down."""
    return [" ".join(word for word in line.split() if not word.isdigit()) for line in commands]


def test_the_commands_can_be_typed(play: Player, host, lan: LanHost, new_host):
    twin = new_host()
    with LanHost(f"{lan.name}-twin") as other:
        other.connect(twin)
        type_them(play, host, twin)


def type_them(play: Player, host: Sandbox, twin: Sandbox) -> None:
    for each in (host, twin):
        each.run(["sysctl", "-w", "net.ipv6.conf.uplink0.accept_ra=2"])
        crowd(each)
    ip(twin, "link", "set", "dev", "uplink0", "address", link(host, "uplink0")["address"])
    had = network(twin)
    made, gone = play(host, [bridge(**ON), bridge(name="br-lan", state="absent")])
    replay(twin, made.commands)
    assert addresses(link(twin, "uplink0")) == [] and all_routes(twin, "uplink0") == []
    assert twin.run(["sysctl", "-n", "net.ipv6.conf.br-lan.accept_ra"]).stdout == "2\n"
    replay(twin, gone.commands)
    assert network(twin) == had


@pytest.fixture
def probes(host: Sandbox, lan: LanHost) -> Iterator[tuple[Probe, Probe]]:
    """On the host and on the LAN, each with an open connection to the other."""
    with Probe(host, name="host") as at_host, Probe(lan, name="lan") as at_lan:
        for probe in (at_host, at_lan):
            probe.serve(5300)
        yield at_host, at_lan


def ask_both(probes: tuple[Probe, Probe]) -> list[Any]:
    """What comes over the connections that are kept, in both directions and versions of IP."""
    at_host, at_lan = probes
    return [
        *(at_host.ask("tcp", there, 5300, keep=there) for there in (LanHost.ADDRESS, LanHost.ADDRESS6)),
        *(at_lan.ask("tcp", there, 5300, keep=there) for there in ("192.0.2.10", "2001:db8:1::10")),
    ]


def test_open_connections_survive_both_ways(play: Player, host, lan: LanHost, probes):
    opened = ask_both(probes)
    assert [answer.server for answer in opened] == ["lan", "lan", "host", "host"]
    for options in (ON, {**ON, "uplink": ""}, ON, {**ON, "state": "absent"}):
        play(host, [bridge(**options)])
        # With the same ports on either end: these are the connections of before.
        assert ask_both(probes) == opened
        # And new ones, beyond the LAN's own subnet too.
        assert probes[0].ask("tcp", LanHost.ADDRESS, 5300).client == "192.0.2.10"
        assert probes[1].ask("udp", "2001:db8:1::10", 5300).server == "host"
    assert "br-lan" not in links(host)


def test_the_hosts_way_out_is_kept(play: Player, host, lan: LanHost, probes):
    for where in ("203.0.113.9/32", "2001:db8:f::9/128"):
        ip(lan, "address", "add", where, "dev", "lo")
    play(host, [bridge(**ON)])
    assert probes[0].ask("tcp", "203.0.113.9", 5300).client == "192.0.2.10"
    assert probes[0].ask("tcp", "2001:db8:f::9", 5300).client == "2001:db8:1::10"


@pytest.mark.newest_end
@pytest.mark.parametrize(
    ("options", "event"),
    [
        (ON, r"br-lan.* inet 192.0.2.10/24"),
        (ON, r"uplink0.* master br-lan"),
        (ON, r"via 2001:db8:1::1 dev br-lan"),
        (ON, r"^Deleted .*uplink0 +inet6 2001:db8:7::10/56"),
        ({**ON, "state": "absent"}, r"^\d+: uplink0 +inet 192.0.2.10/24"),
        ({**ON, "state": "absent"}, r"^10.2.0.0/16 via 192.0.2.3 dev uplink0"),
        ({**ON, "state": "absent"}, r"^Deleted .*br-lan +inet6 2001:db8:8::10/64"),
    ],
)
def test_a_killed_run_loses_nothing_and_is_completed(play: Player, host, lan: LanHost, probes, options, event):
    crowd(host)
    before, had = network(host), everything(host)
    if "state" in options:
        play(host, [bridge(**ON)])
    opened = ask_both(probes)
    kill_at(play, host, bridge(**options), event)
    assert had <= everything(host)
    if "state" not in options:
        assert ask_both(probes) == opened
    _again, idle = play(host, [bridge(**options)] * 2)
    assert not idle.changed
    assert ask_both(probes) == opened
    if "state" not in options:
        assert (addresses(link(host, "uplink0")), all_routes(host, "uplink0")) == ([], [])
    assert had == everything(host)
    play(host, [bridge(name="br-lan", state="absent")])
    assert network(host) == before
    assert [path.name for path in host.path("/run/virtnet").iterdir()] == ["lock"]


def everything(host: Sandbox) -> set[str]:
    """All addresses and routes of the NIC and the bridge, wherever they are."""
    names = [name for name in ("uplink0", "br-lan") if name in links(host)]
    return {fact for name in names for fact in [*addresses(link(host, name)), *all_routes(host, name)]}


@contextmanager
def told(host: Sandbox, event: str) -> Iterator[None]:
    """Afterwards, wait for the kernel to tell of `event`, if it did not do so meanwhile."""
    monitor = host.popen(["ip", "-oneline", "monitor", "link", "address", "route"], stdout=subprocess.PIPE, text=True)
    patience = threading.Timer(20, monitor.kill)
    try:
        yield
        patience.start()
        assert any(re.search(event, line) for line in monitor.stdout), "it never came"
    finally:
        patience.cancel()
        monitor.kill()
        monitor.communicate()


def kill_at(play: Player, host: Sandbox, task: dict[str, Any], event: str) -> None:
    """Run a task, and kill its module when the kernel tells of `event`."""
    with told(host, event):
        run = play.start(host, [fails(task)])
    os.kill(holder(host), signal.SIGKILL)
    (killed,) = run.finish()
    assert killed.failed


def hear(host: Sandbox, lan: LanHost, name: str) -> None:
    """Let the host's kernel learn from the LAN's router, on that interface."""
    lan.advertise()
    # What comes after it has come, it has come too.
    host.run(["ping", "-c1", LanHost.ADDRESS6])
    (router,) = (info["local"] for info in link(lan, "lan")["addr_info"] if info["scope"] == "link")
    routes = [json.loads(route) for route in all_routes(host, name)]
    assert 1024 in [route["metric"] for route in routes if route.get("gateway") == router]


@pytest.mark.parametrize("beside", [None, "default via fe80::1 dev uplink0 metric 1024 proto ra expires 5000"])
def test_advertised_routes_are_learned_again_on_either_side(play: Player, host, lan: LanHost, probes, beside):
    if beside:
        # As a daemon makes it that hears advertisements itself: one of two next hops, with a protocol of its own.
        ip(host, "-6", "route", "append", *beside.split())
    hear(host, lan, "uplink0")
    had, opened = everything(host), ask_both(probes)
    for options, name in [(ON, "br-lan"), ({**ON, "state": "absent"}, "uplink0")] * 2:
        changed, again = play(host, [bridge(**options)] * 2)
        assert changed.changed and not again.changed
        assert ask_both(probes) == opened
        hear(host, lan, name)
        # One more than before: what stood in for the learned route goes by itself.
        (stood_in,) = everything(host) - had
        assert json.loads(stood_in)["metric"] == 1025
        assert had < everything(host)


def test_a_failure_puts_advertised_routes_back_too(play: Player, host, lan: LanHost):
    hear(host, lan, "uplink0")
    had = everything(host)
    (failed,) = play(host, [fails(bridge(config=[ON, {"name": "br-x", "ports": ["lo"]}]))])
    assert failed.msg.endswith("Everything is as it was before")
    hear(host, lan, "uplink0")
    assert had < everything(host)


def test_a_failure_leaves_the_nic_as_it_was(play: Player, host, lan: LanHost, probes):
    crowd(host)
    before, opened = network(host), ask_both(probes)
    # The kernel refuses the loopback as a port, when the uplink has moved.
    bad = {"name": "br-x", "ports": ["lo"]}
    (failed,) = play(host, [fails(bridge(config=[ON, bad]))])
    assert failed.msg.endswith("failed: Invalid argument. Everything is as it was before")
    assert network(host) == before
    play(host, [bridge(**ON)])
    bridged = network(host)
    play(host, [fails(bridge(config=[{"name": "br-lan", "state": "absent"}, bad]))])
    assert network(host) == bridged
    assert ask_both(probes) == opened


def test_the_bridges_own_addresses_stay_its_own(play: Player, host, lan: LanHost):
    before = network(host)
    own = ["10.9.0.1/24", "fd00:9::1/64"]
    play(host, [bridge(**ON, addresses=own)])
    assert set(own) < set(addresses(link(host, "br-lan")))
    # A route through them is no business of the NIC.
    ip(host, "route", "add", "10.77.0.0/16", "via", "10.9.0.9")
    changed, again, without = play(
        host, [bridge(**ON, addresses=own[:1])] * 2 + [bridge(**{**ON, "uplink": ""}, mac="52:54:00:00:00:77")]
    )
    assert "ip address delete fd00:9::1/64 dev br-lan" in changed.commands
    assert not again.changed
    assert addresses(link(host, "br-lan")) == own[:1]
    assert host.run(["ip", "route", "show", "dev", "br-lan", "proto", "boot"]).stdout.split()[0] == "10.77.0.0/16"
    play(host, [bridge(name="br-lan", state="absent")])
    assert network(host) == before


def test_what_is_listed_but_came_from_the_nic_goes_back_to_it(play: Player, host, lan: LanHost):
    before = network(host)
    listed = bridge(**ON, addresses=["192.0.2.10/24", "10.9.0.1/24"])
    made, again, gone = play(host, [listed, listed, bridge(config=[], purge=True)])
    assert made.changed and not again.changed and gone.changed
    assert network(host) == before


def test_flushed_for_a_bridge_that_gets_its_address_otherwise(play: Player, host, lan: LanHost):
    flush = bridge(**ON, uplink_addresses="flush", addresses=["192.0.2.10/24"])
    made, again = play(host, [flush, flush])
    assert made.changed and not again.changed
    assert addresses(link(host, "br-lan")) == ["192.0.2.10/24"]
    assert (addresses(link(host, "uplink0")), all_routes(host, "uplink0")) == ([], [])


def test_a_bridge_made_by_hand_is_adopted_and_its_address_goes_to_the_nic(play: Player, host, lan: LanHost):
    before = network(host)
    mac = link(host, "uplink0")["address"]
    ip(host, "link", "add", "br-lan", "address", mac, "type", "bridge")
    ip(host, "link", "set", "br-lan", "up")
    ip(host, "link", "set", "uplink0", "master", "br-lan")
    replay(host, ["ip address flush dev uplink0 scope global", "ip address add 192.0.2.10/24 dev br-lan"])
    replay(host, ["ip address add 2001:db8:1::10/64 dev br-lan nodad", "ip route add default via 192.0.2.1"])
    replay(host, ["ip -6 route replace default via 2001:db8:1::1 dev br-lan"])
    adopted, again, gone = play(host, [bridge(**ON, adopt=True), bridge(**ON), bridge(name="br-lan", state="absent")])
    assert adopted.commands == ["ip link set dev br-lan alias 'virtnet.qemu uplink=uplink0 own='"]
    assert not again.changed and gone.changed
    assert network(host) == before


def test_inside_a_namespace_with_odd_names(play: Player, host, lan: LanHost):
    ip(host, "netns", "add", "r1")
    link_name, bridge_name = "up'link#0", "größe.1"
    ip(host, "link", "set", "uplink0", "down")
    ip(host, "link", "set", "uplink0", "netns", "r1", "name", link_name)
    replay(host, [f'ip -n r1 link set dev "{link_name}" up', f'ip -n r1 address add 192.0.2.10/24 dev "{link_name}"'])
    replay(host, ["ip -n r1 route add default via 192.0.2.1"])
    before = network(host)
    options = {"name": bridge_name, "netns": "r1", "uplink": link_name}
    made, again, gone = play(host, [bridge(**options), bridge(**options), bridge(**options, state="absent")])
    assert made.changed and not again.changed and gone.changed
    assert network(host) == before


@pytest.mark.newest_end
def test_examples_run_and_run_again(play: Player, host: Sandbox):
    ip(host, "link", "add", "enp3s0", "type", "veth", "peer", "name", "far")
    replay(host, ["ip link set far up", "ip link set enp3s0 up", "ip address add 192.0.2.10/24 dev enp3s0"])
    replay(host, ["ip route add default via 192.0.2.1"])
    before = network(host)
    tasks = examples("bridge")
    results = play(host, [task for task in tasks for _run in range(2)])
    assert [result.changed for result in results] == [True, False] * len(tasks)
    play(host, [bridge(config=[], purge=True)])
    assert network(host) == before


REFUSED = [
    ({"uplink": "nowhere"}, "uplink: there is no interface 'nowhere'; make it first"),
    ({"uplink": "mine"}, "uplink: 'mine' is a bridge itself; name the physical NIC"),
    ({"uplink": "lo"}, "uplink: 'lo' is the loopback interface; name the physical NIC"),
    ({"uplink": "eth1"}, "uplink: 'eth1' is a port of 'mine'; take it off there first"),
    ({"uplink": "wlan0"}, "uplink: 'wlan0' is a wireless NIC, which cannot be a port of a bridge; use a NAT network"),
    ({"uplink": "tun0"}, "uplink: 'tun0' is no Ethernet interface, so it cannot be a port of a bridge"),
    ({"uplink": "br0"}, "uplink: 'br0' is the bridge itself or listed under 'ports'; it is one or the other"),
    ({"uplink": "a/b"}, "uplink: 'a/b' is not an interface name; "),
    ({"uplink": "uplink0", "ports": ["uplink0"]}, "uplink: 'uplink0' is the bridge itself or listed under 'ports'"),
    ({"uplink": "several"}, "uplink: 'several' has a route that cannot be moved to the bridge: 10.4.0.0/16 table main"),
    ({"name": "ours", "uplink": "several"}, "uplink: 'ours' has the uplink 'used'; take that away first"),
    ({"name": "ours", "ports": ["used"]}, "ports: 'used' is the uplink of 'ours'; list only the other ports"),
]


def test_what_cannot_be_is_refused_before_anything_changes(play: Player, host):
    for name in ("eth1", "wlan0", "several", "used"):
        ip(host, "link", "add", name, "type", "veth", "peer", "name", f"far-{name}")
        ip(host, "link", "set", name, "up")
    ip(host, "link", "add", "mine", "type", "bridge")
    ip(host, "link", "set", "eth1", "master", "mine")
    ip(host, "tuntap", "add", "tun0", "mode", "tun")
    ip(host, "address", "add", "10.0.0.2/24", "dev", "several")
    ip(host, "route", "add", "10.4.0.0/16", "nexthop", "via", "10.0.0.3", "nexthop", "via", "10.0.0.4")
    # As the kernel shows a wireless NIC.
    device = "/sys/devices/virtual/net/wlan0"
    replay(host, [f"mount -t tmpfs tmpfs {device}", f"mkdir {device}/wireless"])
    play(host, [bridge(name="ours", uplink="used")])
    before = network(host)
    results = play(host, [fails(bridge(**{"name": "br0", **options})) for options, _said in REFUSED])
    for result, (_options, said) in zip(results, REFUSED, strict=True):
        assert result.msg.startswith(said)
    (twice,) = play(
        host, [fails(bridge(config=[{"name": "b1", "uplink": "several"}, {"name": "b2", "uplink": "several"}]))]
    )
    assert twice.msg == "config: 'several' is listed twice; keep one of them"
    assert network(host) == before
