# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Networks of libvirt, with a real libvirtd: what it then says of them, what guests get, and who is left alone."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pytest

from tests.integration.support import Player, TaskResult, fails
from tests.integration.support.dhcp import lease, plug
from tests.integration.support.examples import examples
from tests.integration.support.libvirt_host import PYTHON, attributes, listed, network, ports, run_libvirt, virsh
from tests.sandbox import Sandbox

pytestmark = pytest.mark.full

LAB = {
    "name": "lab",
    "bridge": "virbr-lab",
    "addresses": ["192.168.4.1/24"],
    "ranges": [{"start": "192.168.4.100", "end": "192.168.4.199"}],
    "autostart": True,
}
WEB1 = {"mac": "52:54:00:00:00:11", "address": "192.168.4.11", "hostname": "web1"}
WEB2 = {"mac": "52:54:00:00:00:12", "address": "192.168.4.12"}
ON = ["active", "yes", "yes"]


@pytest.fixture
def host() -> Iterator[Sandbox]:
    with Sandbox(f"libvirt-{os.getpid()}") as host:
        run_libvirt(host)
        yield host


def task(*networks: dict[str, Any], **options: Any) -> dict[str, Any]:
    return {"virtnet.qemu.libvirt_network": {"config": list(networks), **options}}


def run(play: Player, host: Sandbox, *networks: dict[str, Any], **options: Any) -> TaskResult:
    """In check mode, where nothing may happen; for real; and again, when there is nothing to do."""
    before = state(host)
    (checked,) = play(host, [task(*networks, **options)], check=True, vars=PYTHON)
    assert state(host) == before
    first, second = play(host, [task(*networks, **options)] * 2, vars=PYTHON)
    assert second.commands == [] and not second.changed
    assert (checked.commands, checked.changed) == (first.commands, first.changed)
    return first


def refused(play: Player, host: Sandbox, *networks: dict[str, Any], **options: Any) -> str:
    before = state(host)
    (result,) = play(host, [fails(task(*networks, **options))], vars=PYTHON)
    assert state(host) == before
    return result["msg"]


def leased(host: Sandbox) -> str:
    """The address of the guest, whose port the bridge opens after its forward delay."""
    return lease(host, "guest", tries=30)["ip"]


def state(host: Sandbox) -> list[Any]:
    names = virsh(host, "net-list", "--all", "--name").split()
    texts = [virsh(host, "net-dumpxml", name, *more) for name in names for more in ([], ["--inactive"])]
    return [virsh(host, "net-list", "--all"), texts, host.run(["ip", "-br", "link"]).stdout.splitlines()]


def test_a_network_from_nothing_and_back(play, host):
    made = run(play, host, LAB)
    assert made.commands == ["virsh net-define lab.xml", "virsh net-start lab", "virsh net-autostart lab"]
    assert made["networks"] == [
        {"name": "lab", "bridge": "virbr-lab", "active": True, "autostart": True, "restart_required": False}
    ]
    assert listed(host, "lab") == ON
    assert attributes(network(host, "lab"), "bridge") == [{"name": "virbr-lab", "stp": "on", "delay": "0"}]
    assert network(host, "lab").find("forward").get("mode") == "nat"
    plug(host, "guest", "virbr-lab", WEB1["mac"])
    assert leased(host).startswith("192.168.4.1")
    host.run(["ip", "netns", "delete", "guest"])

    gone = run(play, host, {"name": "lab", "state": "absent"})
    assert gone.commands == ["virsh net-destroy lab", "virsh net-undefine lab"]
    assert listed(host, "lab") is None and listed(host, "default") == ["inactive", "no", "yes"]


def test_libvirts_own_is_taken_over_and_given_back(play, host):
    before = virsh(host, "net-dumpxml", "default", "--inactive")
    default = {"name": "default", "autostart": True}
    assert "adopt: true" in refused(play, host, default)
    run(play, host, {**default, "adopt": True, "reservations": [{**WEB1, "address": "192.168.122.11"}]})
    assert listed(host, "default") == ON
    found = network(host, "default")
    assert found.findtext("uuid") in before
    assert attributes(found, "ip/dhcp/range") == [{"start": "192.168.122.2", "end": "192.168.122.254"}]
    assert [one["ip"] for one in attributes(found, "ip/dhcp/host")] == ["192.168.122.11"]

    for _time in range(2):
        play(host, [task({"name": "default", "state": "absent", "adopt": True})], vars=PYTHON)
        assert virsh(host, "net-dumpxml", "default", "--inactive") == before
        assert listed(host, "default") == ["inactive", "no", "yes"]


def test_reservations_ranges_and_names_change_in_the_running_network(play, host):
    run(play, host, LAB)
    started = host.run(["cat", "/sys/class/net/virbr-lab/ifindex"]).stdout
    plug(host, "guest", "virbr-lab", WEB1["mac"])
    changed = run(play, host, {**LAB, "reservations": [WEB1, WEB2]})
    assert changed.commands == ["virsh net-define lab.xml", "virsh net-update lab add ip-dhcp-host"]
    assert leased(host) == WEB1["address"]

    moved = {**WEB1, "address": "192.168.4.21"}
    wanted = {
        **LAB,
        "ranges": [{"start": "192.168.4.50", "end": "192.168.4.99"}],
        "reservations": [moved],
        "records": [{"name": "a.test", "address": "192.168.4.7"}, {"name": "b.test", "address": "192.168.4.7"}],
    }
    run(play, host, wanted)
    assert leased(host) == "192.168.4.21"
    for found in (network(host, "lab"), network(host, "lab", "--inactive")):
        assert attributes(found, "ip/dhcp/range") == [{"start": "192.168.4.50", "end": "192.168.4.99"}]
        assert [one["mac"] for one in attributes(found, "ip/dhcp/host")] == [WEB1["mac"]]
        assert [name.text for name in found.findall("dns/host/hostname")] == ["a.test", "b.test"]
    run(play, host, {**wanted, "records": wanted["records"][:1], "reservations": []})
    assert [name.text for name in network(host, "lab").findall("dns/host/hostname")] == ["a.test"]
    assert host.run(["cat", "/sys/class/net/virbr-lab/ifindex"]).stdout == started


def test_what_needs_a_restart_waits_for_one(play, host):
    run(play, host, LAB)
    plug(host, "guest", "virbr-lab", WEB1["mac"])
    (port,) = ports(host, "virbr-lab")
    host.run(["bridge", "link", "set", "dev", port, "isolated", "on"])
    moved = {
        **LAB,
        "addresses": ["192.168.5.1/24"],
        "ranges": [{"start": "192.168.5.100", "end": "192.168.5.199"}],
        "mtu": 1400,
    }
    waiting = run(play, host, moved)
    assert waiting.commands == ["virsh net-define lab.xml"]
    assert waiting["networks"][0]["restart_required"]
    assert attributes(network(host, "lab"), "ip")[0]["address"] == "192.168.4.1"
    assert attributes(network(host, "lab", "--inactive"), "ip")[0]["address"] == "192.168.5.1"

    restarted = run(play, host, {**moved, "allow_restart": True})
    assert restarted.commands[0] == "virsh net-destroy lab; virsh net-start lab"
    assert not restarted["networks"][0]["restart_required"]
    assert ports(host, "virbr-lab") == {port}
    assert "isolated on" in host.run(["bridge", "-d", "link", "show", "dev", port]).stdout
    assert leased(host).startswith("192.168.5.1")


def test_a_bridge_with_guests_is_not_taken_away(play, host):
    run(play, host, LAB)
    plug(host, "guest", "virbr-lab", WEB1["mac"])
    for gone in ("inactive", "absent"):
        assert "would be cut off" in refused(play, host, {"name": "lab", "state": gone})
    assert "would be cut off" in refused(play, host, purge=True)
    host.run(["ip", "netns", "delete", "guest"])
    run(play, host, {"name": "lab", "state": "inactive"})
    assert listed(host, "lab") == ["inactive", "yes", "yes"]
    run(play, host, purge=True)
    assert listed(host, "lab") is None and listed(host, "default")


def test_every_option(play, host):
    host.run(["ip", "link", "add", "br0", "type", "bridge"])
    full = {
        "name": "full",
        "mode": "route",
        "bridge": "virbr-full",
        "forward_dev": "br0",
        "stp": False,
        "delay": 2,
        "mac": "52:54:00:00:09:01",
        "mtu": 1400,
        "uuid": "8869cf7a-06e7-404e-8efe-f3a894177df9",
        "domain": "full.test",
        "addresses": ["192.168.9.1/24", "fd00:9::1/64"],
        "ranges": [{"start": "192.168.9.2", "end": "192.168.9.9"}, {"start": "fd00:9::2", "end": "fd00:9::99"}],
        "routes": [{"destination": "10.9.0.0/24", "gateway": "192.168.9.9", "metric": 3}],
        "forwarders": ["192.0.2.1"],
        "autostart": False,
    }
    others = [
        {"name": "alone", "mode": "isolated", "bridge": "virbr-alone", "dns": False},
        {"name": "free", "mode": "open", "bridge": "virbr-free", "addresses": ["192.168.10.1/24"]},
        {"name": "lan", "mode": "bridge", "bridge": "br0"},
        {"name": "out", "bridge": "virbr-out", "addresses": ["192.168.11.1/24", "fd00:11::1/64"], "nat_ipv6": True},
    ]
    run(play, host, full, *others)
    names = ("full", "alone", "free", "lan", "out")
    modes = [[one["mode"] for one in attributes(network(host, name), "forward")] for name in names]
    assert modes == [["route"], [], ["open"], ["bridge"], ["nat"]]
    assert [listed(host, name)[0] for name in names] == ["active"] * 5
    # Each goes back to what it is without.
    plainer = {**full, "mode": "nat", "forward_dev": "", "mtu": 0, "domain": "", "routes": [], "forwarders": []}
    run(play, host, {**plainer, "allow_restart": True}, {**others[3], "nat_ipv6": False, "allow_restart": True})
    found = network(host, "full")
    assert found.find("mtu") is None and found.find("domain") is None and found.find("route") is None


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({**LAB, "uuid": "nonsense"}, "is not a UUID"),
        ({**LAB, "ranges": [{"start": "192.168.5.2", "end": "192.168.5.9"}]}, "must be in a subnet"),
        ({**LAB, "bridge": "br0"}, "has an interface 'br0' already"),
        ({**LAB, "addresses": ["192.0.2.99/24"], "ranges": []}, "subnet that the host has on 'br0'"),
        ({"name": "lan", "mode": "bridge", "bridge": "br1"}, "there is no bridge 'br1'"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_changes(play, host, options, words):
    host.run(["ip", "link", "add", "br0", "type", "bridge"])
    host.run(["ip", "address", "add", "192.0.2.1/24", "dev", "br0"])
    assert words in refused(play, host, {**LAB, "name": "other", "bridge": "virbr-o"}, options)


def test_a_failure_halfway_is_undone(play, host):
    """libvirt itself refuses the second: a route by way of an address that is nowhere."""
    bad = {**LAB, "name": "bad", "bridge": "virbr-bad", "addresses": ["192.168.6.1/24"], "ranges": []}
    bad["routes"] = [{"destination": "10.9.0.0/24", "gateway": "192.0.2.77"}]
    assert "Everything is as it was before" in refused(play, host, LAB, bad)


def test_examples(play, host):
    first, second = play(host, examples("libvirt_network") * 2, vars=PYTHON)[:4], None
    assert second is None and all(result.changed for result in first)


def test_without_the_daemon_check_mode_says_so(play, new_host):
    (result,) = play(new_host(), [task(LAB, {"name": "default", "adopt": True})], check=True, vars=PYTHON)
    assert result.changed
    assert "libvirt does not answer" in str(result["warnings"])
