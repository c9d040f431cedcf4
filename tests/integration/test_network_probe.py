# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""network_probe: networks that keep their promises, one that breaks each of them, and what is left behind."""

from __future__ import annotations

import os
import signal
from typing import Any

import pytest

from tests.integration.support import Player, TaskResult, fails
from tests.integration.support.examples import examples
from tests.integration.support.links import network
from tests.integration.support.rules import wrap
from tests.integration.test_faults import holder
from tests.sandbox import LanHost, Sandbox

pytestmark = pytest.mark.newest_end

NAT = [{"name": f"nat{n}", "model": "nat", "subnet": f"10.9.{n}.0/24"} for n in range(2)]
LAN = [{"address": LanHost.ADDRESS, "name": "router"}, {"address": LanHost.ADDRESS, "port": 80}]


def make_nat(entries: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "ansible.builtin.include_role": {"name": "virtnet.qemu.nat_network"},
        "vars": {"nat_network_list": entries, "nat_network_guests": []},
    }


def probed_nat(entry: dict[str, Any]) -> dict[str, Any]:
    gateway = entry["subnet"].replace("0/24", "1")
    return {
        "name": entry["name"],
        "bridge": f"br-{entry['name']}",
        "model": "nat",
        "gateways": [gateway],
        "dhcp": True,
        "dns": True,
        "lan": LAN,
    }


def probe(*config: dict[str, Any], **options: Any) -> dict[str, Any]:
    return {"virtnet.qemu.network_probe": {"config": list(config), "dns_name": LanHost.WEB_NAME, **options}}


def seen(result: TaskResult, network: str) -> dict[str, tuple[str, str, bool | None]]:
    """Check -> what was expected, what was seen, and whether that is right."""
    return {
        row["check"]: (row["expected"], row["seen"], row["ok"])
        for row in result["results"]
        if row["network"] == network
    }


@pytest.mark.both_ends
def test_nat_networks_made_by_the_role_keep_every_promise(play: Player, host: Sandbox, lan: LanHost) -> None:
    play(host, [make_nat(NAT)])
    before = network(host)
    (result,) = play(host, [probe(*map(probed_nat, NAT))])
    print(result["table"])
    assert result["broken"] == ""
    assert not result.changed
    for entry in NAT:
        rows = seen(result, entry["name"])
        # Without a neighbour nobody asks from the LAN.
        assert rows.pop("LAN to guest") == ("no", "not checked", None)
        assert all(ok is True for _expected, _seen, ok in rows.values()), rows
    assert network(host) == before


def dnsmasq(**options: Any) -> dict[str, Any]:
    """The server of nat0, otherwise than the role made it."""
    instance = {"name": "nat0", "interface": "br-nat0", "addresses": ["10.9.0.1/24"]}
    ranges = [{"start": "10.9.0.2", "end": "10.9.0.254"}]
    return {"virtnet.qemu.dnsmasq": {"config": [{**instance, "ranges": ranges, **options}]}}


def shell(line: str) -> dict[str, Any]:
    return {"ansible.builtin.shell": line}


CROSS = "nft insert rule inet virtnet_filter forward iifname br-nat{} oifname br-nat{} accept"
TO_LAN = "guest to LAN router (192.0.2.1)", "guest to LAN 192.0.2.1:80"
#: What goes wrong on a host, and the checks of the network nat0 that then fail.
BREAKS = {
    "nothing is translated": (shell("nft flush chain inet virtnet_nat post-nat0"), {*TO_LAN}),
    "networks meet": (shell(f"{CROSS.format(0, 1)} && {CROSS.format(1, 0)}"), {"guest to other networks"}),
    "no firewall": (shell("nft delete table inet virtnet_filter"), {"guest to other networks"}),
    "the host is deaf": (
        shell("nft insert rule inet virtnet_filter input iifname br-nat0 ip protocol icmp drop"),
        {"guest to gateway", "guest to host", "host to guest"},
    ),
    "nothing is forwarded": (shell("sysctl -w net.ipv4.ip_forward=0"), {*TO_LAN}),
    "another gateway": (dnsmasq(router="10.9.0.99"), {"lease names gateway", "guest to host", *TO_LAN}),
    "no names": (dnsmasq(dns=False), {"lease names server", f"guest resolves {LanHost.WEB_NAME}"}),
    "no upstream": (dnsmasq(upstream=[]), {f"guest resolves {LanHost.WEB_NAME}"}),
    "no DHCP": (shell("kill $(cat /run/virtnet/dnsmasq/nat0.pid)"), {"guest gets lease"}),
}
SAVE = "nft list ruleset > /run/saved"
RESTORE = "nft flush ruleset; nft -f /run/saved; sysctl -w net.ipv4.ip_forward=1"


def test_each_broken_promise_is_found(play: Player, host: Sandbox, lan: LanHost) -> None:
    """One after the other on one host; only the checks that it is about fail."""
    entries = [*map(probed_nat, NAT)]
    # What is not broken is asked with more patience than what is.
    steps = [(damage, probe(*entries, dhcp_timeout=8), shell(RESTORE)) for damage, _failing in BREAKS.values()]
    results = play(host, [make_nat(NAT), shell(SAVE), *(task for step in steps for task in step)])
    probed = [result for result in results if "table" in result]
    failing = {
        name: {check for check, (_expected, _seen, ok) in seen(result, "nat0").items() if ok is False}
        for name, result in zip(BREAKS, probed, strict=True)
    }
    assert failing == {name: checks for name, (_damage, checks) in BREAKS.items()}
    assert "network 'nat0': lease names gateway: expected 10.9.0.1, seen 10.9.0.99" in probed[5]["broken"]
    # Without a lease nothing can be asked, and that is no success.
    unknown = {
        check
        for check, (_expected, said, ok) in seen(probed[-1], "nat0").items()
        if ok is None and said == "not checked"
    }
    assert {"guest to guest", "guest to host", "guest to other networks", *TO_LAN} <= unknown


LEASES = "/var/lib/virtnet/dnsmasq/nat0.leases"


@pytest.mark.parametrize(("tool", "when"), [("busybox", "true"), ("ip", '[ "$1" = -json ]')], ids=["asking", "leased"])
def test_a_run_that_was_killed_leaves_nothing_for_long(play: Player, host: Sandbox, lan: LanHost, tool, when) -> None:
    """Killed when it has just asked for leases, or when it has them: a client of DHCP gives its lease back."""
    play(host, [make_nat(NAT)])
    before = network(host)
    os.mkfifo(host.path("/run/asked"))
    wrap(host, tool, f'{when} && [ ! -e /run/go ] && echo > /run/asked\nexec $real "$@"')
    run = play.start(host, [fails(probe(*map(probed_nat, NAT)))])
    run.wait_for(host.path("/run/asked"))
    os.kill(holder(host), signal.SIGKILL)
    (killed,) = run.finish()
    assert killed.failed
    assert "vn-probe-2-2" in host.run(["ip", "netns", "list"]).stdout
    host.path("/run/go").touch()
    (result,) = play(host, [probe(*map(probed_nat, NAT))])
    assert result["broken"] == ""
    assert network(host) == before
    assert host.run(["pgrep", "busybox"], check=False).stdout == ""
    assert host.path(LEASES).read_text() == ""


@pytest.mark.both_ends
def test_kept_probes_go_when_asked_to(play: Player, host: Sandbox, lan: LanHost) -> None:
    play(host, [make_nat(NAT)])
    before = network(host)
    (kept,) = play(host, [probe(*map(probed_nat, NAT), state="present")])
    assert [target["name"] for target in kept["neighbour_targets"]] == ["nat0", "nat1"]
    assert not any(target["reached"] for target in kept["neighbour_targets"])
    host.run(["ping", "-c1", kept["neighbour_targets"][0]["address"]])
    gone, again = play(host, [{"virtnet.qemu.network_probe": {"state": "absent"}}] * 2)
    assert (gone.changed, again.changed) == (False, False)
    assert network(host) == before


def test_check_mode_says_what_would_be_looked_at(play: Player, host: Sandbox, lan: LanHost) -> None:
    play(host, [make_nat(NAT)])
    before = host.snapshot()
    (checked,) = play(host, [probe(*map(probed_nat, NAT))], check=True)
    assert host.snapshot() == before
    (done,) = play(host, [probe(*map(probed_nat, NAT))])
    said = [
        {(row["network"], row["check"], row["expected"]) for row in result["results"]} for result in (checked, done)
    ]
    assert said[0] == said[1]
    assert {row["seen"] for row in checked["results"]} == {"not checked"}
    assert checked["broken"] == ""


def test_examples_run(play: Player, host: Sandbox, lan: LanHost) -> None:
    back = {"name": "back", "model": "isolated"}
    lab = {"name": "lab", "model": "nat", "subnet": "192.168.4.0/24"}
    play(host, [make_nat([lab]), {"virtnet.qemu.bridge": {"name": "br-back"}}])
    play(host, [{"virtnet.qemu.network_firewall": {**back, "bridge": "br-back"}}, *examples("network_probe")])
    (example,) = examples("neighbour_probe")
    del example["delegate_to"]
    example["virtnet.qemu.neighbour_probe"]["via"] = [LanHost.ADDRESS]
    play(host, [example | {"failed_when": False}])
