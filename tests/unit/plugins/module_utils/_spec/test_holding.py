# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest

from ansible_collections.virtnet.qemu.plugins.module_utils._spec.holding import HeldAddress, HeldRoute, Holding


@pytest.mark.parametrize(
    ("held", "line"),
    [
        (HeldAddress("10.0.0.1/24"), "10.0.0.1/24 dev br0 scope global"),
        (HeldAddress("10.0.0.1/24", label="web"), "10.0.0.1/24 dev br0 label br0:web scope global"),
        # It has 16 bytes with the name of the bridge, and the kernel takes 15.
        (HeldAddress("10.0.0.1/24", label="123456789012"), "10.0.0.1/24 dev br0 scope global"),
        (
            HeldAddress("10.0.0.1/24", valid=9, preferred=0),
            "10.0.0.1/24 dev br0 scope global valid_lft 9 preferred_lft 0",
        ),
        (HeldAddress("10.0.0.1/32", peer="10.0.0.2/32"), "10.0.0.1 peer 10.0.0.2/32 dev br0 scope global"),
    ],
)
def test_an_address_as_a_person_would_type_it(held, line):
    (step,) = held.put(None, "br0")
    assert step.line == f"ip address replace {line}"


def test_an_address_stands_at_once_and_keeps_its_mark_of_detection():
    put, marked = HeldAddress("fd00::1/64", flags=("mngtmpaddr",)).put("r1", "br0")
    assert put.line == "ip -n r1 address replace fd00::1/64 dev br0 mngtmpaddr nodad"
    assert marked.line == "ip -n r1 address change fd00::1/64 dev br0 mngtmpaddr"
    assert len(HeldAddress("fd00::1/64", flags=("nodad",)).put(None, "br0")) == 1


def test_a_route_as_a_person_would_type_it():
    route = HeldRoute("default", 6, ("via", "fe80::1"), "1000", 7, "ra", options=("pref", "high"), expires=5)
    assert route.put(None, "br0").line == (
        "ip -6 route append default via fe80::1 dev br0 table 1000 metric 7 proto ra pref high expires 5"
    )
    # Of several next hops each is known by its gateway, not by the protocol that the kernel tells for all.
    assert route.drop(None, "br0").line == "ip -6 route delete default via fe80::1 dev br0 table 1000 metric 7"
    assert (
        HeldRoute("fd00::/64", 6).drop(None, "br0").line == "ip -6 route delete fd00::/64 dev br0 table main proto boot"
    )


@pytest.mark.parametrize(
    ("route", "moved"),
    [
        (HeldRoute("default", 6, metric=1024, protocol="ra", expires=60), (1024, 60)),
        (HeldRoute("default", 6, metric=1024, protocol="ra", expires=60, learned=True), (1025, 60)),
        (HeldRoute("fd00:2::/64", 6, metric=256, protocol="kernel", learned=True), (257, 9000)),
        (HeldRoute("fd00:1::/64", 6, metric=256, protocol="kernel", expires=60, learned=True), None),
        (HeldRoute("fd00:1::/64", 6, metric=256, protocol="kernel", expires=60), None),
        (HeldRoute("fd00:3::/64", 6, metric=256, protocol="kernel"), (256, None)),
    ],
)
def test_only_a_stand_in_of_a_learned_route_moves_and_nothing_that_comes_with_an_address(route, moved):
    addresses = HeldAddress("fd00:1::5/64"), HeldAddress("fd00:3::5/64", flags=("noprefixroute",))
    movable = Holding(addresses, (route,)).movable()
    assert [(r.metric, r.expires) for r in movable] == ([moved] if moved else [])
    assert not any(r.learned for r in movable)
