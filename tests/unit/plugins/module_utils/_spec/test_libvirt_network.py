# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from dataclasses import replace

import pytest

from ansible_collections.virtnet.qemu.plugins.module_utils._plan import Change, plan
from ansible_collections.virtnet.qemu.plugins.module_utils._spec.base import SpecError
from ansible_collections.virtnet.qemu.plugins.module_utils._spec.libvirt_definition import (
    OPTIONS,
    Definition,
    Range,
    Record,
    Reservation,
    Route,
)
from ansible_collections.virtnet.qemu.plugins.module_utils._spec.libvirt_list import libvirt_networks
from ansible_collections.virtnet.qemu.plugins.module_utils._spec.libvirt_network import (
    LibvirtNetwork,
    LibvirtWorld,
    Network,
)
from ansible_collections.virtnet.qemu.plugins.module_utils._spec.world import Link, World

DEFAULTS = {name: option.get("default") for name, option in LibvirtNetwork.argument_spec.items()} | {"uri": "test"}
LAB = {"name": "lab", "bridge": "br-lab", "addresses": ["192.168.4.1/24"]}
DEFINED = Definition(
    mode="nat",
    bridge="br-lab",
    addresses=("192.168.4.1/24",),
    ranges=(),
    reservations=(),
    records=(),
    uuid="8869cf7a-06e7-404e-8efe-f3a894177df9",
)
RUNNING = Network("lab", DEFINED, DEFINED, True, owned=True, xml="<lab/>")
TAP = Link(7, "vnet0", "tun", "", 1500, True, True, None, "br-lab", isolated=True)


def parse(**options):
    return LibvirtNetwork.parse({**DEFAULTS, **LAB, **options})


def link(name, *addresses):
    return Link(1, name, "bridge", "", 1500, True, True, None, None, addresses=addresses)


def world(*networks, links=()):
    return LibvirtWorld({n.name: n for n in networks}, World({None: {found.name: found for found in links}}))


def lines(changes):
    return [step.line for change in changes for step in change.steps]


def planned(have, **options):
    return lines(plan([parse(**options)], world(*([have] if have else []))))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"name": "a/b"}, ["name", "'a/b'"]),
        ({"bridge": "much-too-long-name"}, ["bridge", "18 bytes"]),
        ({"delay": 31}, ["delay", "31", "30"]),
        ({"mtu": 12}, ["mtu", "12"]),
        ({"uuid": "x"}, ["uuid", "'x'"]),
        ({"mac": "x"}, ["mac", "'x'"]),
        ({"domain": "a b"}, ["domain", "'a b'"]),
        ({"addresses": ["192.168.4.1"]}, ["addresses", "no prefix length"]),
        ({"ranges": [{"start": "192.168.4.9", "end": "192.168.4.2"}]}, ["ranges", "not after"]),
        ({"ranges": [{"start": "192.168.4.9", "end": "fd00::1"}]}, ["ranges", "not after"]),
        ({"reservations": [{"mac": "52:54:00:00:00:01", "address": "fd00::1", "hostname": None}]}, ["IPv4"]),
        ({"routes": [{"destination": "10.0.0.0/8", "gateway": "fd00::1", "metric": 1}]}, ["routes", "one version"]),
        ({"routes": [{"destination": "10.0.0.0/8", "gateway": "192.168.4.9", "metric": 0}]}, ["metric 0"]),
        ({"forwarders": ["dns"]}, ["forwarders", "'dns'"]),
        ({"records": [{"name": "a b", "address": "192.168.4.9"}]}, ["records", "'a b'"]),
        ({"mode": "bridge", "bridge": None}, ["bridge", "needs"]),
        ({"mode": "bridge"}, ["addresses", "mode 'bridge'"]),
    ],
)
def test_what_is_refused(options, words):
    with pytest.raises(SpecError) as error:
        parse(**options)
    for word in words:
        assert word in str(error.value)


@pytest.mark.parametrize(
    ("have", "options", "words"),
    [
        (replace(RUNNING, owned=False), {}, "adopt: true"),
        (replace(RUNNING, persistent=False), {}, "without being defined"),
        (RUNNING, {"uuid": "8869cf7a-06e7-404e-8efe-f3a894177d00"}, "uuid"),
        (RUNNING, {"mode": "bridge", "addresses": None}, "mode"),
        (None, {"addresses": None}, "addresses: a network of mode 'nat' needs one"),
        (None, {"mode": "open", "forward_dev": "eth0"}, "forward_dev"),
        (None, {"mode": "route", "nat_ipv6": True}, "nat_ipv6"),
        (None, {"ranges": [{"start": "192.168.4.9", "end": "192.168.5.2"}]}, "must be in a subnet"),
        (
            None,
            {
                "addresses": ["192.168.4.1/24", "192.168.5.1/24"],
                "ranges": [
                    {"start": "192.168.4.2", "end": "192.168.4.3"},
                    {"start": "192.168.5.2", "end": "192.168.5.3"},
                ],
            },
            "one subnet",
        ),
        (
            None,
            {"reservations": [{"mac": "52:54:00:00:00:01", "address": "192.168.4.1", "hostname": None}]},
            "host's own",
        ),
        (replace(RUNNING, name="other"), {}, "'other'"),
        (replace(RUNNING, ports=(TAP,)), {"state": "inactive"}, "vnet0"),
        (replace(RUNNING, ports=(TAP,)), {"state": "absent"}, "vnet0"),
    ],
)
def test_what_is_refused_of_what_is_there(have, options, words):
    with pytest.raises(SpecError, match=words):
        planned(have, **options)


@pytest.mark.parametrize(
    ("found", "words"), [(link("br-lab"), "has an interface 'br-lab'"), (link("x0", "192.168.0.9/16"), "on 'x0'")]
)
def test_what_is_refused_on_the_host(found, words):
    with pytest.raises(SpecError, match=words):
        plan([parse()], world(links=[found]))


def test_the_mode_bridge_needs_the_bridge():
    seen = world()
    wanted = parse(mode="bridge", addresses=None)
    plan([wanted], seen)
    assert seen.missing == ["bridge: there is no bridge 'br-lab'; make it first"]


@pytest.mark.parametrize(
    ("have", "options", "expected"),
    [
        (None, {}, ["virsh net-define lab.xml", "virsh net-start lab"]),
        (None, {"state": "inactive", "autostart": True}, ["virsh net-define lab.xml", "virsh net-autostart lab"]),
        (None, {"state": "present"}, ["virsh net-define lab.xml"]),
        (None, {"state": "absent"}, []),
        (RUNNING, {}, []),
        (RUNNING, {"state": "present"}, []),
        (RUNNING, {"state": "inactive"}, ["virsh net-destroy lab"]),
        (RUNNING, {"state": "absent"}, ["virsh net-destroy lab", "virsh net-undefine lab"]),
        (replace(RUNNING, live=None), {}, ["virsh net-start lab"]),
        (replace(RUNNING, live=None), {"state": "absent"}, ["virsh net-undefine lab"]),
        (RUNNING, {"autostart": False}, ["virsh net-autostart lab --disable"]),
        (RUNNING, {"mtu": 1400}, ["virsh net-define lab.xml"]),
        (
            RUNNING,
            {"ranges": [{"start": "192.168.4.2", "end": "192.168.4.9"}]},
            ["virsh net-define lab.xml", "virsh net-update lab add ip-dhcp-range"],
        ),
    ],
)
def test_the_way_there(have, options, expected):
    assert planned(have, **options) == expected


def test_a_restart_puts_the_guests_on_the_new_bridge():
    assert planned(replace(RUNNING, ports=(TAP,)), mtu=1400, allow_restart=True) == [
        "virsh net-define lab.xml",
        "virsh net-destroy lab; virsh net-start lab",
        "ip link set dev vnet0 master br-lab",
        "bridge link set dev vnet0 isolated on",
    ]


def test_what_waits_for_a_restart_is_told():
    waiting = replace(RUNNING, definition=replace(DEFINED, mtu=1400))
    seen = world(waiting)
    report = LibvirtNetwork.report([parse(mtu=1400)], seen, [])
    assert report["networks"][0]["restart_required"]
    assert len(seen.warnings) == 1 and "allow_restart" in seen.warnings[0]
    assert waiting.as_dict()["mtu"] == 1400
    assert planned(waiting, mtu=1400) == []
    # A reservation in a subnet that does not run yet waits too.
    moved = replace(DEFINED, addresses=("192.168.5.1/24",))
    have = replace(RUNNING, definition=moved)
    reserved = [{"mac": "52:54:00:00:00:01", "address": "192.168.5.9", "hostname": None}]
    assert planned(have, addresses=["192.168.5.1/24"], reservations=reserved) == ["virsh net-define lab.xml"]


def test_records_of_one_address_are_one_entry():
    old = (Record("192.168.4.7", "a.test"), Record("192.168.4.7", "b.test"), Record("192.168.4.8", "c.test"))
    have = replace(RUNNING, definition=replace(DEFINED, records=old), live=replace(DEFINED, records=old))
    wanted = [{"name": one.name, "address": one.address} for one in old if one.name != "b.test"]
    (change,) = plan([parse(records=wanted)], world(have))
    assert [step.args.get("values") for step in change.steps[1:]] == [old[:2], old[:1]]


def test_taken_over_and_given_back():
    foreign = replace(RUNNING, owned=False, live=None, autostart=False)
    (change,) = plan([parse(adopt=True, autostart=True)], world(foreign))
    assert lines([change]) == ["virsh net-define lab.xml", "virsh net-start lab", "virsh net-autostart lab"]
    assert change.after.owned and change.after.previous == foreign
    back = ["virsh net-define lab.xml", "virsh net-destroy lab", "virsh net-autostart lab --disable"]
    assert planned(change.after, state="absent") == back
    assert planned(foreign, state="absent", adopt=True) == []
    # By purge too.
    assert lines([Change("lab", change.after, None)]) == back
    with pytest.raises(SpecError, match="adopt: true"):
        planned(foreign, state="absent")


def test_the_undo_of_each_change_leads_back():
    for options in ({"mtu": 1400, "allow_restart": True}, {"state": "absent"}, {"autostart": False}):
        (change,) = plan([parse(**options)], world(RUNNING))
        after = [change.after] if change.after else []
        assert change.undo(world(*after)).after == RUNNING


def test_one_definition_over_another():
    parsed = parse(
        routes=[{"destination": "10.9.0.0/24", "gateway": "192.168.4.9", "metric": 1}],
        reservations=[{"mac": "52:54:00:00:00:01", "address": "192.168.4.9", "hostname": "WEB1"}],
        ranges=[{"start": "192.168.4.2", "end": "192.168.4.9"}] * 2,
    ).definition
    assert parsed.routes == (Route("10.9.0.0/24", "192.168.4.9"),)
    assert parsed.reservations == (Reservation("52:54:00:00:00:01", "192.168.4.9", "web1"),)
    assert parsed.ranges == (Range("192.168.4.2", "192.168.4.9"),)
    assert set(OPTIONS) == set(vars(parsed))
    assert parsed.over(DEFINED).uuid == DEFINED.uuid


GUESTS = [
    {"name": "web1", "nics": [{"network": "default", "address": "192.168.122.11", "mac": "52:54:00:00:00:11"}]},
    {"name": "gone", "state": "absent", "nics": [{"network": "default", "address": "192.168.122.12"}]},
    {"name": "box1", "nics": [{"type": "user"}]},
]


def test_an_inventorys_networks():
    default, office, lan = libvirt_networks(
        [
            {"name": "default"},
            {"name": "office", "autostart": False},
            {"name": "lan", "mode": "bridge", "bridge": "br0"},
        ],
        GUESTS,
        "virtnet",
        "hv1",
    )
    assert (default["bridge"], default["adopt"], default["autostart"]) == ("virbr0", True, True)
    reserved = {"mac": "52:54:00:00:00:11", "address": "192.168.122.11", "hostname": "web1"}
    assert default["reservations"] == [reserved]
    assert (office["bridge"], office["adopt"], office["autostart"]) == ("br-office", False, False)
    assert office["reservations"] == office["routes"] == []
    assert "reservations" not in lan


@pytest.mark.parametrize(
    ("networks", "words"),
    [
        ([{"bridge": "br0"}], "entry 1 has no 'name'"),
        ([{"name": "a b"}], "'a b'"),
        ([{"name": "a"}, {"name": "a"}], "name 'a' is used twice"),
        ([{"name": "a", "bridge": "x"}, {"name": "b", "bridge": "x"}], "bridge 'x' is used twice"),
        ([{"name": "default", "mode": "bridge", "bridge": "br0"}], "has no DHCP"),
    ],
)
def test_what_an_inventory_may_not_say(networks, words):
    with pytest.raises(SpecError, match=words):
        libvirt_networks(networks, GUESTS, "virtnet", "hv1")
