# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How often the kernel and other programs are asked does not depend on how many things are looked at."""

from __future__ import annotations

import errno

import pytest

from ansible_collections.virtnet.qemu.plugins.module_utils._host import (
    command,
    conntrack,
    firewall_rules,
    nftables,
    rtnetlink,
)
from ansible_collections.virtnet.qemu.plugins.module_utils._host.errors import HostError
from ansible_collections.virtnet.qemu.plugins.module_utils._host.links import (
    IFINFOMSG,
    IFLA_ADDRESS,
    IFLA_GROUP,
    IFLA_IFNAME,
    IFLA_MTU,
)
from ansible_collections.virtnet.qemu.plugins.module_utils._host.netlink import Netlink
from ansible_collections.virtnet.qemu.plugins.module_utils._reconcile import argument_spec
from ansible_collections.virtnet.qemu.plugins.module_utils._spec.bridge import Bridge
from ansible_collections.virtnet.qemu.plugins.module_utils._spec.firewall_table import NetworkFirewalls
from ansible_collections.virtnet.qemu.plugins.module_utils._spec.ip import link_del
from ansible_collections.virtnet.qemu.plugins.module_utils._spec.tap import Tap


class Kernel:
    """Has so many links without anything special, and counts."""

    def __init__(self, links: int) -> None:
        self.links = links
        self.dumps: list[int] = []
        self.requests: list[int] = []

    def dump(self, kind, head, attributes):
        self.dumps.append(kind)
        if kind != rtnetlink.GETLINK:
            return []
        return [
            IFINFOMSG.pack(0, 1, index, 0, 0)
            + rtnetlink.encode({IFLA_IFNAME: f"eth{index}", IFLA_MTU: 1500, IFLA_ADDRESS: bytes(6)})
            for index in range(1, self.links + 1)
        ]

    def request(self, kind, flags, head, attributes):
        self.requests.append(kind)

    def close(self):
        pass


def given(spec, **options):
    return spec.parse({**{name: option.get("default") for name, option in argument_spec(spec).items()}, **options})


def bridges(count):
    return [given(Bridge, name=f"br{n}", addresses=[f"10.0.{n}.1/24"]) for n in range(count)]


@pytest.mark.parametrize("spec", [Bridge, Tap])
@pytest.mark.parametrize("count", [10, 100])
def test_links_are_read_by_one_dump_of_each_kind(monkeypatch, spec, count):
    kernel = Kernel(2 * count)
    monkeypatch.setattr(rtnetlink, "Socket", lambda: kernel)
    world = Netlink().observe([given(spec, name=f"x{n}") for n in range(count)])
    assert kernel.dumps == [rtnetlink.GETLINK, rtnetlink.GETADDR, rtnetlink.GETROUTE]
    assert len(world.links(None)) == 2 * count


@pytest.mark.parametrize("count", [10, 100])
def test_a_bridge_takes_as_many_requests_whatever_else_is_there(monkeypatch, count):
    kernel = Kernel(count)
    monkeypatch.setattr(rtnetlink, "Socket", lambda: kernel)
    adapter = Netlink()
    monkeypatch.setattr(adapter, "_index", lambda netns, name: 1)
    monkeypatch.setattr(adapter, "_write_journal", lambda places: None)
    wants = bridges(count)
    adapter.commit([step for want in wants for step in Bridge.steps(None, want)])
    one = [rtnetlink.NEWLINK, rtnetlink.NEWLINK, rtnetlink.NEWADDR, rtnetlink.NEWLINK]
    assert kernel.requests == one * count


class Stubborn(Kernel):
    """Lets one link go neither alone nor with others."""

    def __init__(self, index: int) -> None:
        super().__init__(0)
        self.index, self.kept, self.gone = index, set(), []

    def request(self, kind, flags, head, attributes):
        super().request(kind, flags, head, attributes)
        index = IFINFOMSG.unpack(head)[2]
        if kind == rtnetlink.NEWLINK and index == self.index:
            self.kept.add(attributes[IFLA_GROUP])
        if kind == rtnetlink.DELLINK and (index == self.index or attributes.get(IFLA_GROUP) in self.kept):
            raise OSError(errno.EBUSY, "Device or resource busy")
        if kind == rtnetlink.DELLINK:
            self.gone.append(index)


@pytest.fixture
def remove(monkeypatch):
    """Removes bridges 1 to `count`, and waits for nothing else."""

    def run(kernel, count):
        monkeypatch.setattr(rtnetlink, "Socket", lambda: kernel)
        adapter = Netlink()
        adapter._indexes = {(None, f"br{n}"): n for n in range(1, count + 1)}
        monkeypatch.setattr(adapter, "_write_journal", lambda places: None)
        adapter.commit([link_del(None, f"br{n}") for n in range(1, count + 1)])
        return adapter._indexes

    return run


def test_links_are_removed_many_at_once(remove):
    kernel = Kernel(0)
    assert remove(kernel, 40) == {}
    assert [kernel.requests.count(kind) for kind in (rtnetlink.NEWLINK, rtnetlink.DELLINK)] == [40, 3]


def test_one_link_is_removed_without_further_ado(remove):
    kernel = Kernel(0)
    remove(kernel, 1)
    assert kernel.requests == [rtnetlink.DELLINK]


def test_which_of_many_links_is_in_the_way_is_said(remove):
    kernel = Stubborn(20)
    with pytest.raises(HostError, match="'ip link delete dev br20' failed: Device or resource busy"):
        remove(kernel, 40)
    # Sixteen at once, and three more by themselves.
    assert kernel.gone == [0, 17, 18, 19]


@pytest.mark.parametrize("count", [10, 100])
def test_firewalls_are_read_by_as_many_programs(monkeypatch, count):
    asked = []

    def attempt(argv, input="", timeout=120):
        asked.append(argv)
        return command.Done(0, "", "")

    monkeypatch.setattr(command, "attempt", attempt)
    monkeypatch.setattr(command, "which", lambda program: f"/usr/sbin/{program}" if program == "nft" else None)
    monkeypatch.setattr(nftables, "tables", lambda: [("inet", "virtnet_filter"), ("ip", "other")])
    monkeypatch.setattr(conntrack, "usable", lambda: True)
    networks = [
        given(NetworkFirewalls, name=f"n{n}", bridge=f"br{n}", model="isolated", backend="nftables")
        for n in range(count)
    ]
    firewall_rules.FirewallRules().observe(NetworkFirewalls.gathered(networks))
    assert asked == [
        ["nft", "--stateless", "list", "table", "inet", "virtnet_filter"],
        ["nft", "--json", "--terse", "list", "table", "ip", "other"],
    ]
