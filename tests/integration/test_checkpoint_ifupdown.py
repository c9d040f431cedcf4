# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A checkpoint on a host of ifupdown: its files, what it takes for up, and its DHCP client come back."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.integration.support import Player
from tests.integration.support.systemd_host import SystemdHost
from tests.integration.support.uplink import plugged_in
from tests.integration.test_checkpoint import (
    NO_PROBLEM,
    assert_same,
    await_restore,
    checkpoint,
    problems,
    report,
    shell,
)
from tests.integration.test_ifupdown import DHCP, STATIC, clients, configure, filed, picture, reboot, state
from tests.integration.test_networkd import bridge
from tests.sandbox import LanHost

pytestmark = pytest.mark.full

#: The connection is gone, and with it the lease.
DOWN = """
ifdown uplink0
echo 'auto lo' > /etc/network/interfaces
"""
MADE = ["bridge", "down"]


@pytest.fixture
def host() -> Iterator[SystemdHost]:
    with SystemdHost(f"checkpoint-ifupdown-{os.getpid()}", ("networking.service",)) as host:
        yield host


@pytest.fixture
def lan(host: SystemdHost) -> Iterator[LanHost]:
    with plugged_in(host) as lan:
        yield lan


def change(what: str) -> dict:
    return bridge(uplink="uplink0") if what == "bridge" else shell(DOWN)


@pytest.mark.parametrize("what", MADE)
@pytest.mark.parametrize("text", [STATIC, DHCP], ids=["static", "dhcp"])
def test_what_nobody_confirms_is_taken_back(play: Player, host: SystemdHost, lan: LanHost, text: str, what: str):
    configure(host, text)
    before, files, up, served = picture(host), filed(host), state(host), clients(host)
    play(host, [checkpoint("armed", timeout=15), change(what)])
    assert filed(host) != files
    assert problems(await_restore(host)) == NO_PROBLEM
    assert_same(before, picture(host))
    assert (filed(host), state(host), clients(host)) == (files, up, served)
    host.run(["ping", "-c1", "-W5", lan.ADDRESS])
    # ifupdown goes on from there.
    host.run(["systemctl", "restart", "networking.service"])
    assert_same(before, picture(host))
    assert clients(host) == served


def test_a_host_without_dbus_restores_itself_at_once(play: Player, host: SystemdHost, lan: LanHost):
    configure(host, DHCP)
    before, files, up = picture(host), filed(host), state(host)
    *_made, back = play(host, [checkpoint("armed"), change("bridge"), checkpoint("restored")])
    assert back.changed and problems(back["restored"]) == NO_PROBLEM
    assert_same(before, picture(host))
    assert (filed(host), state(host), clients(host)) == (files, up, ["uplink0"])


@pytest.mark.parametrize("what", MADE)
def test_a_reboot_while_it_is_armed_comes_up_in_the_old_state(play: Player, host: SystemdHost, lan: LanHost, what: str):
    configure(host, DHCP)
    before, files, up = picture(host), filed(host), state(host)
    play(host, [checkpoint("armed", timeout=3600), change(what)])
    reboot(host)
    assert problems(await_restore(host)) == NO_PROBLEM
    assert report(host)["reason"] == "the host was rebooted meanwhile"
    assert_same(before, picture(host))
    assert (filed(host), state(host), clients(host)) == (files, up, ["uplink0"])


def test_a_good_change_is_confirmed(play: Player, host: SystemdHost, lan: LanHost):
    configure(host, DHCP)
    tasks = [checkpoint("armed"), change("bridge"), checkpoint("confirmed", probe=["ping", "-c1", "-W5", lan.ADDRESS])]
    assert [result.changed for result in play(host, tasks)] == [True] * 3
    assert clients(host) == ["br-lan"] and state(host) == ["br-lan=br-lan", "lo=lo", "uplink0=uplink0"]
