# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the models promise to probes, and what answers come to."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.virtnet.qemu.plugins.module_utils._spec import probe_neighbour
from ansible_collections.virtnet.qemu.plugins.module_utils._spec.base import SpecError
from ansible_collections.virtnet.qemu.plugins.module_utils._spec.probe import NETWORK, parse, without_ipv6
from ansible_collections.virtnet.qemu.plugins.module_utils._spec.probe_check import (
    TO_HOST,
    Answer,
    checks,
    lease_results,
    left_to_neighbour,
    targets_of_neighbour,
    with_shared_segments,
)
from ansible_collections.virtnet.qemu.plugins.module_utils._spec.probe_place import Lease, probes
from ansible_collections.virtnet.qemu.plugins.module_utils._spec.probe_table import broken, table

OWN = ["192.0.2.10/24", "10.0.1.1/24", "10.0.2.1/24", "10.0.3.1/24", "fd00:2::1/64"]
LAN = [{"address": "192.0.2.1", "port": None, "name": "router"}]
NETWORKS = {
    "nat": {"addresses": ["10.0.1.98/24", "10.0.1.99/24"], "gateways": ["10.0.1.1"], "dns": True},
    "routed": {
        "addresses": ["10.0.2.98/24", "10.0.2.99/24", "fd00:2::98/64", "fd00:2::99/64"],
        "gateways": ["10.0.2.1", "fd00:2::1"],
    },
    "isolated": {},
    "hostonly": {"model": "isolated", "host_access": True, "addresses": ["10.0.3.98/24", "10.0.3.99/24"]},
    "bridged": {"addresses": ["192.0.2.98/24", "192.0.2.99/24"], "gateways": ["192.0.2.1"]},
}


def entry(model: str, /, **options: Any) -> dict[str, Any]:
    """As Ansible gives it: every option, with its default."""
    defaults = {option: spec.get("default") for option, spec in NETWORK.items()}
    return {**defaults, "name": model, "bridge": f"br-{model}", "model": model, "lan": LAN, **options}


def params(*entries: dict[str, Any], **options: Any) -> dict[str, Any]:
    return {"config": list(entries), "timeout": 2.0, "dhcp_timeout": 9.0, "dns_name": None, **options}


def parsed(*entries: dict[str, Any]) -> list[Any]:
    return parse(params(*entries))


def promised() -> dict[str, dict[str, tuple[bool, set[str]]]]:
    """Network -> check -> the promise, and who is asked."""
    networks = parsed(*(entry(name, **options) for name, options in NETWORKS.items()))
    found: dict[str, dict[str, tuple[bool, set[str]]]] = {}
    for check in checks(networks, probes(networks, "hv1"), OWN, None):
        found.setdefault(check.network, {})[check.name] = (check.promised, {who for who, _asks in check.asked})
    return found


def test_the_truth_table():
    found = {
        network: {check: promise for check, (promise, _who) in rows.items()} for network, rows in promised().items()
    }
    lan, other = "guest to LAN router (192.0.2.1)", "guest to other networks"
    common = {"guest to guest": True, other: False}
    host = {"guest to host": True, "host to guest": True}
    gateway = {"guest to gateway": True}
    assert found == {
        "nat": {**common, **host, **gateway, "guest resolves names": True, lan: True},
        "routed": {**common, **host, **gateway, lan: True},
        "isolated": {**common, "guest to host": False, "host to guest": False, lan: False},
        "hostonly": {**common, **host, lan: False},
        "bridged": {**common, **host, **gateway, lan: True},
    }


def test_who_is_asked():
    found = promised()
    v4 = {"192.0.2.10", "10.0.1.1", "10.0.2.1", "10.0.3.1"}
    assert found["nat"]["guest to host"][1] == v4
    assert found["routed"]["guest to host"][1] == v4 | {"fd00:2::1"}
    assert found["isolated"]["guest to host"][1] == v4 | {"fd00:2::1"}
    assert found["hostonly"]["guest to host"][1] == {"10.0.3.1"}
    assert found["bridged"]["guest to host"][1] == {"192.0.2.10"}
    assert found["routed"]["guest to guest"][1] == {"10.0.2.99", "fd00:2::99"}
    # A bridged network is the LAN: others may reach it, and it a routed one.
    others = {
        network: {who.split()[0] for who in rows["guest to other networks"][1]} for network, rows in found.items()
    }
    assert others == {
        "nat": {"routed", "isolated", "hostonly"},
        "routed": {"nat", "isolated", "hostonly"},
        "isolated": {"nat", "routed", "hostonly", "bridged"},
        "hostonly": {"nat", "routed", "isolated", "bridged"},
        "bridged": {"nat", "isolated", "hostonly"},
    }


def test_what_must_not_be_reached_is_asked_in_two_ways():
    networks = parsed(entry("isolated"), entry("nat", **NETWORKS["nat"]))
    found = checks(networks, probes(networks, "hv1"), OWN, None)
    ways = {
        (check.name, ask.way) for check in found if not check.promised for _who, asks in check.asked for ask in asks
    }
    assert ("guest to host", TO_HOST) in ways
    assert ("guest to host", "") in ways
    assert ("host to guest", "br-isolated") in ways
    assert {ask.way for check in found if check.promised for _who, asks in check.asked for ask in asks} == {""}


def test_the_number_of_questions_grows_with_the_pairs_of_networks_only():
    def count(number: int) -> int:
        networks = parsed(*(entry("isolated", name=f"n{i}", bridge=f"br{i}") for i in range(number)))
        return sum(len(asks) for c in checks(networks, probes(networks, "hv1"), [], None) for _who, asks in c.asked)

    pairs = 2 * 2  # both IP versions, both ways
    assert count(20) - count(10) * 2 == pairs * (20 * 19 - 2 * 10 * 9)


def answered(check: Any, reached: set[str], detail: str = "") -> dict[str, Any]:
    return check.result(
        {ask: Answer(who in reached, "" if who in reached else detail) for who, asks in check.asked for ask in asks}
    )


@pytest.mark.parametrize(
    ("network", "name", "reached", "seen", "ok"),
    [
        ("routed", "guest to guest", {"10.0.2.99", "fd00:2::99"}, "yes", True),
        ("routed", "guest to guest", {"10.0.2.99"}, "no: fd00:2::99 (no answer)", False),
        ("routed", "guest to LAN router (192.0.2.1)", set(), "no (no answer; has the LAN a route back?)", False),
        ("nat", "guest to LAN router (192.0.2.1)", set(), "no (no answer)", False),
        ("isolated", "guest to LAN router (192.0.2.1)", set(), "no", True),
        ("isolated", "guest to LAN router (192.0.2.1)", {"router (192.0.2.1)"}, "yes", False),
        ("isolated", "guest to host", {"10.0.3.1"}, "yes: 10.0.3.1", False),
    ],
)
def test_what_answers_come_to(network, name, reached, seen, ok):
    networks = parsed(*(entry(key, **options) for key, options in NETWORKS.items()))
    (check,) = [
        c for c in checks(networks, probes(networks, "hv1"), OWN, None) if (c.network, c.name) == (network, name)
    ]
    result = answered(check, reached, "no answer")
    assert (result["seen"], result["ok"]) == (seen, ok)


def test_networks_on_one_segment_are_found_though_no_answer_comes_back():
    networks = parsed(*(entry(name, **options) for name, options in NETWORKS.items()))
    pairs = probes(networks, "hv1")
    heard = {"br-isolated": {pairs["nat"][1].mac}, "br-nat": {pairs["nat"][0].mac, "52:54:00:00:00:01"}}
    found = [with_shared_segments(check, networks, pairs, heard) for check in checks(networks, pairs, OWN, None)]
    broken_rows = [
        row
        for check in found
        if not (row := answered(check, set() if not check.promised else {who for who, _a in check.asked}))["ok"]
    ]
    assert [(row["network"], row["seen"]) for row in broken_rows] == [("isolated", "yes: nat (on the same segment)")]


def test_what_must_not_be_reached_must_not_even_hear_of_it():
    networks = parsed(entry("isolated"))
    for check in checks(networks, probes(networks, "hv1"), OWN, None):
        result = check.result({ask: Answer(False, arrived=True) for _who, asks in check.asked for ask in asks})
        assert result["seen"].partition(":")[0] == {True: "no", False: "yes"}[check.promised] or not check.asked


def test_what_nobody_could_be_asked_about_is_no_success():
    networks = parsed(entry("nat", dhcp=True, gateways=["10.0.1.1"], lan=[]))
    results = [check.result({}) for check in checks(networks, probes(networks, "hv1"), OWN, None)]
    assert {(row["seen"], row["ok"]) for row in results} == {("not checked", None)}
    assert broken(results) == ""
    (lan,) = [row for row in results if row["check"] == "guest to LAN"]
    assert lan["expected"] == "yes"
    assert [c.unasked()["ok"] for c in left_to_neighbour(networks)] == [None]


GATEWAY = "10.0.1.1"


@pytest.mark.parametrize(
    ("leases", "expected"),
    [
        ([Lease("10.0.1.9/24", (GATEWAY,), (GATEWAY,))] * 2, {"guest gets lease": True, "lease names gateway": True}),
        ([Lease("10.0.1.9/24", (GATEWAY,), (GATEWAY,)), None], {"guest gets lease": True, "lease names gateway": True}),
        ([Lease("10.0.1.9/24", ("10.0.1.7",), ())] * 2, {"lease names gateway": False, "lease names server": False}),
        ([Lease("10.0.1.9/24")] * 2, {"lease names gateway": False, "lease names server": False}),
        ([None, None], {"guest gets lease": False, "lease names gateway": None, "lease names server": None}),
    ],
)
def test_leases(leases, expected):
    (network,) = parsed(entry("nat", dhcp=True, dns=True, gateways=[GATEWAY]))
    pair = tuple(p.with_lease(lease) for p, lease in zip(probes([network], "hv1")["nat"], leases))
    found = {row["check"]: row["ok"] for row in lease_results(network, pair)}
    assert {check: found[check] for check in expected} == expected


def test_a_lease_is_tried_on_a_bridged_network_but_not_promised():
    (network,) = parsed(entry("bridged"))
    assert network.asks_for_lease
    (row,) = lease_results(network, probes([network], "hv1")["bridged"])
    assert (row["expected"], row["seen"], row["ok"]) == ("if there is a server", "no", None)


def test_probes_of_an_isolated_network_choose_addresses_and_all_differ():
    networks = parsed(*(entry("isolated", name=f"n{i}", bridge=f"br{i}") for i in range(600)))
    addresses = [a for network in networks for own in network.addresses for a in own]
    assert len(set(addresses)) == len(addresses) == 600 * 4
    assert {version for network in without_ipv6(networks) for version in network.versions} == {4}


def test_a_neighbour_is_told_what_the_lan_may_reach():
    networks = parsed(*(entry(name, **options) for name, options in NETWORKS.items()))
    targets = targets_of_neighbour(networks, probes(networks, "hv1"))
    assert {target["name"]: target["reached"] for target in targets} == {
        "nat": False,
        "routed": True,
        "isolated": False,
        "hostonly": False,
        "bridged": True,
    }
    found = probe_neighbour.parse({"config": targets, "via": ["192.0.2.10"], "timeout": 1.0})
    assert [check.network for check in found] == list(NETWORKS)
    vias = {(ask.address, ask.via) for check in found for _who, asks in check.asked for ask in asks}
    assert {("10.0.2.98", None), ("10.0.2.98", "192.0.2.10"), ("fd00:2::98", None)} <= vias
    assert ("fd00:2::98", "192.0.2.10") not in vias


def test_table_and_sentence():
    rows = [
        {"network": "lab", "check": "guest to guest", "expected": "yes", "seen": "yes", "ok": True},
        {"network": "lab", "check": "guest to LAN", "expected": "yes", "seen": "not checked", "ok": None},
        {"network": "back", "check": "guest to host", "expected": "no", "seen": "yes: 10.0.1.1", "ok": False},
    ]
    assert table(rows).splitlines() == [
        "network  check           expected  seen",
        "lab      guest to guest  yes       yes            ok",
        "lab      guest to LAN    yes       not checked",
        "back     guest to host   no        yes: 10.0.1.1  BROKEN",
    ]
    assert broken(rows) == (
        "1 of 3 promises are broken: network 'back': guest to host: expected no, seen yes: 10.0.1.1"
    )


@pytest.mark.parametrize(
    ("entries", "options", "words"),
    [
        ([entry("nat")], {}, ["'nat'", "addresses", "dhcp: true"]),
        ([entry("nat", addresses=["10.0.1.98"])], {}, ["addresses", "prefix length"]),
        ([entry("nat", addresses=["10.0.1.98/24"] * 3)], {}, ["addresses", "two of each"]),
        ([entry("nat", addresses=["10.0.1.98/24", "10.0.2.99/24"])], {}, ["not in one subnet"]),
        ([entry("nat", dhcp=True, gateways=["172.30,1.51"])], {}, ["gateways", "172.30,1.51"]),
        ([entry("isolated", lan=[{**LAN[0], "port": 70000}])], {}, ["lan", "70000", "65535"]),
        ([entry("isolated"), entry("isolated")], {}, ["name 'isolated'", "twice"]),
        ([entry("isolated"), entry("isolated", name="other")], {}, ["bridge 'br-isolated'", "twice"]),
        ([entry("isolated", bridge="a-name-of-a-bridge")], {}, ["bridge", "15"]),
        ([], {"timeout": 0}, ["timeout", "0"]),
        ([], {"dhcp_timeout": -1}, ["dhcp_timeout", "-1"]),
    ],
)
def test_mistakes(entries, options, words):
    with pytest.raises(SpecError) as failure:
        parse(params(*entries, **options))
    assert all(word in str(failure.value) for word in words), failure.value
