# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest

from ansible_collections.virtnet.qemu.plugins.module_utils._spec import dhcp
from ansible_collections.virtnet.qemu.plugins.module_utils._spec.base import SpecError

ADDRESSES = ("10.9.0.1/24", "192.168.4.1/24", "fd00:4::1/64")
EMPTY_RANGE = {"end": None, "lease_time": None, "mode": "dhcp", "constructor": False}
WEB1 = {"mac": "52-54-00-00-00-11", "address": "192.168.4.11", "hostname": "Web1"}


def ranges(*entries, addresses=ADDRESSES):
    return dhcp.ranges([{**EMPTY_RANGE, **entry} for entry in entries], addresses)


def reservations(*entries, addresses=ADDRESSES):
    full = [{"address": None, "hostname": None, **entry} for entry in entries]
    return dhcp.reservations(full, addresses)


@pytest.mark.parametrize(
    ("entry", "subnet", "size"),
    [
        ({"start": "192.168.4.10", "end": "192.168.4.19"}, "192.168.4.0/24", 10),
        ({"start": "192.168.4.254", "end": "192.168.4.254"}, "192.168.4.0/24", 1),
        ({"start": "10.9.0.2", "end": "10.9.0.254"}, "10.9.0.0/24", 253),
        ({"start": "FD00:4::10", "end": "fd00:4::1f"}, "fd00:4::/64", 16),
        ({"start": "fd00:4::", "mode": "ra-only"}, "fd00:4::/64", 0),
        ({"start": "::10", "end": "::1f", "constructor": True}, None, 16),
    ],
)
def test_a_range_belongs_to_a_subnet_of_the_interface(entry, subnet, size):
    (found,) = ranges(entry)
    assert (found.subnet, found.size) == (subnet, size)


@pytest.mark.parametrize(
    ("entries", "words"),
    [
        ([{"start": "192.168.5.10", "end": "192.168.5.19"}], ["ranges", "192.168.5.10", "192.168.4.1/24"]),
        ([{"start": "192.168.4.10", "end": "10.9.0.10"}], ["ranges", "10.9.0.10"]),
        ([{"start": "10.9.0.10", "end": "192.168.4.10"}], ["ranges", "not in one subnet"]),
        ([{"start": "192.168.4.20", "end": "192.168.4.10"}], ["ranges", "192.168.4.10 is not after 192.168.4.20"]),
        ([{"start": "192.168.4.10", "end": "fd00:4::1"}], ["ranges", "fd00:4::1"]),
        ([{"start": "192.168.4.0", "end": "192.168.4.10"}], ["192.168.4.0 is the network or the broadcast address"]),
        ([{"start": "192.168.4.10", "end": "192.168.4.255"}], ["192.168.4.255 is the network or the broadcast"]),
        ([{"start": "172.30,1.51", "end": "192.168.4.20"}], ["ranges", "'172.30,1.51'"]),
        ([{"start": "192.168.4.10"}], ["192.168.4.10", "'end'"]),
        ([{"start": "fd00:4::10"}], ["fd00:4::10", "'end'", "ra-only"]),
        ([{"start": "fd00:4::", "end": "fd00:4::9", "mode": "ra-stateless"}], ["ra-stateless", "'end'"]),
        ([{"start": "192.168.4.10", "end": "192.168.4.20", "mode": "slaac"}], ["'mode'", "IPv6"]),
        ([{"start": "192.168.4.10", "end": "192.168.4.20", "constructor": True}], ["'constructor'", "IPv6"]),
        ([{"start": "192.168.4.10", "end": "192.168.4.20", "lease_time": "1m"}], ["lease_time", "'1m'", "120 s"]),
        ([{"start": "192.168.4.10", "end": "192.168.4.20", "lease_time": "12 h"}], ["lease_time", "'12 h'"]),
        (
            [{"start": "192.168.4.10", "end": "192.168.4.20"}, {"start": "192.168.4.20", "end": "192.168.4.30"}],
            ["192.168.4.10 to 192.168.4.20", "192.168.4.20 to 192.168.4.30", "overlap"],
        ),
    ],
)
def test_a_range_that_cannot_be_is_refused(entries, words):
    with pytest.raises(SpecError) as error:
        ranges(*entries)
    for word in words:
        assert word in str(error.value)


def test_without_addresses_it_is_said_that_they_are_missing():
    with pytest.raises(SpecError, match="'addresses' is not given"):
        ranges({"start": "192.168.4.10", "end": "192.168.4.20"}, addresses=())


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (None, None),
        ("infinite", "infinite"),
        ("120", "120"),
        ("120s", "120"),
        ("2m", "2m"),
        ("12h", "12h"),
        ("1w", "1w"),
    ],
)
def test_lease_times(given, expected):
    (found,) = ranges({"start": "192.168.4.10", "end": "192.168.4.20", "lease_time": given})
    assert found.lease_time == expected


def test_a_reservation_in_its_canonical_form():
    assert reservations(WEB1) == (dhcp.Reservation("52:54:00:00:00:11", "192.168.4.11", "web1"),)


def test_one_guest_may_have_an_address_of_each_version():
    both = reservations(WEB1, {**WEB1, "address": "fd00:4::11"})
    assert [r.address for r in both] == ["192.168.4.11", "fd00:4::11"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({}, ["mac '52:54:00:00:00:11' is in two of them"]),
        ({"address": "192.168.4.12", "hostname": None}, ["mac '52:54:00:00:00:11' is in two"]),
        ({"mac": "52:54:00:00:00:12", "hostname": "web2"}, ["address '192.168.4.11' is in two"]),
        ({"mac": "52:54:00:00:00:12", "address": "192.168.4.12"}, ["hostname 'web1' is in two"]),
        ({"mac": "52:54:00:00:00"}, ["'52:54:00:00:00'", "MAC"]),
        ({"mac": "53:54:00:00:00:12"}, ["multicast"]),
        ({"mac": "52:54:00:00:00:12", "address": "192.168.5.1", "hostname": None}, ["192.168.5.1", "in a subnet"]),
        ({"mac": "52:54:00:00:00:12", "address": "192.168.4.1", "hostname": None}, ["192.168.4.1", "host's own"]),
        ({"mac": "52:54:00:00:00:12", "address": "192.168.4.255", "hostname": None}, ["192.168.4.255", "broadcast"]),
        ({"mac": "52:54:00:00:00:12", "address": None, "hostname": "a_b"}, ["'a_b'", "host name"]),
        ({"mac": "52:54:00:00:00:12", "address": None, "hostname": None}, ["neither 'address' nor 'hostname'"]),
    ],
)
def test_a_reservation_that_cannot_be_is_refused(change, words):
    with pytest.raises(SpecError) as error:
        reservations(WEB1, {**WEB1, **change})
    assert str(error.value).startswith("reservations: ")
    for word in words:
        assert word in str(error.value)


@pytest.mark.parametrize(
    ("route", "words"),
    [
        ({"destination": "10.0.0.1/8", "gateway": "192.168.4.1"}, ["host bits", "10.0.0.0/8"]),
        ({"destination": "10.0.0.0/8", "gateway": "192.168.4"}, ["'192.168.4'"]),
        ({"destination": "fd00::/8", "gateway": "fd00::1"}, ["not IPv4"]),
    ],
)
def test_a_route_that_cannot_be_is_refused(route, words):
    with pytest.raises(SpecError) as error:
        dhcp.routes([route])
    for word in ["routes: ", *words]:
        assert word in str(error.value)


@pytest.mark.parametrize(
    ("option", "value"),
    [("NTP", "1"), ("ntp server", "1"), ("", "1"), ("42", "a\nserver=6.6.6.6"), ("42", 'a"b'), ("42", "a\\n")],
)
def test_an_option_cannot_bring_in_other_lines(option, value):
    with pytest.raises(SpecError, match="^dhcp_options: "):
        dhcp.options([{"option": option, "value": [value], "ip_version": "ipv4"}])
