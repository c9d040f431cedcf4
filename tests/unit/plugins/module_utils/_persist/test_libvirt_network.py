# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from dataclasses import replace
from xml.etree import ElementTree

import pytest

from ansible_collections.virtnet.qemu.plugins.module_utils._persist import libvirt_network as persist
from ansible_collections.virtnet.qemu.plugins.module_utils._persist.libvirt_network import Mark
from ansible_collections.virtnet.qemu.plugins.module_utils._spec.libvirt_definition import (
    Definition,
    Range,
    Record,
    Reservation,
    Route,
)

#: As libvirt's package brings it.
DEFAULT = """\
<network>
  <name>default</name>
  <bridge name='virbr0'/>
  <forward/>
  <ip address='192.168.122.1' netmask='255.255.255.0'>
    <dhcp>
      <range start='192.168.122.2' end='192.168.122.254'/>
    </dhcp>
  </ip>
</network>
"""
#: What no option speaks of, next to what one does.
RICH = """\
<network xmlns:dnsmasq='http://libvirt.org/schemas/network/dnsmasq/1.0'>
  <name>lab</name>
  <uuid>8869cf7a-06e7-404e-8efe-f3a894177df9</uuid>
  <metadata><other:thing xmlns:other='urn:other'/></metadata>
  <forward mode='nat'><nat><port start='2000' end='3000'/></nat></forward>
  <bridge name='virbr1' stp='on' delay='0' zone='trusted'/>
  <domain name='lab.test' localOnly='yes'/>
  <dns><txt name='a' value='b'/><forwarder domain='x.test' addr='192.0.2.9'/></dns>
  <ip address='192.168.4.1' prefix='24'>
    <dhcp>
      <range start='192.168.4.2' end='192.168.4.99'><lease expiry='1' unit='hours'/></range>
      <host name='byname' ip='192.168.4.7'/>
    </dhcp>
  </ip>
  <ip family='ipv6' address='fd00:4::1' prefix='64'>
    <dhcp><host id='0:1' name='duid' ip='fd00:4::7'/></dhcp>
  </ip>
  <portgroup name='fast'/>
  <dnsmasq:options><dnsmasq:option value='log-dhcp'/></dnsmasq:options>
</network>
"""
EVERYTHING = Definition(
    mode="route",
    bridge="br-x",
    forward_dev="eth0",
    nat_ipv6=False,
    stp=False,
    delay=3,
    mac="52:54:00:00:00:01",
    mtu=1400,
    uuid="8869cf7a-06e7-404e-8efe-f3a894177df9",
    domain="x.test",
    addresses=("192.168.4.1/24", "fd00:4::1/64"),
    ranges=(Range("192.168.4.2", "192.168.4.9"), Range("fd00:4::2", "fd00:4::9")),
    reservations=(Reservation("52:54:00:00:00:11", "192.168.4.11", "web1"),),
    routes=(Route("10.9.0.0/24", "192.168.4.9", 2), Route("fd00:9::/64", "fd00:4::9")),
    dns=False,
    forwarders=("192.0.2.1",),
    records=(Record("192.168.4.7", "a.test"), Record("192.168.4.7", "b.test"), Record("fd00:4::7", "a.test")),
)


def same(one, other):
    texts = [ElementTree.canonicalize(text, strip_text=True, rewrite_prefixes=True) for text in (one, other)]
    return texts[0] == texts[1]


def test_what_the_package_brings():
    found = persist.read(DEFAULT)
    assert (found.mode, found.bridge, found.stp, found.delay, found.dns) == ("nat", "virbr0", True, 0, True)
    assert (found.addresses, found.ranges) == (("192.168.122.1/24",), (Range("192.168.122.2", "192.168.122.254"),))
    assert (found.forward_dev, found.domain, found.mtu, found.mac, found.uuid) == ("", "", 0, None, None)
    assert persist.mark(DEFAULT) is None


def test_everything_is_written_and_read_again():
    assert persist.read(persist.edit("", "x", EVERYTHING, Mark())) == EVERYTHING


def test_everything_is_changed_and_taken_away():
    text = persist.edit(RICH, "lab", EVERYTHING, Mark())
    assert persist.read(text) == EVERYTHING
    nothing = Definition(
        mode="isolated",
        forward_dev="",
        mtu=0,
        domain="",
        addresses=(),
        ranges=(),
        reservations=(),
        routes=(),
        dns=True,
        forwarders=(),
        records=(),
    )
    left = persist.read(persist.edit(text, "lab", nothing, None))
    assert left == replace(nothing.over(EVERYTHING), nat_ipv6=False)


@pytest.mark.parametrize("wanted", [Definition(), persist.read(RICH)])
def test_what_is_said_already_and_what_is_not_spoken_of_stays(wanted):
    assert same(persist.edit(RICH, "lab", replace(wanted, nat_ipv6=None), None), RICH)


def test_a_change_leaves_the_rest_alone():
    wanted = Definition(reservations=(Reservation("52:54:00:00:00:11", "192.168.4.11"),), nat_ipv6=True)
    text = persist.edit(RICH, "lab", wanted, None)
    network = ElementTree.fromstring(text)
    assert [host.attrib for host in network.findall("ip/dhcp/host")] == [
        {"name": "byname", "ip": "192.168.4.7"},
        {"mac": "52:54:00:00:00:11", "ip": "192.168.4.11"},
        {"id": "0:1", "name": "duid", "ip": "fd00:4::7"},
    ]
    assert network.find("ip/dhcp/range/lease") is not None
    assert network.find("forward/nat").get("ipv6") == "yes" and network.find("forward/nat/port") is not None
    assert network.find("dns/txt") is not None and network.find("dns/forwarder").get("domain") == "x.test"
    assert network.find("{http://libvirt.org/schemas/network/dnsmasq/1.0}options") is not None
    assert "xmlns:dnsmasq" in text


def test_a_mark_remembers_and_goes():
    kept = Mark(DEFAULT.strip(), active=True, autostart=False)
    text = persist.edit(DEFAULT, "default", Definition(mtu=1400), kept)
    assert persist.mark(text) == kept
    assert persist.mark(persist.edit("", "x", EVERYTHING, Mark())) == Mark()
    bare = persist.edit(persist.mark(text).before, "default", Definition(), None)
    assert persist.mark(bare) is None and persist.read(bare) == persist.read(DEFAULT)
    # Somebody else's metadata stays, whatever comes of ours.
    rich = persist.edit(persist.edit(RICH, "lab", Definition(), Mark()), "lab", Definition(), None)
    assert same(rich, RICH)


@pytest.mark.parametrize(("address", "index"), [("192.168.4.7", 0), ("fd00:4::7", 1), ("192.0.2.1", -1)])
def test_which_subnet_an_address_is_in(address, index):
    assert persist.ip_index(RICH, address) == index
