# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""netns: named namespaces, against the kernel, looked at with iproute2 (row D1)."""

from __future__ import annotations

import subprocess
from typing import Any

from tests.integration.support import Player, fails
from tests.integration.support.links import ip, link, links, network, replay
from tests.sandbox import Sandbox

ROUTER = {
    "name": "r1",
    "sysctls": {
        # Each forwarding switch sets the redirects too, so it has to be set before them.
        "net.ipv4.conf.all.accept_redirects": 1,
        "net.ipv4.ip_forward": True,
        "net.ipv4.ping_group_range": "0 2147483647",
        "net.ipv6.conf.all.forwarding": 1,
    },
}
AS_READ = ["1", "1", "0\t2147483647", "1"]


def netns(**options: Any) -> dict[str, Any]:
    return {"virtnet.qemu.netns": options}


def sysctls(host: Sandbox, name: str) -> list[str]:
    words = ["ip", "netns", "exec", name, "sysctl", "--values", *ROUTER["sysctls"]]
    return host.run(words).stdout.splitlines()


def names(host: Sandbox) -> list[str]:
    return sorted(line.split()[0] for line in host.run(["ip", "netns"]).stdout.splitlines())


def test_every_option_is_made_then_changed_in_place_and_the_commands_do_the_same(play: Player, host, new_host):
    of_host = network(host)
    made, again = play(host, [netns(config=[ROUTER, {"name": "r2"}])] * 2)
    assert made.changed and not again.changed
    assert names(host) == ["r1", "r2"]
    assert "UP" in link(host, "lo", "r1")["flags"]
    assert link(host, "lo", "r1")["ifalias"] == "virtnet.qemu"
    assert sysctls(host, "r1") == AS_READ
    ip(host, "-n", "r1", "link", "add", "inside", "address", "52:54:00:00:00:01", "type", "bridge")
    changed, again, alone = play(
        host,
        [
            *[netns(name="r1", sysctls={**ROUTER["sysctls"], "net.ipv4.ip_forward": 0})] * 2,
            netns(name="r1"),
        ],
    )
    assert changed.changed and not again.changed and not alone.changed
    assert sysctls(host, "r1") == ["1", "0", *AS_READ[2:]]
    assert "inside" in links(host, "r1")
    # Nothing of the host's own was touched.
    now = network(host)
    assert {fact: now[fact] for fact in of_host} == of_host
    twin = new_host()
    replay(twin, made.commands)
    ip(twin, "-n", "r1", "link", "add", "inside", "address", "52:54:00:00:00:01", "type", "bridge")
    replay(twin, changed.commands)
    assert network(twin) == network(host)
    assert sysctls(twin, "r1") == sysctls(host, "r1")


def test_check_mode_reports_and_changes_nothing(play: Player, host):
    play(host, [netns(**ROUTER)])
    before, files = network(host), host.snapshot()["files"]
    changed, made, removed = play(
        host,
        [
            netns(name="r1", sysctls={"net.core.somaxconn": 5}),
            netns(name="r2"),
            netns(name="r1", state="absent"),
        ],
        check=True,
        diff=True,
    )
    assert (network(host), host.snapshot()["files"]) == (before, files)
    assert changed.commands == ["ip netns exec r1 sysctl -w net.core.somaxconn=5"]
    assert "net.core.somaxconn: '5'\n" in changed["diff"]["after"]
    assert made.commands[0] == "ip netns add r2" and removed.commands == ["ip netns delete r1"]


def test_a_failure_undoes_everything_and_spares_what_was_to_be_removed(play: Player, host):
    play(host, [netns(config=[ROUTER, {"name": "r2"}])])
    ip(host, "-n", "r2", "link", "add", "inside", "type", "bridge")
    before, inode = network(host), host.run(["stat", "--format=%i", "/run/netns/r2"]).stdout
    config = [
        {"name": "r2", "state": "absent"},
        {"name": "r1", "sysctls": {"net.ipv4.ping_group_range": "0 100"}},
        {"name": "r3", "sysctls": {"net.ipv4.ip_forward": 1}},
    ]
    unknown = [*config, {"name": "r4", "sysctls": {"net.ipv4.nosuch": 1}}]
    invalid = [*config, {"name": "r4", "sysctls": {"net.ipv4.ip_forward": "maybe"}}]
    first, second = play(host, [fails(netns(config=unknown)), fails(netns(config=invalid))])
    assert first.msg == "sysctls: this kernel has no 'net.ipv4.nosuch'. Everything is as it was before"
    assert second.msg == (
        "'ip netns exec r4 sysctl -w net.ipv4.ip_forward=maybe' failed: Invalid argument. "
        "Everything is as it was before"
    )
    assert network(host) == before
    assert host.run(["stat", "--format=%i", "/run/netns/r2"]).stdout == inode
    assert sysctls(host, "r1") == AS_READ


def test_a_namespace_with_processes_is_not_removed(play: Player, host):
    play(host, [netns(name="r1")])
    inside = ["ip", "netns", "exec", "r1", "sh", "-c", "echo $$; exec cat"]
    with host.popen(inside, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        pid = process.stdout.readline().strip()
        said = f"processes still run in namespace 'r1': {pid} (cat); stop them first"
        absent, purged = play(host, [fails(netns(name="r1", state="absent")), fails(netns(config=[], purge=True))])
        assert absent.msg == f"name: {said}"
        assert purged.msg == f"{said}. Everything is as it was before"
        process.kill()
    (removed,) = play(host, [netns(name="r1", state="absent")])
    assert removed.commands == ["ip netns delete r1"]
    assert names(host) == []


def test_somebody_elses_are_left_alone_unless_adopted(play: Player, host):
    for name in ("mine", "other"):
        ip(host, "netns", "add", name)
    refused, removal, adopted, purged = play(
        host,
        [
            fails(netns(name="mine")),
            fails(netns(name="mine", state="absent")),
            netns(name="mine", adopt=True),
            netns(config=[{"name": "r1"}], purge=True),
        ],
    )
    said = "name: namespace 'mine' exists and was not made by virtnet.qemu; choose another name, or take it over with"
    assert refused.msg.startswith(said) and removal.msg.startswith(said)
    assert adopted.commands[0] == "ip -n mine link set dev lo alias virtnet.qemu"
    assert purged.commands[-1] == "ip netns delete mine"
    assert names(host) == ["other", "r1"]


def test_what_cannot_be_is_refused_before_anything_changes(play: Player, host):
    play(host, [netns(name="r1")])
    before = network(host)
    host.path("/run/netns/leftover").touch()
    refused = [
        ({"name": "../r1"}, "name: '../r1' is not a namespace name; use letters, digits, '_', '-' and '.'"),
        ({"name": "r1", "sysctls": {"kernel.hostname": "x"}}, "sysctls: 'kernel.hostname' is not a name below 'net.'"),
        ({"name": "r1", "sysctls": {"net.ipv4.route.flush": 1}}, "sysctls: 'net.ipv4.route.flush' cannot be read"),
        ({"name": "leftover"}, "namespace 'leftover' cannot be entered (Invalid argument); a left-over goes by"),
    ]
    results = play(host, [fails(netns(**options)) for options, _said in refused])
    for result, (_options, said) in zip(results, refused, strict=True):
        assert result.msg.startswith(said)
    host.path("/run/netns/leftover").unlink()
    assert network(host) == before
