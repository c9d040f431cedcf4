# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""nic_guard: which frames come through a bridge, and what becomes of the host's rules."""

from __future__ import annotations

import pytest

from tests.integration.support import fails
from tests.integration.support.dhcp import make_bridge, plug, up
from tests.integration.support.examples import examples
from tests.integration.support.frames import (
    ARP,
    HOP_BY_HOP,
    ICMPV6,
    IPV4,
    IPV6,
    NEIGHBOUR_ADVERT,
    NEIGHBOUR_SOLICIT,
    PRIORITY,
    ROUTER_ADVERT,
    SERVICE,
    VLAN,
    arp,
    arrived,
    ethernet,
    hop_by_hop,
    icmpv6,
    ipv4,
    ipv6,
    link_local,
    udp,
)
from tests.integration.support.links import replay
from tests.integration.support.rules import NFT, load_foreign_rules, packet_rules

pytestmark = pytest.mark.newest_end

MAC, OTHER_MAC = "52:54:00:00:00:01", "52:54:00:00:00:02"
OWN, OTHER = "10.9.9.11", "10.9.9.12"
OWN6, OTHER6 = "fd00:9::11", "fd00:9::12"
LOCAL = link_local(MAC)
ADDRESSED = {"name": "web1", "mac": MAC, "addresses": [OWN, OWN6]}
PLAIN = udp(4000, 4000)

#: What any NIC may send that has these addresses, or none that are known.
HONEST = {
    "IPv4": ethernet(MAC, IPV4, ipv4(OWN, PLAIN)),
    "IPv4 in a VLAN": ethernet(MAC, IPV4, ipv4(OWN, PLAIN), VLAN),
    "ARP": ethernet(MAC, ARP, arp(MAC, OWN)),
    "ARP probe": ethernet(MAC, ARP, arp(MAC, "0.0.0.0", operation=1)),
    "DHCP discover": ethernet(MAC, IPV4, ipv4("0.0.0.0", udp(68, 67))),
    "IPv6": ethernet(MAC, IPV6, ipv6(OWN6, PLAIN)),
    "IPv6 link-local": ethernet(MAC, IPV6, ipv6(LOCAL, PLAIN)),
    "DHCPv6 solicit": ethernet(MAC, IPV6, ipv6(LOCAL, udp(546, 547))),
    "duplicate address detection": ethernet(MAC, IPV6, ipv6("::", icmpv6(NEIGHBOUR_SOLICIT, OWN6), ICMPV6)),
    "advertisement": ethernet(MAC, IPV6, ipv6(OWN6, icmpv6(NEIGHBOUR_ADVERT, OWN6), ICMPV6)),
    "advertisement of link-local": ethernet(MAC, IPV6, ipv6(LOCAL, icmpv6(NEIGHBOUR_ADVERT, LOCAL), ICMPV6)),
}
#: What none may send, whatever is known of it.
FORGED = {
    "MAC": ethernet(OTHER_MAC, IPV4, ipv4(OWN, PLAIN)),
    "MAC in a VLAN": ethernet(OTHER_MAC, IPV4, ipv4(OWN, PLAIN), VLAN),
    "MAC in ARP": ethernet(MAC, ARP, arp(OTHER_MAC, OWN)),
    "DHCP offer": ethernet(MAC, IPV4, ipv4(OWN, udp(67, 68))),
    "DHCP offer from another port": ethernet(MAC, IPV4, ipv4(OWN, udp(4000, 68))),
    "router advertisement": ethernet(MAC, IPV6, ipv6(LOCAL, icmpv6(ROUTER_ADVERT), ICMPV6)),
    "router advertisement behind a header": ethernet(
        MAC, IPV6, ipv6(LOCAL, hop_by_hop(ICMPV6, icmpv6(ROUTER_ADVERT)), HOP_BY_HOP)
    ),
    "router advertisement with a priority": ethernet(MAC, IPV6, ipv6(LOCAL, icmpv6(ROUTER_ADVERT), ICMPV6), PRIORITY),
    "IPv4 in a service VLAN": ethernet(MAC, IPV4, ipv4(OWN, PLAIN), SERVICE),
    "DHCPv6 reply": ethernet(MAC, IPV6, ipv6(LOCAL, udp(547, 546))),
}
#: What is forged for one whose addresses are known.
FORGED_ADDRESS = {
    "IPv4 source": ethernet(MAC, IPV4, ipv4(OTHER, PLAIN)),
    "no IPv4 source": ethernet(MAC, IPV4, ipv4("0.0.0.0", PLAIN)),
    "IPv4 source in a VLAN": ethernet(MAC, IPV4, ipv4(OTHER, PLAIN), VLAN),
    "IPv4 source in two VLANs": ethernet(MAC, IPV4, ipv4(OTHER, PLAIN), VLAN, VLAN),
    "ARP sender": ethernet(MAC, ARP, arp(MAC, OTHER)),
    "ARP question": ethernet(MAC, ARP, arp(MAC, OTHER, operation=1)),
    "ARP sender in a VLAN": ethernet(MAC, ARP, arp(MAC, OTHER), VLAN),
    "IPv6 source": ethernet(MAC, IPV6, ipv6(OTHER6, PLAIN)),
    "no IPv6 source": ethernet(MAC, IPV6, ipv6("::", PLAIN)),
    "advertisement target": ethernet(MAC, IPV6, ipv6(OWN6, icmpv6(NEIGHBOUR_ADVERT, OTHER6), ICMPV6)),
    "advertisement target from link-local": ethernet(MAC, IPV6, ipv6(LOCAL, icmpv6(NEIGHBOUR_ADVERT, OTHER6), ICMPV6)),
}
FORGED_LOCAL = {
    "link-local source": ethernet(MAC, IPV6, ipv6("fe80::1", PLAIN)),
    "advertisement of another link-local": ethernet(
        MAC, IPV6, ipv6(LOCAL, icmpv6(NEIGHBOUR_ADVERT, "fe80::1"), ICMPV6)
    ),
}
EVERYTHING = {**HONEST, **FORGED, **FORGED_ADDRESS, **FORGED_LOCAL}


def guards(*config, **options):
    return {"virtnet.qemu.nic_guard": {"config": list(config), **options}}


@pytest.fixture
def host(host):
    """A bridge with the ports web1 and sink."""
    make_bridge(host, "lab", ["10.9.9.1/24"])
    for name, mac in (("web1", MAC), ("sink", OTHER_MAC)):
        plug(host, name, "lab", mac)
        up(host, name)
    return host


def passed(host):
    return arrived(host, "web1", "sink", EVERYTHING, last=HONEST["IPv4"])


@pytest.mark.parametrize(
    ("guard", "forged"),
    [
        ({"name": "web2", "mac": MAC}, {}),
        ({"name": "web1", "mac": MAC}, FORGED),
        (ADDRESSED, {**FORGED, **FORGED_ADDRESS}),
        ({**ADDRESSED, "addresses": [OWN, OWN6, LOCAL]}, {**FORGED, **FORGED_ADDRESS, **FORGED_LOCAL}),
    ],
    ids=["another", "MAC", "addresses", "link-local"],
)
def test_what_comes_through(play, host, guard, forged):
    play(host, [guards(guard)])
    assert passed(host) == set(EVERYTHING) - set(forged)


def test_only_ipv4_is_known(play, host):
    play(host, [guards({**ADDRESSED, "addresses": [OWN]})])
    kept = passed(host)
    assert "IPv6 source" in kept and "IPv4 source" not in kept and "IPv4 source in two VLANs" not in kept


def test_a_tap_that_is_made_anew_is_still_guarded(play, host):
    play(host, [guards(ADDRESSED)])
    host.run(["ip", "netns", "delete", "web1"])
    plug(host, "web1", "lab", MAC)
    up(host, "web1")
    assert not passed(host) & {*FORGED, *FORGED_ADDRESS}


def test_its_life(play, host):
    load_foreign_rules(host)
    before = packet_rules(host)
    others = [{"name": f"vm{n}", "mac": f"52:54:00:00:01:{n:02x}", "addresses": [f"10.9.9.{n}"]} for n in range(100)]
    odd = {"name": "web1@é-,'", "mac": MAC}
    everyone = [ADDRESSED, odd, *others]
    (would,) = play(host, [guards(*everyone)], check=True)
    assert would.changed and packet_rules(host) == before
    made, again, one_again = play(host, [guards(*everyone), guards(*everyone), guards(others[7])], diff=True)
    assert made.commands == would.commands
    assert not again.changed and not one_again.changed
    rules = [line for line in made.commands if line.startswith("nft 'add rule ")]
    # As many for one NIC as for a hundred.
    host.run(["ip", "netns", "add", "x"])
    (single,) = play(host, [guards({**ADDRESSED, "netns": "x"})], check=True)
    assert [f"ip netns exec x {line}" for line in rules] == [line for line in single.commands if " 'add rule " in line]

    changed, removed, gone = play(
        host,
        [
            guards({**others[7], "addresses": ["10.9.9.207"]}),
            guards(*({"name": one["name"], "state": "absent"} for one in [odd, *others])),
            guards(purge=True),
        ],
    )
    assert changed.commands == [
        """nft 'delete element bridge virtnet_guard addresses4 { "vm7" . 10.9.9.7 }'""",
        """nft 'add element bridge virtnet_guard addresses4 { "vm7" . 10.9.9.207 }'""",
    ]
    assert len(removed.commands) == 101 * 2 + 100 * 3
    assert gone.commands == ["nft 'delete table bridge virtnet_guard'"]
    assert packet_rules(host) == before


def test_exclusive_is_about_the_listed_guests(play, host):
    of = {"guest": "web1"}
    first = [{**ADDRESSED, **of}, {**of, "name": "extra", "mac": OTHER_MAC}, {"name": "web2", "mac": OTHER_MAC}]
    _made, kept, exclusive = play(host, [guards(*first), guards(first[0]), guards({**ADDRESSED, **of}, exclusive=True)])
    assert not kept.changed
    assert exclusive.commands == [
        """nft 'delete element bridge virtnet_guard nics { "extra" }'""",
        f"""nft 'delete element bridge virtnet_guard macs {{ "extra" . {OTHER_MAC} }}'""",
    ]


def test_the_commands_are_what_one_would_type(play, host):
    (made,) = play(host, [guards(ADDRESSED)])
    rules = packet_rules(host)
    host.run([NFT, "delete", "table", "bridge", "virtnet_guard"])
    replay(host, made.commands)
    assert packet_rules(host) == rules


def test_what_somebody_took_out_is_made_good(play, host):
    play(host, [guards(ADDRESSED)])
    host.run([NFT, "flush", "chain", "bridge", "virtnet_guard", "nic"])
    host.run([NFT, "delete", "element", "bridge", "virtnet_guard", "macs", f'{{ "web1" . {MAC} }}'])
    again, after = play(host, [guards(ADDRESSED), guards(ADDRESSED)])
    assert again.changed and not after.changed
    assert not passed(host) & {*FORGED, *FORGED_ADDRESS}


def test_refusals(play, host):
    broken = {"name": "web1", "mac": MAC, "addresses": ["10.9.9"]}
    no_address, no_mac, starred, twice, missing = play(
        host,
        [
            *(fails(guards(broken)), fails(guards({"name": "web1"})), fails(guards({"name": "web*", "mac": MAC}))),
            fails(guards(ADDRESSED, ADDRESSED)),
            fails(guards({**ADDRESSED, "netns": "nowhere"})),
        ],
    )
    assert "config, 'web1': addresses: '10.9.9'" in no_address.msg
    assert no_mac.msg == "config, 'web1': mac: it is missing; give the MAC address of the NIC"
    assert "name: 'web*' has a '*'" in starred.msg
    assert "'web1' is listed twice" in twice.msg
    assert "netns: namespace 'nowhere' does not exist" in missing.msg
    assert "virtnet_guard" not in packet_rules(host)


def test_without_nft_it_says_so_and_a_removal_is_no_matter(play, host):
    host.run(["mount", "--bind", "/dev/null", NFT])
    refused, removed = play(host, [fails(guards(ADDRESSED)), guards({"name": "web1", "state": "absent"})])
    assert "nft" in refused.msg
    assert not removed.changed


def test_the_documented_examples(play, host):
    results = play(host, examples("nic_guard"))
    assert [result.changed for result in results] == [True] * 3
