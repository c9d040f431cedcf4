# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

import socket
import struct

import pytest

from ansible_collections.virtnet.qemu.plugins.module_utils._host import link_messages, rtnetlink
from ansible_collections.virtnet.qemu.plugins.module_utils._host.links import read_links


def test_attributes_are_what_pyroute2_makes_of_the_same():
    from pyroute2.netlink.rtnl.ifinfmsg import ifinfmsg

    _kind, _flags, head, attributes = link_messages.add(
        "br-lab", kind="bridge", address="52:54:00:00:00:01", br_stp_state=1, br_vlan_filtering=1
    )
    body = head + rtnetlink.encode(attributes)
    message = ifinfmsg(struct.pack("=IHHII", 16 + len(body), rtnetlink.NEWLINK, 0, 0, 0) + body)
    message.decode()
    assert message.get_attr("IFLA_IFNAME") == "br-lab"
    assert message.get_attr("IFLA_ADDRESS") == "52:54:00:00:00:01"
    info = message.get_attr("IFLA_LINKINFO")
    assert info.get_attr("IFLA_INFO_KIND") == "bridge"
    data = info.get_attr("IFLA_INFO_DATA")
    assert (data.get_attr("IFLA_BR_STP_STATE"), data.get_attr("IFLA_BR_VLAN_FILTERING")) == (1, 1)


@pytest.mark.parametrize("attributes", [{1: b"abc"}, {3: b"x" * 4, 7: b""}, {}, {18: b"1234567", 4: b"\0\0\0\1"}])
def test_what_is_taken_apart_is_what_was_put_together(attributes):
    assert rtnetlink.decode(rtnetlink.encode(attributes)) == attributes


def test_a_cut_off_message_ends_what_is_read_of_it():
    assert rtnetlink.decode(rtnetlink.encode({1: b"abc", 2: b"defg"})[:-6]) == {1: b"abc"}
    assert rtnetlink.decode(b"\1\0\1\0") == {}


def test_the_links_of_this_machine_are_those_that_the_c_library_sees():
    kernel = rtnetlink.Socket()
    try:
        found = read_links(kernel, {})
    finally:
        kernel.close()
    assert {link.index: name for name, link in found.items()} == dict(socket.if_nameindex())


def test_a_refusal_says_why():
    kernel = rtnetlink.Socket()
    try:
        with pytest.raises(OSError, match="No such device|not permitted"):
            kernel.request(*link_messages.change(0x7FFFFFF0, state="up"))
    finally:
        kernel.close()


class Changing:
    """A kernel of which a dump is interrupted so many times."""

    def __init__(self, times: int) -> None:
        self.times = times

    def dump(self, kind: int, head: bytes, attributes: dict) -> list[bytes]:
        if self.times:
            self.times -= 1
            raise rtnetlink.Interrupted
        return []


def test_an_interrupted_dump_is_asked_for_again():
    assert read_links(Changing(3), {}) == {}
