# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A checkpoint where NetworkManager has the host's NIC: live, and over a reboot while it is armed."""

from __future__ import annotations

import pytest

from tests.integration.support import Player
from tests.integration.support.systemd_host import SystemdHost
from tests.integration.support.uplink import bare
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
from tests.integration.test_networkd import absent, bridge
from tests.integration.test_networkmanager import (
    DHCP,
    FILE,
    STATIC,
    UNIT,
    await_state,
    configure,
    host,
    lan,
    natives,
    picture,
)
from tests.sandbox import LanHost

pytestmark = pytest.mark.full

# Fixtures of the other file.
__all__ = ["host", "lan"]

OTHER = """
nmcli connection add type ethernet con-name wrong ifname uplink0 ip4 198.51.100.99/24 gw4 198.51.100.1
nmcli connection up wrong
"""
BRIDGED = """
nmcli connection add type bridge con-name br-x ifname br-x ip4 198.51.100.99/24 bridge.stp no
nmcli connection add type ethernet con-name br-x-port ifname uplink0 master br-x
nmcli connection delete lan
nmcli connection up br-x-port
"""
OFF = "nmcli device disconnect uplink0"
CHANGES = {"live": WRONG, "profile": OTHER, "bridged": BRIDGED, "off": OFF}


@pytest.mark.parametrize("wrong", CHANGES.values(), ids=CHANGES)
@pytest.mark.parametrize("text", [STATIC, DHCP], ids=["static", "dhcp"])
def test_what_nobody_confirms_is_taken_back(play: Player, host: SystemdHost, lan: LanHost, text: str, wrong: str):
    configure(host, text)
    before, filed = picture(host), files(host)
    play(host, [checkpoint("armed", timeout=15), shell(wrong)])
    assert problems(await_restore(host)) == NO_PROBLEM
    await_state(host, "uplink0", "lan")
    assert_same(before, picture(host))
    assert files(host) == filed and natives(host) == {FILE}
    host.run(["ping", "-c1", "-W5", lan.ADDRESS])


def test_a_bridge_of_ours_is_taken_back_with_its_files(play: Player, host: SystemdHost, lan: LanHost):
    configure(host, DHCP)
    before, filed = picture(host), files(host)
    *_made, back = play(host, [checkpoint("armed"), bridge(uplink="uplink0"), checkpoint("restored")])
    assert problems(back["restored"]) == NO_PROBLEM
    await_state(host, "uplink0", "lan")
    assert_same(before, picture(host))
    assert files(host) == filed and natives(host) == {FILE}
    (again,) = play(host, [bridge(uplink="uplink0")])
    assert again.changed
    await_state(host, "br-lan", "virtnet-br-lan")


def test_a_bridge_of_ours_comes_back_with_its_files(play: Player, host: SystemdHost, lan: LanHost):
    configure(host, DHCP)
    play(host, [bridge(uplink="uplink0")])
    before, filed = picture(host), files(host)
    *_gone, back = play(host, [checkpoint("armed"), absent(), checkpoint("restored")])
    assert problems(back["restored"]) == NO_PROBLEM
    await_state(host, "br-lan", "virtnet-br-lan")
    await_state(host, "uplink0", "virtnet-uplink0")
    assert_same(before, picture(host))
    assert files(host) == filed
    (again,) = play(host, [bridge(uplink="uplink0")])
    assert not again.changed, again.commands


def test_a_good_change_is_confirmed(play: Player, host: SystemdHost, lan: LanHost):
    configure(host, DHCP)
    confirmed = checkpoint("confirmed", probe=["ping", "-c1", "-W5", lan.ADDRESS])
    results = play(host, [checkpoint("armed"), bridge(uplink="uplink0"), confirmed])
    assert [result.changed for result in results] == [True] * 3
    assert not host.path(FOLDER).exists()
    await_state(host, "br-lan", "virtnet-br-lan")


@pytest.mark.parametrize("wrong", [OTHER, BRIDGED], ids=["profile", "bridged"])
def test_a_reboot_while_it_is_armed_comes_up_in_the_old_state(
    play: Player, host: SystemdHost, lan: LanHost, wrong: str
):
    configure(host, STATIC)
    before = picture(host)
    play(host, [checkpoint("armed", timeout=3600), shell(wrong)])
    host.run(["systemctl", "stop", UNIT])
    bare(host)
    host.reboot()
    await_state(host, "uplink0", "lan")
    assert_same(before, picture(host))
    assert natives(host) == {FILE}
    host.run(["ping", "-c1", "-W5", lan.ADDRESS])
    assert problems(await_restore(host)) == NO_PROBLEM
    assert report(host)["reason"] == "the host was rebooted meanwhile"
