# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A network is changed while real guests use it: connections go on, and all their bytes arrive."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from tests.integration.support.dhcp import lease, plug
from tests.integration.support.guest import Guest, ethernet, nic
from tests.sandbox import LanHost, Sandbox

pytestmark = pytest.mark.newest_end

PORT = 9000
LAB = {"name": "lab", "model": "nat", "subnet": "192.168.4.0/24"}
ADDRESSES = {"web1": "192.168.4.11", "web2": "192.168.4.12", "web3": "192.168.4.33"}
GUESTS = [
    {"name": name, "nics": [{"network": "lab", "mac": ethernet(number), "address": address}]}
    for number, (name, address) in enumerate(ADDRESSES.items(), 1)
]
FORWARD = {"port": 8081, "guest": "web2", "guest_port": 80}
WIDTH = 4000
#: Sends numbered lines until it is told to stop, and a last one; says how many.
SEND = f"""\
{{{{ n=0; until [ -e /tmp/stop ]; do n=$((n + 1)); printf '%{WIDTH}d\\n' $n; usleep 2000; done
echo end; echo $n > /tmp/sent-{{0}}; }}}} | nc {{1}} {PORT}"""
#: Says of one connection, at its last line, how many there were, and how many were not as they were sent. BusyBox's nc
#: ends a connection with its input.
RECEIVE = f"""\
tail -f /dev/null | nc -l -p {PORT} | awk '$0 == "end" {{ print NR - 1, bad + 0; exit }}
length($0) != {WIDTH} || $0 + 0 != NR {{ bad++ }}' > /tmp/received"""
RECEIVE_ON_LAN = f"""\
import socket
server = socket.create_server(("", {PORT}))
print("listens", flush=True)
connection, _client = server.accept()
bad = 0
for number, line in enumerate(connection.makefile(), 1):
    if number == 1:
        print("receives", flush=True)
    if line == "end\\n":
        print(number - 1, bad, flush=True)
        break
    bad += line != f"{{number:{WIDTH}}}\\n"
"""


def role(guests: list[dict[str, Any]], **more: Any) -> dict[str, Any]:
    return {
        "ansible.builtin.include_role": {"name": "virtnet.qemu.networks"},
        "vars": {"networks_list": [LAB | more], "networks_guests": guests},
    }


def in_background(guest: Guest, script: str) -> None:
    guest.run("sh", "-c", f"({script}) > /dev/null 2>&1 < /dev/null &")


def until(guest: Guest, condition: str) -> None:
    guest.run("sh", "-c", f"until {condition}; do usleep 50000; done")


def plug_in_guests(host: Sandbox) -> None:
    for number in (1, 2):
        host.run(["ip", "tuntap", "add", f"tap{number}", "mode", "tap"])
        host.run(["ip", "link", "set", f"tap{number}", "master", "br-lab", "up"])


def test_a_reservation_and_a_forward_are_added_while_guests_send(play, host: Sandbox, lan: LanHost, micro_cloud_image):
    play(host, [role(GUESTS[:2])])
    plug_in_guests(host)
    on_lan = lan.popen([sys.executable, "-c", RECEIVE_ON_LAN], stdout=subprocess.PIPE, text=True)
    assert on_lan.stdout.readline() == "listens\n"
    with (
        on_lan,
        Guest(host, "web1", micro_cloud_image, devices=nic("virtio-net-pci", 1)) as web1,
        Guest(host, "web2", micro_cloud_image, devices=nic("virtio-net-pci", 2)) as web2,
    ):
        for guest in (web1, web2):
            guest.run("wait-online", "eth0")
        # In the background: a guest's agent does one thing at a time.
        in_background(web2, RECEIVE)
        until(web2, f"grep -q ':{PORT:04X} ' /proc/net/tcp /proc/net/tcp6")
        for name, address in (("guest", ADDRESSES["web2"]), ("lan", LanHost.ADDRESS)):
            in_background(web1, SEND.format(name, address))
        assert on_lan.stdout.readline() == "receives\n"
        came = int(web2.run("cat", "/sys/class/net/eth0/statistics/rx_bytes"))

        play(host, [role(GUESTS, forwards=[FORWARD])])
        answer = lan.run(["curl", "--silent", "--fail", "--max-time", "20", "http://192.0.2.10:8081/"]).stdout
        assert answer.startswith("host web2\n")
        plug(host, "web3", "br-lab", ethernet(3))
        assert lease(host, "web3")["ip"] == ADDRESSES["web3"]
        until(web2, f"[ $(cat /sys/class/net/eth0/statistics/rx_bytes) -gt {came + 100 * WIDTH} ]")

        web1.run("touch", "/tmp/stop")
        sent = {}
        for name in ("guest", "lan"):
            until(web1, f"[ -s /tmp/sent-{name} ]")
            sent[name] = int(web1.run("cat", f"/tmp/sent-{name}"))
        until(web2, "[ -s /tmp/received ]")
        assert web2.run("cat", "/tmp/received") == f"{sent['guest']} 0"
        assert on_lan.stdout.readline() == f"{sent['lan']} 0\n"
        assert min(sent.values()) > 100
