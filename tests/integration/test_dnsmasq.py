# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""dnsmasq: what guests really get, and what happens to instances that run."""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Iterator
from typing import Any

import pytest

from tests.integration.support import Player, TaskResult, fails
from tests.integration.support.dhcp import await_lines, lease, make_bridge, plug, resolve
from tests.integration.support.systemd_host import SystemdHost
from tests.sandbox import Sandbox

pytestmark = pytest.mark.newest_end

LAB = {
    "name": "lab",
    "interface": "br-lab",
    "addresses": ["192.168.4.1/24"],
    "ranges": [{"start": "192.168.4.100", "end": "192.168.4.199", "lease_time": "12h"}],
    "domain": "lab.test",
    "upstream": [],
}
BACK = {
    "name": "back",
    "interface": "br-back",
    "addresses": ["10.9.0.1/24"],
    "ranges": [{"start": "10.9.0.10", "end": "10.9.0.20"}],
    "upstream": [],
}
WEB1 = {"mac": "52:54:00:00:00:11", "address": "192.168.4.11", "hostname": "web1"}
WEB2 = {"mac": "52:54:00:00:00:12", "address": "192.168.4.12", "hostname": "web2"}
LOG = "tail -n +1 -f /var/log/virtnet/dnsmasq-lab.log"
JOURNAL = "journalctl --follow --no-tail --unit=virtnet-dnsmasq-lab"
# At the start, and after each SIGHUP.
CLEARED = "cleared cache"
COMPARED = ("processes", "users", "sysctls", "nftables")


def task(*instances: dict[str, Any], **options: Any) -> dict[str, Any]:
    return {"virtnet.qemu.dnsmasq": {"config": list(instances), **options}}


def run(play: Player, host: Sandbox, *instances: dict[str, Any], **options: Any) -> TaskResult:
    """One run of the module; then another, which must have nothing to do."""
    first, second = play(host, [task(*instances, **options)] * 2)
    assert second.commands == []
    assert not second.changed
    return first


def pid(host: Sandbox, name: str = "lab") -> int:
    """As dnsmasq itself wrote it down."""
    return int(host.path(f"/run/virtnet/dnsmasq/{name}.pid").read_text())


def running(host: Sandbox) -> int:
    return len(host.run(["pgrep", "--exact", "dnsmasq"], check=False).stdout.split())


def state(host: Sandbox) -> dict[str, Any]:
    """What must be the same again; files of ours, but the lock that every run takes."""
    seen = host.snapshot()
    files = {path: what for path, what in seen["files"].items() if not path.startswith("/run/virtnet/lock")}
    return {**{subject: seen[subject] for subject in COMPARED}, "files": files}


@pytest.fixture
def lab(host) -> Sandbox:
    """A host with a bridge for the network "lab", and a guest there."""
    make_bridge(host, "br-lab", LAB["addresses"])
    plug(host, "web1", "br-lab", WEB1["mac"])
    return host


@pytest.fixture
def systemd_lab() -> Iterator[Sandbox]:
    """The same, under a real systemd."""
    with SystemdHost(f"systemd-{os.getpid()}") as host:
        make_bridge(host, "br-lab", LAB["addresses"])
        yield host


# -- what guests get ------------------------------------------------------------------------------


@pytest.mark.both_ends
def test_a_guest_gets_what_the_options_say(play, lab):
    options = {"mtu": 1400, "dhcp_options": [{"option": "ntp-server", "value": ["192.168.4.5", "192.168.4.6"]}]}
    run(play, lab, {**LAB, **options})
    given = lease(lab, "web1")
    assert 100 <= int(given["ip"].removeprefix("192.168.4.")) <= 199
    assert (given["mask"], given["router"], given["dns"]) == ("24", "192.168.4.1", "192.168.4.1")
    assert (given["domain"], given["lease"], given["mtu"]) == ("lab.test", "43200", "1400")
    assert given["ntpsrv"] == "192.168.4.5 192.168.4.6"


def test_a_guest_gets_another_router_resolver_and_routes(play, lab):
    routes = [
        {"destination": "10.0.0.0/8", "gateway": "192.168.4.3"},
        {"destination": "0.0.0.0/0", "gateway": "192.168.4.2"},
    ]
    run(play, lab, {**LAB, "router": "192.168.4.2", "dns_servers": ["192.168.4.53"], "routes": routes})
    given = lease(lab, "web1")
    assert (given["router"], given["dns"]) == ("192.168.4.2", "192.168.4.53")
    assert given["staticroutes"] == "10.0.0.0/8 192.168.4.3 0.0.0.0/0 192.168.4.2"


def test_a_guest_of_an_isolated_network_gets_no_router_and_no_resolver(play, lab):
    run(play, lab, {**LAB, "router": "none", "dns": False})
    given = lease(lab, "web1")
    assert "router" not in given
    assert "dns" not in given
    assert lab.run(["ss", "--no-header", "--udp", "--listening", "--numeric", "sport", "=", "53"]).stdout == ""


def test_a_reservation_without_a_range_serves_only_its_guest(play, lab):
    plug(lab, "stranger", "br-lab")
    run(play, lab, {**LAB, "ranges": [], "reservations": [WEB1]})
    assert lease(lab, "web1")["ip"] == "192.168.4.11"
    assert lease(lab, "stranger", tries=2) is None


def test_names_of_guests_and_records_resolve(play, lab):
    records = [{"name": "gw", "address": "192.168.4.1"}, {"name": "gw", "address": "fd00:4::1"}]
    run(play, lab, {**LAB, "reservations": [WEB1, WEB2], "records": records})
    lease(lab, "web1")
    plug(lab, "other", "br-lab")
    lab.run(["ip", "-n", "web1", "address", "add", "192.168.4.11/24", "dev", "eth0"])
    lease(lab, "other", hostname="dyn1")
    # Of a running guest, of one not started yet, of a guest that gave its own name, and of a record.
    assert resolve(lab, "web1", "192.168.4.1", "web1.lab.test") == ["192.168.4.11"]
    assert resolve(lab, "web1", "192.168.4.1", "web2.lab.test") == ["192.168.4.12"]
    assert resolve(lab, "web1", "192.168.4.1", "dyn1.lab.test")[0].startswith("192.168.4.1")
    assert resolve(lab, None, "192.168.4.1", "gw.lab.test") == ["192.168.4.1", "fd00:4::1"]
    assert resolve(lab, "web1", "192.168.4.1", "web3.lab.test") == []


def test_other_names_are_asked_of_the_hosts_resolvers_or_of_those_given(play, lab, lan):
    name = lan.WEB_NAME
    run(play, lab, {key: value for key, value in LAB.items() if key != "upstream"})
    assert resolve(lab, None, "192.168.4.1", name) == [lan.ADDRESS, lan.ADDRESS6]
    run(play, lab, LAB)
    assert resolve(lab, None, "192.168.4.1", name) == []
    run(play, lab, {**LAB, "upstream": [f"/lan.test/{lan.ADDRESS}#53"]})
    assert resolve(lab, None, "192.168.4.1", name) == [lan.ADDRESS, lan.ADDRESS6]


def test_guests_learn_their_ipv6_prefix_from_router_advertisements(play, lab):
    lab.run(["ip", "address", "add", "fd00:4::1/64", "dev", "br-lab", "nodad"])
    both = {"addresses": [*LAB["addresses"], "fd00:4::1/64"]}
    ranges = [*LAB["ranges"], {"start": "fd00:4::", "mode": "ra-only"}]
    run(play, lab, {**LAB, **both, "ranges": ranges, "mtu": 1400})
    seen = "ip -n web1 monitor address | grep -q -m 1 -F 'inet6 fd00:4::'"
    monitor = f"{seen} & waiting=$!; ip -n web1 link set eth0 up; wait $waiting"
    lab.run(["sh", "-c", monitor], timeout=30)
    assert "default via fe80::" in lab.run(["ip", "-n", "web1", "-6", "route"]).stdout
    assert lab.run(["ip", "netns", "exec", "web1", "sysctl", "-n", "net.ipv6.conf.eth0.mtu"]).stdout == "1400\n"
    assert 100 <= int(lease(lab, "web1")["ip"].removeprefix("192.168.4.")) <= 199


# -- instances beside one another -------------------------------------------------------------------


@pytest.mark.both_ends
def test_two_networks_are_served_side_by_side(play, lab):
    make_bridge(lab, "br-back", BACK["addresses"])
    plug(lab, "db1", "br-back")
    run(play, lab, LAB, BACK)
    assert lease(lab, "web1")["ip"].startswith("192.168.4.1")
    assert lease(lab, "db1")["ip"].startswith("10.9.0.")


@pytest.mark.both_ends
def test_an_instance_inside_a_namespace_may_have_the_same_addresses(play, lab):
    lab.run(["ip", "netns", "add", "r1"])
    make_bridge(lab, "br-lab", LAB["addresses"], netns="r1")
    plug(lab, "inner", "br-lab", netns="r1")
    inner = {**LAB, "name": "inner", "netns": "r1", "ranges": [{"start": "192.168.4.50", "end": "192.168.4.59"}]}
    run(play, lab, LAB, inner)
    assert lease(lab, "web1")["ip"].startswith("192.168.4.1")
    assert lease(lab, "inner")["ip"].startswith("192.168.4.5")


def test_a_namespace_that_was_made_anew_gets_its_instance_back(play, host):
    inner = {**LAB, "netns": "r1"}
    for _round in range(2):
        host.run(["ip", "netns", "add", "r1"])
        make_bridge(host, "br-lab", LAB["addresses"], netns="r1")
        assert run(play, host, inner).changed
        plug(host, "web1", "br-lab", netns="r1")
        assert lease(host, "web1")["ip"].startswith("192.168.4.1")
        host.run(["ip", "netns", "delete", "web1"])
        host.run(["ip", "netns", "delete", "r1"])


def test_fifty_networks_in_one_task(play, host):
    count = 50
    instances = []
    for number in range(count):
        subnet = ipaddress.ip_network(f"10.50.{number}.0/24")
        make_bridge(host, f"br-{number}", [f"{subnet[1]}/24"])
        ranges = [{"start": str(subnet[10]), "end": str(subnet[99])}]
        instances.append(
            {"name": f"n{number}", "interface": f"br-{number}", "addresses": [f"{subnet[1]}/24"], "ranges": ranges}
        )
    run(play, host, *instances)
    for number in (0, count - 1):
        plug(host, f"guest{number}", f"br-{number}")
        assert lease(host, f"guest{number}")["ip"].startswith(f"10.50.{number}.")
    one, two = instances[3], instances[4]
    before = {name: pid(host, name) for name in ("n2", "n3", "n4")}
    changed = play(host, [task(*instances[:3], {**one, "mtu": 1400}, two, *instances[5:])])[0]
    assert [change["name"] for change in changed["after"]] == ["n3"]
    after = {name: pid(host, name) for name in before}
    assert [name for name in before if before[name] != after[name]] == ["n3"]


# -- changes ----------------------------------------------------------------------------------------


def test_check_mode_says_what_it_would_do_and_does_nothing(play, lab):
    before = state(lab)
    would = play(lab, [task(LAB)], check=True, diff=True)[0]
    assert state(lab) == before
    assert would.changed
    assert "+    - dhcp-range=192.168.4.100" not in would["diff"]["before"]
    assert "dhcp-range=192.168.4.100,192.168.4.199,255.255.255.0,12h" in would["diff"]["after"]
    done = run(play, lab, LAB)
    assert (done.commands, done["after"]) == (would.commands, would["after"])


@pytest.mark.both_ends
def test_a_new_reservation_restarts_nothing(play, lab):
    run(play, lab, LAB)
    before = pid(lab)
    added = run(play, lab, {**LAB, "reservations": [WEB1]})
    assert added.commands == [
        "tee /etc/virtnet/dnsmasq/lab.hosts/52-54-00-00-00-11",
        "tee /etc/virtnet/dnsmasq/lab.names/hosts",
    ]
    await_lines(lab, LOG, "read /etc/virtnet/dnsmasq/lab.names/hosts")
    assert pid(lab) == before
    assert lease(lab, "web1")["ip"] == "192.168.4.11"
    assert resolve(lab, None, "192.168.4.1", "web1.lab.test") == ["192.168.4.11"]


def test_a_changed_or_removed_reservation_is_forgotten_without_a_restart(play, lab):
    run(play, lab, {**LAB, "reservations": [WEB1, WEB2]})
    before = pid(lab)
    moved = run(play, lab, {**LAB, "reservations": [{**WEB1, "address": "192.168.4.21"}]})
    assert moved.commands[-1].startswith("kill -HUP")
    await_lines(lab, LOG, CLEARED, times=2)
    assert lease(lab, "web1")["ip"] == "192.168.4.21"
    assert resolve(lab, None, "192.168.4.1", "web2.lab.test") == []
    assert pid(lab) == before


def test_a_restart_keeps_leases(play, lab):
    run(play, lab, LAB)
    given = lease(lab, "web1")["ip"]
    before = pid(lab)
    run(play, lab, {**LAB, "mtu": 1400})
    assert pid(lab) != before
    renewed = lease(lab, "web1")
    assert (renewed["ip"], renewed["mtu"]) == (given, "1400")


def test_a_killed_instance_is_started_again(play, lab):
    run(play, lab, LAB)
    lab.run(["kill", "-9", str(pid(lab))])
    repaired = run(play, lab, LAB)
    assert repaired["before"][0]["process"] == "stopped"
    assert lease(lab, "web1") is not None


def test_an_instance_whose_bridge_was_made_anew_serves_it_again(play, lab):
    run(play, lab, LAB)
    lab.run(["ip", "link", "delete", "br-lab"])
    # So that it does not get the same index.
    lab.run(["ip", "link", "add", "other", "type", "bridge"])
    make_bridge(lab, "br-lab", LAB["addresses"])
    lab.run(["ip", "link", "set", "web1", "master", "br-lab"])
    repaired = run(play, lab, LAB)
    assert repaired["before"][0]["process"] == "outdated"
    assert lease(lab, "web1") is not None


def test_a_configuration_changed_by_hand_is_put_right(play, lab):
    run(play, lab, LAB)
    config = lab.path("/etc/virtnet/dnsmasq/lab.conf")
    right = config.read_text()
    config.write_text(right + "dhcp-option=option:mtu,900\n")
    before = pid(lab)
    assert run(play, lab, LAB).changed
    assert config.read_text() == right
    # What runs had read the right one.
    assert pid(lab) == before


def test_stopped_present_and_started(play, lab):
    run(play, lab, {**LAB, "state": "present"})
    assert running(lab) == 0
    run(play, lab, LAB)
    assert running(lab) == 1
    before = pid(lab)
    run(play, lab, {**LAB, "state": "present", "mtu": 1400})
    assert pid(lab) == before
    assert "mtu" not in lease(lab, "web1")
    run(play, lab, {**LAB, "state": "stopped"})
    assert running(lab) == 0


@pytest.mark.both_ends
def test_a_removed_instance_leaves_nothing(play, lab):
    before = state(lab)
    run(play, lab, {**LAB, "reservations": [WEB1]})
    lease(lab, "web1")
    gone = run(play, lab, {"name": "lab", "state": "absent"})
    assert gone["after"] == []
    after = state(lab)
    # Folders that all of the collection uses.
    after["files"] = {
        p: w for p, w in after["files"].items() if p not in ("/etc/virtnet", "/run/virtnet", "/var/lib/virtnet")
    }
    assert after == before


def test_purge_removes_what_is_not_listed(play, lab):
    make_bridge(lab, "br-back", BACK["addresses"])
    _both, purged, again = play(lab, [task(LAB, BACK), *[task(LAB, purge=True)] * 2])
    assert [instance["name"] for instance in purged["before"]] == ["back"]
    assert not again.changed
    assert running(lab) == 1


def test_a_network_renamed_in_one_run_is_served_on(play, lab):
    renamed = task({"name": "lab", "state": "absent"}, {**LAB, "name": "lab2"})
    assert not play(lab, [task(LAB), renamed, renamed])[-1].changed
    assert lease(lab, "web1") is not None


def test_it_runs_as_the_user_given(play, lab):
    run(play, lab, {**LAB, "user": "games"})
    assert lab.run(["ps", "-o", "user=", "-p", str(pid(lab))]).stdout.split() == ["games"]
    assert lease(lab, "web1") is not None


# -- refusals and failures ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"interface": "br-none"}, ["interface", "'br-none'", "make it first"]),
        ({"netns": "r9"}, ["netns", "'r9'", "virtnet.qemu.netns"]),
        ({"addresses": ["192.168.4.1/24", "10.1.1.1/24"]}, ["addresses", "'br-lab'", "10.1.1.1/24"]),
        ({"user": "nosuchuser"}, ["user", "'nosuchuser'"]),
        ({"supervisor": "systemd"}, ["supervisor", "systemd"]),
        ({"dhcp_options": [{"option": "no-such-option", "value": ["1"]}]}, ["no-such-option"]),
    ],
)
def test_what_cannot_be_is_refused_before_anything_changes(play, lab, change, words):
    before = state(lab)
    options = {"supervisor": change["supervisor"]} if "supervisor" in change else {}
    wrong = {key: value for key, value in {**LAB, **change}.items() if key != "supervisor"}
    (result,) = play(lab, [fails(task(wrong, **options))])
    for word in words:
        assert word in result.msg
    after = state(lab)
    after["files"].pop("/run/virtnet", None)
    assert after == before


def test_in_check_mode_what_an_earlier_task_makes_is_taken_for_granted(play, host):
    result = play(host, [task(LAB)], check=True)[0]
    assert result.changed
    assert any("'br-lab'" in str(warning) for warning in result.warnings)


def test_a_start_that_fails_is_undone(play, lab):
    make_bridge(lab, "br-back", BACK["addresses"])
    run(play, lab, LAB)
    before, old = state(lab), pid(lab)
    # Another name server is where the second instance is to be.
    lab.run(
        ["dnsmasq", "--conf-file=/dev/null", "--listen-address=10.9.0.1", "--bind-interfaces", "--user=root"]
        + ["--no-resolv", "--pid-file=/run/other.pid"]
    )
    (result,) = play(lab, [fails(task({**LAB, "mtu": 1400}, BACK))])
    assert "service 'dnsmasq-back' ended right after its start" in result.msg
    assert "ddress already in use" in result.msg
    assert "Everything is as it was before" in result.msg
    lab.run(["kill", lab.path("/run/other.pid").read_text().strip()])
    after = state(lab)
    assert after["files"].keys() == before["files"].keys()
    assert pid(lab) != old
    assert "mtu" not in lease(lab, "web1")
    assert not play(lab, [task(LAB)])[0].changed


@pytest.mark.parametrize("moment", ['*" --test "*', '*" --keep-in-foreground "*/back.conf*'])
def test_a_run_killed_in_the_middle_is_completed_by_the_next(play, lab, moment):
    make_bridge(lab, "br-back", BACK["addresses"])
    for pipe in ("/run/caller", "/run/gate"):
        os.mkfifo(lab.path(pipe))
    # In dnsmasq's place, it tells who called it and waits.
    program = lab.path("/usr/local/sbin/dnsmasq")
    program.write_text(
        f"""#!/bin/sh
case " $* " in {moment})
    echo $PPID > /run/caller
    read go < /run/gate;;
esac
exec /usr/sbin/dnsmasq "$@"
"""
    )
    program.chmod(0o755)
    killed = play.start(lab, [fails(task(LAB, BACK))])
    caller = lab.path("/run/caller").read_text().strip()
    lab.run(["kill", "-9", caller])
    killed.finish()
    lab.path("/run/gate").write_text("go\n")
    program.unlink()
    assert run(play, lab, LAB, BACK).changed
    assert running(lab) == 2
    plug(lab, "db1", "br-back")
    assert lease(lab, "web1")["ip"].startswith("192.168.4.1")
    assert lease(lab, "db1")["ip"].startswith("10.9.0.")
    leftovers = lab.run(["find", "/etc/virtnet", "/run/virtnet", "/var/lib/virtnet", "-name", ".*"]).stdout
    assert leftovers == ""


# -- systemd ------------------------------------------------------------------------------------------


@pytest.mark.both_ends
def test_under_systemd_it_serves_and_comes_back_after_a_reboot(play, systemd_lab):
    host = systemd_lab
    made = run(play, host, {**LAB, "reservations": [WEB1, WEB2]})
    assert made.commands[-2:] == [
        "systemctl enable virtnet-dnsmasq-lab.service",
        "systemctl start virtnet-dnsmasq-lab.service",
    ]
    plug(host, "web1", "br-lab", WEB1["mac"])
    assert lease(host, "web1")["ip"] == "192.168.4.11"
    user = host.run(["ps", "-o", "user=", "-p", str(pid(host))]).stdout.strip()
    assert user != "root"
    host.run(["ip", "netns", "delete", "web1"])
    host.reboot()
    plug(host, "web1", "br-lab", WEB1["mac"])
    assert lease(host, "web1")["ip"] == "192.168.4.11"
    assert not play(host, [task({**LAB, "reservations": [WEB1, WEB2]})])[0].changed
    before = pid(host)
    run(play, host, {**LAB, "reservations": [WEB1]})
    await_lines(host, JOURNAL, CLEARED, times=2)
    assert resolve(host, None, "192.168.4.1", "web2.lab.test") == []
    assert pid(host) == before
    run(play, host, {**LAB, "mtu": 1400})
    assert pid(host) != before
    run(play, host, {"name": "lab", "state": "absent"})
    assert running(host) == 0
    assert host.run(["systemctl", "list-unit-files", "--no-legend", "virtnet-*"], check=False).stdout == ""


def test_under_systemd_a_plain_daemon_may_be_chosen_but_not_beside_a_unit(play, systemd_lab):
    host = systemd_lab
    run(play, host, LAB, supervisor="daemon")
    (result,) = play(host, [fails(task(LAB))])
    assert "service 'dnsmasq-lab' is kept by 'daemon'" in result.msg
    assert "'supervisor: daemon'" in result.msg
    gone = task({"name": "lab", "state": "absent"}, supervisor="daemon")
    assert play(host, [gone, task(LAB)])[-1].changed
    assert running(host) == 1


def test_under_systemd_it_serves_inside_a_namespace(play, systemd_lab):
    host = systemd_lab
    host.run(["ip", "netns", "add", "r1"])
    make_bridge(host, "br-lab", LAB["addresses"], netns="r1")
    run(play, host, {**LAB, "netns": "r1"})
    plug(host, "web1", "br-lab", netns="r1")
    assert lease(host, "web1")["ip"].startswith("192.168.4.1")
