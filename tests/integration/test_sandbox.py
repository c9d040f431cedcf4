# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The test bed itself: sandbox hosts are private, end completely, and are told apart from anything else."""

from __future__ import annotations

import os
import select
import subprocess
import sys
from pathlib import Path

import pytest

from tests.sandbox import LanHost, Machine, Sandbox, SandboxError, link
from tests.sandbox.initprocess import InitProcess

pytestmark = pytest.mark.newest_end

REPOSITORY = Path(__file__).resolve().parents[2]
SECONDS = 10
# Starts a host, says so, and waits to be killed.
STARTER = "import sys; from tests.sandbox import Sandbox; Sandbox(sys.argv[1]).start(); print('up'); sys.stdin.read()"


def ended(pid: int) -> bool:
    """Whether a process ends in time; an event is waited for."""
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([handle], [], [], SECONDS)[0])
    finally:
        os.close(handle)


@pytest.mark.parametrize("folder", ["/etc", "/opt", "/run", "/usr/bin", "/var/lib"])
def test_files_stay_inside(host, folder):
    name = f"{folder}/{host.name}"
    host.run(["sh", "-c", 'echo content > "$1"', "sh", name])
    assert host.path(name).read_text() == "content\n"
    assert not Path(name).exists()


def test_a_file_of_the_machine_is_there_and_can_be_changed_inside_only(host):
    before = Path("/etc/passwd").read_text()
    host.run(["sh", "-c", "echo x:x:1:1::/:/bin/sh >> /etc/passwd"])
    assert host.path("/etc/passwd").read_text() == before + "x:x:1:1::/:/bin/sh\n"
    assert Path("/etc/passwd").read_text() == before


def test_namespaces_links_rules_and_sysctls_stay_inside(host):
    machine = Machine()
    before = machine.snapshot()
    host.run(["ip", "netns", "add", "inner"])
    host.run(["ip", "link", "add", "inner0", "type", "bridge"])
    host.run(["sysctl", "--write", "net.ipv4.ip_forward=1"])
    host.run(["nft", "add", "table", "inet", "inner"])
    after = machine.snapshot()
    for subject in ("links", "namespaces", "nftables", "sysctls"):
        assert after[subject] == before[subject]
    assert host.run(["ip", "netns", "list"]).stdout.split()[0] == "inner"


def test_sysfs_shows_the_links_of_the_host(host, lan):
    assert sorted(os.listdir(host.path("/sys/class/net"))) == ["lo", "uplink0"]


def test_the_host_begins_without_forwarding_whatever_the_machine_does(host):
    assert host.path("/proc/sys/net/ipv4/ip_forward").exists()
    assert host.run(["cat", "/proc/sys/net/ipv4/ip_forward"]).stdout == "0\n"


def test_the_host_has_its_own_name_and_processes(host):
    assert host.run(["hostname"]).stdout == f"{host.name}\n"
    assert host.run(["getent", "hosts", host.name]).stdout.split()[0] == "127.0.1.1"
    assert host.snapshot()["processes"] == [["cat"], ["tini", "--", "cat"]]


def test_the_name_servers_of_the_machine_are_not_asked(host):
    assert host.path("/etc/resolv.conf").read_text() == ""


def test_stop_ends_everything_inside(host):
    host.run(["dnsmasq", "--conf-file=/dev/null", "--port=5353", "--pid-file=/run/dnsmasq.pid", "--user=root"])
    command = host.popen(["sleep", "600"])
    # Daemons have left the process tree of whoever started them; the pid namespace still holds them.
    (line,) = [line for line in host.run(["ps", "-e", "-o", "args"]).stdout.splitlines() if "dnsmasq" in line]
    assert line.startswith("dnsmasq --conf-file")
    inside = os.stat(f"/proc/{host.pid}/ns/pid").st_ino
    host.stop()
    command.wait(timeout=SECONDS)
    left = [entry for entry in Path("/proc").glob("[0-9]*/ns/pid") if _inode(entry) == inside]
    assert left == []
    assert not host.running
    assert not host.pid_file.exists()


def _inode(path: Path) -> int | None:
    try:
        return path.stat().st_ino
    except OSError:
        # It has ended meanwhile, or is a kernel thread that shows nothing.
        return None


def test_a_command_given_up_ends(host):
    with pytest.raises(subprocess.TimeoutExpired):
        host.run(["sh", "-c", "echo $$ > /run/pid; exec sleep 600"], timeout=1)
    inside = host.path("/run/pid").read_text().strip()
    # A short life is left to it after the kill: what is waited for is its end.
    host.run(["tail", f"--pid={inside}", "--sleep-interval=0.1", "--follow", "/dev/null"], timeout=SECONDS)
    assert ["sleep", "600"] not in host.snapshot()["processes"]


def test_stop_of_a_stopped_host_does_nothing(host):
    host.stop()
    host.stop()
    assert not host.running


def test_a_second_start_is_refused_and_harmless(host):
    with pytest.raises(SandboxError, match="runs already"):
        Sandbox(host.name).start()
    assert host.run(["hostname"]).stdout == f"{host.name}\n"


def test_a_stale_pid_file_is_no_obstacle(host):
    stale = host.pid_file.read_text()
    host.stop()
    host.pid_file.write_text(stale)
    assert not host.running
    host.start()
    assert host.running


@pytest.mark.parametrize("content", ["", "no numbers here", "1"])
def test_a_damaged_pid_file_is_no_obstacle(host, content):
    host.stop()
    host.pid_file.write_text(content)
    host.start()
    assert host.running


@pytest.mark.parametrize("wrong", ["started", "boot"])
def test_a_process_with_the_same_pid_is_never_killed(host, wrong):
    host.stop()
    other = subprocess.Popen(["sleep", "600"])
    try:
        own = InitProcess.of(other.pid)
        values = {"pid": own.pid, "started": own.started, "boot": own.boot}
        values[wrong] = {"started": own.started - 1, "boot": "0" * 36}[wrong]
        host.pid_file.write_text(f"{values['pid']} {values['started']} {values['boot']}\n")
        assert not host.running
        host.stop()
        assert other.poll() is None
    finally:
        other.kill()
        other.wait()


def test_a_host_ends_with_the_program_that_started_it(host):
    name = f"{host.name}-child"
    starter = subprocess.Popen(
        [sys.executable, "-c", STARTER, name], cwd=REPOSITORY, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert starter.stdout.readline() == "up\n"
    pid = Sandbox(name).pid
    starter.kill()
    starter.communicate()
    assert ended(pid)
    Sandbox(name).stop()


def test_a_detached_host_outlives_the_program_that_started_it(host):
    name = f"{host.name}-kept"
    started = STARTER.replace("(sys.argv[1])", "(sys.argv[1], detached=True)")
    subprocess.run([sys.executable, "-c", started, name], cwd=REPOSITORY, input="", check=True, stdout=subprocess.PIPE)
    kept = Sandbox(name)
    try:
        assert kept.run(["hostname"]).stdout == f"{name}\n"
        pid = kept.pid
    finally:
        kept.stop()
    assert ended(pid)


@pytest.mark.parametrize("name", ["", "a b", "../x", "-a", "a" * 64, "Upper"])
def test_unsuitable_names_are_refused(name):
    with pytest.raises(SandboxError, match="use lower case letters"):
        Sandbox(name)


def test_a_failing_command_says_what_it_said(host):
    with pytest.raises(SandboxError, match=r"rc 2: .*No such file"):
        host.run(["ls", "/nowhere"])
    assert host.run(["ls", "/nowhere"], check=False).returncode == 2


def test_a_cable_joins_two_hosts_and_no_one_else(new_host):
    machine = Machine()
    before = machine.snapshot()["links"]
    a, b = new_host(), new_host()
    link(a, "left0", b, "right0")
    a.run(["ip", "address", "add", "198.51.100.1/24", "dev", "left0"])
    b.run(["ip", "address", "add", "198.51.100.2/24", "dev", "right0"])
    a.run(["ping", "-c", "1", "-W", "5", "198.51.100.2"])
    assert machine.snapshot()["links"] == before


@pytest.mark.parametrize(("target", "client"), [("192.0.2.1", "192.0.2.10"), ("[2001:db8:1::1]", "2001:db8:1::10")])
def test_the_web_server_of_the_lan_notes_who_asked(host, lan, target, client):
    assert host.run(["curl", "--silent", f"http://{target}/page"]).stdout == f"{client}\n"
    assert lan.requests() == [{"client": client, "path": "/page"}]
    assert lan.clients() == [client]


def test_the_name_server_of_the_lan_answers(host, lan):
    for kind, address in (("ahostsv4", LanHost.ADDRESS), ("ahostsv6", LanHost.ADDRESS6)):
        assert host.run(["getent", kind, LanHost.WEB_NAME]).stdout.split()[0] == address
    assert host.run(["getent", "hosts", "nobody.lan.test"], check=False).returncode == 2


CHANGES = {
    "links": ("ip link add x0 type bridge", "ip link delete x0"),
    "routes": ("ip route add blackhole 198.51.100.0/24", "ip route delete blackhole 198.51.100.0/24"),
    "rules": ("ip rule add priority 99 table 99", "ip rule delete priority 99"),
    "namespaces": ("ip netns add x", "ip netns delete x"),
    "nftables": ("nft add table inet x", "nft delete table inet x"),
    "iptables": ("iptables -N x", "iptables -X x"),
    "sysctls": ("sysctl net.ipv4.ip_forward=1", "sysctl net.ipv4.ip_forward=0"),
    "processes": ("setsid --fork sleep 600 > /dev/null 2>&1", "pkill -x -f 'sleep 600'"),
    "users": ("echo x:x:1:1::/:/bin/sh >> /etc/passwd", "sed -i '$d' /etc/passwd"),
    "files": ("mkdir -p /etc/virtnet; echo x > /etc/virtnet/x", "rm -r /etc/virtnet"),
}


@pytest.mark.parametrize("subject", CHANGES)
def test_a_snapshot_shows_a_change_and_its_undoing(host, subject):
    change, undo = CHANGES[subject]
    # The first chain makes its table, and the table stays when the chain goes.
    host.run(["sh", "-c", "iptables -N first && iptables -X first"])
    before = host.snapshot()
    host.run(["sh", "-c", change])
    changed = host.snapshot()
    assert changed[subject] != before[subject]
    host.run(["sh", "-c", undo])
    assert host.snapshot() == before


def test_a_snapshot_does_not_see_traffic(host, lan):
    host.run(["iptables", "-A", "OUTPUT", "-p", "tcp"])
    host.run(
        [
            "nft",
            "add table inet x; add chain inet x c { type filter hook output priority 0; }; add rule inet x c counter",
        ]
    )
    before = host.snapshot()
    host.run(["curl", "--silent", "http://192.0.2.1/"])
    assert host.snapshot() == before
