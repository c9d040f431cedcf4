# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Names and addresses: what is taken, in which form, and what is refused with which words (row D13)."""

from __future__ import annotations

import ipaddress
import socket

import pytest
from hypothesis import given, strategies as st

from ansible_collections.virtnet.qemu.plugins.module_utils._spec import address
from ansible_collections.virtnet.qemu.plugins.module_utils._spec.base import SpecError


def refusal(parse, value) -> str:
    with pytest.raises(SpecError) as caught:
        parse("opt", value)
    return str(caught.value)


# -- interface names ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    [
        "br0",
        "a",
        "123456789012345",
        "Ünïcode",
        "brücke-größe",
        "eth0.100",
        "..x",
        "a'b",
        "$x;y",
        "-x",
        "up",
        "netz\N{SNOWMAN}",
    ],
)
def test_ifname_takes(name):
    assert address.ifname("opt", name) == name


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("", "may not be empty"),
        (".", "'.' is not an interface name"),
        ("..", "'..' is not an interface name"),
        ("a/b", "contain '/'"),
        ("a:b", "':'"),
        ("a b", "white space"),
        ("a\tb", "white space"),
        ("a\n", "white space"),
        ("a\0b", "control characters"),
        ("a\x1cb", "control characters"),
        ("a\udc80", "control characters"),
        ("a\N{NO-BREAK SPACE}b", "white space"),
        # UTF-8 of this letter ends in the byte A0, which the kernel takes for a space.
        ("à", "not an interface name"),
        # The kernel would put a number there.
        ("tap%d", "'%'"),
        # Names of folders below /proc/sys/net/ipv4/conf.
        ("all", "'all' is not an interface name"),
        ("default", "'default' is not an interface name"),
        ("1234567890123456", "has 16 bytes; an interface name has at most 15"),
        ("ééééééé_é", "has 17 bytes"),
    ],
)
def test_ifname_refuses(name, reason):
    said = refusal(address.ifname, name)
    assert said.startswith("opt: ")
    assert reason in said


def test_ifname_of_15_bytes_in_8_letters_is_taken():
    assert address.ifname("opt", "ééééééé_") == "ééééééé_"


# -- namespace names ---------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["r1", "lab.example", "a_b-c", "_x", "7", "x" * 64])
def test_netns_name_takes(name):
    assert address.netns_name("opt", name) == name


def test_netns_name_may_be_missing():
    assert address.netns_name("opt", None) is None


@pytest.mark.parametrize(
    "name", ["", ".", "..", ".x", "-x", "a/b", "../x", "a b", "x\n", "ns\N{LATIN SMALL LETTER E WITH ACUTE}", "x" * 65]
)
def test_netns_name_refuses(name):
    assert refusal(address.netns_name, name).startswith(f"opt: '{name}' is not a namespace name; use")


# -- MAC addresses -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given_as", "mac"),
    [
        ("52:54:00:AB:cd:01", "52:54:00:ab:cd:01"),
        ("52-54-00-ab-cd-01", "52:54:00:ab:cd:01"),
        ("5254.00ab.cd01", "52:54:00:ab:cd:01"),
        ("525400abcd01", "52:54:00:ab:cd:01"),
        ("02:0:0:0:0:1", "02:00:00:00:00:01"),
    ],
)
def test_mac_in_one_form(given_as, mac):
    assert address.mac("opt", given_as) == mac


def test_mac_may_be_missing():
    assert address.mac("opt", None) is None


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("", "is not a MAC address such as 52:54:00:12:34:56"),
        ("52:54:00:12:34", "is not a MAC address"),
        ("52:54:00:12:34:56:78:9a", "is not a MAC address"),
        ("52:54:00:12:34:5g", "is not a MAC address"),
        ("91234567", "is not a MAC address"),
        ("52:54:00", "is not a MAC address"),
        ("41015104496", "in YAML, quote it"),
        ("01:00:5e:00:00:01", "is a multicast MAC address"),
        ("ff:ff:ff:ff:ff:ff", "is a multicast MAC address"),
        ("00:00:00:00:00:00", "is no usable MAC address"),
    ],
)
def test_mac_refuses(value, reason):
    said = refusal(address.mac, value)
    assert said.startswith(f"opt: '{value}' ")
    assert reason in said


# -- addresses ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given_as", "canonical"),
    [
        ("192.168.4.1", "192.168.4.1"),
        ("FD00:4:0:0::1", "fd00:4::1"),
        ("fd00:4:0:1:1:1:1:1", "fd00:4:0:1:1:1:1:1"),
        ("::ffff:192.168.4.1", "::ffff:192.168.4.1"),
    ],
)
def test_address_in_its_canonical_form(given_as, canonical):
    assert address.address("opt", given_as) == canonical


@pytest.mark.parametrize(
    "value",
    [
        "",
        " ",
        "172.30,1.51",
        "172.30.1",
        "1.2.3.256",
        "1.2.3.04",
        "0x7f.0.0.1",
        "192.168.4.1/24",
        "fd00::g",
        "fe80::1%eth0",
        "host",
    ],
)
def test_address_refuses(value):
    assert refusal(address.address, value).startswith(f"opt: '{value}' is not an IP address such as")


@given(st.ip_addresses(v=6))
def test_ipv6_form_is_the_one_the_kernel_is_read_in(ip):
    assert address.address("opt", ip.exploded) == socket.inet_ntop(socket.AF_INET6, ip.packed)


# -- addresses of interfaces -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given_as", "canonical"),
    [
        ("192.168.4.1/24", "192.168.4.1/24"),
        ("10.0.0.0/31", "10.0.0.0/31"),
        ("10.0.0.1/31", "10.0.0.1/31"),
        ("10.0.0.0/32", "10.0.0.0/32"),
        ("10.0.0.1/8", "10.0.0.1/8"),
        ("FD00:4::0001/64", "fd00:4::1/64"),
        ("fd00:4::/64", "fd00:4::/64"),
        ("fd00::1/128", "fd00::1/128"),
        ("fe80::1/64", "fe80::1/64"),
    ],
)
def test_interface_address_takes(given_as, canonical):
    assert address.interface_address("opt", given_as) == canonical


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("172.30,1.51", "'172.30,1.51' is not an IP address"),
        ("172.30,1.51/24", "'172.30,1.51' is not an IP address"),
        ("172.30.1.51", "has no prefix length; write it as in 192.168.4.1/24"),
        ("fd00::1", "has no prefix length"),
        ("192.168.4.1/", "has no prefix length from 0 to 32"),
        ("192.168.4.1/33", "has no prefix length from 0 to 32"),
        ("192.168.4.1/-1", "has no prefix length from 0 to 32"),
        ("192.168.4.1/24/24", "has no prefix length from 0 to 32"),
        ("192.168.4.1/255.255.255.0", "has no prefix length from 0 to 32"),
        ("192.168.4.1/²", "has no prefix length from 0 to 32"),
        ("192.168.4.1/٢٤", "has no prefix length from 0 to 32"),
        ("fd00::1/129", "has no prefix length from 0 to 128"),
        ("192.168.4.0/24", "is the network address of its subnet; give a host address in 192.168.4.0/24"),
        ("192.168.4.255/24", "is the broadcast address of its subnet; give a host address in 192.168.4.0/24"),
        ("/24", "'' is not an IP address"),
        ("", "'' is not an IP address"),
        ("0.0.0.0/32", "is not an address that an interface can have"),
        ("::/64", "is not an address that an interface can have"),
        ("224.0.0.1/24", "is not an address that an interface can have"),
        ("ff02::1/64", "is not an address that an interface can have"),
    ],
)
def test_interface_address_refuses(value, reason):
    said = refusal(address.interface_address, value)
    assert said.startswith("opt: ")
    assert reason in said


@given(st.ip_addresses(v=4), st.integers(0, 32))
def test_interface_address_keeps_address_and_prefix_or_says_why_not(ip, prefix):
    text = f"{ip}/{prefix}"
    try:
        assert address.interface_address("opt", text) == text
    except SpecError:
        network = ipaddress.ip_interface(text).network
        unusable = ip.is_multicast or ip.is_unspecified
        assert unusable or (prefix < 31 and ip in (network.network_address, network.broadcast_address))


def test_interface_addresses_are_a_set_in_one_order():
    given_as = ["fd00::1/64", "10.0.0.1/8", "FD00::0:1/64"]
    assert address.interface_addresses("opt", given_as) == ("10.0.0.1/8", "fd00::1/64")
    assert address.interface_addresses("opt", []) == ()
    assert address.interface_addresses("opt", None) is None


# -- networks ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given_as", "canonical"),
    [
        ("192.168.4.0/24", "192.168.4.0/24"),
        ("0.0.0.0/0", "0.0.0.0/0"),
        ("::/0", "::/0"),
        ("FD00:4::/64", "fd00:4::/64"),
    ],
)
def test_network_takes(given_as, canonical):
    assert address.network("opt", given_as) == canonical


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("192.168.4.1/24", "has host bits set; the network is 192.168.4.0/24"),
        ("fd00:4::1/64", "has host bits set; the network is fd00:4::/64"),
        ("192.168.4.0", "has no prefix length; write it as in 192.168.4.0/24"),
        ("192.168.4.0/33", "has no prefix length from 0 to 32"),
        ("lan", "is not an IP address"),
    ],
)
def test_network_refuses(value, reason):
    assert reason in refusal(address.network, value)


# -- MTU ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", [None, 68, 1500, 65535])
def test_mtu_takes(value):
    assert address.mtu("opt", value) == value


@pytest.mark.parametrize("value", [-1, 0, 67, 65536])
def test_mtu_refuses(value):
    assert refusal(address.mtu, value) == f"opt: {value} is not an MTU; it is from 68 to 65535 bytes"
