# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A bridge with an uplink under a real systemd-networkd: adopted alive, and there again after a reboot."""

from __future__ import annotations

import itertools
import json
import os
import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.integration.support import Player
from tests.integration.support.links import addresses, ip, links
from tests.integration.support.systemd_host import SystemdHost
from tests.sandbox import LanHost

FILE = "/etc/systemd/network/20-lan.network"
NETWORKD = ("dbus.service", "dbus.socket", "systemd-networkd.service", "systemd-networkd.socket")
STATIC = """\
[Match]
Name=uplink*

[Network]
Address=192.0.2.10/24
Address=2001:db8:1::10/64
Gateway=192.0.2.1
Gateway=2001:db8:1::1
DNS=192.0.2.1
IPv6AcceptRA=no

[Route]
Destination=203.0.113.0/24
Gateway=192.0.2.2
"""
DHCP = """\
[Match]
Name=uplink*

[Network]
DHCP=ipv4
IPv6AcceptRA=no
"""
NUMBERS = itertools.count(1)
PATIENCE = 30.0


@pytest.fixture
def host() -> Iterator[SystemdHost]:
    with SystemdHost(f"networkd-{os.getpid()}", NETWORKD) as host:
        host.run(["systemctl", "add-wants", "multi-user.target", "dbus.service"])
        host.run(["systemctl", "start", "dbus.service"])
        yield host


@pytest.fixture
def lan(host: SystemdHost) -> Iterator[LanHost]:
    with LanHost(f"lan-networkd-{os.getpid()}-{next(NUMBERS)}") as lan:
        lan.serve_guests()
        lan.connect(host)
        bare(host)
        yield lan


def bare(host: SystemdHost) -> None:
    """The uplink as the kernel has it at boot, and no other link."""
    for entry in json.loads(host.run(["ip", "-j", "link"]).stdout):
        if entry["ifname"] not in ("lo", "uplink0"):
            ip(host, "link", "delete", "dev", entry["ifname"])
    ip(host, "address", "flush", "dev", "uplink0")
    ip(host, "link", "set", "uplink0", "down")


def configure(host: SystemdHost, text: str, interface: str = "uplink0") -> None:
    host.path(FILE).write_text(text)
    host.run(["systemctl", "enable", "--now", "systemd-networkd.service"])
    await_state(host, interface)


def await_state(host: SystemdHost, interface: str, state: str = "routable (configured)") -> None:
    end = time.monotonic() + PATIENCE
    while state not in (said := host.run(["networkctl", "status", interface], check=False).stdout):
        assert time.monotonic() < end, said
        time.sleep(0.1)


def bridge(**options: Any) -> dict[str, Any]:
    return {"virtnet.qemu.bridge": {"name": "br-lan", **options}}


def absent() -> dict[str, Any]:
    return bridge(state="absent")


def reboot(host: SystemdHost, interface: str = "br-lan") -> None:
    host.run(["systemctl", "stop", "systemd-networkd.socket", "systemd-networkd.service"])
    bare(host)
    host.reboot()
    await_state(host, interface)
    # Both had their time: what makes the bridge, and what marks it.
    host.run(["systemctl", "start", "virtnet-network.service"])


def said(host: SystemdHost, *words: str) -> str:
    return host.run(["ip", *words]).stdout


def picture(host: SystemdHost) -> dict[str, Any]:
    """What one notices of the host's network, when it has come to rest."""
    while said(host, "-6", "address", "show", "tentative"):
        time.sleep(0.1)
    seen = {
        name: {"addresses": addresses(link), **{key: link.get(key) for key in ("address", "master", "ifalias", "mtu")}}
        for name, link in links(host).items()
    }
    routes = [line for family in ("-4", "-6") for line in said(host, family, "route").splitlines()]
    names = [line for line in host.run(["networkctl", "status"]).stdout.splitlines() if "DNS" in line]
    return {"links": seen, "routes": sorted(line.partition(" expires")[0].strip() for line in routes), "names": names}


def natives(host: SystemdHost) -> set[str]:
    return {path.name for path in host.path("/etc/systemd/network").iterdir()}


OURS = {"05-virtnet-br-lan.netdev", "05-virtnet-br-lan.network", "05-virtnet-uplink0.network"}


@pytest.mark.parametrize("text", [STATIC, DHCP], ids=["static", "dhcp"])
def test_the_manager_takes_over_alive_and_at_boot_and_lets_go_again(play: Player, host, lan, text):
    configure(host, text)
    without = picture(host)
    (address,) = [a for a in without["links"]["uplink0"]["addresses"] if a.startswith("192.0.2.")]
    checked, made = play(host, [bridge(uplink="uplink0")], check=True) + play(host, [bridge(uplink="uplink0")])
    assert len(checked.commands) == len(made.commands)
    assert natives(host) == {"20-lan.network", *OURS}
    await_state(host, "br-lan")
    before = picture(host)
    assert before["links"]["uplink0"]["addresses"] == []
    assert address in before["links"]["br-lan"]["addresses"]
    assert before["links"]["br-lan"]["address"] == without["links"]["uplink0"]["address"]
    assert [r.replace("br-lan", "uplink0") for r in before["routes"]] == without["routes"]
    assert before["names"] == without["names"] != []
    host.run(["ping", "-c1", "-W5", lan.ADDRESS])
    (again,) = play(host, [bridge(uplink="uplink0")])
    assert not again.changed

    reboot(host)
    assert picture(host) == before
    host.run(["ping", "-c1", "-W5", lan.ADDRESS])
    (again,) = play(host, [bridge()])
    assert not again.changed, again.commands

    (gone,) = play(host, [absent()])
    assert gone.changed and natives(host) == {"20-lan.network"}
    await_state(host, "uplink0", "routable (")
    assert picture(host) == without
