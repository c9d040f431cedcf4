# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What was changed by hand is told, and what the user wants otherwise by now is not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from ansible_collections.virtnet.qemu.plugins.module_utils import _reconcile
from ansible_collections.virtnet.qemu.plugins.module_utils._persist import boot, boot_record
from ansible_collections.virtnet.qemu.plugins.module_utils._persist.native import Natives
from ansible_collections.virtnet.qemu.plugins.module_utils._plan import plan, states
from ansible_collections.virtnet.qemu.plugins.module_utils._spec import drift, ip, nat_nftables
from ansible_collections.virtnet.qemu.plugins.module_utils._spec.base import Resource, SpecError
from ansible_collections.virtnet.qemu.plugins.module_utils._spec.boot_file import BootFile
from ansible_collections.virtnet.qemu.plugins.module_utils._spec.bridge import Bridge
from ansible_collections.virtnet.qemu.plugins.module_utils._spec.dhcp_client import Client
from ansible_collections.virtnet.qemu.plugins.module_utils._spec.dnsmasq import Instance, config_file
from ansible_collections.virtnet.qemu.plugins.module_utils._spec.extra_address import ExtraAddress
from ansible_collections.virtnet.qemu.plugins.module_utils._spec.kernel_module import KernelModule
from ansible_collections.virtnet.qemu.plugins.module_utils._spec.nat_table import NatTable
from ansible_collections.virtnet.qemu.plugins.module_utils._spec.netns import Netns
from ansible_collections.virtnet.qemu.plugins.module_utils._spec.pci import Identity
from ansible_collections.virtnet.qemu.plugins.module_utils._spec.ruleset import Ruleset
from ansible_collections.virtnet.qemu.plugins.module_utils._spec.sriov import Record as SriovRecord, Sriov
from ansible_collections.virtnet.qemu.plugins.module_utils._spec.sysctl import Entry, Sysctl
from ansible_collections.virtnet.qemu.plugins.module_utils._spec.table import RuleWorld
from ansible_collections.virtnet.qemu.plugins.module_utils._spec.tap import Tap
from ansible_collections.virtnet.qemu.plugins.module_utils._spec.veth import Veth
from ansible_collections.virtnet.qemu.plugins.module_utils._spec.vfio import Record as VfioRecord, VfioBinding
from ansible_collections.virtnet.qemu.plugins.module_utils._spec.world import Route, World

from .kernel import LOOPBACK, Kernel
from .trial import Adapter, parse, run

BRIDGE = {"name": "br0", "addresses": ["10.0.0.1/24", "10.1.0.1/24"], "mtu": 1400, "ports": ["t0"]}
PEER = {"name": "in0", "netns": "r1", "ifname": "up", "addresses": ["10.0.0.2/24"]}
VETH = {"name": "out0", "bridge": "br0", "peer": {**PEER, "routes": [{"dst": "default", "gateway": "10.0.0.1"}]}}
NETNS = {"name": "r1", "sysctls": {"net.ipv4.ip_forward": 1}}
DEFAULT = Route("0.0.0.0/0", "10.0.0.1")


def files_of(spec: type[Resource], options: dict[str, Any]) -> dict[str, str]:
    entries = _reconcile.entries(spec, parameters(spec, options))
    found = boot.wanted(spec, entries, {}, None, {}, False, Natives((), lambda _nic, _bridge, _there: None))
    return {path: text for path, text in found.items() if text is not None}


def parameters(spec: type[Resource], options: dict[str, Any]) -> dict[str, Any]:
    return ArgumentSpecValidator(_reconcile.argument_spec(spec)).validate(options).validated_parameters


def repairs(
    spec: type[Resource], options: dict[str, Any], by_hand: Callable[[Kernel], None], now: dict[str, Any] | None = None
) -> list[str]:
    """What a run by `now` says of what was done by hand to what a run by `options` had made."""
    kernel = Kernel({None: [], "r1": []})
    for other, given in ((Bridge, {"name": "br0"}), (Tap, {"name": "t0"})):
        run(other, Adapter(kernel), parse(other, given)[0])
    if spec is Netns:
        kernel.run([ip.netns_del("r1")])
    run(spec, Adapter(kernel), parse(spec, options)[0])
    there = files_of(spec, options)
    by_hand(kernel)
    wants, _purge = parse(spec, now or options)
    world = kernel.world(wants)
    recorded = boot_record.recorded(wants, world, there, states)
    assert not world.missing and not world.taken
    changes = plan(wants, world)
    assert changes
    return [text for c in changes for text in drift.repairs(c.before, recorded.get(c.key), c.after)]


def steps(*done: Any) -> Callable[[Kernel], None]:
    return lambda kernel: kernel.run(list(done))


CASES = [
    (Bridge, BRIDGE, [ip.link_del(None, "br0")], ["bridge br0: was gone"]),
    (Bridge, BRIDGE, [ip.set_master(None, "t0", None)], ["bridge br0: port t0 was off"]),
    (Bridge, BRIDGE, [ip.address_del(None, "br0", "10.1.0.1/24")], ["bridge br0: address 10.1.0.1/24 was gone"]),
    (Bridge, BRIDGE, [ip.address_add(None, "br0", "10.2.0.1/24")], ["bridge br0: address 10.2.0.1/24 was added"]),
    (
        Bridge,
        BRIDGE,
        [ip.set_up(None, "br0", False), ip.set_mtu(None, "br0", 1500)],
        ["bridge br0: mtu was 1500", "bridge br0: was down"],
    ),
    (Tap, {"name": "t1", "bridge": "br0"}, [ip.set_master(None, "t1", None)], ["tap t1: was off bridge br0"]),
    (Tap, {"name": "t1", "bridge": "br0"}, [ip.link_del(None, "t1")], ["tap t1: was gone"]),
    (Veth, VETH, [ip.link_del(None, "out0")], ["veth out0: was gone"]),
    (
        Veth,
        VETH,
        [ip.set_master(None, "out0", None), ip.route_del("r1", "up", DEFAULT)],
        ["veth out0: out0 was off bridge br0", "veth out0: up route 0.0.0.0/0 via 10.0.0.1 was gone"],
    ),
    (Netns, NETNS, [ip.netns_del("r1")], ["namespace r1: was gone"]),
    (
        Netns,
        NETNS,
        [ip.sysctl_set("r1", "net.ipv4.ip_forward", "0"), ip.set_up("r1", "lo", False)],
        ["namespace r1: net.ipv4.ip_forward was 0", "namespace r1: was down"],
    ),
]


@pytest.mark.parametrize(("spec", "options", "done", "said"), CASES)
def test_what_was_done_by_hand_is_told(spec, options, done, said):
    assert repairs(spec, options, steps(*done)) == said


@pytest.mark.parametrize(
    ("spec", "options", "now"),
    [
        (Bridge, BRIDGE, {**BRIDGE, "mtu": 1300, "stp": True}),
        (Bridge, BRIDGE, {**BRIDGE, "addresses": ["10.2.0.1/24"]}),
        (Bridge, BRIDGE, {"name": "br0", "ports": [], "purge_ports": True}),
        (Bridge, BRIDGE, {"name": "br0", "state": "absent"}),
        (Tap, {"name": "t1", "bridge": "br0"}, {"name": "t1", "up": False}),
        (Netns, NETNS, {"name": "r1", "sysctls": {"net.ipv4.ip_forward": 0}}),
        (Bridge, BRIDGE, {"name": "br1"}),
    ],
)
def test_what_the_user_changes_is_not(spec, options, now):
    assert repairs(spec, options, steps(), now) == []


def test_both_at_once_are_told_apart():
    done = steps(ip.address_del(None, "br0", "10.1.0.1/24"), ip.address_del(None, "br0", "10.0.0.1/24"))
    now = {**BRIDGE, "addresses": ["10.0.0.1/24", "10.9.0.1/24"], "mtu": 1300}
    assert repairs(Bridge, BRIDGE, done, now) == ["bridge br0: address 10.0.0.1/24 was gone"]


def test_an_extra_address_is_told():
    (path, text), *_none = boot.boot_links.of_addresses(
        [((None, "eth0"), ExtraAddress("eth0", None, ("192.0.2.20/24",)))]
    ).items()
    have = ExtraAddress("eth0", None, ())
    after = replace(have, addresses=("192.0.2.20/24", "192.0.2.21/24"))
    assert drift.repairs(have, boot_record._with_noted(have, text), after) == [
        "address eth0: address 192.0.2.20/24 was gone"
    ]


def test_a_veth_whose_namespace_lost_its_name_is_made_again():
    """A process kept the namespace, and the other end in it."""
    kernel = Kernel({None: [], "r1": []})
    run(Bridge, Adapter(kernel), parse(Bridge, {"name": "br0"})[0])
    wants, _purge = parse(Veth, VETH)
    run(Veth, Adapter(kernel), wants)
    there = files_of(Veth, VETH)
    left = replace(kernel.spaces[None]["out0"], peer=None, orphan=True)
    world = World({None: {**kernel.spaces[None], "out0": left}, "r1": {"lo": LOOPBACK}})
    (change,) = plan(wants, world)
    lines = [step.line for step in change.steps]
    assert lines[0] == "ip link delete dev out0" and lines[1].startswith("ip link add dev out0 type veth")
    recorded = boot_record.recorded(wants, world, there, states)
    assert drift.repairs(change.before, recorded[change.key], change.after) == ["veth out0: was gone"]
    assert change.undo(World({None: {}, "r1": {"lo": LOOPBACK}})).steps == []
    made = change.undo(kernel.world(wants))
    assert made.before == made.after
    removed, purge = parse(Veth, {**VETH, "state": "absent"})
    (change,) = plan(removed, world)
    assert [step.line for step in change.steps] == ["ip link delete dev out0"]
    # Without the other end's place, it may be that of a container.
    removed, purge = parse(Veth, {"name": "out0", "state": "absent"})
    with pytest.raises(SpecError, match="other end is in a namespace"):
        plan(removed, world)


# -- rules ---------------------------------------------------------------------------------------

KEY = (None, "auto")


def table(*rules: str, elements: dict[str, str] | None = None) -> NatTable | None:
    declared = {"chain out": "type nat hook postrouting priority 100;"}
    found = Ruleset(declared, {"out": rules}, {"ports": elements or {}})
    return NatTable(KEY, nat_nftables, {"inet": found})


def rule_repairs(noted: NatTable | None, have: NatTable | None, after: NatTable | None) -> list[str]:
    world = RuleWorld({KEY: (nat_nftables, {})}, nat_nftables)
    there = boot.boot_rules.of_tables("nat_rule", [(KEY, noted)], world, ())
    there = {path: text for path, text in there.items() if text}
    return list(boot_record._rules("nat_rule", {KEY: (have, after)}, world, there))


def test_rules_are_told():
    first = table("masquerade", elements={"2222": "2222 : 10.0.0.2"})
    assert rule_repairs(first, None, first) == ["rules of virtnet_nat: all were gone"]
    assert rule_repairs(first, table(elements={"2222": "2222 : 10.0.0.2"}), first) == [
        "rules of virtnet_nat: 'add rule inet virtnet_nat out masquerade' was gone"
    ]
    assert rule_repairs(first, table("masquerade"), first) == [
        "rules of virtnet_nat: 'add element inet virtnet_nat ports { 2222 : 10.0.0.2 }' was gone"
    ]
    assert rule_repairs(first, table("accept", "masquerade", elements={"2222": "2222 : 10.0.0.2"}), first) == [
        "rules of virtnet_nat: 'add rule inet virtnet_nat out accept' was added"
    ]


def test_rules_that_the_user_changes_are_not():
    first, other = table("masquerade"), table("snat ip to 192.0.2.1")
    assert rule_repairs(first, first, other) == []
    assert rule_repairs(first, first, None) == []
    assert rule_repairs(None, None, first) == []
    assert rule_repairs(None, None, None) == []
    # What nobody knows of is nobody's hands.
    assert rule_repairs(None, other, first) == []


# -- files ---------------------------------------------------------------------------------------

RUNNER = next(path for path in boot.boot_units.all_files() if not path.endswith(".service"))
UNIT = next(path for path in boot.boot_units.all_files() if path.endswith(".service"))


def file_repairs(there: dict[str, str], before: dict[str, str], after: dict[str, str], settled: bool) -> list[str]:
    def file(texts: dict[str, str], path: str) -> BootFile | None:
        return BootFile(path, texts[path], boot.boot_units.unit_of(path)) if path in texts else None

    pairs = [(file(before, path), file(after, path)) for path in {**before, **after}]
    places = [path for path in after if settled]
    return list(boot_record._files(Bridge, [pair for pair in pairs if pair[0] != pair[1]], places, there))


def test_files_are_told():
    good = files_of(Bridge, BRIDGE)
    (path,) = good
    edited = {path: good[path] + "ip link set dev br0 down\n"}
    assert file_repairs({**edited, RUNNER: ""}, edited, good, settled=True) == [f"file {path}: was changed"]
    assert file_repairs({RUNNER: ""}, {}, good, settled=True) == [f"file {path}: was gone"]
    assert file_repairs(good, {}, {UNIT: ""}, settled=True) == [
        f"unit {UNIT.rpartition('/')[2]}: was removed or disabled"
    ]
    damaged = {path: "# options: {"}
    assert file_repairs(damaged, damaged, good, settled=True) == [f"file {path}: was changed"]


def test_files_that_the_user_changes_are_not():
    good, other = files_of(Bridge, BRIDGE), files_of(Bridge, {**BRIDGE, "mtu": 1300})
    assert file_repairs(good, good, other, settled=True) == []
    assert file_repairs(good, good, {}, settled=True) == []
    # From 'persist: none' to 'auto', and a bridge that is new.
    assert file_repairs({}, {}, {**good, UNIT: ""}, settled=True) == []
    assert file_repairs({RUNNER: ""}, {}, good, settled=False) == []


# -- by what is kept of them elsewhere -----------------------------------------------------------


def told(before: Any, after: Any) -> list[str]:
    return drift.repairs(before, before.recorded(after), after)


def test_a_kernel_parameter_is_told():
    name, entry = "net.ipv4.ip_forward", Entry("1", "0")
    after = Sysctl(name, "1", entry)
    assert told(Sysctl(name, "0", entry), after) == [f"kernel parameter {name}: was 0"]
    assert told(Sysctl(name, "0"), after) == []
    assert told(Sysctl(name, "0", entry), Sysctl(name, "2", Entry("2", "0"))) == []


def test_a_kernel_module_is_told():
    after = KernelModule("tun", "loaded", at_boot=True)
    assert told(replace(after, status="loadable"), after) == ["kernel module tun: was not loaded"]
    assert told(KernelModule("tun", "loadable"), after) == []


def test_pci_devices_are_told():
    identity = Identity("0000:04:00.0")
    bound = VfioBinding("0000:04:00.0", driver="vfio-pci", record=VfioRecord("0000:04:00.0", identity, "e1000e", True))
    assert told(replace(bound, driver="e1000e"), bound) == ["vfio_binding 0000:04:00.0: driver was e1000e"]
    assert told(replace(bound, driver="e1000e", record=None), bound) == []
    record = SriovRecord("enp5s0", identity, up=True, autoprobe=True, boot=True, count=2)
    some = Sriov("enp5s0", count=2, record=record)
    assert told(replace(some, count=0), some) == ["sriov enp5s0: count was 0"]
    assert told(replace(some, count=2), replace(some, count=4)) == []


CONFIG = config_file("lab")
RUNS = Instance("lab", "running", ((CONFIG, "interface=br-lab"),), "unit of that config", leases="")


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"process": "stopped"}, ["dnsmasq lab: did not run"]),
        ({"process": "outdated"}, ["dnsmasq lab: did not serve its interface any more"]),
        (
            {"process": "stopped", "service": None},
            ["dnsmasq lab: did not run", "dnsmasq lab: its service was removed, changed or disabled"],
        ),
        ({"files": ((CONFIG, "port=1"),)}, [f"dnsmasq lab: file {CONFIG} was changed"]),
        ({"files": ()}, [f"dnsmasq lab: file {CONFIG} was gone"]),
        # By their user: another configuration, and a start of what was never started.
        ({"process": "outdated", "service": "unit of another", "files": ((CONFIG, "port=1"),)}, []),
        ({"process": "stopped", "leases": None}, []),
    ],
)
def test_dnsmasq_is_told(changed, said):
    assert sorted(told(replace(RUNS, **changed), RUNS)) == sorted(said)


def test_a_dhcp_client_is_told():
    runs = Client("lan", "running", "br-lan", script="#!/bin/sh", service="unit")
    assert told(replace(runs, process="stopped"), runs) == ["dhcp_client lan: did not run"]
    assert told(replace(runs, script="# other"), runs) == ["dhcp_client lan: its script was changed"]
    assert told(replace(runs, process="stopped", service="disabled unit"), runs) == []
