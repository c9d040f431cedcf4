# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Bridges under a real ifupdown: adopted alive, and there again after a reboot."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pytest

from tests.integration.support import Player, fails
from tests.integration.support.links import addresses, await_duplicates, links
from tests.integration.support.systemd_host import SystemdHost
from tests.integration.support.uplink import bare, plugged_in
from tests.integration.test_networkd import absent, await_address, bridge
from tests.sandbox import LanHost

pytestmark = pytest.mark.full

TOP = "/etc/network"
MAIN = f"{TOP}/interfaces"
OURS = f"{TOP}/interfaces.d/virtnet-br-lan"
HEAD = """\
# The person's own words stay.
source /etc/network/interfaces.d/*

auto lo
iface lo inet loopback

"""
STATIC = f"""{HEAD}\
auto uplink0
iface uplink0 inet static
\taddress 192.0.2.10/24
\tgateway 192.0.2.1
\t# kept in a comment
\tup ip route add 203.0.113.0/24 via 192.0.2.2 \\
\t\tdev $IFACE

iface uplink0 inet6 static
\taddress 2001:db8:1::10/64
\tgateway 2001:db8:1::1
\taccept_ra 0
\tdad-attempts 0
"""
DHCP = f"{HEAD}allow-hotplug uplink0\nauto uplink0\niface uplink0 inet dhcp\n"
#: In another person's file, and nothing includes interfaces.d.
APART = "auto lo uplink0\niface lo inet loopback\nsource-directory /etc/network/own.d\n"


@pytest.fixture
def host() -> Iterator[SystemdHost]:
    with SystemdHost(f"ifupdown-{os.getpid()}", ("networking.service",)) as host:
        yield host


@pytest.fixture
def lan(host: SystemdHost) -> Iterator[LanHost]:
    with plugged_in(host) as lan:
        yield lan


def configure(host: SystemdHost, text: str, **more: str) -> None:
    for name, content in {"interfaces": text, **more}.items():
        path = host.path(f"{TOP}/{name}")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    host.run(["systemctl", "enable", "--now", "networking.service"])


def reboot(host: SystemdHost) -> None:
    host.run(["sh", "-c", "pkill --ns $$ dhclient || true"])
    bare(host)
    # As a kernel that has just started has it.
    host.run(["sysctl", "-q", "-w", "net.ipv6.conf.uplink0.autoconf=1"])
    host.reboot()
    # What makes the bridge, and what marks it.
    host.run(["systemctl", "start", "networking.service"])
    host.run(["sh", "-c", "! test -e /etc/virtnet/boot/run.sh || systemctl start virtnet-network.service"])


def said(host: SystemdHost, *words: str) -> str:
    return host.run(list(words)).stdout


def picture(host: SystemdHost) -> dict[str, Any]:
    """What one notices of the host's network, when it has come to rest."""
    await_duplicates(host)
    found = links(host)
    seen = {
        name: {"addresses": addresses(link), **{key: link.get(key) for key in ("address", "master", "ifalias", "mtu")}}
        for name, link in found.items()
    }
    lines = [line for family in ("-4", "-6") for line in said(host, "ip", family, "route").splitlines()]
    routes = [line.partition(" expires")[0].strip() for line in lines if not line.startswith("fe80:")]
    # A bridge without a port loses its carrier in its own time.
    ports = {link.get("master") for link in found.values()}
    empty = {f"dev {name} " for name, link in found.items() if is_bridge(link) and name not in ports}
    return {
        "links": seen,
        "routes": sorted(r.replace(" linkdown", "") if any(dev in r for dev in empty) else r for r in routes),
        "names": host.path("/etc/resolv.conf").read_text(),
    }


def is_bridge(link: dict[str, Any]) -> bool:
    return link.get("linkinfo", {}).get("info_kind") == "bridge"


def state(host: SystemdHost) -> list[str]:
    """What ifupdown takes for up."""
    return sorted(said(host, "ifquery", "--state").split())


def filed(host: SystemdHost) -> dict[str, bytes]:
    top = host.path(TOP)
    return {str(path.relative_to(top)): path.read_bytes() for path in sorted(top.rglob("*")) if path.is_file()}


def settings(host: SystemdHost) -> str:
    """What the kernel makes of router advertisements, on the NIC."""
    return said(host, "sysctl", "-n", "net.ipv6.conf.uplink0.accept_ra", "net.ipv6.conf.uplink0.autoconf")


def has_link_local(host: SystemdHost) -> bool:
    return any(info["local"].startswith("fe80:") for info in links(host)["uplink0"]["addr_info"])


def clients(host: SystemdHost) -> list[str]:
    """The interfaces that have a DHCP client."""
    return [line.split()[-1] for line in said(host, "sh", "-c", "ps -ww -o args= -C dhclient || true").splitlines()]


def failed_units(host: SystemdHost) -> str:
    return said(host, "systemctl", "list-units", "--failed", "--plain", "--no-legend")


@pytest.mark.parametrize("text", [STATIC, DHCP], ids=["static", "dhcp"])
def test_the_manager_takes_over_alive_and_at_boot_and_lets_go_again(play: Player, host, lan, text):
    configure(host, text)
    without, files, heeded = picture(host), filed(host), settings(host)
    served = ["uplink0"] if text is DHCP else []
    assert clients(host) == served and state(host) == ["lo=lo", "uplink0=uplink0"]
    checked, made = play(host, [bridge(uplink="uplink0")], check=True) + play(host, [bridge(uplink="uplink0")])
    assert len(checked.commands) == len(made.commands)
    assert f"write {MAIN}" in made.commands and f"write {OURS}" in made.commands
    before = picture(host)
    (address,) = [a for a in without["links"]["uplink0"]["addresses"] if a.startswith("192.0.2.")]
    assert before["links"]["uplink0"]["addresses"] == []
    assert address in before["links"]["br-lan"]["addresses"]
    assert before["links"]["br-lan"]["address"] == without["links"]["uplink0"]["address"]
    assert [r.replace("br-lan", "uplink0") for r in before["routes"]] == without["routes"]
    assert before["names"] == without["names"]
    assert state(host) == ["br-lan=br-lan", "lo=lo", "uplink0=uplink0"]
    assert clients(host) == ["br-lan" for _nic in served]
    host.run(["ping", "-c1", "-W5", lan.ADDRESS])
    (again,) = play(host, [bridge(uplink="uplink0")])
    assert not again.changed
    host.run(["ifup", "-a"])
    host.run(["systemctl", "restart", "networking.service"])
    assert picture(host) == before and clients(host) == ["br-lan" for _nic in served]

    reboot(host)
    assert failed_units(host) == ""
    assert picture(host) == before
    assert state(host) == ["br-lan=br-lan", "lo=lo", "uplink0=uplink0"]
    host.run(["ping", "-c1", "-W5", lan.ADDRESS])
    (again,) = play(host, [bridge()])
    assert not again.changed, again.commands

    (gone,) = play(host, [absent()])
    assert gone.changed and filed(host) == files
    assert picture(host) == without and has_link_local(host) and settings(host) == heeded
    assert clients(host) == served and state(host) == ["lo=lo", "uplink0=uplink0"]
    host.run(["ping", "-c1", "-W5", lan.ADDRESS])
    reboot(host)
    assert picture(host) == without


def test_name_servers_go_with_the_addresses(play: Player, host: SystemdHost, lan: LanHost):
    for folder, words in (("if-up.d", "up $IFACE $IF_DNS_NAMESERVERS"), ("if-down.d", "down $IFACE")):
        script = host.path(f"{TOP}/{folder}/resolved")
        script.write_text(f"#!/bin/sh\n[ $IFACE = --all ] || echo {words} >> /run/names\n")
        script.chmod(0o755)
    configure(
        host, f"{HEAD}auto uplink0\niface uplink0 inet static\naddress 192.0.2.10/24\ndns-nameservers 192.0.2.1\n"
    )
    told = host.path("/run/names")
    told.write_text("")
    play(host, [bridge(uplink="uplink0")])
    assert told.read_text().splitlines() == ["down uplink0", "up br-lan 192.0.2.1"]
    told.write_text("")
    play(host, [absent()])
    assert told.read_text().splitlines() == ["up uplink0 192.0.2.1"]


def test_dhcpcd_goes_on_with_its_lease(play: Player, host: SystemdHost, lan: LanHost):
    host.path("/usr/sbin/dhclient").unlink()
    configure(host, DHCP)
    (address,) = addresses(links(host)["uplink0"])
    made, again = play(host, [bridge(uplink="uplink0")] * 2)
    assert made.changed and not again.changed
    assert addresses(links(host)["br-lan"]) == [address] and dhcpcds(host) == {"br-lan"}
    reboot(host)
    assert addresses(links(host)["br-lan"]) == [address] and dhcpcds(host) == {"br-lan"}
    play(host, [absent()])
    assert addresses(links(host)["uplink0"]) == [address] and dhcpcds(host) == {"uplink0"}
    assert len(lan.path("/run/leases").read_text().splitlines()) == 1


def dhcpcds(host: SystemdHost) -> set[str]:
    """The interfaces that a dhcpcd, or a helper that it left, is about."""
    told = said(host, "sh", "-c", "ps -ww -o args= -C dhcpcd || true")
    return {name for name in ("uplink0", "br-lan") if name in told}


def test_files_of_others_are_left_as_they_are_but_for_the_nics_lines(play: Player, host, lan):
    own = STATIC.partition("iface uplink0")
    configure(host, APART, **{"own.d/nic": "iface uplink0" + own[2], "own.d/not.read": "iface uplink0 inet dhcp\n"})
    host.path(f"{TOP}/own.d/nic").chmod(0o600)
    without, files = picture(host), filed(host)
    made, again = play(host, [bridge(uplink="uplink0")] * 2)
    assert made.changed and not again.changed
    assert "virtnet" not in host.path(f"{TOP}/own.d/not.read").read_text()
    assert [host.path(path).stat().st_mode & 0o777 for path in (OURS, f"{TOP}/own.d/nic")] == [0o600] * 2
    before = picture(host)
    reboot(host)
    assert failed_units(host) == "" and picture(host) == before
    # What the person changes meanwhile stays.
    nic = host.path(f"{TOP}/own.d/nic")
    nic.write_text(nic.read_text().replace("2001:db8:1::10/64", "2001:db8:1::11/64") + "# and more\n")
    followed, again = play(host, [bridge()] * 2)
    assert followed.commands == [f"write {OURS}"] and not again.changed
    play(host, [bridge(uplink="")])
    assert filed(host).keys() == {*files, "interfaces.d/virtnet-br-lan"}
    reboot(host)
    assert picture(host)["links"]["br-lan"]["ifalias"] == "virtnet.qemu"
    assert not play(host, [bridge()])[0].changed
    play(host, [bridge(state="absent")])
    left = filed(host)
    assert {name for name, text in left.items() if text != files.get(name)} == {"own.d/nic"}
    assert left["own.d/nic"].endswith(b"dad-attempts 0\n# and more\n")
    was, now = (seen["links"]["uplink0"]["addresses"] for seen in (without, picture(host)))
    assert now == [address.replace("2001:db8:1::10", "2001:db8:1::11") for address in was]


def test_a_bridge_without_an_uplink_is_ifupdowns_too(play: Player, host: SystemdHost, lan: LanHost):
    configure(host, STATIC)
    without, files = picture(host), filed(host)
    tap = {"virtnet.qemu.tap": {"name": "t0", "bridge": "br-lan", "mac": "52:54:00:00:00:08"}}
    tasks = [
        bridge(addresses=["192.168.4.1/24", "fd00:4::1/64"], stp=True, mac="52:54:00:00:00:01"),
        tap,
        {"virtnet.qemu.bridge": {"name": "br.odd", "addresses": ["192.168.5.1/24"], "mac": "52:54:00:00:00:02"}},
    ]
    assert [result.changed for result in play(host, tasks)] == [True] * 3
    assert "bridge_ports none" in host.path(OURS).read_text()
    before = picture(host)
    assert state(host) == ["br-lan=br-lan", "lo=lo", "uplink0=uplink0"]
    host.run(["systemctl", "restart", "networking.service"])
    assert picture(host)["links"]["t0"]["master"] == "br-lan"
    reboot(host)
    assert failed_units(host) == "" and picture(host) == before
    assert links(host)["br-lan"]["linkinfo"]["info_data"]["stp_state"] == 1
    assert [result.commands for result in play(host, tasks) if result.changed] == []
    play(
        host,
        [
            {"virtnet.qemu.bridge": {"config": [], "purge": True}},
            {"virtnet.qemu.tap": {"name": "t0", "state": "absent"}},
        ],
    )
    assert picture(host) == without and filed(host) == files
    assert state(host) == ["lo=lo", "uplink0=uplink0"]


REFUSED = {
    "mapping": ("mapping uplink0\n\tscript /bin/echo\n", "has a script choose"),
    "pattern": ("mapping uplink*\n\tscript /bin/echo\n", "by 'mapping uplink*'"),
    "inherits": ("iface uplink1 inet manual inherits uplink0\n", "has 'uplink1' inherit from 'uplink0'"),
    "method": ("iface uplink0 inet6 v4tunnel\n\taddress 2001:db8::1\n", "a bridge cannot be 'inet6 v4tunnel'"),
    "rename": ("rename other0=uplink0\n", "renames an interface to 'uplink0'"),
}


def test_what_cannot_be_written_is_refused_before_anything_is_changed(play: Player, host: SystemdHost, lan: LanHost):
    configure(host, STATIC)
    for more, why in REFUSED.values():
        host.path(MAIN).write_text(STATIC + more)
        before, files = picture(host), filed(host)
        (refused,) = play(host, [fails(bridge(uplink="uplink0"))])
        assert "uplink: what /etc/network/interfaces says of 'uplink0'" in refused.msg and why in refused.msg
        assert picture(host) == before and filed(host) == files
    assert play(host, [bridge(uplink="uplink0", persist="none")])[0].changed
    assert filed(host) == files


def test_what_cannot_be_kept_is_undone_in_ifupdown_too(play: Player, host: SystemdHost, lan: LanHost):
    configure(host, DHCP)
    without, files = picture(host), filed(host)
    folder = host.path("/etc/virtnet/boot")
    folder.mkdir(parents=True)
    (folder / "bridge").write_text("a file in the way")
    (failed,) = play(host, [fails(bridge(uplink="uplink0"))])
    assert "/boot/bridge" in failed.msg and "Everything is as it was before" in failed.msg
    assert filed(host) == files and picture(host) == without
    assert clients(host) == ["uplink0"] and state(host) == ["lo=lo", "uplink0=uplink0"]


def test_the_role_with_a_dhcp_client_of_its_own(play: Player, host: SystemdHost, lan: LanHost):
    configure(host, DHCP)
    without, files = picture(host), filed(host)
    lan_network = {"name": "lan", "model": "bridged", "bridge": "br-lan", "uplink": "uplink0", "dhcp_client": True}
    role = {"ansible.builtin.include_role": {"name": "virtnet.qemu.networks"}}
    role["vars"] = {"networks_list": [lan_network]}
    play(host, [role])
    before = picture(host)
    assert [a for a in before["links"]["br-lan"]["addresses"] if a.startswith("192.0.2.")]
    assert before["links"]["uplink0"]["addresses"] == [] and clients(host) == []
    assert not [result.commands for result in play(host, [role]) if result.changed]
    reboot(host)
    await_address(host, "br-lan")
    assert picture(host)["links"] == before["links"]
    assert not [result.commands for result in play(host, [role]) if result.changed]
    role["ansible.builtin.include_role"]["tasks_from"] = "teardown"
    play(host, [role])
    assert filed(host) == files and clients(host) == ["uplink0"]
    await_address(host, "uplink0")
    assert picture(host)["links"].keys() == without["links"].keys()
