# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A bridge with an uplink under a real NetworkManager: adopted alive, and there again after a reboot."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.support import Player, fails
from tests.integration.support.links import addresses, await_duplicates, ip, links
from tests.integration.support.probe import Probe
from tests.integration.support.systemd_host import SystemdHost
from tests.integration.support.uplink import bare, plugged_in, start_dbus
from tests.integration.test_networkd import absent, await_address, bridge, said
from tests.sandbox import LanHost

pytestmark = pytest.mark.full

FOLDER = "/etc/NetworkManager/system-connections"
FILE = "lan.nmconnection"
UUID = "7d3c5c8e-3b5c-4a58-9a39-6f6a6c3a2b10"
UNIT = "NetworkManager.service"
UNITS = ("dbus.service", "dbus.socket", UNIT)
OURS = {"virtnet-br-lan.nmconnection", "virtnet-uplink0.nmconnection"}
LINK = "/etc/systemd/network/04-virtnet-br-lan.link"
STATIC = f"""\
[connection]
id=lan
uuid={UUID}
type=ethernet
interface-name=uplink0

[ipv4]
method=manual
address1=192.0.2.10/24,192.0.2.1
dns=192.0.2.1;
route1=203.0.113.0/24,192.0.2.2

[ipv6]
method=manual
address1=2001:db8:1::10/64,2001:db8:1::1
"""
#: For any NIC, and without an id of its own.
DHCP = """\
# by hand
[connection]
id=lan
type=802-3-ethernet

[ipv4]
method=auto
"""
#: NetworkManager makes one itself.
NONE = ""
PROFILES = {"static": STATIC, "dhcp": DHCP, "none": NONE}
PATIENCE = 30.0


@pytest.fixture
def host() -> Iterator[SystemdHost]:
    with SystemdHost(f"nm-{os.getpid()}", UNITS) as host:
        start_dbus(host, UNIT)
        yield host


@pytest.fixture
def lan(host: SystemdHost) -> Iterator[LanHost]:
    with plugged_in(host) as lan:
        yield lan


def configure(host: SystemdHost, text: str) -> None:
    if text:
        path = host.path(f"{FOLDER}/{FILE}")
        path.write_text(text)
        path.chmod(0o600)
    host.run(["systemctl", "start", UNIT])
    await_state(host, "uplink0")


def await_state(host: SystemdHost, interface: str, profile: str = "") -> None:
    """Wait until NetworkManager has done with an interface, and it has an address where it is no port."""
    end = time.monotonic() + PATIENCE
    while f"{interface}:connected:{profile}" not in (seen := states(host)):
        assert time.monotonic() < end, seen
        # `nmcli monitor` does not say when it has begun to listen.
        time.sleep(0.1)


def states(host: SystemdHost) -> str:
    return host.run(["nmcli", "-t", "-f", "DEVICE,STATE,CONNECTION", "device"], check=False).stdout


def reboot(host: SystemdHost, interface: str = "br-lan") -> None:
    host.run(["systemctl", "stop", UNIT])
    bare(host)
    host.reboot()
    await_state(host, interface)
    # Both had their time: what makes the bridge, and what marks it.
    host.run(["systemctl", "start", "virtnet-network.service"])


def picture(host: SystemdHost) -> dict[str, Any]:
    """What one notices of the host's network, when it has come to rest."""
    await_duplicates(host)
    seen = {
        name: {"addresses": addresses(link), **{key: link.get(key) for key in ("address", "master", "ifalias", "mtu")}}
        for name, link in links(host).items()
    }
    routes = [line for family in ("-4", "-6") for line in said(host, family, "route").splitlines()]
    kept = [line.partition(" expires")[0].strip() for line in routes if not line.startswith("fe80:")]
    # Not there when it knows of no name server.
    path = host.path("/run/NetworkManager/resolv.conf")
    names = path.read_text().splitlines() if path.exists() else []
    return {"links": seen, "routes": sorted(kept), "names": [line for line in names if line[:1] != "#"]}


def natives(host: SystemdHost) -> set[str]:
    return {path.name for path in host.path(FOLDER).iterdir()}


CASES = Path(__file__).parents[1] / "unit/plugins/module_utils/_persist/networkmanager_cases"
#: And comments, what it was told to remove, what is so without being said, and what it writes in another way.
NOT_WRITTEN = ("#", "zone=", "stp=true", "virtnet.origin=", "address")
PROFILES_OF_OURS = sorted(CASES.glob("*/virtnet-*"))


@pytest.mark.parametrize("path", PROFILES_OF_OURS, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_what_we_write_passes_its_own_check(path: Path):
    argv = ["nmcli", "--offline", "connection", "modify", "connection.zone", ""]
    with path.open() as text:
        done = subprocess.run(argv, stdin=text, capture_output=True, text=True, check=True)
    assert done.stderr == ""
    # It leaves out what it does not know.
    lost = set(path.read_text().splitlines()).difference(done.stdout.splitlines())
    assert {line for line in lost if not line.startswith(NOT_WRITTEN)} == set()


@pytest.mark.parametrize("text", PROFILES.values(), ids=PROFILES)
def test_the_manager_takes_over_alive_and_at_boot_and_lets_go_again(play: Player, host, lan: LanHost, text: str):
    own = {FILE} if text else set()
    configure(host, text)
    without = picture(host)
    (address,) = [a for a in without["links"]["uplink0"]["addresses"] if a.startswith("192.0.2.")]
    with Probe(lan, name="lan") as at_lan, Probe(host, name="host") as at_host:
        at_lan.serve(5300)
        opened = at_host.ask("tcp", lan.ADDRESS, 5300, keep="held")
        checked, made = play(host, [bridge(uplink="uplink0")], check=True) + play(host, [bridge(uplink="uplink0")])
        assert len(checked.commands) == len(made.commands) and made.warnings == []
        assert natives(host) == {*own, *OURS}
        await_state(host, "br-lan", "virtnet-br-lan")
        await_state(host, "uplink0", "virtnet-uplink0")
        before = picture(host)
        assert before["links"]["uplink0"]["addresses"] == []
        assert address in before["links"]["br-lan"]["addresses"]
        assert before["links"]["br-lan"]["address"] == without["links"]["uplink0"]["address"]
        assert [r.replace("br-lan", "uplink0") for r in before["routes"]] == without["routes"]
        assert before["names"] == without["names"] != []
        (again,) = play(host, [bridge(uplink="uplink0")])
        assert not again.changed
        assert at_host.ask("tcp", lan.ADDRESS, 5300, keep="held") == opened

    reboot(host)
    assert picture(host) == before
    host.run(["ping", "-c1", "-W5", lan.ADDRESS])
    (again,) = play(host, [bridge()])
    assert not again.changed, again.commands

    with Probe(lan, name="lan") as at_lan, Probe(host, name="host") as at_host:
        at_lan.serve(5300)
        opened = at_host.ask("tcp", lan.ADDRESS, 5300, keep="held")
        (gone,) = play(host, [absent()])
        assert gone.changed and natives(host) == own
        await_state(host, "uplink0", "Wired connection 1" if not text else "lan")
        assert at_host.ask("tcp", lan.ADDRESS, 5300, keep="held") == opened
    assert picture(host) == without
    assert not text or host.path(f"{FOLDER}/{FILE}").read_text() == text


def test_an_uplink_is_given_back_and_the_bridge_stays(play: Player, host: SystemdHost, lan: LanHost):
    configure(host, STATIC)
    without = picture(host)
    own = {"addresses": ["192.168.4.1/24"]}
    play(host, [bridge(uplink="uplink0", **own)])
    reboot(host)
    assert "192.168.4.1/24" in picture(host)["links"]["br-lan"]["addresses"]
    released, again = play(host, [bridge(uplink="")] * 2)
    assert released.changed and not again.changed
    assert natives(host) == {FILE}
    await_state(host, "uplink0", "lan")
    now = picture(host)
    assert now["links"]["uplink0"] == without["links"]["uplink0"]
    assert now["links"]["br-lan"]["addresses"] == own["addresses"]
    host.run(["ping", "-c1", "-W5", lan.ADDRESS])
    reboot(host, "uplink0")
    # The bridge had the NIC's MAC address, which nobody asked for; now the kernel picks one.
    now["links"]["br-lan"]["address"] = picture(host)["links"]["br-lan"]["address"]
    assert picture(host)["links"] == now["links"]


def test_what_cannot_be_kept_is_undone_in_networkmanager_too(play: Player, host: SystemdHost, lan: LanHost):
    configure(host, STATIC)
    without = picture(host)
    folder = host.path("/etc/virtnet/boot")
    folder.mkdir(parents=True)
    (folder / "bridge").write_text("a file in the way")
    (failed,) = play(host, [fails(bridge(uplink="uplink0"))])
    assert "/boot/bridge" in failed.msg and "Everything is as it was before" in failed.msg
    assert natives(host) == {FILE}
    await_state(host, "uplink0", "lan")
    assert picture(host) == without


def test_a_nic_that_somebody_else_configures_is_bridged_with_a_warning(play: Player, host: SystemdHost, lan: LanHost):
    ip(host, "link", "set", "uplink0", "up")
    ip(host, "address", "add", "192.0.2.10/24", "dev", "uplink0")
    host.run(["systemctl", "start", UNIT])
    (made, kept) = play(host, [bridge(uplink="uplink0"), bridge(uplink="uplink0", persist="none")])
    assert made.changed and not kept.changed
    (warning,) = made.warnings
    assert "uplink: after a reboot the bridge of 'uplink0' is gone until the next run" in warning
    assert natives(host) == set()


def test_a_change_of_the_nics_own_profile_is_followed(play: Player, host: SystemdHost, lan: LanHost):
    configure(host, STATIC)
    play(host, [bridge(uplink="uplink0")])
    host.run(["nmcli", "connection", "modify", "lan", "+ipv4.addresses", "192.0.2.99/24"])
    # Somebody's hands on ours.
    host.run(["nmcli", "connection", "modify", "virtnet-uplink0", "connection.autoconnect", "no"])
    followed, again = play(host, [bridge()] * 2)
    assert {line for line in followed.commands if FOLDER not in line} == set()
    assert followed.changed and not again.changed
    await_state(host, "br-lan", "virtnet-br-lan")
    assert "192.0.2.99/24" in picture(host)["links"]["br-lan"]["addresses"]


def test_the_settings_of_a_bridge_are_there_after_a_reboot(play: Player, host: SystemdHost, lan: LanHost):
    configure(host, STATIC)
    options = {"stp": True, "forward_delay": 2, "mtu": 1400, "mac": "52:54:00:00:00:77"}
    more = {"addresses": ["10.9.0.1/24", "fd00:9::1/64"]}
    made, again = play(host, [bridge(uplink="uplink0", **options, **more)] * 2)
    assert made.changed and not again.changed
    before = picture(host)
    assert set(more["addresses"]) < set(before["links"]["br-lan"]["addresses"])
    reboot(host)
    # The routes of the bridge's own subnets have the metric of the others now.
    assert picture(host)["links"] == before["links"]
    (again,) = play(host, [bridge(uplink="uplink0", **options, **more)])
    assert not again.changed, again.commands


ROUTER = """\
dnsmasq --conf-file=/dev/null --port=0 --user=root --interface=lan --bind-interfaces --no-ping --dhcp-authoritative
--dhcp-leasefile=/run/leases6 --pid-file=/run/dnsmasq6.pid --enable-ra
--dhcp-range=2001:db8:1::100,2001:db8:1::1ff,slaac{lifetime}
"""


@pytest.mark.parametrize("lifetime", ["", ",64,1h"], ids=["forever", "hour"])
def test_addresses_by_dhcpv6_and_by_routers_stay_the_same(play: Player, host, lan: LanHost, lifetime: str):
    lan.run(ROUTER.format(lifetime=lifetime).split())
    configure(host, f"{DHCP}[ipv6]\nmethod=auto\naddr-gen-mode=stable-privacy\n")
    given = await_addresses(host, "uplink0", 3)
    made, again = play(host, [bridge(uplink="uplink0")] * 2)
    assert made.changed and not again.changed
    assert addresses(links(host)["br-lan"]) == given
    reboot(host)
    assert await_addresses(host, "br-lan", 3) == given
    (again,) = play(host, [bridge(uplink="uplink0")])
    assert not again.changed, again.commands
    play(host, [absent()])
    await_state(host, "uplink0", "lan")
    assert await_addresses(host, "uplink0", 3) == given


def await_addresses(host: SystemdHost, interface: str, count: int) -> list[str]:
    """Wait for as many as there are to come: by DHCP, by DHCPv6, and of the router's prefix."""
    end = time.monotonic() + PATIENCE
    while len(found := addresses(links(host)[interface])) < count:
        assert time.monotonic() < end, found
        # As in await_duplicates().
        time.sleep(0.1)
    return found


REFUSED = {
    "802.1X": "[802-1x]\neap=tls;\nidentity=host\n",
    "PPPoE": "[pppoe]\nusername=host\n",
    "method=shared": "[ipv4]\nmethod=shared\n",
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_a_bridge_cannot_take_over_is_refused_before_anything_is_changed(
    play: Player, host: SystemdHost, lan: LanHost, what: str
):
    configure(host, STATIC)
    before = picture(host)
    path = host.path(f"{FOLDER}/{FILE}")
    path.write_text(path.read_text() + REFUSED[what])
    (failed,) = play(host, [fails(bridge(uplink="uplink0"))])
    assert failed.msg.startswith("uplink: NetworkManager's profile 'lan' of 'uplink0' ") and what in failed.msg
    assert picture(host) == before and natives(host) == {FILE}
    await_state(host, "uplink0", "lan")


def test_the_role_with_a_dhcp_client_of_its_own(play: Player, host: SystemdHost, lan: LanHost):
    configure(host, DHCP)
    lan_network = {"name": "lan", "model": "bridged", "bridge": "br-lan", "uplink": "uplink0", "dhcp_client": True}
    role = {"ansible.builtin.include_role": {"name": "virtnet.qemu.networks"}}
    # On a busy machine a minute may not be enough.
    role["vars"] = {"networks_list": [lan_network], "networks_checkpoint_timeout": 600}
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
    assert natives(host) == {FILE}
    await_address(host, "uplink0")
