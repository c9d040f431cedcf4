# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A run that is killed while it makes links: the next one completes it, and nothing is left over.

The laws of the unit tests kill after every step, of a model; this is the kernel.
"""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.integration.support import Player, fails
from tests.integration.support.links import ip, network
from tests.sandbox import Sandbox

COUNT = 60
LOCK = "/run/virtnet/lock"
#: The links that a run has made and not finished, written before the first and removed after the last.
UNFINISHED = "/run/virtnet/unfinished.json"
# With MAC addresses, since the kernel draws them by lot.
MADE = {
    "bridge": [
        {"name": f"br{n}", "mac": f"52:54:00:00:01:{n:02x}", "addresses": [f"10.8.{n}.1/24", f"fd00:8:{n:x}::1/64"]}
        for n in range(COUNT)
    ],
    "tap": [
        {"name": f"tap{n}", "mac": f"52:54:00:00:02:{n:02x}", "bridge": "br-mine", "owner": "games"}
        for n in range(COUNT)
    ],
    "veth": [
        {
            "name": f"red{n}",
            "mac": f"52:54:00:00:03:{n:02x}",
            "bridge": "br-mine",
            "peer": {"name": f"blue{n}", "netns": "blue", "ifname": f"eth{n}", "mac": f"52:54:00:00:04:{n:02x}"},
        }
        for n in range(COUNT)
    ],
}


def holder(host: Sandbox) -> int | None:
    """The process that has the host's lock: the module at work (proc_locks(5))."""
    lock = host.path(LOCK).stat()
    # Other hosts' locks may have the same number, on a file system of their own.
    wanted = f"{os.major(lock.st_dev):02x}:{os.minor(lock.st_dev):02x}:{lock.st_ino}"
    for line in Path("/proc/locks").read_text(encoding="ascii").splitlines():
        _number, kind, _mode, _access, pid, place, *_range = line.split()
        if kind == "FLOCK" and place == wanted:
            return int(pid)
    return None


def kill_after(play: Player, host: Sandbox, task: dict[str, Any], count: int) -> None:
    """Run a task, and kill its module when the kernel has told of so many new links."""
    monitor = host.popen(["ip", "-oneline", "monitor", "link"], stdout=subprocess.PIPE, text=True)
    run = play.start(host, [fails(task)])
    told: set[str] = set()
    while len(told) < count:
        told.add(monitor.stdout.readline().split(":")[1])
    if module := holder(host):
        os.kill(module, signal.SIGKILL)
    run.finish()
    monitor.kill()
    monitor.communicate()


def killed_in_the_middle(play: Player, new_host: Callable[[], Sandbox], task: dict[str, Any], count: int) -> Sandbox:
    """A host where a run of the task was killed; on a busy machine the news of links may come when all is done."""
    for _try in range(5):
        host = prepared(new_host())
        kill_after(play, host, task, count)
        if host.path(UNFINISHED).exists():
            return host
    raise AssertionError("every run was over before it was killed")


def prepared(host: Sandbox) -> Sandbox:
    ip(host, "netns", "add", "blue")
    ip(host, "link", "add", "br-mine", "address", "52:54:00:00:00:01", "type", "bridge")
    return host


@pytest.mark.parametrize(("module", "count"), [("bridge", 1), ("tap", 5), ("veth", COUNT)])
def test_what_a_killed_run_began_is_completed(play: Player, new_host, module, count):
    task = {f"virtnet.qemu.{module}": {"config": MADE[module]}}
    whole = prepared(new_host())
    before = network(whole)
    play(whole, [task])

    host = killed_in_the_middle(play, new_host, task, count)
    again, idle = play(host, [task, task])
    assert again.changed and not idle.changed
    assert network(host) == network(whole)
    assert [path.name for path in host.path("/run/virtnet").iterdir()] == ["lock"]
    absent = [{"name": entry["name"], "state": "absent"} for entry in MADE[module]]
    play(host, [{f"virtnet.qemu.{module}": {"config": absent}}])
    assert network(host) == before
