# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A checkpoint where systemd runs the host: its timer, its host network manager, and a reboot while it is armed."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.integration.support import Player
from tests.integration.support.systemd_host import SystemdHost
from tests.integration.support.uplink import bare, plugged_in, start_dbus
from tests.integration.test_checkpoint import (
    FOLDER,
    NO_PROBLEM,
    WRONG,
    assert_same,
    await_restore,
    checkpoint,
    files,
    problems,
    report,
    shell,
)
from tests.integration.test_networkd import DHCP, FILE, NETWORKD, STATIC, await_state, configure, natives, picture
from tests.sandbox import LanHost

OTHER = """
cat > /etc/systemd/network/10-wrong.network << END
[Match]
Name=uplink0
[Network]
Address=198.51.100.99/24
Gateway=198.51.100.1
END
networkctl reload
"""
BRIDGED = """
cat > /etc/systemd/network/10-br.netdev << END
[NetDev]
Name=br-x
Kind=bridge
END
cat > /etc/systemd/network/10-br.network << END
[Match]
Name=br-x
[Network]
Address=198.51.100.99/24
END
cat > /etc/systemd/network/11-nic.network << END
[Match]
Name=uplink0
[Network]
Bridge=br-x
END
rm /etc/systemd/network/20-lan.network
networkctl reload
"""


@pytest.fixture
def host() -> Iterator[SystemdHost]:
    with SystemdHost(f"checkpoint-{os.getpid()}", NETWORKD) as host:
        start_dbus(host)
        yield host


@pytest.fixture
def lan(host: SystemdHost) -> Iterator[LanHost]:
    with plugged_in(host) as lan:
        configure(host, STATIC)
        yield lan


def units(host: SystemdHost) -> list[str]:
    """Those of a checkpoint that systemd knows."""
    said = host.run(["systemctl", "list-units", "--all", "--plain", "--no-legend", "virtnet-checkpoint*"]).stdout
    there = [path.name for path in host.path("/etc/systemd/system").rglob("virtnet-checkpoint*")]
    return [*(line.split()[0] for line in said.splitlines()), *there]


@pytest.mark.parametrize("wrong", [WRONG, OTHER, BRIDGED], ids=["live", "address", "bridged"])
def test_what_nobody_confirms_is_taken_back(play: Player, host: SystemdHost, lan: LanHost, wrong: str):
    before, filed = picture(host), files(host)
    play(host, [checkpoint("armed", timeout=15), shell(wrong)])
    host.run(["systemd-analyze", "verify", "/etc/systemd/system/virtnet-checkpoint-boot.service"])
    assert len(units(host)) >= 3
    assert problems(await_restore(host)) == NO_PROBLEM
    await_state(host, "uplink0", "routable (")
    assert_same(before, picture(host))
    assert files(host) == filed and natives(host) == {"20-lan.network"}
    host.run(["ping", "-c1", "-W5", lan.ADDRESS])
    assert units(host) == []


@pytest.mark.parametrize("wrong", [WRONG, BRIDGED], ids=["live", "bridged"])
def test_a_lease_comes_back(play: Player, host: SystemdHost, lan: LanHost, wrong: str):
    host.path(FILE).write_text(DHCP)
    host.run(["networkctl", "reload"])
    await_state(host, "uplink0")
    before = picture(host)
    assert "proto dhcp" in " ".join(before["routes"])
    *_done, back = play(host, [checkpoint("armed"), shell(wrong), checkpoint("restored")])
    assert problems(back["restored"]) == NO_PROBLEM
    await_state(host, "uplink0", "routable (")
    assert_same(before, picture(host))
    host.run(["ping", "-c1", "-W5", lan.ADDRESS])


def test_a_systemd_that_does_not_answer_stops_nothing_else(play: Player, host: SystemdHost, lan: LanHost):
    """As on a machine that is slow and busy with its boot."""
    before, filed = picture(host), files(host)
    made = "ip link add br0 type bridge; echo '[Service]' > /etc/systemd/system/virtnet-x.service"
    play(host, [checkpoint("armed", timeout=15), shell(f"{made}; mv /usr/bin/systemctl /usr/bin/away")])
    failed, differs = problems(await_restore(host))
    assert [line for line in failed if line.startswith("systemd: ")] and differs == []
    assert_same(before, picture(host))
    assert files(host) == filed and not host.path("/etc/systemd/system/virtnet-x.service").exists()


def test_a_good_change_is_confirmed(play: Player, host: SystemdHost, lan: LanHost):
    bridge = {"virtnet.qemu.bridge": {"name": "br-lan", "uplink": "uplink0"}}
    tasks = [checkpoint("armed"), bridge, checkpoint("confirmed", probe=["ping", "-c1", "-W5", lan.ADDRESS])]
    results = play(host, tasks)
    assert [result.changed for result in results] == [True] * 3
    assert units(host) == [] and not host.path(FOLDER).exists()
    await_state(host, "br-lan")


def test_a_bridge_of_ours_is_taken_back_with_its_files_and_units(play: Player, host: SystemdHost, lan: LanHost):
    before, filed = picture(host), files(host)
    bridge = {"virtnet.qemu.bridge": {"name": "br-lan", "uplink": "uplink0"}}
    *_made, back = play(host, [checkpoint("armed"), bridge, checkpoint("restored")])
    assert problems(back["restored"]) == NO_PROBLEM
    await_state(host, "uplink0", "routable (")
    assert_same(before, picture(host))
    assert files(host) == filed and natives(host) == {"20-lan.network"}
    assert units(host) == []
    (again,) = play(host, [bridge])
    assert again.changed
    await_state(host, "br-lan")


@pytest.mark.parametrize("wrong", [OTHER, BRIDGED], ids=["address", "bridged"])
def test_a_reboot_while_it_is_armed_comes_up_in_the_old_state(
    play: Player, host: SystemdHost, lan: LanHost, wrong: str
):
    before = picture(host)
    play(host, [checkpoint("armed", timeout=3600), shell(wrong), shell("echo x > /etc/sysctl.d/60-virtnet.conf")])
    host.run(["systemctl", "stop", "systemd-networkd.socket", "systemd-networkd.service"])
    bare(host)
    host.reboot()
    await_state(host, "uplink0")
    assert_same(before, picture(host))
    host.run(["ping", "-c1", "-W5", lan.ADDRESS])
    assert problems(await_restore(host)) == NO_PROBLEM
    assert report(host)["reason"] == "the host was rebooted meanwhile"
    assert not host.path("/etc/sysctl.d/60-virtnet.conf").exists() and host.path(FILE).exists()
    armed, confirmed = play(host, [checkpoint("armed"), checkpoint("confirmed")])
    assert "the host was rebooted meanwhile" in armed.warnings[0]
    assert confirmed.changed and units(host) == []
