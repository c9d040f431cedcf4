# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""nat_rule: what it does to the host's rules and what it leaves alone; for packets see `test_nat_rule_traffic`."""

from __future__ import annotations

import random
import time
from typing import Any

import pytest

from tests.integration.support import Player, fails
from tests.integration.support.examples import examples
from tests.integration.support.rules import NFT, load_foreign_rules, packet_rules, wrap
from tests.sandbox import Sandbox

pytestmark = pytest.mark.newest_end

BACKENDS = ["nftables", "iptables"]
MASQUERADE = {"name": "out", "action": "masquerade", "source": "192.168.4.0/24", "destination": "!192.168.4.0/24"}
DNAT = {"name": "ssh", "action": "dnat", "protocol": "tcp", "destination_port": "2222", "to_address": "192.168.4.11"}
RANGE = {**DNAT, "name": "range", "destination_port": "8000-8010"}

#: Every form of rule; where addresses are, once for each version of IP.
FORMS = [
    MASQUERADE,
    {"name": "by-interface", "action": "masquerade", "source": "10.1.0.0/24", "out_interface": "uplink0"},
    {"name": "not-by-interface", "action": "masquerade", "source": "10.2.0.0/24", "out_interface": "!uplink0"},
    {"name": "any-source", "action": "masquerade", "out_interface": "uplink1"},
    {"name": "any-source-6", "action": "masquerade", "out_interface": "uplink1", "ip_version": "ipv6"},
    {"name": "not-source", "action": "masquerade", "source": "!10.3.0.0/24", "out_interface": "uplink2"},
    {"name": "to-network", "action": "masquerade", "source": "10.4.0.0/24", "destination": "10.5.0.0/24"},
    {"name": "tcp-only", "action": "masquerade", "source": "10.6.0.0/24", "protocol": "tcp", "destination_port": "25"},
    {"name": "icmp-only", "action": "masquerade", "source": "10.7.0.0/24", "protocol": "icmp"},
    {"name": "sctp", "action": "masquerade", "source": "10.8.0.0/24", "protocol": "sctp", "ports": "2000-3000"},
    {"name": "6", "action": "masquerade", "source": "fd00:4::/64", "destination": "!fd00:4::/64"},
    {"name": "icmp6", "action": "masquerade", "source": "fd00:5::/64", "protocol": "icmpv6"},
    {"name": "snat", "action": "snat", "source": "10.10.0.0/24", "to_address": "192.0.2.20"},
    {"name": "snat-one", "action": "snat", "source": "10.10.0.7", "to_address": "192.0.2.21", "ports": "5000-5999"},
    {"name": "snat6", "action": "snat", "source": "fd00:6::/64", "to_address": "2001:db8::20"},
    DNAT,
    {**DNAT, "name": "udp", "protocol": "udp", "to_port": "22", "hairpin": "192.168.4.0/24"},
    {**DNAT, "name": "at", "destination": "192.0.2.20", "hairpin": "192.168.4.0/24"},
    {**DNAT, "name": "in-network", "destination": "198.51.100.0/24"},
    {**DNAT, "name": "not-at", "destination": "!192.0.2.20"},
    {**DNAT, "name": "everywhere", "destination": "0.0.0.0/0", "destination_port": "53"},
    {**DNAT, "name": "by-interface-in", "in_interface": "uplink0"},
    {**DNAT, "name": "not-by-interface-in", "in_interface": "!uplink0"},
    {**DNAT, "name": "from", "source": "198.51.100.0/24", "source_port": "1024-65535", "to_port": "22"},
    {**DNAT, "name": "not-from", "source": "!198.51.100.7"},
    {**DNAT, "name": "source-port", "source_port": "53"},
    RANGE,
    {**RANGE, "name": "range-to-one", "destination_port": "8020-8030", "to_port": "80", "hairpin": "192.168.4.0/24"},
    {**RANGE, "name": "range-moved", "destination_port": "9000-9003", "to_port": "80-83"},
    {**RANGE, "name": "range-moved-at", "destination_port": "9000-9001", "to_port": "80-81", "in_interface": "uplink0"},
    {"name": "gre", "action": "dnat", "protocol": "gre", "to_address": "192.168.4.11"},
    {"name": "esp", "action": "dnat", "protocol": "esp", "to_address": "192.168.4.11"},
    {"name": "ah", "action": "dnat", "protocol": "ah", "to_address": "192.168.4.11", "in_interface": "uplink0"},
    {"name": "whole", "action": "dnat", "destination": "192.0.2.30", "to_address": "192.168.4.12"},
    {**DNAT, "name": "ssh6", "to_address": "fd00:4::11", "to_port": "22", "hairpin": "fd00:4::/64"},
    {**DNAT, "name": "at6", "to_address": "fd00:4::11", "destination": "2001:db8::30"},
    {**DNAT, "name": "by-interface6", "to_address": "fd00:4::11", "to_port": "22", "in_interface": "uplink0"},
    {**RANGE, "name": "range6", "to_address": "fd00:4::11"},
    {"name": "ping6", "action": "dnat", "protocol": "icmpv6", "destination": "2001:db8::7", "to_address": "fd00:4::11"},
    {"name": "netmap", "action": "netmap", "source": "10.11.0.0/24", "to_address": "203.0.113.0/24"},
    {"name": "netmap-one", "action": "netmap", "source": "10.12.0.7", "to_address": "203.0.114.7", "in_interface": "u"},
    {"name": "netmap6", "action": "netmap", "source": "fd00:7::/64", "to_address": "2001:db8:7::/64"},
    {"name": "proxy", "action": "redirect", "protocol": "tcp", "destination_port": "80", "to_port": "3128",
     "in_interface": "br-lab"},
    {"name": "proxy6", "action": "redirect", "protocol": "udp", "destination_port": "53", "to_port": "5353",
     "source": "fd00:4::/64", "destination": "!fd00:4::1"},
]  # fmt: skip


def rules(backend: str, *config: dict[str, Any], **options: Any) -> dict[str, Any]:
    return {"virtnet.qemu.nat_rule": {"config": list(config), "backend": backend, **options}}


def absent(rule: dict[str, Any]) -> dict[str, Any]:
    return {"name": rule["name"], "network": rule.get("network", "default"), "state": "absent"}


@pytest.fixture(params=BACKENDS)
def backend(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.mark.both_ends
def test_every_form_is_recognised_in_any_order_without_a_question_to_the_tool(play: Player, host: Sandbox, backend):
    shuffled = random.Random(1).sample(FORMS, len(FORMS))
    # Whoever unshares here asks how the host prints rules, which these versions are not to need.
    wrap(host, "unshare", 'echo asked >> /run/asked; exec $real "$@"')
    first, second, removed = play(
        host, [rules(backend, *FORMS), rules(backend, *shuffled), rules(backend, *map(absent, FORMS))]
    )
    assert (first.changed, second.changed, removed.changed) == (True, False, True)
    assert not host.path("/run/asked").exists()
    assert "virtnet" not in packet_rules(host)
    assert "vn-" not in packet_rules(host)


def test_the_order_of_rules_follows_from_the_rules(play: Player, new_host, backend):
    """All at once, one after the other, and in another order: the host is the same afterwards."""
    chosen = [rule for rule in FORMS if rule["action"] in ("snat", "masquerade", "netmap")]
    listings = []
    for tasks in (
        [rules(backend, *chosen)],
        [rules(backend, *chosen[::-2]), rules(backend, *chosen[-2::-2])],
    ):
        host = new_host()
        play(host, tasks)
        listings.append(packet_rules(host))
    assert listings[0] == listings[1]


def test_check_mode_says_what_a_run_does_and_does_nothing(play: Player, host: Sandbox, backend):
    load_foreign_rules(host)
    before = host.snapshot()
    change = rules(backend, MASQUERADE, {**DNAT, "hairpin": "192.168.4.0/24"}, RANGE)
    (checked,) = play(host, [change], check=True, diff=True)
    assert host.snapshot() == before
    (done,) = play(host, [change], diff=True)
    for result in (checked, done):
        assert result.changed
        result.pop("invocation", None)
    assert checked["commands"] == done["commands"]
    assert checked["diff"] == done["diff"]
    assert "2222" in done["diff"]["after"]
    assert "MASQUERADE" in done["diff"]["after"].upper()
    assert done["before"] == []


def test_commands_do_what_the_module_does(play: Player, new_host, backend):
    """What `commands` says, typed by a person on a fresh host, leaves the same rules."""
    results = []
    for host in (one := new_host(), other := new_host()):
        tasks = [rules(backend, *FORMS[:10], DNAT, RANGE), rules(backend, {**DNAT, "to_port": "22"}, absent(RANGE))]
        results.append((host, tasks))
    changes = play(one, results[0][1])
    for line in [line for change in changes for line in change.commands if "conntrack" not in line]:
        other.run(["sh", "-c", line])
    assert packet_rules(one) == packet_rules(other)


def test_rules_of_others_are_untouched(play: Player, host: Sandbox, backend):
    load_foreign_rules(host)
    before, text = packet_rules(host), foreign_tables(host)
    made, removed = play(host, [rules(backend, MASQUERADE, DNAT), rules(backend, absent(MASQUERADE), absent(DNAT))])
    assert made.changed
    assert removed.changed
    assert packet_rules(host) == before
    assert foreign_tables(host) == text


def foreign_tables(host: Sandbox) -> str:
    """Byte for byte, as nft prints them."""
    return "".join(host.run([NFT, "list", "table", *table.split()]).stdout for table in ("inet virtnet", "ip6 mine"))


DAMAGE = {
    "nftables": {
        "foreign": "nft add rule inet virtnet_nat post-default ip saddr 10.66.0.0/16 masquerade",
        "foreign with a comment": "nft insert rule inet virtnet_nat prerouting tcp dport 1 accept comment '\"mine\"'",
        "deleted": "nft flush chain inet virtnet_nat post-default",
        "changed": "nft -f - <<< $(nft list table inet virtnet_nat | sed 's/!= 192.168.4.0/!= 192.168.5.0/;"
        "1i delete table inet virtnet_nat')",
        "reordered": "chain='inet virtnet_nat post-default'; first=$(nft list chain $chain | sed -n 3p);"
        " nft delete rule $chain handle $(nft -a list chain $chain | sed -n '3s/.*handle //p');"
        " nft add rule $chain $first",
        "element": "nft delete element inet virtnet_nat forward4 '{ tcp . 2222 }'",
        "foreign element": "nft add element inet virtnet_nat forward4 '{ tcp . 1 : 10.0.0.1 . 1 }'",
        "element changed": "nft -f - <<< $'delete element inet virtnet_nat forward4 { tcp . 2222 }\\n"
        'add element inet virtnet_nat forward4 { tcp . 2222 comment "default/ssh" : 10.6.6.6 . 22 }\'',
        "hook": "nft delete chain inet virtnet_nat output",
        "foreign chain": "nft add chain inet virtnet_nat mine '{ type nat hook input priority 100; }'",
        "map": "nft add map inet virtnet_nat mine '{ type mark : verdict; }'",
        "dormant": "nft add table inet virtnet_nat '{ flags dormant; }'",
    },
    "iptables": {
        "foreign": "iptables -t nat -I vn-post-default -s 10.66.0.0/16 -j MASQUERADE",
        "deleted": "iptables -t nat -F vn-post-default",
        "changed": "iptables -t nat -R vn-port-default 1 -p tcp -m addrtype --dst-type LOCAL -m tcp --dport 2222"
        " -m comment --comment 'virtnet.qemu default/ssh#51291293' -j DNAT --to-destination 10.6.6.6:2222",
        "jump": "iptables -t nat -F POSTROUTING",
        "jumped twice": "iptables -t nat -A POSTROUTING -m comment --comment virtnet.qemu -j vn-postrouting",
        "foreign chain": "iptables -t nat -N vn-mine",
    },
}


@pytest.mark.parametrize("backend", BACKENDS)
def test_damage_by_hand_is_repaired(play: Player, host: Sandbox, backend):
    wanted = rules(backend, MASQUERADE, DNAT, {**RANGE, "hairpin": "192.168.4.0/24"})
    play(host, [wanted])
    whole = packet_rules(host)
    tasks = []
    for damage in DAMAGE[backend].values():
        tasks += [{"ansible.builtin.shell": {"cmd": damage, "executable": "/bin/bash"}}, wanted]
    results = play(host, [*tasks, wanted])
    repaired = dict(zip(DAMAGE[backend], (result.changed for result in results[1::2]), strict=True))
    assert repaired == dict.fromkeys(DAMAGE[backend], True)
    assert not results[-1].changed
    assert packet_rules(host) == whole


@pytest.mark.parametrize(
    ("backend", "script"),
    [
        ("nftables", 'out=$("$real" "$@") || exit; printf "%s\\n" "$out" | sed "s/meta l4proto tcp/meta l4proto 6/"'),
        ("iptables", '"$real" "$@" | sed "s/-p gre/-p 47/"'),
    ],
)
def test_a_tool_that_prints_otherwise_is_understood(play: Player, host: Sandbox, backend, script):
    """As other versions do: the rules are the same, whatever the words. A real change is still seen."""
    wrap(host, {"nftables": "nft", "iptables": "iptables-save"}[backend], script)
    gre = {"name": "gre", "action": "dnat", "protocol": "gre", "to_address": "192.168.4.11"}
    wanted = rules(backend, MASQUERADE, gre)
    other = rules(backend, MASQUERADE, {**gre, "to_address": "192.168.4.12"})
    results = play(host, [wanted, wanted, other, other])
    assert [result.changed for result in results] == [True, False, True, False]


def test_what_the_kernel_refuses_changes_nothing(play: Player, host: Sandbox):
    """Of two transactions the second is refused: the first is taken back."""
    wanted = [rules("iptables", MASQUERADE, {**DNAT, "name": "6", "to_address": "fd00:4::11"})]
    play(host, wanted)
    # It holds on to a chain of ours, which can then not be removed.
    host.run(["ip6tables", "-t", "nat", "-N", "mine"])
    host.run(["ip6tables", "-t", "nat", "-A", "mine", "-j", "vn-port-default"])
    before = packet_rules(host)
    (result,) = play(host, [fails(rules("iptables", absent(MASQUERADE), {"name": "6", "state": "absent"}))])
    assert "vn-port-default" in result.msg
    assert "Everything is as it was before" in result.msg
    assert packet_rules(host) == before


def test_one_transaction_all_or_nothing(play: Player, host: Sandbox):
    """The kernel refuses the last line of what nft is given."""
    play(host, [rules("nftables", MASQUERADE)])
    before = packet_rules(host)
    wrap(host, "nft", '[ "$1" = -f ] || exec $real "$@"; { cat; echo add rule inet nosuch c accept; } | $real -f -')
    (result,) = play(host, [fails(rules("nftables", DNAT, {**MASQUERADE, "source": "10.0.0.0/8"}))])
    assert "No such file or directory" in result.msg
    assert packet_rules(host) == before


def test_a_change_that_does_not_hold_is_undone(play: Player, host: Sandbox):
    """Read back, a rule is missing: what was there comes back, with the rules that someone else had put in."""
    play(host, [rules("nftables", MASQUERADE, DNAT)])
    host.run(["sh", "-c", DAMAGE["nftables"]["foreign"]])
    before = packet_rules(host)
    wrap(host, "nft", '[ "$1" = -f ] || exec $real "$@"; grep -v 8000-8010 | $real -f -')
    (result,) = play(host, [fails(rules("nftables", MASQUERADE, RANGE))])
    assert "reading it back shows these still to be made" in result.msg
    assert "Everything is as it was before" in result.msg
    assert packet_rules(host) == before


def test_the_backend_is_found(play: Player, new_host):
    for hidden, found in ((None, "nft "), ("nft", "iptables ")):
        host = new_host()
        if hidden:
            wrap(host, hidden, "echo 'Protocol not supported' >&2; exit 1")
        (result,) = play(host, [rules("auto", MASQUERADE)])
        assert all(line.startswith(found) for line in result.commands)
    wrap(host, "iptables-save", "echo 'no kernel support' >&2; exit 1")
    before = packet_rules_by_nft(host)
    results = play(host, [fails(rules(backend, MASQUERADE)) for backend in ("auto", "nftables", "iptables")])
    assert "neither nftables nor iptables can be used" in results[0].msg
    assert "nft does not work on this host: Protocol not supported" in results[1].msg
    assert "iptables does not work on this host: no kernel support" in results[2].msg
    assert packet_rules_by_nft(host) == before


def packet_rules_by_nft(host: Sandbox) -> str:
    return host.run([NFT, "list", "ruleset"]).stdout


def test_missing_programs_and_files_are_named(play: Player, host: Sandbox):
    host.run(["sh", "-c", "rm -f /usr/sbin/conntrack /etc/protocols"])
    (first,) = play(host, [fails(rules("nftables", DNAT))])
    assert "install the package 'netbase'" in first.msg
    host.path("/etc/protocols").write_text("tcp 6 TCP\nudp 17 UDP\n")
    udp = rules("nftables", {**DNAT, "protocol": "udp"})
    (checked,) = play(host, [udp], check=True)
    assert "install the package 'conntrack'" in checked.warnings[0]
    refused, without = play(host, [fails(udp), rules("nftables", MASQUERADE)])
    assert "install the package 'conntrack'" in refused.msg
    assert without.changed


@pytest.mark.both_ends
def test_in_a_namespace(play: Player, host: Sandbox, backend):
    before = packet_rules(host)
    inside = [{**MASQUERADE, "netns": "r1"}, {**DNAT, "netns": "r1"}]
    (checked,) = play(host, [rules(backend, *inside)], check=True)
    assert "namespace 'r1' does not exist" in checked.warnings[0]
    (refused,) = play(host, [fails(rules(backend, *inside))])
    assert "netns: namespace 'r1' does not exist; make it with virtnet.qemu.netns first" in refused.msg
    host.run(["ip", "netns", "add", "r1"])
    made, again = play(host, [rules(backend, *inside)] * 2)
    assert (made.changed, again.changed) == (True, False)
    assert all(line.startswith("ip netns exec r1 ") for line in made.commands)
    assert packet_rules(host) == before
    listing = {"nftables": ["nft", "list", "ruleset"], "iptables": ["iptables-save"]}[backend]
    assert "2222" in host.run(["ip", "netns", "exec", "r1", *listing]).stdout


def test_purge_removes_what_is_not_listed_and_ours(play: Player, host: Sandbox):
    load_foreign_rules(host)
    host.run(["ip", "netns", "add", "r1"])
    before = packet_rules(host)
    kept = {**MASQUERADE, "network": "lab"}
    play(
        host,
        [
            rules("nftables", kept, {**DNAT, "network": "lab"}, RANGE, {**MASQUERADE, "netns": "r1"}),
            rules("iptables", MASQUERADE),
        ],
    )
    purged, again = play(host, [rules("nftables", kept, purge=True)] * 2)
    assert (purged.changed, again.changed) == (True, False)
    listing = packet_rules(host)
    assert "lab/out" in listing
    for word in ("2222", "8000-8010", "vn-"):
        assert word not in listing
    assert host.run(["ip", "netns", "exec", "r1", "nft", "list", "ruleset"]).stdout == ""
    play(host, [rules("nftables", purge=True)])
    assert packet_rules(host) == before


def test_what_is_listed_of_a_network_can_be_all_of_it(play: Player, host: Sandbox, backend):
    lab, dmz = ({**DNAT, "network": name, "destination_port": port} for name, port in (("lab", "1"), ("dmz", "2")))
    out = {**MASQUERADE, "network": "lab"}
    play(host, [rules(backend, lab, dmz, out)])
    less, again = play(host, [rules(backend, out, exclusive=True)] * 2)
    assert (less.changed, again.changed) == (True, False)
    listing = packet_rules(host)
    assert "lab/ssh" not in listing
    assert "lab/out" in listing and "dmz/ssh" in listing
    play(host, [rules(backend, absent(lab), exclusive=True)])
    assert "lab/" not in packet_rules(host)


def test_a_name_is_changed_in_place_and_may_move(play: Player, host: Sandbox, backend):
    """The same port under another name and in another network, in one run; a kept neighbour keeps its hairpin."""
    neighbour = {**DNAT, "name": "web", "destination_port": "80", "hairpin": "192.168.4.0/24"}
    moved = {**DNAT, "name": "shell", "network": "other"}
    _first, second, third = play(
        host,
        [rules(backend, DNAT, neighbour), rules(backend, absent(DNAT), moved), rules(backend, absent(DNAT), moved)],
    )
    assert (second.changed, third.changed) == (True, False)
    listing = packet_rules(host)
    assert "other/shell" in listing
    assert "default/ssh" not in listing
    assert "hairpin 192.168.4.0/24" in listing
    assert '"masquerade": null' in listing or "--ctstate DNAT" in listing


def test_examples_run_and_run_again(play: Player, host: Sandbox):
    host.run(["ip", "netns", "add", "r1"])
    for task in examples("nat_rule"):
        first, second = play(host, [task, task])
        assert (task["name"], first.changed, second.changed) == (task["name"], True, False)


MISTAKES = [
    ({**DNAT, "to_address": "172.30,1.51"}, "to_address: '172.30,1.51' is not an IP address"),
    ({**DNAT, "destination_port": "80-70"}, "destination_port: '80-70' is not a port"),
    ({**DNAT, "name": 'a" drop'}, "is not a rule's name"),
]

COLLISIONS = [
    ([{**DNAT, "to_address": "10.0.0.1"}], "of network 'default' and to 10.0.0.1 by rule 'ssh' of network 'lab'"),
    ([{**RANGE, "destination_port": "2220-2230"}], "by rule 'range' of network 'lab'"),
    ([RANGE, {**RANGE, "name": "more", "destination_port": "8010-8020"}], "tcp port 8010 sent to this host"),
    ([{**MASQUERADE, "source": "192.168.4.128/25", "destination": None}], "overlaps 192.168.4.0/24 of network"),
]


def test_mistakes_are_told_plainly_before_anything_is_changed(play: Player, host: Sandbox, backend):
    play(host, [rules(backend, MASQUERADE, DNAT)])
    before = packet_rules(host)
    configs = [([{"network": "lab", **rule}], text) for rule, text in MISTAKES]
    configs += [([{"network": "lab", **rule} for rule in config], text) for config, text in COLLISIONS]
    configs += [([RANGE, RANGE], "'range' is listed twice")]
    tasks = [fails(rules(backend, MASQUERADE, *config)) for config, _text in configs]
    texts = [text for _config, text in configs]
    for result, text in zip(play(host, tasks), texts, strict=True):
        assert text in result.msg
    assert packet_rules(host) == before


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_thousand_forwards(play: Player, host: Sandbox, backend, capsys: pytest.CaptureFixture[str]):
    """They are made, seen to be there, and removed; how long it takes is for the reader."""
    many = [
        {**DNAT, "name": f"f{number}", "destination_port": str(10000 + number), "hairpin": "192.168.4.0/24"}
        for number in range(1000)
    ]
    changes = []
    for config in (many, many, [absent(rule) for rule in many]):
        began = time.monotonic()
        changes += [result.changed for result in play(host, [rules(backend, *config)])]
        with capsys.disabled():
            print(f"\n{backend}: a play with {len(config)} forwards took {time.monotonic() - began:.1f} s", end="")
    assert changes == [True, False, True]
