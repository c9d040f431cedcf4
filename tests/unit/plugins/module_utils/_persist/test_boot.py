# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Boot files: their names, their texts, and that they make what the module made."""

from __future__ import annotations

from typing import Any

import pytest
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from ansible_collections.virtnet.qemu.plugins.module_utils._persist import (
    boot,
    boot_links,
    boot_path,
    boot_rules,
    ifupdown,
    networkd,
)
from ansible_collections.virtnet.qemu.plugins.module_utils._persist.ifupdown import Keeper
from ansible_collections.virtnet.qemu.plugins.module_utils._persist.native import Natives
from ansible_collections.virtnet.qemu.plugins.module_utils._persist.networkd import Managed
from ansible_collections.virtnet.qemu.plugins.module_utils._spec import nat_iptables, nat_nftables
from ansible_collections.virtnet.qemu.plugins.module_utils._spec.bridge import Bridge
from ansible_collections.virtnet.qemu.plugins.module_utils._spec.extra_address import ExtraAddress
from ansible_collections.virtnet.qemu.plugins.module_utils._spec.nat_table import NatTable
from ansible_collections.virtnet.qemu.plugins.module_utils._spec.netns import Netns
from ansible_collections.virtnet.qemu.plugins.module_utils._spec.ruleset import Ruleset
from ansible_collections.virtnet.qemu.plugins.module_utils._spec.table import RuleWorld
from ansible_collections.virtnet.qemu.plugins.module_utils._spec.tap import Tap
from ansible_collections.virtnet.qemu.plugins.module_utils._spec.veth import Veth
from tests.unit.plugins.module_utils.kernel import Kernel
from tests.unit.plugins.module_utils.trial import Adapter, copied, parse, run, state

HEAD = boot_path.HEAD
FOLDER = boot_path.FOLDER
VETH = {
    "name": "out0",
    "bridge": "br0",
    "peer": {"name": "in0", "netns": "r1", "ifname": "up", "addresses": ["10.0.0.2/24"]}
    | {"routes": [{"dst": "default", "gateway": "10.0.0.1"}]},
}


def entry(spec: type, **given: Any) -> dict[str, Any]:
    checked = ArgumentSpecValidator({**spec.argument_spec, "name": {"type": "str"}}).validate(given)
    assert not checked.error_messages
    return checked.validated_parameters


def files(
    spec: type, *given: dict[str, Any], there: Any = (), managed: Any = None, purge: bool = False
) -> dict[str, str | None]:
    """`managed`: how networkd configures each NIC."""
    entries = [entry(spec, **one) for one in given]
    natives = Natives((networkd,), lambda _nic, _bridge, _there: managed, lambda: None)
    found = boot.wanted(spec, entries, {}, None, dict(there), purge, natives)
    return {path.replace(f"{FOLDER}/", ""): text for path, text in found.items()}


def at(found: dict[str, str | None]) -> dict[str, str]:
    return {f"{FOLDER}/{path}": text for path, text in found.items() if text is not None}


# -- names ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("places", "name"),
    [
        ([(None, "br0")], "br0.sh"),
        ([("r1", "br0")], "br0@r1.sh"),
        ([(None, "b"), ("r.1", "a")], "a@r.1+b.sh"),
        ([(None, ".hidden")], "%2Ehidden.sh"),
        ([(None, "-a+b@c*ü")], "%2Da%2Bb%40c%2A%C3%BC.sh"),
    ],
)
def test_names_are_safe_and_tell_places_apart(places, name):
    assert boot_path.path_of("bridge", places, "sh") == f"{FOLDER}/bridge/{name}"


def test_a_pair_is_known_by_either_end():
    pair = boot_path.path_of("veth", [(None, "a"), ("r1", "b")], "sh")
    assert boot_path.shares_place(pair, boot_path.path_of("veth", [("r1", "b")], "sh"))
    assert not boot_path.shares_place(pair, boot_path.path_of("veth", [(None, "b")], "sh"))
    assert boot_path.is_inside(pair, "r1") and not boot_path.is_inside(pair, "r")


# -- texts ---------------------------------------------------------------------------------------


def test_the_file_of_a_bridge():
    options = {"name": "br0", "addresses": ["10.0.0.1/24"], "stp": True, "ports": ["eth1"]}
    assert files(Bridge, options) == {
        "bridge/br0.sh": HEAD
        + '# options: {"addresses": ["10.0.0.1/24"], "name": "br0", "ports": ["eth1"], "stp": true, '
        + '"uplink_addresses": "move"}\n'
        + "unless ip link show dev br0\n"
        + "ip link add dev br0 type bridge stp_state 1\n"
        + "ip link set dev br0 alias virtnet.qemu\n"
        + "ip address add 10.0.0.1/24 dev br0\n"
        + "ip link set dev br0 up\n"
        + "# when all links are there:\n"
        + "ip link set dev eth1 master br0 up\n"
    }


def test_what_a_namespace_is_told_of_its_links_comes_when_they_are_there():
    sysctls = {"net.ipv4.ip_forward": 1, "net.ipv4.conf.up/x.rp_filter": 0, "net.ipv6.conf.all.forwarding": True}
    (text,) = files(Netns, {"name": "r1", "sysctls": sysctls}).values()
    assert text.splitlines()[2:] == [
        "unless test -e /run/netns/r1",
        "ip netns add r1",
        "ip -n r1 link set dev lo alias virtnet.qemu",
        "ip -n r1 link set dev lo up",
        "ip netns exec r1 sysctl -w net.ipv6.conf.all.forwarding=1",
        "ip netns exec r1 sysctl -w net.ipv4.ip_forward=1",
        boot_links.LATE,
        "ip netns exec r1 sysctl -w net.ipv4.conf.up/x.rp_filter=0",
    ]


def test_what_an_entry_does_not_say_an_earlier_one_said():
    first = files(Bridge, {"name": "br0", "addresses": ["10.0.0.1/24"], "ports": ["eth1"]})
    then = files(Bridge, {"name": "br0", "mtu": 1400, "ports": ["eth0"]}, there=at(first))
    both = {"name": "br0", "addresses": ["10.0.0.1/24"], "mtu": 1400, "ports": ["eth0", "eth1"]}
    assert then == files(Bridge, both)
    purged = files(Bridge, {"name": "br0", "ports": ["eth0"], "purge_ports": True}, there=at(then))
    assert purged == files(Bridge, {**both, "ports": ["eth0"]})
    veth = files(Veth, VETH)
    less = {"name": "out0", "peer": {"name": "in0", "netns": "r1", "ifname": "up", "mtu": 1400}}
    more = {**VETH, "peer": {**VETH["peer"], "mtu": 1400}}
    assert files(Veth, less, there=at(veth)) == files(Veth, more)


def test_a_damaged_file_is_written_anew():
    good = files(Bridge, {"name": "br0"})
    assert files(Bridge, {"name": "br0"}, there={f"{FOLDER}/bridge/br0.sh": "# options: {"}) == good


def test_what_goes_takes_along_what_hangs_on_it():
    there = at(files(Veth, VETH)) | at(files(Netns, {"name": "r1"})) | at(files(Bridge, {"name": "br0"}))
    there |= {f"{FOLDER}/address/up@r1.sh": "", f"{FOLDER}/address/out0.sh": "", f"{FOLDER}/nat_rule/inet@r1.nft": ""}
    gone = {"veth/out0+up@r1.sh": None, "address/up@r1.sh": None, "address/out0.sh": None}
    assert files(Veth, {"name": "out0", "state": "absent"}, there=there) == gone
    assert files(Netns, {"name": "r1", "state": "absent"}, there=there) == {
        **dict.fromkeys(["netns/r1.sh", "veth/out0+up@r1.sh", "address/up@r1.sh", "nat_rule/inet@r1.nft"])
    }


def test_a_bridge_with_an_uplink_is_the_managers_and_marked_as_ours():
    managed = Managed("/etc/systemd/network/20-lan.network", "[Network]\nDHCP=yes\n", "52:54:00:00:00:01")
    options = {"name": "br0", "uplink": "eth0", "addresses": ["10.0.0.1/24"], "ports": ["eth1"]}
    found = files(Bridge, options, managed=managed)
    assert found["bridge/br0.sh"].splitlines()[2:] == [
        boot_links.LATE,
        "ip link set dev br0 alias 'virtnet.qemu uplink=eth0 own=10.0.0.1/24'",
        "ip link set dev eth1 master br0 up",
    ]
    natives = {path for path in found if path.startswith("/etc/systemd/network/05-virtnet-")}
    assert len(natives) == 4
    there = {path if path in natives else f"{FOLDER}/{path}": text for path, text in found.items()}
    released = files(Bridge, {"name": "br0", "uplink": ""}, there=there)
    assert {path for path, text in released.items() if text is None} == natives
    assert "ip link add dev br0 type bridge" in released["bridge/br0.sh"]
    assert files(Bridge, {"name": "br1"}, there=there, purge=True) == dict.fromkeys(
        [*natives, "bridge/br0.sh"]
    ) | files(Bridge, {"name": "br1"})
    # Where no manager that we know configures the NIC there is nothing that could be kept.
    assert set(files(Bridge, {"name": "br0"}, there=there).values()) == {None}


def test_a_bridge_that_its_manager_makes_without_an_uplink_is_marked_as_ours():
    kept = Keeper({ifupdown.MAIN: "auto eth0\n"})
    given = {"name": "br0", "uplink": "", "addresses": ["10.0.0.1/24"], "ports": ["eth1"]}
    natives = Natives((networkd, ifupdown), lambda _nic, _bridge, _there: None, lambda: kept)
    found = boot.wanted(Bridge, [entry(Bridge, **given)], {}, None, {}, False, natives)
    assert found[f"{FOLDER}/bridge/br0.sh"].splitlines()[2:] == [
        boot_links.LATE,
        "ip link set dev br0 alias virtnet.qemu",
        "ip link set dev eth1 master br0 up",
    ]
    assert boot_links.is_as_noted(Bridge, found[f"{FOLDER}/bridge/br0.sh"])
    assert set(found) == {f"{FOLDER}/bridge/br0.sh", ifupdown.MAIN, ifupdown.path_of("br0")}
    there = {path: text for path, text in found.items() if text is not None}
    purged = boot.wanted(Bridge, [], {}, None, there, True, natives)
    assert purged == {**dict.fromkeys(there), ifupdown.MAIN: "auto eth0\n"}


def test_addresses_are_known_for_ours_after_a_boot():
    state = ExtraAddress("eth0", None, ("192.0.2.20/24", "2001:db8::20/64"))
    text = next(iter(boot_links.of_addresses([((None, "eth0"), state)]).values()))
    assert text.splitlines()[2:] == [
        boot_links.LATE,
        "ip address replace 192.0.2.20/24 dev eth0 label eth0:vn",
        "ip address replace 2001:db8::20/64 dev eth0",
    ]
    assert list(boot_links.noted_addresses([text])) == [(None, "192.0.2.20/24"), (None, "2001:db8::20/64")]
    assert list(boot_links.of_addresses([((None, "eth0"), None)]).values()) == [None]


RULES = Ruleset(chains={"POSTROUTING": ("-j vn-post",), "post": ("-s 10.0.0.0/24 -j MASQUERADE",)})


def test_rules_are_one_transaction_of_their_tool():
    world = RuleWorld({(None, "auto"): (nat_iptables, {}), ("gone", "auto"): None}, nat_nftables)
    there = [f"{FOLDER}/nat_rule/inet@gone.nft", f"{FOLDER}/nat_rule/inet@other.nft"]
    states = [((None, "auto"), NatTable((None, "auto"), nat_iptables, {"ip": RULES})), (("gone", "auto"), None)]
    assert boot_rules.of_tables("nat_rule", states, world, there) == {
        f"{FOLDER}/nat_rule/ip.iptables": HEAD
        + "*nat\n-N vn-post\n-A vn-post -s 10.0.0.0/24 -j MASQUERADE\n-I POSTROUTING -j vn-post\nCOMMIT\n",
        f"{FOLDER}/nat_rule/ip6.ip6tables": None,
        there[0]: None,
    }
    rules = Ruleset({"chain out": "type nat hook postrouting priority 100;"}, {"out": ("masquerade",)})
    assert boot_rules.render(nat_nftables, "inet", rules) == (
        HEAD + "add table inet virtnet_nat\ndelete table inet virtnet_nat\nadd table inet virtnet_nat\n"
        "add chain inet virtnet_nat out { type nat hook postrouting priority 100; }\n"
        "add rule inet virtnet_nat out masquerade\n"
    )


# -- what they make ------------------------------------------------------------------------------

MADE = [
    (Netns, {"name": "r2", "sysctls": {"net.ipv4.ip_forward": 1}}),
    (Bridge, {"name": "br1", "addresses": ["10.1.0.1/24", "fd00::1/64"], "mtu": 1400, "stp": True}),
    (Bridge, {"name": "br1", "netns": "r1", "ageing_time": 10, "mac": "52:54:00:00:00:01"}),
    (Bridge, {"name": "br1", "ports": ["t0"]}),
    (Veth, VETH),
    (Tap, {"name": "t1", "bridge": "br0", "isolated": True, "multi_queue": True}),
    (Tap, {"name": "t1", "netns": "r1", "up": False}),
]


@pytest.mark.parametrize(("spec", "given"), MADE)
def test_the_lines_of_a_file_make_what_the_module_made(spec, given):
    kernel = Kernel({None: [], "r1": []})
    run(Bridge, Adapter(kernel), parse(Bridge, {"name": "br0", "addresses": ["10.0.0.1/24"]})[0])
    run(Tap, Adapter(kernel), parse(Tap, {"name": "t0"})[0])
    made, booted = copied(kernel), Adapter(copied(kernel))
    wants, purge = parse(spec, given)
    run(spec, Adapter(made), wants, purge)
    (text,) = files(spec, given).values()
    want = spec.parse(entry(spec, **given))
    steps = spec.steps(None, want)
    lines = [line for line in text.splitlines() if not line.startswith(("#", "unless"))]
    assert sorted(lines) == sorted(step.line for step in steps)
    booted.commit(sorted(steps, key=lambda step: lines.index(step.line)))
    assert state(booted.kernel, wants) == state(made, wants)
