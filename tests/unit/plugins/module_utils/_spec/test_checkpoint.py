# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The way back from one state of a host's network to the one that a checkpoint saved."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.virtnet.qemu.plugins.module_utils._spec import checkpoint_files
from ansible_collections.virtnet.qemu.plugins.module_utils._spec.base import SpecError
from ansible_collections.virtnet.qemu.plugins.module_utils._spec.checkpoint import check, told
from ansible_collections.virtnet.qemu.plugins.module_utils._spec.checkpoint_packets import (
    tables_of_iptables,
    tables_of_nft,
)
from ansible_collections.virtnet.qemu.plugins.module_utils._spec.checkpoint_plan import differences

ODD = "b$x'*ü"
MAC = "52:54:00:00:00:01"


def link(name: str, index: int, kind: str | None = None, **more: Any) -> dict[str, Any]:
    info = {"info_kind": kind, "info_data": more.pop("data", {})} if kind else {}
    base = {"ifname": name, "ifindex": index, "flags": ["UP"], "mtu": 1500, "address": MAC, "linkinfo": info}
    return {**base, **more}


def state(*links: dict[str, Any], **more: Any) -> dict[str, Any]:
    empty = {
        "boot": "b1",
        "pid": 7,
        "namespaces": {},
        "namespace_ids": {},
        "sysctls": {},
        "nftables": {},
        "iptables": {},
        "legacy": [],
        "routes": {"4": [], "6": []},
        "rules": {"4": [], "6": []},
    }
    return {**empty, "links": list(links), **more}


def back(saved: dict[str, Any], seen: dict[str, Any]) -> list[str]:
    assert differences(saved, saved) == [] == differences(seen, seen)
    return [step.line for step in differences(saved, seen)]


ETH = link("eth0", 2)


@pytest.mark.parametrize(
    ("saved", "seen", "lines"),
    [
        ([ETH], [ETH, link("br0", 5, "bridge")], ["ip link delete dev br0"]),
        ([ETH], [ETH, link("eth1", 5)], []),
        (
            [ETH],
            [{**ETH, "master": "br0", "mtu": 1400, "flags": []}, link("br0", 5, "bridge")],
            [
                *("ip link delete dev br0", "ip link set dev eth0 nomaster"),
                *("ip link set dev eth0 mtu 1500", "ip link set dev eth0 up"),
            ],
        ),
        # What lies upon another goes before it, and one end of a veth takes the other along.
        (
            [ETH],
            [ETH, link("br0", 5, "bridge"), link("v1", 6, "veth", link="v2"), link("v2", 7, "veth", link="v1")],
            ["ip link delete dev v2", "ip link delete dev br0"],
        ),
        # A device that was renamed is the same by its index; two may have changed names.
        (
            [ETH, link("eth1", 3)],
            [link("eth1", 2), link("eth0", 3)],
            [
                *("ip link set dev eth1 down", "ip link set dev eth0 down"),
                *("ip link set dev eth1 name vn-back2", "ip link set dev eth0 name vn-back3"),
                *("ip link set dev vn-back2 name eth0", "ip link set dev vn-back3 name eth1"),
            ],
        ),
        ([ETH], [], ["'eth0' is gone, and a device cannot be made again"]),
        (
            [link("v1", 5, "veth", link=ODD), link(ODD, 6, "veth", link="v1")],
            [],
            [f"ip link add name v1 index 5 address {MAC} type veth peer name 'b$x'\"'\"'*ü' index 6 address {MAC}"],
        ),
        # The number is somebody else's by now.
        (
            [ETH, link("eth0.5", 5, "vlan", link="eth0", data={"protocol": "802.1Q", "id": 5})],
            [ETH, link("eth0.6", 5, "vlan", link="eth0", data={"protocol": "802.1Q", "id": 6})],
            [
                "ip link delete dev eth0.6",
                "ip link add name eth0.5 link eth0 type vlan protocol 802.1Q id 5",
            ],
        ),
        (
            [link("t0", 5, "tun", data={"type": "tap", "user": "nobody", "vnet_hdr": True, "multi_queue": False})],
            [],
            ["ip tuntap add dev t0 mode tap user nobody vnet_hdr"],
        ),
        (
            [link("v1", 5, "veth", link_index=9, link_netnsid=3)],
            [],
            ["'v1' is gone, and where its other end was is not known"],
        ),
        ([link("x", 5, "wireguard")], [], ["'x' is gone, and wireguard cannot be made again"]),
        (
            [link("br0", 5, "bridge", data={"stp_state": 1, "ageing_time": 30000}, ifalias="")],
            [link("br0", 5, "bridge", data={"stp_state": 0, "ageing_time": 30000}, ifalias="x")],
            ["ip link set dev br0 alias ''", "ip link set dev br0 type bridge stp_state 1"],
        ),
        # Of another kind, so another.
        (
            [link("x", 5, "dummy")],
            [link("x", 5, "bridge")],
            ["ip link delete dev x", f"ip link add name x address {MAC} type dummy"],
        ),
    ],
)
def test_links(saved, seen, lines):
    assert back(state(*saved), state(*seen)) == lines


def test_after_a_reboot_links_are_known_by_their_names():
    saved = state(link("eth0", 2), link("eth1", 3))
    assert back(saved, state(link("eth1", 2), link("eth0", 3), boot="b2")) == []


def test_a_device_is_fetched_from_a_namespace():
    seen = state(namespaces={"thief": [link("lo", 1), link("lost", 2)]})
    saved = state(ETH, namespaces={"n1": []})
    lines = back(saved, seen)
    assert lines[:3] == ["ip -n thief link set dev lost netns 7", "ip netns delete thief", "ip netns add n1"]


def address(local: str, length: int, **more: Any) -> dict[str, Any]:
    family = "inet6" if ":" in local else "inet"
    return {"family": family, "local": local, "prefixlen": length, "scope": "global", **more}


@pytest.mark.parametrize(
    ("saved", "seen", "lines"),
    [
        ([], [address("10.0.0.1", 24)], ["ip address delete 10.0.0.1/24 dev eth0"]),
        # The first of a subnet is the host's own, so what comes after it is put anew too.
        (
            [address("10.0.0.1", 24, broadcast="10.0.0.255", label="eth0"), address("10.0.0.2", 24)],
            [address("10.0.0.2", 24)],
            [
                "ip address delete 10.0.0.2/24 dev eth0",
                "ip address replace 10.0.0.1/24 dev eth0 broadcast 10.0.0.255 label eth0 scope global",
                "ip address replace 10.0.0.2/24 dev eth0 scope global",
            ],
        ),
        (
            [address("10.0.0.1", 32, address="10.0.0.9", valid_life_time=90, preferred_life_time=4294967295)],
            [],
            ["ip address replace 10.0.0.1 peer 10.0.0.9/32 dev eth0 scope global valid_lft 90"],
        ),
        # The newest is told first.
        (
            [address("fd00::2", 64, noprefixroute=True), address("fd00::1", 64, nodad=True)],
            [address("fd00::3", 64), address("fd00::4", 64, temporary=True)],
            [
                "ip address delete fd00::3/64 dev eth0",
                "ip address replace fd00::1/64 dev eth0 nodad",
                "ip address replace fd00::2/64 dev eth0 noprefixroute nodad",
                "ip address change fd00::2/64 dev eth0 noprefixroute",
            ],
        ),
        ([address("fd00::1", 64, valid_life_time=90)], [address("fd00::1", 64, valid_life_time=80)], []),
    ],
)
def test_addresses(saved, seen, lines):
    assert back(state({**ETH, "addr_info": saved}), state({**ETH, "addr_info": seen})) == lines


@pytest.mark.parametrize(
    ("family", "saved", "seen", "lines"),
    [
        (
            "4",
            [
                "1 default via 10.0.0.1 dev eth0 table 254 proto 3 scope 0 linkdown ",
                "1 10.0.0.0/24 dev eth0 table 254 proto 2 scope 253 src 10.0.0.5 ",
            ],
            ["1 default via 10.0.0.9 dev br0 table 254 proto 3 scope 0 "],
            [
                "ip -4 route delete unicast default via 10.0.0.9 dev br0 table 254 proto 3 scope 0",
                "ip -4 route append unicast 10.0.0.0/24 dev eth0 table 254 proto 2 scope 253 src 10.0.0.5",
                "ip -4 route append unicast default via 10.0.0.1 dev eth0 table 254 proto 3 scope 0",
            ],
        ),
        (
            "4",
            [
                "1 10.8.0.0/16 table 77 proto 3 scope 0 \\\tnexthop via 10.0.0.3 dev dead weight 3 onlink "
                "\\\tnexthop via 10.0.0.4 dev v1 weight 1 linkdown "
            ],
            [],
            [
                "ip -4 route append unicast 10.8.0.0/16 table 77 proto 3 scope 0 nexthop via 10.0.0.3 dev dead weight 3"
                " onlink nexthop via 10.0.0.4 dev v1 weight 1"
            ],
        ),
        # These come with addresses and links.
        (
            "4",
            ["2 10.0.0.5 dev eth0 table 255 proto 2 scope 254 src 10.0.0.5 "],
            ["3 10.0.0.255 dev eth0 table 255 proto 2 scope 253 src 10.0.0.5 "],
            [],
        ),
        ("6", ["1 fe80::/64 dev eth0 table 254 proto 2 scope 0 metric 256 pref medium"], [], []),
        (
            "6",
            ["6 fd09::/48 dev lo table 254 proto 3 scope 0 metric 1024 error -22 pref medium"],
            [],
            ["ip -6 route append blackhole fd09::/48 dev lo table 254 proto 3 metric 1024 pref medium"],
        ),
        (
            "6",
            ["2 default dev lo table 100 proto 3 scope 0 metric 1024 pref medium"],
            [],
            ["ip -6 route append local default dev lo table 100 proto 3 metric 1024 pref medium"],
        ),
        # One that the kernel learned gets a stand-in right behind it, which is as good.
        (
            "6",
            ["1 default via fe80::1 dev eth0 table 254 proto 9 scope 0 metric 1024 expires 1790sec hoplimit 64"],
            [],
            [
                "ip -6 route append unicast default via fe80::1 dev eth0 table 254 proto 9 metric 1025 hoplimit 64"
                " expires 1790"
            ],
        ),
        (
            "6",
            ["1 default via fe80::1 dev eth0 table 254 proto 9 scope 0 metric 1024 expires 1790sec pref medium"],
            ["1 default via fe80::1 dev eth0 table 254 proto 9 scope 0 metric 1025 expires 90sec pref medium"],
            [],
        ),
    ],
)
def test_routes(family, saved, seen, lines):
    routes = {"4": [], "6": []}
    before, after = (state(routes={**routes, family: found}) for found in (saved, seen))
    assert [step.line for step in differences(before, before)] == []
    assert [step.line for step in differences(before, after)] == lines


def test_rules():
    saved = {
        "4": [
            "5:\tnot from 10.0.0.0/8 fwmark 0x1/0xff iif eth0 [detached] lookup 77 proto static",
            "9:\tfrom all lookup x",
        ],
        "6": ["1000:\tfrom all lookup [l3mdev-table]", "9:\tfrom fd00::/8 prohibit", "9:\tfrom fd00::/8 prohibit"],
    }
    seen = {"4": ["9:\tfrom all lookup x", "9:\tfrom all lookup x"], "6": ["9:\tfrom fd00::/8 prohibit"]}
    assert back(state(rules=saved), state(rules=seen)) == [
        "ip -4 rule add not from 10.0.0.0/8 fwmark 0x1/0xff iif eth0 lookup 77 proto static priority 5",
        "ip -4 rule delete from all lookup x priority 9",
        "ip -6 rule add from all l3mdev priority 1000",
        "ip -6 rule add from fd00::/8 prohibit priority 9",
    ]


def test_sysctls_that_set_others_come_first():
    top = "/proc/sys/net/ipv4"
    paths = [f"{top}/conf/{ODD}/rp_filter", f"{top}/conf/all/rp_filter", f"{top}/ip_forward", f"{top}/conf/gone/x"]
    seen = state(sysctls=dict.fromkeys(paths[:3], "0"))
    steps = differences(state(sysctls=dict.fromkeys(paths, "1")), seen)
    assert [step.args for step in steps] == [{"path": path, "value": "1"} for path in paths[2::-1]]


NFT = "table inet mine {\n\tchain c {\n\t\tcounter packets 5 bytes 6\n\t}\n}\n"
XT = "table ip nat {\n\tchain POSTROUTING {\n\t\txt target MASQUERADE\n\t}\n}\n"
SAVE = """# Generated
*nat
:PREROUTING ACCEPT [1:2]
:mine - [0:0]
-A POSTROUTING -j MASQUERADE
COMMIT
# Completed
"""
NAT = "*nat\n:PREROUTING ACCEPT\n:mine -\n-A POSTROUTING -j MASQUERADE\nCOMMIT\n"


def nft(**texts: str) -> dict[str, dict[str, str]]:
    return {name.replace("_", " "): {"text": text, "stateless": text} for name, text in texts.items()}


def test_rulesets_are_read_table_by_table():
    assert tables_of_nft(NFT + XT) == {"inet mine": NFT, "ip nat": XT}
    assert tables_of_iptables(SAVE) == {"nat": NAT}


@pytest.mark.parametrize(
    ("saved", "seen", "lines"),
    [
        (
            {"nftables": nft(inet_mine=NFT)},
            {"nftables": nft(inet_wall="x")},
            ["nft delete table inet wall", "nft -f (table inet mine as it was)"],
        ),
        # iptables' own table is for iptables, and one of nft in its place has to go.
        (
            {"nftables": nft(ip_nat=XT), "iptables": {"iptables": {"nat": NAT}}},
            {"nftables": nft(ip_nat="other"), "iptables": {"iptables": {}}},
            ["nft delete table ip nat", "iptables-restore (table nat as it was)"],
        ),
        (
            {"nftables": nft(ip_nat=XT), "iptables": {"iptables": {"nat": NAT}}},
            {
                "nftables": nft(ip_nat=XT, ip6_filter=XT),
                "iptables": {"iptables": {"nat": NAT}, "ip6tables": {"filter": ""}},
            },
            ["nft delete table ip6 filter"],
        ),
        ({"nftables": None}, {"nftables": None}, []),
        ({"nftables": {}}, {"nftables": None}, ["the rules of nftables cannot be read any more"]),
        (
            {"iptables": {"iptables-legacy": {"nat": NAT}}, "legacy": ["iptables-legacy"]},
            {"iptables": {"iptables-legacy": {"nat": "", "filter": NAT}}, "legacy": ["iptables-legacy"]},
            [f"iptables-legacy-restore (table {table} as it was)" for table in ("nat", "filter")],
        ),
    ],
)
def test_packet_rules(saved, seen, lines):
    assert [step.line for step in differences(state(**saved), state(**seen))] == lines
    assert differences(state(**saved), state(**saved)) == []


def test_a_legacy_table_that_came_since_is_emptied():
    seen = state(iptables={"iptables": {"nat": NAT}}, legacy=["iptables"])
    (step,) = differences(state(legacy=["iptables"]), seen)
    assert step.args["input"] == "*nat\n:PREROUTING ACCEPT\nCOMMIT\n"


def test_files():
    folder, file, other = {"mode": 0o755}, {"mode": 0o644, "text": "eA=="}, {"mode": 0o600, "text": "eA=="}
    saved = {"/etc/a": folder, "/etc/a/x": file, "/etc/a/y": file, "/run/z": file}
    seen = {"/etc/a": folder, "/etc/a/x": other, "/etc/a/n": folder, "/etc/a/n/1": file}
    assert [step.line for step in checkpoint_files.filed(saved, seen)] == [
        *("put back /etc/a/x", "put back /etc/a/y", "put back /run/z"),
        *("rm /etc/a/n/1", "rm /etc/a/n"),
    ]
    assert list(checkpoint_files.outlasting(saved)) == ["/etc/a", "/etc/a/x", "/etc/a/y"]
    steps = checkpoint_files.filed(saved, seen)
    assert checkpoint_files.touched(steps, "/etc/a/n") and not checkpoint_files.touched(steps, "/etc/b")
    units = {"/etc/systemd/system/virtnet-a.service": file, "/etc/systemd/system/x.wants/virtnet-b.service": file}
    assert checkpoint_files.units(units) == {"virtnet-a.service"}


def test_what_is_told():
    report = {
        "by": "a@b",
        "armed": "T1",
        "restored": "T2",
        "reason": "why",
        "commands": ["x"],
        "failed": [],
        "differs": [],
    }
    assert told(report) == (
        "the checkpoint that a@b armed at T1 was not confirmed, so the host restored itself at T2 (why; 1 changes "
        "taken back); it is as it was before"
    )
    many = [f"line {number}" for number in range(12)]
    said = told({**report, "failed": ["y: no"], "differs": many})
    assert "; these failed: 'y: no'; this still differs: 'line 0', " in said and said.endswith("'line 9' and 2 more")


@pytest.mark.parametrize("timeout", [1, 86400])
def test_options_that_can_be(timeout):
    check({"state": "confirmed", "timeout": timeout, "probe": ["true"]})


@pytest.mark.parametrize("timeout", [-1, 0, 86401])
def test_a_time_that_cannot_be(timeout):
    with pytest.raises(SpecError, match="timeout: "):
        check({"state": "armed", "timeout": timeout, "probe": None})
