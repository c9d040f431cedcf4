# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A host takes back by itself what nobody confirmed."""

from __future__ import annotations

import json
import os
import signal
from typing import Any

import pytest

from tests.integration.support import Player, fails
from tests.integration.support.examples import examples
from tests.integration.support.links import await_duplicates, ip
from tests.sandbox import LanHost, Sandbox

FOLDER = "/var/lib/virtnet/checkpoint"
#: What a restore is to bring back; files are looked at apart, for the report is one.
SUBJECTS = ("links", "routes", "rules", "namespaces", "nftables", "iptables", "sysctls", "processes")


def checkpoint(state: str, **options: Any) -> dict[str, Any]:
    return {"virtnet.qemu.checkpoint": {"state": state, **options}}


def shell(script: str) -> dict[str, Any]:
    return {"ansible.builtin.command": {"argv": ["sh", "-e", "-c", script]}}


WAIT = """
import ctypes, os, select, sys
libc = ctypes.CDLL(None)
watch = libc.inotify_init1(os.O_CLOEXEC)
# Made, moved to, deleted.
libc.inotify_add_watch(watch, sys.argv[1].encode(), 0x100 | 0x80 | 0x200)
while os.listdir(sys.argv[1]) != ["restored.json"]:
    if not select.select([watch], [], [], 60)[0]:
        sys.exit(f"the host has not restored itself: {os.listdir(sys.argv[1])}")
    os.read(watch, 65536)
for pid in filter(str.isdigit, os.listdir("/proc")):
    try:
        ending = os.pidfd_open(int(pid))
        if b"restore." b"pyz" in open(f"/proc/{pid}/cmdline", "rb").read():
            select.select([ending], [], [], 60)
    except OSError:
        pass
"""


def await_restore(host: Sandbox) -> dict[str, Any]:
    """When the program has written its report, and has removed all the rest; returns the report."""
    host.run(["python3", "-c", WAIT, FOLDER])
    return report(host)


def report(host: Sandbox) -> dict[str, Any]:
    return json.loads(host.path(f"{FOLDER}/restored.json").read_text())


def picture(host: Sandbox) -> dict[str, Any]:
    """When no address is being looked for any more."""
    await_duplicates(host)
    seen = host.snapshot()
    # What is in a namespace is not saved; tables are listed in the order in which they came.
    seen["namespaces"] = sorted(seen["namespaces"])
    seen["nftables"] = sorted(json.dumps(entry, sort_keys=True) for entry in seen["nftables"] if not _is_blank(entry))
    return {subject: seen[subject] for subject in SUBJECTS}


def _is_blank(entry: dict[str, Any]) -> bool:
    """A chain that iptables makes along with others."""
    chain = entry.get("chain", {})
    return chain.get("policy") == "accept" and chain["name"].isupper()


def assert_same(before: Any, after: Any) -> None:
    found = differences(before, after)
    # Of one that is down the kernel tells why in more words than one; a port passes through states.
    found = [line for line in found if "/operstate: " not in line and "/info_slave_data/state: " not in line]
    assert not found, "\n".join(found)


def differences(old: Any, new: Any, path: str = "") -> list[str]:
    if isinstance(old, dict) and isinstance(new, dict):
        return [line for key in {**old, **new} for line in differences(old.get(key), new.get(key), f"{path}/{key}")]
    if isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        return [line for i, pair in enumerate(zip(old, new, strict=True)) for line in differences(*pair, f"{path}/{i}")]
    return [] if old == new else [f"{path}: {old!r} -> {new!r}"]


NO_PROBLEM = ([], [])


def problems(told: dict[str, Any]) -> tuple[list[str], list[str]]:
    return told["failed"], told["differs"]


WRONG = """
ip link add br0 type bridge
ip link set br0 up
ip address flush dev uplink0
ip link set uplink0 master br0
ip address add 198.51.100.99/24 dev br0
ip route add default via 198.51.100.77
"""


RICH = """
ip -6 address add 2001:db8:1::99/64 dev uplink0 nodad
ip address add 192.0.2.20/24 dev uplink0 label uplink0:x
ip address add 192.0.2.30 peer 192.0.2.40 dev uplink0
ip link add br0 address 52:54:00:00:00:01 type bridge stp_state 1 ageing_time 1000 forward_delay 400
ip link set br0 alias "a b'c" mtu 1400 up
ip link add "b\\$x'*ü" type veth peer name p1
ip link set "b\\$x'*ü" master br0 up
ip link set p1 up txqueuelen 77
ip link set "b\\$x'*ü" type bridge_slave isolated on cost 7
ip address add 10.7.1.1/24 dev br0
ip -6 address add fd00:7:1::1/64 dev br0 nodad
ip -6 address add fd00:7:1::2/64 dev br0 nodad
ip tuntap add dev t0 mode tap user nobody
ip link set t0 master br0 up
ip link add link p1 name mv0 type macvlan mode bridge
ip netns add n1
ip link add in0 type veth peer name in1 netns n1
ip address add 10.7.2.1/24 dev in0
ip link set in0 up
ip route add 203.0.113.0/24 via 192.0.2.2 metric 7 mtu lock 1300
ip route add default via 10.7.1.2 table 77 proto static
ip route add blackhole 198.18.0.0/15
ip route add 10.8.0.0/16 proto 55 nexthop via 192.0.2.3 weight 3 nexthop via 10.7.1.9
ip -6 route add 2001:db8:8::/48 nexthop via fd00:7:1::8 nexthop via fd00:7:1::9 weight 2
ip -6 route add unreachable 2001:db8:9::/48 metric 5
ip -6 route add 2001:db8:7::/48 via fd00:7:1::7 table 78 expires 5000
ip rule add not from 10.0.0.0/8 fwmark 1/0xff iif br0 ipproto tcp dport 80-90 lookup 77 priority 5
ip rule add from all to 10.9.0.0/16 prohibit priority 6
ip -6 rule add from fd00::/8 lookup 78
echo 1 > /proc/sys/net/ipv4/ip_forward
echo 2 > /proc/sys/net/ipv4/conf/br0/rp_filter
nft -f - << 'END'
table inet mine {
    set ports { type inet_service; elements = { 22, 80 }; }
    chain in { type filter hook input priority 0; policy accept; tcp dport @ports counter accept comment "a b"; }
}
table ip plain {
    map to { type ipv4_addr : ipv4_addr; flags interval; elements = { 10.0.0.0/8 : 10.1.1.1 }; }
}
END
iptables -t nat -A POSTROUTING -s 10.7.1.0/24 -m comment --comment "x y" -j MASQUERADE
iptables -N mine
iptables -A mine -m conntrack --ctstate NEW -j ACCEPT
ip6tables -P FORWARD DROP
mkdir -p /etc/systemd/network /etc/virtnet/boot/bridge
echo one > /etc/systemd/network/20-lan.network
ln -s 20-lan.network /etc/systemd/network/30-link.network
echo two > /etc/virtnet/boot/bridge/br0.sh
chmod 600 /etc/virtnet/boot/bridge/br0.sh
"""
WRECKED = """
ip link delete br0
ip link delete p1
ip link delete t0
ip netns delete n1
ip link set uplink0 down
ip address flush dev uplink0
ip link set uplink0 name lost
ip netns add thief
ip link set lost netns thief
ip link add uplink0 type bridge
ip link add x0 type veth peer name x1
ip link set x0 up
ip route flush table 77
ip route add default dev x0 table 79
ip rule flush
ip rule add from all lookup 79 priority 1
ip -6 rule flush
echo 0 > /proc/sys/net/ipv4/ip_forward
echo 1 > /proc/sys/net/ipv6/conf/all/disable_ipv6
nft flush ruleset
nft -f - << 'END'
table inet wall {
    chain in { type filter hook input priority 0; policy drop; }
}
table ip nat {
    chain own { type nat hook postrouting priority 100; masquerade; }
}
END
rm -r /etc/systemd/network /etc/virtnet
mkdir -p /etc/virtnet/boot/tap /etc/network/interfaces.d
echo new > /etc/virtnet/boot/tap/x.sh
echo new > /etc/network/interfaces.d/lan
"""


def files(host: Sandbox) -> dict[str, Any]:
    """Apart from those of the checkpoint."""
    found = host.snapshot()["files"]
    return {path: entry for path, entry in found.items() if not path.startswith(("/var/lib/virtnet", "/run/virtnet"))}


def test_what_nobody_confirms_is_taken_back(play: Player, host: Sandbox, lan: LanHost):
    before = picture(host)
    armed, _wrong = play(host, [checkpoint("armed", timeout=8), shell(WRONG)])
    assert armed.changed
    assert host.run(["ping", "-c1", "-W1", lan.ADDRESS], check=False).returncode != 0
    told = await_restore(host)
    assert problems(told) == NO_PROBLEM
    assert_same(before, picture(host))
    host.run(["ping", "-c1", "-W5", lan.ADDRESS])


def test_everything_is_brought_back_at_once(play: Player, host: Sandbox, lan: LanHost):
    host.run(["sh", "-e", "-c", RICH])
    before, filed = picture(host), files(host)
    _armed, _wrong, checked = play(host, [checkpoint("armed"), shell(WRECKED)]) + play(
        host, [checkpoint("restored")], check=True
    )
    assert checked.changed
    back, idle = play(host, [checkpoint("restored")] * 2)
    assert problems(back["restored"]) == NO_PROBLEM
    assert_same(before, picture(host))
    assert files(host) == filed
    assert back.changed and not idle.changed


def test_what_is_confirmed_in_time_is_kept(play: Player, host: Sandbox, lan: LanHost):
    before = files(host)
    good = shell("ip link add br0 type bridge")
    armed, _good, confirmed, again = play(
        host, [checkpoint("armed", by="me"), good, checkpoint("confirmed"), fails(checkpoint("confirmed"))]
    )
    assert (armed["armed"], confirmed["armed"], confirmed.changed) == (True, False, True)
    assert "nothing is armed" in again.msg
    host.run(["ip", "link", "show", "br0"])
    assert files(host) == before
    assert not host.path(FOLDER).exists()
    assert not [words for words in host.snapshot()["processes"] if "restore.pyz" in " ".join(words)]


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["ping", "-c1", "-W1", "192.0.2.77"], "'ping -c1 -W1 192.0.2.77' ended with 1"),
        (["sh", "-c", "echo so; exit 3"], "ended with 3 and said: so."),
        (["no-such-program"], "'no-such-program' cannot be run"),
        (["sleep", "infinity"], "did not end within"),
    ],
)
def test_nothing_is_confirmed_without_the_users_probe(play: Player, host: Sandbox, lan: LanHost, argv, said):
    timeout = 6 if argv[0] == "sleep" else 60
    _armed, refused, back = play(
        host,
        [checkpoint("armed", timeout=timeout), fails(checkpoint("confirmed", probe=argv)), checkpoint("restored")],
    )
    assert refused.msg.startswith("probe: ") and said in refused.msg
    assert "Nothing was confirmed: the host restores itself at" in refused.msg
    # The one that takes too long ends at the same time as the timer.
    assert back.changed or argv[0] == "sleep"


def test_a_restore_is_told_once_by_whoever_comes_next(play: Player, host: Sandbox):
    _armed, _made = play(host, [checkpoint("armed", timeout=1, by="a@b"), shell("ip link add br0 type bridge")])
    await_restore(host)
    (late, later) = play(host, [fails(checkpoint("confirmed"))] * 2)
    assert "the checkpoint that a@b armed at " in late.msg and "so the host restored itself at " in late.msg
    assert "its time was over; 1 changes taken back" in late.msg and "it is as it was before" in late.msg
    assert "nothing is armed" in later.msg
    play(host, [checkpoint("armed", timeout=1, by="a@b")])
    await_restore(host)
    warned, confirmed, fine = play(host, [checkpoint("armed"), checkpoint("confirmed"), checkpoint("armed")])
    (warning,) = warned.warnings
    assert "a@b" in warning and warned["restored"]["reason"] == "its time was over"
    assert confirmed.changed and fine.warnings == [] and fine["restored"] is None


def test_two_at_once_are_refused(play: Player, host: Sandbox):
    first, second, _back = play(
        host, [checkpoint("armed", by="one"), fails(checkpoint("armed", by="two")), checkpoint("restored")]
    )
    assert f"until {first['until']} by one;" in second.msg and "'state: confirmed' or 'state: restored'" in second.msg
    play(host, [checkpoint("armed", by="one")])
    # As after a reboot of a host without systemd.
    host.run(["sh", "-c", f"kill $(cut -d ' ' -f 1 {FOLDER}/timer.pid)"])
    refused, back, idle = play(host, [fails(checkpoint("armed")), checkpoint("restored"), checkpoint("restored")])
    assert "by one, but its timer does not run any more" in refused.msg
    assert back.changed and not idle.changed


def test_the_controller_dies(play: Player, host: Sandbox, lan: LanHost):
    before = picture(host)
    fifo = host.path("/run/signal")
    os.mkfifo(fifo)
    run = play.start(host, [checkpoint("armed", timeout=6), shell(WRONG), shell("echo > /run/signal; sleep infinity")])
    run.wait_for(fifo)
    os.killpg(run.process.pid, signal.SIGKILL)
    run.process.wait()
    assert problems(await_restore(host)) == NO_PROBLEM
    host.run(["pkill", "-x", "sleep"], check=False)
    assert_same({**before, "processes": None}, {**picture(host), "processes": None})


def test_a_module_is_killed(play: Player, host: Sandbox, lan: LanHost):
    before = picture(host)
    # Right after it has taken the uplink's addresses away.
    killed = shell(f"{WRONG} kill -9 $PPID")
    play.start(host, [checkpoint("armed", timeout=6), killed]).finish()
    assert host.run(["ping", "-c1", "-W1", lan.ADDRESS], check=False).returncode
    assert problems(await_restore(host)) == NO_PROBLEM
    assert_same(before, picture(host))


def test_who_holds_the_hosts_lock_and_hangs_is_not_waited_for_and_does_not_go_on(play: Player, host: Sandbox):
    play(host, [checkpoint("armed", timeout=3600), shell("ip link add br0 type bridge")])
    holding = ["flock", "--no-fork", "/run/virtnet/lock", "sh", "-c", "echo held; exec sleep infinity"]
    with host.popen(holding, stdout=-1) as hanging:
        assert hanging.stdout.read(5) == b"held\n"
        # What the timer does when its time is over.
        host.run(["python3", "-I", f"{FOLDER}/restore.pyz", "timeout"])
        assert problems(report(host)) == NO_PROBLEM
        assert host.run(["pgrep", "-x", "sleep"], check=False).returncode
        hanging.kill()
    assert host.run(["ip", "link", "show", "br0"], check=False).returncode


def test_nothing_is_changed_when_the_time_is_over_before_it_begins(play: Player, host: Sandbox, lan: LanHost):
    before = picture(host)
    bridge = {"virtnet.qemu.bridge": {"name": "br-lan", "uplink": "uplink0"}}
    under = {**bridge, "environment": {"VIRTNET_CHECKPOINT": "armed"}}
    play(host, [checkpoint("armed", timeout=1)])
    await_restore(host)
    (refused, checked, made) = play(host, [fails(under)]) + play(host, [under], check=True) + play(host, [bridge])
    assert refused.msg.startswith("nothing is changed here: it was to be under a checkpoint")
    assert checked.changed and made.changed and before["links"] != picture(host)["links"]
    (idle,) = play(host, [under])
    assert not idle.changed


#: What the module does, when the program is about to do the same.
RACER = """
import os
while not os.path.exists("busy"):
    pass
try:
    os.rename("armed.json", "confirmed.json")
except FileNotFoundError:
    pass
"""


def test_the_timer_and_a_confirmation_at_the_same_moment_end_in_one_of_both(play: Player, host: Sandbox):
    play(host, [checkpoint("armed", timeout=3600)])
    saved = host.path(f"{FOLDER}/armed.json").read_text()
    program = host.path(f"{FOLDER}/restore.pyz").read_bytes()
    play(host, [checkpoint("confirmed")])
    for _round in range(12):
        folder = host.path(FOLDER)
        folder.mkdir(mode=0o700, parents=True)
        (folder / "restore.pyz").write_bytes(program)
        (folder / "armed.json").write_text(saved)
        ip(host, "link", "add", "br0", "type", "bridge")
        script = 'python3 -c "$1" & python3 -I restore.pyz timeout; wait'
        host.run(["sh", "-c", f"cd {FOLDER}; {script}", "sh", RACER])
        kept = host.run(["ip", "link", "show", "br0"], check=False).returncode == 0
        assert kept is (folder / "confirmed.json").exists() is not (folder / "restored.json").exists()
        assert not {path.name for path in folder.iterdir()} & {"armed.json", "restoring.json"}
        host.run(["rm", "-r", FOLDER])
        host.run(["ip", "link", "delete", "br0"], check=False)


def test_what_fails_stops_nothing_else_and_is_told(play: Player, host: Sandbox, lan: LanHost):
    host.run(["ip", "link", "set", "uplink0", "alias", "x"])
    breaking = "printf '#!/bin/sh\\nexit 1\\n' | tee /usr/local/sbin/nft > /usr/local/sbin/iptables-save"
    breaking += "; chmod +x /usr/local/sbin/*"
    lost = "ip link set uplink0 alias y; ip netns add thief; ip link add v0 type veth peer name v1 netns thief"
    play(host, [checkpoint("armed"), shell(f"{breaking}; {lost}; {WRONG}")])
    (back,) = play(host, [fails(checkpoint("restored"))])
    assert "these failed: 'the rules of nftables cannot be read any more" in back.msg
    assert "this still differs: 'the rules of nftables cannot be read any more'" in back.msg
    host.run(["ping", "-c1", "-W5", lan.ADDRESS])
    assert "alias x" in host.run(["ip", "link", "show", "uplink0"]).stdout
    assert not host.path(FOLDER).exists()


def test_a_restore_that_broke_off_is_finished(play: Player, host: Sandbox):
    play(host, [checkpoint("armed"), shell("ip link add br0 type bridge")])
    host.path(f"{FOLDER}/armed.json").rename(host.path(f"{FOLDER}/restoring.json"))
    refused, unconfirmed, back = play(
        host, [fails(checkpoint("armed")), fails(checkpoint("confirmed")), checkpoint("restored")]
    )
    assert "the host is restoring itself" in refused.msg
    assert "finish it by 'state: restored'" in unconfirmed.msg
    assert "ip link delete dev br0" in back.commands


def test_check_mode_only_says(play: Player, host: Sandbox):
    before = host.snapshot()
    tasks = [checkpoint(state) for state in ("armed", "confirmed", "restored")]
    armed, confirmed, restored = play(host, tasks, check=True)
    assert (armed.changed, confirmed.changed, restored.changed) == (True, False, False)
    assert "timeout 60" in armed.commands[-1]
    after = host.snapshot()
    assert differences(before, after) == []


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"state": "armed", "timeout": 0}, "timeout: 0 is not a number of seconds from 1 to 86400"),
        ({"state": "armed", "probe": ["true"]}, "probe: it is asked before 'state: confirmed'"),
        ({"state": "confirmed", "probe": []}, "probe: it is empty"),
    ],
)
def test_refusals(play: Player, host: Sandbox, options, said):
    (refused,) = play(host, [fails({"virtnet.qemu.checkpoint": options})])
    assert refused.msg.startswith(said)
    assert not host.path(FOLDER).exists()


def test_the_documented_examples(play: Player, host: Sandbox, lan: LanHost):
    results = play(host, examples("checkpoint"))
    assert [result.changed for result in results] == [True] * 3
    host.run(["ping", "-c1", "-W5", lan.ADDRESS])
