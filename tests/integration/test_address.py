# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""address: more addresses on an uplink, and nothing but those taken away again."""

from __future__ import annotations

from typing import Any

from tests.integration.support import Player, fails
from tests.integration.support.examples import examples
from tests.integration.support.links import addresses, ip, link, network, replay
from tests.sandbox import LanHost

MORE = ["192.0.2.20/24", "192.0.2.21/32", "2001:db8:1::20/64"]


def address(**options: Any) -> dict[str, Any]:
    return {"virtnet.qemu.address": options}


def test_they_are_added_once_and_only_they_are_removed(play: Player, host, lan: LanHost, new_host):
    before = network(host)
    ip(host, "address", "add", "192.0.2.30/24", "dev", "uplink0")
    with_theirs = network(host)
    (checked,) = play(host, [address(name="uplink0", addresses=MORE)], check=True)
    assert network(host) == with_theirs
    made, again = play(host, [address(name="uplink0", addresses=[*MORE, "192.0.2.30/24"])] * 2)
    assert made.changed and not again.changed
    assert checked.commands == made.commands
    assert set(MORE) < set(addresses(link(host, "uplink0")))
    assert [i["label"] for i in link(host, "uplink0")["addr_info"] if i["local"] == "192.0.2.20"] == ["uplink0:vn"]
    assert lan.run(["ping", "-c1", "-W5", "192.0.2.21"], check=False).returncode in (0, 1)
    fewer, gone, idle = play(
        host,
        [
            address(name="uplink0", addresses=MORE[:1], state="absent"),
            address(name="uplink0", state="absent"),
            address(name="uplink0", state="absent"),
        ],
    )
    assert fewer.commands == ["ip address delete 192.0.2.20/24 dev uplink0"]
    assert gone.changed and not idle.changed
    assert network(host) == with_theirs
    assert [path.name for path in host.path("/run/virtnet").iterdir()] == ["lock"]
    replay(host, [*made.commands, *fewer.commands, *gone.commands, "ip address delete 192.0.2.30/24 dev uplink0"])
    assert network(host) == before


def test_somebody_elses_in_the_same_subnet_stays_and_purge_takes_ours_alone(play: Player, host):
    for name in ("eth0", "a-name-of-15-by"):
        ip(host, "link", "add", name, "type", "veth", "peer", "name", f"far-{name}"[:15])
        ip(host, "link", "set", name, "up")
    two = [{"name": "eth0", "addresses": ["10.5.0.1/24"]}, {"name": "a-name-of-15-by", "addresses": ["10.6.0.1/24"]}]
    play(host, [address(config=two)])
    # It is secondary to ours, and would go with it.
    ip(host, "address", "add", "10.5.0.2/24", "dev", "eth0", "label", "eth0:me")
    (purged,) = play(host, [address(config=[], purge=True)])
    assert purged.changed
    (theirs,) = [info for info in link(host, "eth0")["addr_info"] if info["scope"] == "global"]
    assert (theirs["local"], theirs["label"]) == ("10.5.0.2", "eth0:me")
    assert addresses(link(host, "a-name-of-15-by")) == []


def test_a_failure_undoes_everything(play: Player, host, lan: LanHost):
    before = network(host)
    host.run(["sysctl", "-w", "net.ipv6.conf.lo.disable_ipv6=1"])
    config = [{"name": "uplink0", "addresses": MORE}, {"name": "lo", "addresses": ["fd00::1/128"]}]
    (failed,) = play(host, [fails(address(config=config))])
    assert failed.msg.endswith("Everything is as it was before")
    host.run(["sysctl", "-w", "net.ipv6.conf.lo.disable_ipv6=0"])
    assert addresses(link(host, "uplink0")) == ["192.0.2.10/24", "2001:db8:1::10/64"]
    assert set(network(host)) == set(before)


REFUSED = [
    ({"name": "nowhere", "addresses": MORE}, "name: there is no interface 'nowhere'; make it first"),
    ({"name": "lo"}, "addresses: give the addresses to add, as in [192.0.2.20/24]"),
    ({"name": "lo", "addresses": ["192.0.2.20"]}, "addresses: '192.0.2.20' has no prefix length"),
    ({"name": "lo", "netns": "red", "addresses": MORE}, "netns: namespace 'red' does not exist"),
]


def test_what_cannot_be_is_refused(play: Player, host):
    results = play(host, [fails(address(**options)) for options, _said in REFUSED])
    for result, (_options, said) in zip(results, REFUSED, strict=True):
        assert result.msg.startswith(said)


def test_the_documented_examples(play: Player, host, new_host):
    ip(host, "link", "add", "enp3s0", "type", "veth", "peer", "name", "far")
    assert [result.changed for result in play(host, examples("address"))] == [True, True]
