# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest

from ansible_collections.virtnet.qemu.plugins.module_utils._persist.dnsmasq import config, files
from ansible_collections.virtnet.qemu.plugins.module_utils._spec.dnsmasq import Dnsmasq

DEFAULTS = {name: option.get("default") for name, option in Dnsmasq.argument_spec.items()} | {"supervisor": "auto"}
RANGE = {"end": None, "lease_time": None, "mode": "dhcp", "constructor": False}
LAB = {
    "name": "lab",
    "interface": "br-lab",
    "addresses": ["192.168.4.1/24"],
    "ranges": [{**RANGE, "start": "192.168.4.10", "end": "192.168.4.99", "lease_time": "12h"}],
}


def want(**options):
    return Dnsmasq.parse({**DEFAULTS, **LAB, **options})


def added(**options):
    """The lines that options bring, and those that they take away."""
    plain, other = (config(w, "dnsmasq").splitlines() for w in (want(), want(**options)))
    return [line for line in other if line not in plain], [line for line in plain if line not in other]


def test_a_plain_network():
    assert config(want(domain="lab.test"), "dnsmasq") == (
        """\
# Written by virtnet.qemu; changes here are lost.
interface=br-lab
except-interface=lo
bind-dynamic
user=dnsmasq
pid-file=/run/virtnet/dnsmasq/lab.pid
log-facility=-
domain=lab.test
expand-hosts
no-hosts
hostsdir=/etc/virtnet/dnsmasq/lab.names
domain-needed
local=/lab.test/
dhcp-leasefile=/var/lib/virtnet/dnsmasq/lab.leases
dhcp-hostsdir=/etc/virtnet/dnsmasq/lab.hosts
dhcp-authoritative
no-ping
dhcp-lease-max=1000
dhcp-range=192.168.4.10,192.168.4.99,255.255.255.0,12h
"""
    )


def test_names_only():
    text = config(want(ranges=[]), "nobody")
    assert "dhcp" not in text
    assert "user=nobody\n" in text


DNS = ["no-hosts", "hostsdir=/etc/virtnet/dnsmasq/lab.names", "domain-needed"]


@pytest.mark.parametrize(
    ("options", "more", "less"),
    [
        ({"dns": False}, ["port=0"], DNS),
        ({"upstream": []}, ["no-resolv"], []),
        ({"upstream": ["192.0.2.1", "fd00::1#53"]}, ["no-resolv", "server=192.0.2.1", "server=fd00::1#53"], []),
        ({"router": "192.168.4.2"}, ["dhcp-option=option:router,192.168.4.2"], []),
        ({"router": "none"}, ["dhcp-option=option:router"], []),
        (
            {"dns_servers": ["192.0.2.1", "fd00::1"]},
            ["dhcp-option=option:dns-server,192.0.2.1", "dhcp-option=option6:dns-server,[fd00::1]"],
            [],
        ),
        ({"dns_servers": []}, ["dhcp-option=option:dns-server", "dhcp-option=option6:dns-server"], []),
        ({"mtu": 1400}, ["dhcp-option=option:mtu,1400"], []),
        (
            {"routes": [{"destination": "10.0.0.0/8", "gateway": "192.168.4.9"}]},
            ["dhcp-option=option:classless-static-route,10.0.0.0/8,192.168.4.9"],
            [],
        ),
        (
            {"dhcp_options": [{"option": "42", "value": ["1.2.3.4", "1.2.3.5"], "ip_version": "ipv4"}]},
            ["dhcp-option=42,1.2.3.4,1.2.3.5"],
            [],
        ),
        (
            {"dhcp_options": [{"option": "bootfile-name", "value": ["a, b#c"], "ip_version": "ipv4"}]},
            ['dhcp-option=option:bootfile-name,"a, b#c"'],
            [],
        ),
        (
            {"dhcp_options": [{"option": "ntp-server", "value": ["fd00::5"], "ip_version": "ipv6"}]},
            ["dhcp-option=option6:ntp-server,[fd00::5]"],
            [],
        ),
        (
            {"boot_file": "boot.ipxe", "tftp_root": "/srv/tftp"},
            ["dhcp-boot=boot.ipxe", "enable-tftp", "tftp-single-port", "tftp-root=/srv/tftp"],
            [],
        ),
    ],
)
def test_options(options, more, less):
    assert added(**options) == (more, less)


@pytest.mark.parametrize(
    ("entry", "options", "lines"),
    [
        ({"start": "fd00:4::10", "end": "fd00:4::99"}, {}, ["dhcp-range=fd00:4::10,fd00:4::99,64", "enable-ra"]),
        (
            {"start": "fd00:4::10", "end": "fd00:4::99", "mode": "slaac", "lease_time": "1d"},
            {},
            ["dhcp-range=fd00:4::10,fd00:4::99,slaac,64,1d", "enable-ra"],
        ),
        ({"start": "fd00:4::", "mode": "ra-only"}, {}, ["dhcp-range=fd00:4::,ra-only,64", "enable-ra"]),
        (
            {"start": "::10", "end": "::99", "constructor": True},
            {},
            ["dhcp-range=::10,::99,constructor:br-lab", "enable-ra"],
        ),
        (
            {"start": "fd00:4::", "mode": "ra-stateless"},
            {"mtu": 1400},
            ["dhcp-range=fd00:4::,ra-stateless,64", "enable-ra", "ra-param=br-lab,mtu:1400,0"],
        ),
        (
            {"start": "fd00:4::", "mode": "ra-only"},
            {"router": "none"},
            ["dhcp-range=fd00:4::,ra-only,64", "enable-ra", "ra-param=br-lab,0,0"],
        ),
    ],
)
def test_ipv6_ranges(entry, options, lines):
    both = {"addresses": ["192.168.4.1/24", "fd00:4::1/64"], "ranges": [*LAB["ranges"], {**RANGE, **entry}]}
    more, _less = added(**both, **options)
    assert [line for line in more if not line.startswith("dhcp-option")] == lines


def test_ipv6_only():
    text = config(
        want(addresses=["fd00:4::1/64"], ranges=[{**RANGE, "start": "fd00:4::", "mode": "ra-only"}]), "dnsmasq"
    )
    assert "dhcp-range=fd00:4::,ra-only,64\nenable-ra\n" in text


def test_a_big_subnet_is_not_cut_off_at_a_thousand_leases():
    big = {**RANGE, "start": "10.0.0.10", "end": "10.0.255.9"}
    assert "dhcp-lease-max=65536" in config(want(addresses=["10.0.0.1/16"], ranges=[big]), "dnsmasq").splitlines()


def test_reservations_and_records_have_files_of_their_own():
    reservations = [
        {"mac": "52:54:00:00:00:11", "address": "192.168.4.11", "hostname": "web1"},
        {"mac": "52:54:00:00:00:11", "address": "fd00:4::11", "hostname": "web1"},
        {"mac": "52:54:00:00:00:12", "address": None, "hostname": "web2"},
        {"mac": "52:54:00:00:00:13", "address": "192.168.4.13", "hostname": None},
    ]
    records = [{"name": "gw", "address": "192.168.4.1"}]
    both = {"addresses": ["192.168.4.1/24", "fd00:4::1/64"]}
    found = dict(files(want(reservations=reservations, records=records, **both), "dnsmasq"))
    assert found.pop("/etc/virtnet/dnsmasq/lab.conf") == config(want(**both), "dnsmasq")
    assert found == {
        "/etc/virtnet/dnsmasq/lab.hosts/52-54-00-00-00-11": (
            "52:54:00:00:00:11,192.168.4.11,web1\n52:54:00:00:00:11,[fd00:4::11],web1\n"
        ),
        "/etc/virtnet/dnsmasq/lab.hosts/52-54-00-00-00-12": "52:54:00:00:00:12,web2\n",
        "/etc/virtnet/dnsmasq/lab.hosts/52-54-00-00-00-13": "52:54:00:00:00:13,192.168.4.13\n",
        "/etc/virtnet/dnsmasq/lab.names/hosts": "192.168.4.1\tgw\n192.168.4.11\tweb1\nfd00:4::11\tweb1\n",
    }


def test_another_reservation_changes_no_configuration():
    one, two = ({"mac": f"52:54:00:00:00:{n}", "address": f"10.0.0.{n}", "hostname": None} for n in (11, 12))
    big = {"addresses": ["10.0.0.1/16"], "ranges": [{**RANGE, "start": "10.0.0.10", "end": "10.0.255.9"}]}
    texts = [config(want(**big, reservations=given), "dnsmasq") for given in ([], [one], [one, two])]
    assert texts[0] == texts[1] == texts[2]


def test_a_subnet_with_reservations_only_has_a_static_range():
    reservations = [{"mac": "52:54:00:00:00:11", "address": "10.9.0.11", "hostname": None}]
    more, less = added(addresses=["192.168.4.1/24", "10.9.0.1/24"], reservations=reservations)
    assert (more, less) == (["dhcp-range=10.9.0.0,static,255.255.255.0"], [])
