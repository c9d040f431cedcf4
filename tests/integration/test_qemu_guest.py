# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The module qemu_guest with a guest that boots: its life from the first definition to its removal."""

from __future__ import annotations

import json
import sys

import pytest

from tests.integration.support.hypervisor import (
    ADDRESS,
    GUEST_ADDRESS,
    IMAGES,
    USER,
    bootable,
    guest,
    inside,
    left_over,
    links,
    prepare,
    processes,
    wait_end,
)

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ web@example"
DATA = "/var/lib/virtnet/guests/web1"
RUNTIME = "/run/virtnet/guests/web1"
FETCH = "import sys, urllib.request; print(urllib.request.urlopen(sys.argv[1], timeout=30).read().decode())"


@pytest.fixture
def options(host, micro_cloud_image):
    """A guest with a disk over another, a seed, a tap and a NIC of QEMU's own."""
    prepare(host)
    boot = bootable(host, micro_cloud_image, f"ip={GUEST_ADDRESS}::{ADDRESS}:24::eth0:none ip=::::web1:eth1:dhcp")
    base = host.path(f"{IMAGES}/base.img")
    base.write_bytes(b"from the base".ljust(1 << 20, b"\0"))
    return {
        **boot,
        "disks": [{"file": "web1.qcow2", "base": "base.img", "size": "4M"}],
        "seed": {"hostname": "web1", "ssh_keys": [KEY], "user_data": {"packages": ["nginx"]}},
        "nics": [{"bridge": "br-lab"}, {"type": "user", "hostfwd": [{"port": 8080, "guest_port": 80}]}],
    }


def status(host, pid):
    lines = host.path(f"/proc/{pid}/status").read_text().splitlines()
    return dict(line.split(":\t", 1) for line in lines if ":\t" in line)


def test_the_life_of_a_guest(play, host, options):
    (would,) = play(host, [guest(**options)], check=True)
    assert would.changed
    assert left_over(host) == []

    first, again = play(host, [guest(**options), guest(**options)], diff=True)
    assert first.commands == would.commands
    (told,) = first["guests"]
    assert told["running"] and told["accel"] == "tcg" and not told["restart_required"]
    assert not again.changed and again.commands == []
    assert again["guests"] == first["guests"]
    shown = first["diff"]["after"]
    assert "base: /var/lib/virtnet/images/base.img" in shown and "- -netdev" in shown

    runs_as_its_user(host, told)
    is_as_it_was_defined(host, told)

    # Powered off from inside: QEMU ends, and with it the tap, before any other run.
    assert "web1-0" in links(host)
    inside(host, "web1", "sh", "-c", "(sleep 1; poweroff) > /dev/null 2>&1 &")
    wait_end(host, told["pid"])
    assert links(host) == {"lo", "br-lab"}
    stopped, absent = play(host, [guest(state="stopped"), guest(state="absent")])
    assert not stopped.changed
    assert absent.changed
    assert left_over(host) == []
    assert host.path(f"{IMAGES}/base.img").exists()


def runs_as_its_user(host, told):
    entry = next(line.split(":") for line in host.path("/etc/passwd").read_text().splitlines() if line.startswith(USER))
    uid, gid = int(entry[2]), int(entry[3])
    seen = status(host, told["pid"])
    assert set(seen["Uid"].split()) == {str(uid)}
    assert int(seen["CapEff"], 16) == 0
    for path, mode in ((RUNTIME, 0o750), (DATA, 0o750), (f"{DATA}/web1.qcow2", 0o600)):
        found = host.path(path).stat()
        assert (found.st_uid, found.st_gid, found.st_mode & 0o777) == (uid, gid, mode), path
    (command,) = processes(host)
    assert f"mac={told['macs'][0]}" in command
    (tap,) = json.loads(host.run(["ip", "-json", "-detail", "link", "show", "web1-0"]).stdout)
    assert tap["linkinfo"]["info_data"] == {
        **tap["linkinfo"]["info_data"],
        "type": "tap",
        "user": USER,
        "persist": False,
    }
    assert (tap["master"], tap["ifalias"]) == ("br-lab", "virtnet.qemu guest=web1")


def is_as_it_was_defined(host, told):
    inside(host, "web1", "wait-online", "eth0", "eth1")
    assert inside(host, "web1", "cat", "/sys/class/net/eth0/address") == told["macs"][0]
    assert f"inet {GUEST_ADDRESS}/24" in inside(host, "web1", "ip", "address", "show", "eth0")
    assert "1 packets received" in inside(host, "web1", "ping", "-c1", "-W10", ADDRESS)
    # The disk is the overlay: what is in its base, and as large as was asked for.
    assert inside(host, "web1", "head", "-c13", "/dev/vda") == "from the base"
    assert inside(host, "web1", "cat", "/sys/block/vda/size") == str((4 << 20) // 512)
    inside(host, "web1", "sh", "-c", "mkdir /seed; mount -t iso9660 -o ro /dev/vdb /seed")
    meta_data = json.loads(inside(host, "web1", "cat", "/seed/meta-data"))
    assert meta_data == {"instance-id": "web1", "local-hostname": "web1", "public-keys": [KEY]}
    assert inside(host, "web1", "head", "-n1", "/seed/user-data") == "#cloud-config"
    label = host.run(["blkid", "--output", "value", "--match-tag", "LABEL", *map(str, seeds(host))]).stdout.strip()
    assert label == "cidata"
    page = host.run([sys.executable, "-c", FETCH, "http://127.0.0.1:8080/"]).stdout
    assert page.startswith("host web1\n")


def seeds(host):
    return [f"{DATA}/{path.name}" for path in host.path(DATA).glob("seed-*.iso")]
