# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from dataclasses import replace

import pytest

from ansible_collections.virtnet.qemu.plugins.module_utils._plan import Change, plan
from ansible_collections.virtnet.qemu.plugins.module_utils._spec.base import SpecError
from ansible_collections.virtnet.qemu.plugins.module_utils._spec.dhcp_client import (
    Client,
    DhcpClient,
    DhcpClientWorld,
    lease,
    service,
)
from ansible_collections.virtnet.qemu.plugins.module_utils._spec.world import Link, World

DEFAULTS = {name: option.get("default") for name, option in DhcpClient.argument_spec.items()} | {"supervisor": "auto"}
MADE = Client("lan", "stopped", "br-lan", script="script", service="definition", systemd=True)
RUNNING = replace(MADE, process="running")
OUTDATED = replace(MADE, process="outdated")
ADDRESS = "address 192.0.2.100/24 dev br-lan\n"


def parse(**options):
    return DhcpClient.parse({**DEFAULTS, "name": "lan", "interface": "br-lan", **options})


def world(have=None, wanted=MADE, served=None, **link):
    bridge = Link(
        1, "br-lan", "bridge", "", 1500, **{"up": True, "carrier": True, "alias": None, "master": None, **link}
    )
    clients = {"lan": have} if have else {}
    return DhcpClientWorld(clients, {}, {"lan": wanted}, served or {}, World({None: {"br-lan": bridge}}))


def ops(changes):
    return [step.op for change in changes for step in change.steps]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"name": "a/b"}, ["name", "'a/b'"]),
        ({"interface": None}, ["interface", "not given"]),
        ({"interface": "much-too-long-name"}, ["interface", "18 bytes"]),
        ({"netns": "../x"}, ["netns", "'../x'"]),
        ({"metric": -1}, ["metric", "-1", "0 to"]),
        ({"metric": 2**32}, ["metric", "4294967296"]),
        ({"timeout": 0}, ["timeout", "0", "1 to 3600"]),
        ({"hostname": "a b"}, ["hostname", "'a b'"]),
    ],
)
def test_what_is_refused(options, words):
    with pytest.raises(SpecError) as error:
        parse(**options)
    for word in words:
        assert word in str(error.value)


@pytest.mark.parametrize(
    ("link", "served", "words"),
    [
        ({"hardware": "loopback"}, {}, ["'br-lan'", "loopback"]),
        ({"master": "br0"}, {}, ["'br-lan'", "port of 'br0'", "'interface: br0'"]),
        ({}, {(None, "br-lan"): "other"}, ["'br-lan'", "'other'"]),
    ],
)
def test_interfaces_that_cannot_have_a_lease(link, served, words):
    with pytest.raises(SpecError) as error:
        plan([parse()], world(served=served, **link))
    for word in words:
        assert word in str(error.value)


def test_an_interface_that_is_down_must_be_brought_up_first():
    seen = world(up=False)
    plan([parse()], seen)
    assert seen.missing == ["interface: 'br-lan' is down; bring it up first"]


def test_two_clients_of_one_interface():
    with pytest.raises(SpecError, match="'br-lan' is given to 'lan' and to 'other'"):
        DhcpClient.gathered([parse(), parse(name="other")])
    DhcpClient.gathered([parse(), parse(name="other", netns="r1"), parse(name="gone", state="absent")])


@pytest.mark.parametrize(
    ("options", "have", "wanted", "expected"),
    [
        ({}, None, MADE, ["write", "install", "start"]),
        ({}, RUNNING, MADE, []),
        ({}, MADE, MADE, ["start"]),
        ({}, OUTDATED, MADE, ["stop", "start"]),
        ({}, replace(OUTDATED, script="old"), MADE, ["stop", "write", "start"]),
        ({}, RUNNING, replace(MADE, service="other timeout"), ["install"]),
        ({"state": "stopped"}, None, MADE, ["write", "install"]),
        ({"state": "stopped"}, RUNNING, MADE, ["stop"]),
        ({"state": "absent"}, RUNNING, MADE, ["remove"]),
        ({"state": "absent"}, None, MADE, []),
    ],
)
def test_steps(options, have, wanted, expected):
    assert ops(plan([parse(**options)], world(have, wanted))) == expected


def test_an_undo_brings_the_old_lease_back_though_the_new_client_runs_without_one():
    before, after = replace(OUTDATED, script="old", metric=5), RUNNING
    undo = Change("lan", before, after).undo(world(OUTDATED))
    assert ops([undo]) == ["stop", "write", "start"]
    assert undo.after.metric == 5


def test_the_client_is_told_what_to_send_and_to_release():
    argv = service(parse(hostname="hv1"), ["/usr/bin/busybox", "udhcpc"], "digest").argv
    assert argv[:4] == ("/usr/bin/busybox", "udhcpc", "-f", "-R")
    assert argv[-2:] == ("-x", "hostname:hv1")


def test_how_long_a_start_may_take_needs_no_restart():
    one, two = (service(parse(timeout=seconds), ["/usr/sbin/udhcpc"], "digest") for seconds in (5, 50))
    assert one.digest == two.digest
    assert (one.start_timeout, two.start_timeout) == (5, 50)


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        (None, None),
        ("", None),
        (ADDRESS, ("192.0.2.100/24", [])),
        (ADDRESS + "route 0.0.0.0/0 via 192.0.2.1 dev br-lan metric 5\n", ("192.0.2.100/24", ["192.0.2.1"])),
        (ADDRESS + "mtu mtu 1500 dev br-lan\nroute 0.0.0.0/0 scope link dev br-lan\n", ("192.0.2.100/24", [])),
        (ADDRESS + "route 10.0.0.0/8 via 192.0.2.3 dev br-lan\n", ("192.0.2.100/24", [])),
    ],
)
def test_what_a_record_says(record, expected):
    held = lease(record)
    assert (held and (held.address, held.routers)) == expected
