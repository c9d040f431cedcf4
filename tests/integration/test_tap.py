# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""tap: against the kernel, looked at with iproute2, and with a program that has one open as QEMU has."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.integration.support import Player, fails
from tests.integration.support.links import ip, link, links, network, replay
from tests.sandbox import Sandbox

FULL = {
    "name": "tap0",
    "bridge": "br0",
    "owner": "games",
    "group": "games",
    "vnet_hdr": True,
    "mtu": 1400,
    "isolated": True,
    "mac": "52:54:00:00:00:01",
}
OTHER = {
    "name": "tap0",
    "bridge": "br1",
    "mtu": 1300,
    "isolated": False,
    "mac": "52:54:00:00:00:02",
    "up": False,
}
ANEW = {"name": "tap0", "owner": "nobody", "group": "12", "vnet_hdr": False, "multi_queue": True}
# Says which kind of frame (Ethertype) each one is that comes out of the tap; see tuntap.rst of the kernel.
GUEST = """
import fcntl, os, struct, sys
tap = os.open("/dev/net/tun", os.O_RDWR)
fcntl.ioctl(tap, 0x400454CA, struct.pack("16sH22x", sys.argv[1].encode(), 0x1002))
print("attached", flush=True)
while True:
    print(os.read(tap, 65536)[12:14].hex(), flush=True)
"""
ASK_FOR = "import socket, sys; socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'', (sys.argv[1], 9))"
ARP = "0806"


def tap(**options: Any) -> dict[str, Any]:
    return {"virtnet.qemu.tap": options}


@contextmanager
def guest(host: Sandbox, name: str) -> Iterator[subprocess.Popen]:
    """A program that uses the tap."""
    with host.popen([sys.executable, "-c", GUEST, name], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "attached\n"
        yield process
        process.kill()


@pytest.fixture
def host(host: Sandbox) -> Sandbox:
    return with_bridges(host)


def with_bridges(host: Sandbox) -> Sandbox:
    for number in (0, 1):
        ip(host, "link", "add", f"br{number}", "address", f"52:54:00:00:01:0{number}", "type", "bridge")
        ip(host, "address", "add", f"10.{number}.0.1/24", "dev", f"br{number}")
        ip(host, "link", "set", f"br{number}", "up")
    return host


def assert_is(host: Sandbox, bridge: str, mtu: int, isolated: bool, mac: str, up: bool) -> None:
    found = link(host, "tap0")
    assert (found["master"], found["mtu"], found["address"]) == (bridge, mtu, mac)
    assert found["linkinfo"]["info_slave_data"]["isolated"] == isolated
    assert ("UP" in found["flags"]) == up
    assert found["ifalias"] == "virtnet.qemu"


def assert_made_with(host: Sandbox, user: str, group: str, vnet_hdr: bool, multi_queue: bool) -> None:
    data = link(host, "tap0")["linkinfo"]["info_data"]
    assert (data["type"], data["persist"], data["user"], data["group"]) == ("tap", True, user, group)
    assert (data["vnet_hdr"], data["multi_queue"]) == (vnet_hdr, multi_queue)


def test_every_option_is_made_then_changed_in_place_and_the_commands_do_the_same(play: Player, host, new_host):
    made, again = play(host, [tap(**FULL), tap(**FULL)])
    assert made.changed and not again.changed
    assert_made_with(host, "games", "games", True, False)
    assert_is(host, "br0", 1400, True, "52:54:00:00:00:01", True)
    index = link(host, "tap0")["ifindex"]
    changed, again = play(host, [tap(**OTHER), tap(**OTHER)])
    assert changed.changed and not again.changed
    assert_made_with(host, "games", "games", True, False)
    assert_is(host, "br1", 1300, False, "52:54:00:00:00:02", False)
    assert link(host, "tap0")["ifindex"] == index
    twin = with_bridges(new_host())
    replay(twin, made.commands + changed.commands)
    assert network(twin) == network(host)


def test_an_idle_tap_is_made_anew_with_all_it_had(play: Player, host, new_host):
    twin = with_bridges(new_host())
    (made,) = play(host, [tap(**FULL)])
    replay(twin, made.commands)
    for both in (host, twin):
        ip(both, "address", "add", "10.5.0.1/24", "dev", "tap0")
        ip(both, "route", "add", "10.6.0.0/16", "via", "10.5.0.9", "metric", "7")
    changed, again = play(host, [tap(**ANEW)] * 2)
    assert changed.changed and not again.changed
    assert_made_with(host, "nobody", "man", False, True)
    assert_is(host, "br0", 1400, True, "52:54:00:00:00:01", True)
    replay(twin, changed.commands)
    assert network(twin) == network(host)


def test_a_tap_in_use_stays_attached_while_it_is_changed(play: Player, host):
    play(host, [tap(config=[{"name": "tap0", "bridge": "br0"}, {"name": "tap1"}])])
    index = link(host, "tap0")["ifindex"]
    with guest(host, "tap0") as process:
        changed, again = play(host, [tap(**{**OTHER, "up": True})] * 2)
        assert changed.changed and not again.changed
        found = link(host, "tap0")
        assert (found["ifindex"], found["master"], found["mtu"]) == (index, "br1", 1300)
        assert "LOWER_UP" in found["flags"]
        # The bridge asks all of its ports who has the address.
        host.run([sys.executable, "-c", ASK_FOR, "10.1.0.9"])
        assert ARP in iter(lambda: process.stdout.readline().strip(), "")


def test_a_tap_in_use_is_neither_made_anew_nor_removed(play: Player, host):
    play(host, [tap(name="tap0", bridge="br0")])
    refused = [
        {"name": "tap0", "owner": "games"},
        {"name": "tap0", "multi_queue": True},
        {"name": "tap0", "state": "absent"},
    ]
    with guest(host, "tap0"):
        before = network(host)
        owner, queues, absent, purged = play(
            host, [*(fails(tap(**o)) for o in refused), fails(tap(config=[], purge=True))]
        )
        assert owner.msg == "owner: 'tap0' is in use by a guest, so this cannot be changed; stop the guest first"
        assert queues.msg == "multi_queue: 'tap0' is in use by a guest, so this cannot be changed; stop the guest first"
        assert absent.msg == purged.msg == "name: 'tap0' is in use by a guest; stop the guest first"
        assert network(host) == before
    (removed,) = play(host, [tap(config=[], purge=True)])
    assert removed.commands == ["ip link delete dev tap0"]


def test_check_mode_reports_and_changes_nothing(play: Player, host):
    play(host, [tap(name="tap0", bridge="br0")])
    before, files = network(host), host.snapshot()["files"]
    changed, made, purged = play(
        host,
        [
            tap(**OTHER),
            tap(name="tap7", bridge="br7", owner="nosuch", group="nosuch"),
            tap(config=[], purge=True),
        ],
        check=True,
        diff=True,
    )
    assert (network(host), host.snapshot()["files"]) == (before, files)
    assert changed.changed and made.changed and purged.changed
    assert "bridge: br0\n" in changed["diff"]["before"] and "bridge: br1\n" in changed["diff"]["after"]
    assert [text.partition(";")[0] for text in made.warnings] == [
        "bridge: there is no bridge 'br7'",
        "owner: there is no user 'nosuch' on this host",
        "group: there is no group 'nosuch' on this host",
    ]


def test_a_failure_undoes_everything(play: Player, host):
    existing = [FULL, {"name": "tap1", "bridge": "br1", "owner": "games"}, {"name": "tap2", "multi_queue": True}]
    play(host, [tap(config=existing)])
    before = network(host)
    config = [
        OTHER,
        {"name": "tap1", "group": "games", "mtu": 1400},
        {"name": "tap2", "multi_queue": False, "owner": "games"},
        {"name": "tap3", "bridge": "br1"},
        # More than the kernel takes for Ethernet frames.
        {"name": "tap4", "mtu": 65535},
    ]
    (result,) = play(host, [fails(tap(config=config))])
    assert result.msg == "'ip link set dev tap4 mtu 65535' failed: Invalid argument. Everything is as it was before"
    assert network(host) == before


def test_what_cannot_be_is_refused_before_anything_changes(play: Player, host):
    ip(host, "tuntap", "add", "mine", "mode", "tap")
    ip(host, "tuntap", "add", "tun0", "mode", "tun")
    before = network(host)
    refused = [
        (
            {"name": "mine", "mtu": 1400},
            "name: 'mine' exists and was not made by virtnet.qemu; choose another name, or",
        ),
        ({"name": "tun0", "adopt": True}, "name: 'tun0' is a tun interface (layer 3), not a tap; choose another name"),
        ({"name": "tap0", "isolated": True}, "isolated: it is a property of a bridge port; give 'bridge' too"),
        ({"name": "tap0", "bridge": "mine"}, "bridge: 'mine' is not a bridge"),
        ({"name": "tap%d"}, "name: 'tap%d' is not an interface name; it may not contain '/', ':', '%'"),
        (
            {"name": "tap0", "bridge": "br7", "owner": "nosuch"},
            "bridge: there is no bridge 'br7'; make it first; owner: there is no user 'nosuch' on this host; make it",
        ),
    ]
    results = play(host, [fails(tap(**options)) for options, _said in refused])
    for result, (_options, said) in zip(results, refused, strict=True):
        assert result.msg.startswith(said)
    assert network(host) == before


def test_a_host_without_tun_is_told_so(play: Player, host):
    host.run(["mount", "-t", "tmpfs", "tmpfs", "/dev/net"])
    before = network(host)
    (result,) = play(host, [fails(tap(name="tap0"))])
    assert result.msg == (
        "/dev/net/tun cannot be opened (No such file or directory); load the kernel module 'tun', and run as root. "
        "Everything is as it was before"
    )
    assert network(host) == before


def test_purge_removes_ours_everywhere_and_nothing_else(play: Player, host):
    ip(host, "tuntap", "add", "mine", "mode", "tap")
    ip(host, "netns", "add", "red")
    config = [{"name": "mine", "adopt": True}, {"name": "größe"}, {"name": "tap0", "netns": "red", "owner": "games"}]
    made, again, purged = play(
        host, [tap(config=config), tap(config=config[1:]), tap(config=[{"name": "größe"}], purge=True)]
    )
    assert made.changed and not again.changed
    assert sorted(purged.commands) == ["ip -n red link delete dev tap0", "ip link delete dev mine"]
    assert sorted(links(host)) == ["br0", "br1", "größe", "lo"]
    assert sorted(links(host, "red")) == ["lo"]
