# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""dhcp_client: leases on interfaces of a host, from a server on its LAN."""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Iterator
from typing import Any

import pytest

from tests.integration.support import Player, TaskResult, fails
from tests.integration.support.dhcp import await_lines, lease, plug
from tests.integration.support.examples import examples
from tests.integration.support.links import link, links, network
from tests.integration.support.systemd_host import SystemdHost
from tests.sandbox import LanHost, Sandbox

pytestmark = pytest.mark.newest_end

LAN = {"name": "lan", "interface": "uplink0", "timeout": 15}
RANGE = range(100, 110)
LEASES = "/run/dhcp.leases"
LOG = "/run/dhcp.log"
SEEN = "/run/seen"
FOLDERS = ("/etc/virtnet", "/run/virtnet", "/var/lib/virtnet")


def task(*clients: dict[str, Any], **options: Any) -> dict[str, Any]:
    return {"virtnet.qemu.dhcp_client": {"config": list(clients), **options}}


def run(play: Player, host: Sandbox, *clients: dict[str, Any], **options: Any) -> TaskResult:
    """One run of the module; then another, which must have nothing to do and report the same leases."""
    first, second = play(host, [task(*clients, **options)] * 2)
    assert second.commands == []
    assert not second.changed
    assert second["leases"] == first["leases"]
    return first


def serve(lan: LanHost, *options: str, lease_time: str = "1h") -> None:
    """A DHCP server on the LAN; one that runs is replaced, and its leases forgotten."""
    stop_serving(lan)
    lan.run(
        ["dnsmasq", "--conf-file=/dev/null", "--port=0", "--user=root", "--interface=lan", "--bind-interfaces"]
        + [f"--dhcp-range=192.0.2.{RANGE[0]},192.0.2.{RANGE[-1]},{lease_time}", "--dhcp-authoritative", "--no-ping"]
        + [f"--dhcp-leasefile={LEASES}", f"--log-facility={LOG}", "--pid-file=/run/dhcp.pid", *options]
    )


def stop_serving(lan: LanHost) -> None:
    kill = "if kill $(cat /run/dhcp.pid); then tail -f /dev/null --pid=$(cat /run/dhcp.pid); fi; rm -f"
    lan.run(["sh", "-c", f"[ ! -e /run/dhcp.pid ] || {{ {kill} /run/dhcp.pid {LEASES} {LOG}; }}"])


def unconfigured(host: Sandbox) -> None:
    """Take away what `LanHost.connect` gave."""
    for version in ("-4", "-6"):
        host.run(["ip", version, "address", "flush", "dev", "uplink0", "scope", "global"])
    host.run(["sh", "-c", "ip -6 route flush default; true"])


def held(host: Sandbox, interface: str = "uplink0", netns: str | None = None) -> list[str]:
    """The IPv4 addresses with prefix length."""
    words = link(host, interface, netns)["addr_info"]
    return [f"{info['local']}/{info['prefixlen']}" for info in words if info["family"] == "inet"]


def defaults(host: Sandbox, *words: str) -> list[str]:
    return host.run(["ip", *words, "-4", "route", "show", "default"]).stdout.split("\n")[:-1]


def pids(host: Sandbox) -> list[str]:
    return host.run(["pgrep", "-f", "udhcpc -f"], check=False).stdout.split()


def renew(host: Sandbox, subject: str, text: str) -> None:
    """Have the client renew its lease; returns when ip-monitor(8), of addresses or routes, has said `text`."""
    with host.popen(["sh", "-c", f"exec ip -4 monitor {subject} > {SEEN}"]) as monitor:
        stir = "ip address add 127.9.9.9/32 dev lo; ip address delete 127.9.9.9/32 dev lo"
        host.run(["sh", "-c", f"until [ -s {SEEN} ]; do {stir}; done"], timeout=20)
        host.run(["kill", "-USR1", *pids(host)])
        await_lines(host, f"tail -n +1 -f {SEEN}", text)
        monitor.kill()


def state(host: Sandbox) -> dict[str, Any]:
    """What must be the same again."""
    seen = host.snapshot()
    files = {
        path: what
        for path, what in seen["files"].items()
        if path not in FOLDERS and not path.startswith("/run/virtnet/lock")
    }
    return {"network": network(host), "processes": seen["processes"], "files": files}


def is_leased(address: str) -> bool:
    return (
        ipaddress.ip_interface(address).network == ipaddress.ip_network("192.0.2.0/24")
        and int(ipaddress.ip_interface(address).ip) - int(ipaddress.ip_address("192.0.2.0")) in RANGE
    )


@pytest.fixture
def served(host, lan) -> LanHost:
    """The LAN of a host that has no addresses there, with a DHCP server."""
    unconfigured(host)
    serve(lan)
    return lan


@pytest.fixture
def systemd_host() -> Iterator[Sandbox]:
    """The same under a real systemd."""
    with SystemdHost(f"systemd-{os.getpid()}") as host, LanHost(f"lan-systemd-{os.getpid()}") as lan:
        lan.connect(host)
        unconfigured(host)
        serve(lan)
        yield host


# -- what a lease gives -------------------------------------------------------------------------------


@pytest.mark.both_ends
def test_an_interface_gets_address_and_default_route(play, host, served):
    done = run(play, host, {**LAN, "hostname": "hv1"})
    (given,) = done["leases"]
    assert (given["name"], given["interface"], given["routers"]) == ("lan", "uplink0", [served.ADDRESS])
    assert is_leased(given["address"])
    assert held(host) == [given["address"]]
    assert defaults(host) == [f"default via {served.ADDRESS} dev uplink0 proto dhcp "]
    assert " hv1 " in served.path(LEASES).read_text()
    host.run(["ping", "-c", "1", "-W", "5", served.ADDRESS])


def test_a_renewal_keeps_the_address(play, host, served):
    # Two minutes are the shortest that dnsmasq has; a renewal is also asked for by a signal.
    serve(served, lease_time="2m")
    run(play, host, LAN)
    (before,) = held(host)
    follow = f"tail -n +1 -f {LOG}"
    await_lines(served, follow, "DHCPACK")
    renew(host, "address", "uplink0")
    await_lines(served, follow, "DHCPACK", times=2)
    assert held(host) == [before]
    assert not [line for line in host.path(SEEN).read_text().splitlines() if "Deleted" in line and "uplink0" in line]
    (info,) = [info for info in link(host, "uplink0")["addr_info"] if info["family"] == "inet"]
    assert 100 < info["valid_life_time"] <= 120


def test_a_renewal_with_another_router_and_no_mtu_any_more_takes_the_old_back(play, host, served):
    serve(served, "--dhcp-option=option:router,192.0.2.7", "--dhcp-option=option:mtu,1400")
    run(play, host, LAN)
    assert "via 192.0.2.7 " in defaults(host)[0]
    assert link(host, "uplink0")["mtu"] == 1400
    leases = served.path(LEASES).read_text()
    stop_serving(served)
    served.path(LEASES).write_text(leases)
    served.run(["rm", "-f", "/run/dhcp.pid"])
    serve(served)
    renew(host, "route", f"via {served.ADDRESS}")
    run(play, host, LAN)
    assert defaults(host) == [f"default via {served.ADDRESS} dev uplink0 proto dhcp "]
    assert link(host, "uplink0")["mtu"] == 1500


def test_metric_of_the_default_route(play, host, served):
    run(play, host, {**LAN, "metric": 300})
    assert defaults(host) == [f"default via {served.ADDRESS} dev uplink0 proto dhcp metric 300 "]
    changed = run(play, host, {**LAN, "metric": 200})
    assert changed["before"][0]["metric"] == 300
    assert defaults(host) == [f"default via {served.ADDRESS} dev uplink0 proto dhcp metric 200 "]


def test_classless_static_routes_replace_the_router(play, host, served):
    routes = "10.0.0.0/8,192.0.2.3,198.51.100.7/32,0.0.0.0,0.0.0.0/0,192.0.2.2"
    serve(served, f"--dhcp-option=option:classless-static-route,{routes}")
    done = run(play, host, LAN)
    assert done["leases"][0]["routers"] == ["192.0.2.2"]
    assert defaults(host) == ["default via 192.0.2.2 dev uplink0 proto dhcp "]
    shown = host.run(["ip", "-4", "route"]).stdout
    assert "10.0.0.0/8 via 192.0.2.3 dev uplink0 proto dhcp" in shown
    assert "198.51.100.7 dev uplink0 proto dhcp scope link" in shown


@pytest.mark.both_ends
def test_inside_a_namespace_and_on_the_host_at_once(play, host, served):
    host.run(["ip", "link", "add", "br0", "type", "bridge"])
    host.run(["ip", "link", "set", "br0", "up"])
    host.run(["ip", "link", "set", "uplink0", "master", "br0"])
    plug(host, "r1", "br0")
    host.run(["ip", "-n", "r1", "link", "set", "eth0", "up"])
    inner = {"name": "r1", "interface": "eth0", "netns": "r1", "timeout": 60}
    outer = {**LAN, "interface": "br0", "timeout": 60}
    done = run(play, host, outer, inner)
    assert held(host, "br0") == [done["leases"][0]["address"]]
    assert held(host, "eth0", "r1") == [done["leases"][1]["address"]]
    assert held(host, "br0") != held(host, "eth0", "r1")
    assert "dev eth0" in defaults(host, "-n", "r1")[0]
    (purged,) = play(host, [task(outer, purge=True)])
    assert [gone["name"] for gone in purged["before"]] == ["r1"]
    assert held(host, "eth0", "r1") == []


# -- changes --------------------------------------------------------------------------------------------


def test_check_mode_says_what_it_would_do_and_does_nothing(play, host, served):
    before = state(host)
    would = play(host, [task(LAN)], check=True, diff=True)[0]
    assert state(host) == before
    assert would.changed
    assert "interface: uplink0" in would["diff"]["after"]
    done = run(play, host, LAN)
    assert (done.commands, done["after"]) == (would.commands, would["after"])


@pytest.mark.both_ends
def test_removal_leaves_nothing_and_releases_the_lease(play, host, served):
    serve(served, "--dhcp-option=option:mtu,1400")
    # Somebody else's.
    host.run(["ip", "address", "add", "198.51.100.1/24", "dev", "uplink0"])
    host.run(["ip", "route", "add", "default", "via", "198.51.100.2"])
    before = state(host)
    run(play, host, LAN)
    assert len(defaults(host)) == 2
    host.run(["kill", "-USR1", *pids(host)])
    await_lines(served, f"tail -n +1 -f {LOG}", "DHCPACK", times=2)
    assert len(defaults(host)) == 2
    gone, again = play(host, [task({"name": "lan", "state": "absent"})] * 2)
    assert gone.changed
    assert not again.changed
    await_lines(served, f"tail -n +1 -f {LOG}", "DHCPRELEASE")
    assert state(host) == before


def test_a_killed_client_is_started_again_and_one_that_is_killed_can_be_removed(play, host, served):
    before = state(host)
    run(play, host, LAN)
    host.run(["kill", "-9", *pids(host)])
    repaired = run(play, host, LAN)
    assert repaired["before"][0]["process"] == "outdated"
    assert len(pids(host)) == 1
    assert len(held(host)) == 1
    host.run(["kill", "-9", *pids(host)])
    play(host, [task({"name": "lan", "state": "absent"})])
    assert state(host) == before


@pytest.mark.parametrize("lost", ["address flush dev uplink0", "route delete default"])
def test_what_somebody_took_away_is_asked_for_again(play, host, served, lost):
    run(play, host, LAN)
    host.run(["ip", "-4", *lost.split()])
    assert run(play, host, LAN).changed
    assert len(held(host)) == 1
    assert len(defaults(host)) == 1


def test_another_interface_and_stopped(play, host, served):
    run(play, host, LAN)
    host.run(["ip", "link", "add", "br0", "type", "bridge", "forward_delay", "0"])
    host.run(["ip", "link", "set", "br0", "up"])
    moved = {**LAN, "interface": "br0"}
    (failed,) = play(host, [fails(task({**moved, "timeout": 2}))])
    assert "no DHCP lease came for 'br0'" in failed.msg
    assert "Everything is as it was before" in failed.msg
    assert len(held(host)) == 1
    host.run(["ip", "-4", "address", "flush", "dev", "uplink0"])
    host.run(["ip", "link", "set", "uplink0", "master", "br0"])
    done = run(play, host, moved)
    assert held(host, "br0") == [done["leases"][0]["address"]]
    run(play, host, {**moved, "state": "stopped"})
    assert held(host, "br0") == []
    assert pids(host) == []


# -- refusals and failures --------------------------------------------------------------------------------


def test_without_a_server_it_fails_plainly_and_nothing_is_left(play, host, served):
    stop_serving(served)
    before = state(host)
    (failed,) = play(host, [fails(task({**LAN, "timeout": 2}))])
    for words in ("no DHCP lease came for 'uplink0'", "DHCP server", "within 2 s", "Everything is as it was before"):
        assert words in failed.msg
    assert state(host) == before


REFUSED = [
    ({"interface": "eth9"}, ["interface", "'eth9'", "make it first"]),
    ({"interface": "lo"}, ["interface", "'lo'", "loopback"]),
    ({"interface": "port0"}, ["interface", "'port0'", "'interface: br0'"]),
    ({"interface": "br0"}, ["interface", "'br0'", "is down"]),
    ({"netns": "r9"}, ["netns", "'r9'", "virtnet.qemu.netns"]),
    ({"name": "other"}, ["interface", "'uplink0'", "'lan'"]),
    ({"timeout": 0}, ["timeout", "0", "1 to 3600"]),
    ({"metric": -1}, ["metric", "-1"]),
]


def test_what_cannot_be_is_refused_before_anything_changes(play, host, served):
    for line in ("link add br0 type bridge", "link add port0 type veth peer name port1", "link set port0 master br0"):
        host.run(["ip", *line.split()])
    run(play, host, LAN)
    before = state(host)
    results = play(host, [fails(task({**LAN, **change})) for change, _words in REFUSED])
    for result, (_change, words) in zip(results, REFUSED, strict=True):
        for word in words:
            assert word in result.msg
    assert state(host) == before


# -- systemd ----------------------------------------------------------------------------------------------


@pytest.mark.both_ends
def test_under_systemd_it_comes_back_by_itself_and_after_a_reboot(play, systemd_host):
    host = systemd_host
    made = run(play, host, LAN)
    assert made.commands[-1] == "systemctl start virtnet-dhcp-client-lan.service"
    (address,) = held(host)
    killed = pids(host)[0]
    seen = "timeout 30 journalctl --follow --no-tail --unit=virtnet-dhcp-client-lan | grep -q -m 2 -F 'lease of'"
    host.run(["sh", "-c", f"kill -9 {killed}; {seen}"], check=False)
    assert play(host, [task(LAN)])[0]["leases"][0]["address"] == address
    host.reboot()
    assert run(play, host, LAN)["leases"][0]["address"] == address
    run(play, host, {"name": "lan", "state": "absent"})
    assert held(host) == []
    assert defaults(host) == []
    assert host.run(["systemctl", "list-unit-files", "--no-legend", "virtnet-*"], check=False).stdout == ""


def test_under_systemd_without_a_server_nothing_is_left(play, systemd_host):
    host = systemd_host
    host.run(["ip", "link", "add", "br9", "type", "bridge"])
    host.run(["ip", "link", "set", "br9", "up"])
    (failed,) = play(host, [fails(task({**LAN, "interface": "br9", "timeout": 2}))])
    assert "no DHCP lease came for 'br9'" in failed.msg
    assert pids(host) == []
    assert host.run(["systemctl", "list-unit-files", "--no-legend", "virtnet-*"], check=False).stdout == ""


# -- documentation, and the role ----------------------------------------------------------------------------


def test_the_documented_examples(play, host, served):
    host.run(["ip", "link", "add", "br-lan", "type", "bridge"])
    host.run(["ip", "link", "set", "br-lan", "up"])
    host.run(["ip", "link", "set", "uplink0", "master", "br-lan"])
    plug(host, "r1", "br-lan")
    for line in ("link set eth0 name eth1", "link set eth1 up"):
        host.run(["ip", "-n", "r1", *line.split()])
    before = state(host)
    for result in play(host, examples("dhcp_client")):
        assert result.changed
    assert state(host) == before


ROLE = {"name": "lan", "model": "bridged", "uplink": "uplink0", "dhcp_client": True, "stp": False}


def role(tasks_from: str = "main") -> dict[str, Any]:
    include = {"name": "virtnet.qemu.networks", "tasks_from": tasks_from}
    return {"ansible.builtin.include_role": include, "vars": {"networks_list": [ROLE]}}


def changed(results: list[TaskResult]) -> list[str]:
    return [result.task for result in results if result.changed]


def test_a_bridged_network_whose_host_has_its_address_by_dhcp(play, host, lan):
    serve(lan)
    # As a DHCP client on the NIC, which has ended since, left it.
    host.run(["ip", "-6", "address", "flush", "dev", "uplink0", "scope", "global"])
    play(host, [role()], check=True)
    assert held(host) == ["192.0.2.10/24"]
    play(host, [role()])
    assert held(host) == []
    (address,) = held(host, "br-lan")
    assert is_leased(address)
    assert defaults(host) == [f"default via {lan.ADDRESS} dev br-lan proto dhcp "]
    assert link(host, "br-lan")["address"] == link(host, "uplink0")["address"]
    assert changed(play(host, [role()])) == []
    assert held(host, "br-lan") == [address]
    reached = host.run(["busybox", "wget", "-qO-", f"http://{lan.ADDRESS}/from-host"]).stdout
    assert address.partition("/")[0] in reached

    plug(host, "web1", "br-lan")
    got = lease(host, "web1")
    host.run(["ip", "-n", "web1", "address", "add", f"{got['ip']}/24", "dev", "eth0"])
    for target in (lan.ADDRESS, address.partition("/")[0]):
        host.run(["ip", "netns", "exec", "web1", "ping", "-c", "1", "-W", "5", target])
    host.run(["ip", "netns", "delete", "web1"])

    play(host, [role("teardown")])
    assert pids(host) == []
    assert "br-lan" not in links(host)
    assert held(host) == []
    assert defaults(host) == []
    assert changed(play(host, [role("teardown")])) == []
