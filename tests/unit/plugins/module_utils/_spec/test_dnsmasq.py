# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from dataclasses import replace

import pytest

from ansible_collections.virtnet.qemu.plugins.module_utils._plan import Change, plan
from ansible_collections.virtnet.qemu.plugins.module_utils._spec.base import SpecError
from ansible_collections.virtnet.qemu.plugins.module_utils._spec.dnsmasq import Dnsmasq, Instance, service
from ansible_collections.virtnet.qemu.plugins.module_utils._spec.service import ServedWorld
from ansible_collections.virtnet.qemu.plugins.module_utils._spec.world import Link, World

DEFAULTS = {name: option.get("default") for name, option in Dnsmasq.argument_spec.items()} | {"supervisor": "auto"}
LAB = {"name": "lab", "interface": "br-lab", "addresses": ["192.168.4.1/24"]}
CONF = "/etc/virtnet/dnsmasq/lab.conf"
HOST = "/etc/virtnet/dnsmasq/lab.hosts/52-54-00-00-00-11"
MADE = Instance("lab", "stopped", ((CONF, "a"), (HOST, "b")), "definition", systemd=True)


def parse(**options):
    return Dnsmasq.parse({**DEFAULTS, **LAB, **options})


def world(have=None, addresses=("192.168.4.1/24",), wanted=MADE):
    bridge = Link(1, "br-lab", "bridge", "", 1500, True, True, None, None, addresses=addresses)
    return ServedWorld({"lab": have} if have else {}, {"lab": wanted}, World({None: {"br-lab": bridge}}))


def ops(changes):
    return [step.op for change in changes for step in change.steps]


def as_running(instance=MADE):
    return replace(instance, process="running")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"name": "a/b"}, ["name", "'a/b'"]),
        ({"name": "a.b"}, ["name", "'a.b'"]),
        ({"interface": None}, ["interface", "not given"]),
        ({"interface": "much-too-long-name"}, ["interface", "18 bytes"]),
        ({"netns": "../x"}, ["netns", "'../x'"]),
        ({"addresses": ["192.168.4.1"]}, ["addresses", "no prefix length"]),
        ({"domain": "lab test"}, ["domain", "'lab test'"]),
        ({"router": "fd00::1"}, ["router", "fd00::1", "IPv4"]),
        ({"router": "192.168.4"}, ["router", "'192.168.4'"]),
        ({"dns_servers": ["ns1"]}, ["dns_servers", "'ns1'"]),
        ({"mtu": 12}, ["mtu", "12", "68"]),
        ({"user": "a b"}, ["user", "'a b'"]),
        ({"upstream": ["dns.example.org"]}, ["upstream", "'dns.example.org'"]),
        ({"upstream": ["192.0.2.1#99999"]}, ["upstream", "'192.0.2.1#99999'"]),
        ({"upstream": ["/a b/192.0.2.1"]}, ["upstream", "'a b'"]),
        ({"records": [{"name": "a b", "address": "192.0.2.1"}]}, ["records", "'a b'"]),
        ({"records": [{"name": "a", "address": "192.0.2"}]}, ["records", "'192.0.2'"]),
    ],
)
def test_what_is_refused(options, words):
    with pytest.raises(SpecError) as error:
        parse(**options)
    for word in words:
        assert word in str(error.value)


@pytest.mark.parametrize("value", ["192.0.2.1", "192.0.2.1#5353", "/example.org/192.0.2.1#53", "fd00::1"])
def test_upstream_resolvers(value):
    assert parse(upstream=[value]).upstream == (value,)


def test_for_a_removal_the_name_is_enough():
    gone = parse(state="absent", interface=None, addresses=["nonsense"])
    assert ops(plan([gone], world(as_running()))) == ["remove"]
    assert plan([gone], world()) == []


def test_one_interface_has_one_instance():
    with pytest.raises(SpecError, match="interface: 'br-lab' is served by 'lab' and by 'other'"):
        Dnsmasq.gathered([parse(), parse(name="other")])
    Dnsmasq.gathered([parse(), parse(name="other", netns="r1"), parse(name="gone", state="absent")])


@pytest.mark.parametrize(
    ("have", "state", "expected"),
    [
        (None, "started", ["write", "write", "install", "start"]),
        (None, "present", ["write", "write", "install"]),
        (None, "stopped", ["write", "write", "install"]),
        (MADE, "started", ["start"]),
        (MADE, "stopped", []),
        (MADE, "present", []),
        (as_running(), "started", []),
        (as_running(), "present", []),
        (as_running(), "stopped", ["stop"]),
        # Runs, but from another configuration, or elsewhere.
        (replace(MADE, process="outdated"), "started", ["restart"]),
        (replace(MADE, process="outdated"), "present", []),
        (replace(MADE, process="outdated"), "stopped", ["stop"]),
        # A hand changed the file: what runs had read the right one.
        (as_running(replace(MADE, files=((CONF, "x"), (HOST, "b")))), "started", ["write", "reload"]),
        # A new reservation is read without being asked; a changed or removed one is not.
        (as_running(replace(MADE, files=((CONF, "a"),))), "started", ["write"]),
        (as_running(replace(MADE, files=((CONF, "a"), (HOST, "x")))), "started", ["write", "reload"]),
        (as_running(replace(MADE, files=(*MADE.files, (HOST + "2", "c")))), "started", ["unlink", "reload"]),
        (replace(MADE, files=(*MADE.files, (HOST + "2", "c"))), "stopped", ["unlink"]),
        # Another time-out, say.
        (as_running(replace(MADE, service="old")), "started", ["install"]),
    ],
)
def test_the_steps_to_what_is_wanted(have, state, expected):
    assert ops(plan([parse(state=state)], world(have))) == expected


@pytest.mark.parametrize(
    "before",
    [
        None,
        MADE,
        as_running(),
        replace(MADE, process="outdated", files=((CONF, "old"),), service="old"),
        as_running(replace(MADE, files=(*MADE.files, (HOST + "2", "c")))),
    ],
)
@pytest.mark.parametrize("state", ["started", "stopped", "present", "absent"])
def test_the_way_back_leads_to_where_it_was(before, state):
    changes = plan([parse(state=state)], world(before))
    for change in changes:
        back = change.undo(world(change.after))
        assert back.after == before
        assert change.undo(world(before)) == Change("lab", before, before)


def test_the_way_back_brings_leases_back():
    before = replace(as_running(), leases="a lease\n")
    (change,) = plan([parse(state="absent")], world(before))
    back = change.undo(world())
    assert ("/var/lib/virtnet/dnsmasq/lab.leases", "a lease\n") in [
        (step.args.get("path"), step.args.get("text")) for step in back.steps
    ]
    assert back.steps[-1].op == "start"


@pytest.mark.parametrize(
    ("options", "addresses", "words"),
    [
        ({"interface": "br-none"}, (), ["interface: there is no interface 'br-none'"]),
        ({"netns": "r1"}, (), ["netns: namespace 'r1' does not exist"]),
        ({}, ("192.168.4.2/24",), ["addresses: 'br-lab' does not have the address 192.168.4.1/24"]),
    ],
)
def test_what_an_earlier_task_has_to_make(options, addresses, words):
    seen = world(addresses=addresses)
    plan([parse(**options)], seen)
    for word in words:
        assert any(word in text for text in seen.missing)


def test_lines_of_a_daemon_are_what_a_person_would_type():
    made = replace(MADE, systemd=False)
    lines = [step.line for step in Instance.steps(None, as_running(made))]
    assert lines == [
        f"tee {CONF}",
        f"tee {HOST}",
        "tee /etc/virtnet/services/dnsmasq-lab.json",
        f"dnsmasq --conf-file={CONF}",
    ]


@pytest.mark.parametrize(("state", "enabled"), [("started", True), ("present", True), ("stopped", False)])
def test_what_is_stopped_is_not_started_at_boot(state, enabled):
    assert service(parse(state=state), "/usr/sbin/dnsmasq", "digest").enabled is enabled


def test_another_configuration_is_another_process():
    one, other = (service(parse(), "/usr/sbin/dnsmasq", digest) for digest in ("one", "other"))
    assert one.digest != other.digest


RANGE = {"start": "192.168.4.9", "end": "192.168.4.9", "mode": "dhcp", "lease_time": None, "constructor": False}
DNS_SOCKET = {"192.168.4.1:53"}
DHCP_SOCKET = {"0.0.0.0%br-lab:67", "0.0.0.0:67"}


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, [DNS_SOCKET]),
        ({"dns": False}, []),
        ({"ranges": [RANGE]}, [DHCP_SOCKET, DNS_SOCKET]),
        ({"ranges": [RANGE], "dns": False}, [DHCP_SOCKET]),
    ],
)
def test_the_sockets_it_must_have(options, expected):
    assert parse(**options).bound() == expected
