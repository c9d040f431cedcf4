# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A bridge with an uplink under a real systemd-networkd: adopted alive, and there again after a reboot."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.integration.support import Player, fails
from tests.integration.support.links import addresses, await_duplicates, links
from tests.integration.support.systemd_host import SystemdHost
from tests.integration.support.uplink import bare, plugged_in, start_dbus
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
PATIENCE = 30.0


@pytest.fixture
def host() -> Iterator[SystemdHost]:
    with SystemdHost(f"networkd-{os.getpid()}", NETWORKD) as host:
        start_dbus(host)
        yield host


@pytest.fixture
def lan(host: SystemdHost) -> Iterator[LanHost]:
    with plugged_in(host) as lan:
        yield lan


def configure(host: SystemdHost, text: str, interface: str = "uplink0") -> None:
    host.path(FILE).write_text(text)
    host.run(["systemctl", "enable", "--now", "systemd-networkd.service"])
    await_state(host, interface)


def await_state(host: SystemdHost, interface: str, state: str = "routable (configured)") -> None:
    end = time.monotonic() + PATIENCE
    while state not in (said := host.run(["networkctl", "status", interface], check=False).stdout):
        assert time.monotonic() < end, said
        # networkctl can only be asked: it does not wait for a state.
        time.sleep(0.1)


def await_address(host: SystemdHost, interface: str) -> None:
    end = time.monotonic() + PATIENCE
    while not [a for a in addresses(links(host)[interface]) if a.startswith("192.0.2.")]:
        assert time.monotonic() < end, said(host, "address")
        # As in await_duplicates().
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
    await_duplicates(host)
    seen = {
        name: {"addresses": addresses(link), **{key: link.get(key) for key in ("address", "master", "ifalias", "mtu")}}
        for name, link in links(host).items()
    }
    routes = [line for family in ("-4", "-6") for line in said(host, family, "route").splitlines()]
    names = [line for line in host.run(["networkctl", "status"]).stdout.splitlines() if "DNS" in line]
    return {"links": seen, "routes": sorted(line.partition(" expires")[0].strip() for line in routes), "names": names}


def natives(host: SystemdHost) -> set[str]:
    return {path.name for path in host.path("/etc/systemd/network").iterdir()}


OURS = {*(f"05-virtnet-br-lan.{kind}" for kind in ("link", "netdev", "network")), "05-virtnet-uplink0.network"}


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


def test_an_uplink_is_given_back_and_the_bridge_stays(play: Player, host: SystemdHost, lan: LanHost):
    configure(host, STATIC)
    without = picture(host)
    own = {"addresses": ["192.168.4.1/24"]}
    play(host, [bridge(uplink="uplink0", **own)])
    reboot(host)
    released, again = play(host, [bridge(uplink="")] * 2)
    assert released.changed and not again.changed
    assert natives(host) == {"20-lan.network"}
    await_state(host, "uplink0", "routable (")
    now = picture(host)
    assert now["links"]["uplink0"] == without["links"]["uplink0"]
    assert now["links"]["br-lan"]["addresses"] == own["addresses"]
    host.run(["ping", "-c1", "-W5", lan.ADDRESS])
    reboot(host, "uplink0")
    # The bridge had the NIC's MAC address, which nobody asked for; now the kernel picks one.
    now["links"]["br-lan"]["address"] = picture(host)["links"]["br-lan"]["address"]
    assert picture(host)["links"] == now["links"]


def test_what_cannot_be_kept_is_undone_in_networkd_too(play: Player, host: SystemdHost, lan: LanHost):
    configure(host, STATIC)
    without = picture(host)
    folder = host.path("/etc/virtnet/boot")
    folder.mkdir(parents=True)
    (folder / "bridge").write_text("a file in the way")
    (failed,) = play(host, [fails(bridge(uplink="uplink0"))])
    assert "/boot/bridge" in failed.msg and "Everything is as it was before" in failed.msg
    assert natives(host) == {"20-lan.network"}
    await_state(host, "uplink0", "routable (")
    assert picture(host) == without


def test_networkd_is_told_without_dbus_too(play: Player, host: SystemdHost, lan: LanHost):
    configure(host, STATIC)
    host.run(["systemctl", "stop", "dbus.socket", "dbus.service"])
    (made,) = play(host, [bridge(uplink="uplink0")])
    assert made.changed and natives(host) == {"20-lan.network", *OURS}
    host.run(["systemctl", "start", "dbus.service"])
    await_state(host, "br-lan")


def test_a_nic_of_no_manager_that_we_know_is_bridged_with_a_warning(play: Player, host: SystemdHost, lan: LanHost):
    (made, kept) = play(host, [bridge(uplink="uplink0"), bridge(uplink="uplink0", persist="none")])
    assert made.changed and not kept.changed
    (warning,) = made.warnings
    assert "uplink: after a reboot the bridge of 'uplink0' is gone until the next run" in warning
    assert kept.warnings == []
    assert not host.path("/etc/virtnet/boot").exists()


def test_a_change_of_the_nics_own_file_is_followed(play: Player, host: SystemdHost, lan: LanHost):
    configure(host, STATIC)
    play(host, [bridge(uplink="uplink0")])
    more = host.path(f"{FILE}.d/more.conf")
    more.parent.mkdir()
    more.write_text("[Network]\nAddress=192.0.2.99/24\n")
    followed, again = play(host, [bridge()] * 2)
    assert [line for line in followed.commands if not line.startswith("write /etc/systemd/network/05-")] == []
    assert followed.changed and not again.changed
    await_state(host, "br-lan")
    assert "192.0.2.99/24" in picture(host)["links"]["br-lan"]["addresses"]


def test_the_role_with_a_dhcp_client_of_its_own(play: Player, host: SystemdHost, lan: LanHost):
    configure(host, DHCP)
    lan_network = {"name": "lan", "model": "bridged", "bridge": "br-lan", "uplink": "uplink0", "dhcp_client": True}
    role = {"ansible.builtin.include_role": {"name": "virtnet.qemu.networks"}}
    role["vars"] = {"networks_list": [lan_network]}
    play(host, [role])
    before = picture(host)
    assert [a for a in before["links"]["br-lan"]["addresses"] if a.startswith("192.0.2.")]
    assert before["links"]["uplink0"]["addresses"] == []
    assert not [result.commands for result in play(host, [role]) if result.changed]
    reboot(host)
    await_address(host, "br-lan")
    assert picture(host)["links"] == before["links"]
    assert not [result.commands for result in play(host, [role]) if result.changed]
    role["ansible.builtin.include_role"]["tasks_from"] = "teardown"
    play(host, [role])
    assert natives(host) == {"20-lan.network"}
    await_address(host, "uplink0")
