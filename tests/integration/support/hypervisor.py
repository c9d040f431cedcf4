# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A sandbox host that guests can run on, and ways to look at them."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import Any

from ansible_collections.virtnet.qemu.plugins.module_utils._host.agent import run_all
from ansible_collections.virtnet.qemu.plugins.module_utils._spec.guest_exec import Command
from tests.sandbox import Sandbox

USER = "virtnet-qemu"
IMAGES = "/var/lib/virtnet/images"
#: Until a guest that boots, or ends, must have done so.
PATIENCE = 120.0
#: A guest without anything to boot from: its firmware waits for nothing, and costs next to nothing.
IDLE = {"memory": "32M", "accel": "tcg", "stop_timeout": 1}
WAIT = """\
import contextlib, os, select, sys
with contextlib.suppress(ProcessLookupError):
    select.select([os.pidfd_open(int(sys.argv[1]))], [], [])
"""
ADDRESS, GUEST_ADDRESS = "192.0.2.1", "192.0.2.2"


def prepare(host: Sandbox) -> None:
    """The guests' user, and a bridge ``br-lab`` with an address of the host."""
    host.run(["useradd", "--system", "--no-create-home", "--shell", "/usr/sbin/nologin", USER])
    commands = [
        "link add br-lab type bridge forward_delay 0",
        f"address add {ADDRESS}/24 dev br-lab",
        "link set br-lab up",
    ]
    host.run(["ip", "-batch", "-"], input="\n".join(commands))


def offer_tun(host: Sandbox, mode: int) -> None:
    """The device that makes taps, with a mode of its own, which differs between machines."""
    host.run(["mount", "-t", "tmpfs", "tmpfs", "/dev/net"])
    host.run(["mknod", "--mode", f"{mode:o}", "/dev/net/tun", "c", "10", "200"])


def bootable(host: Sandbox, image: Path, append: str = "") -> dict[str, Any]:
    """The options of a guest that boots the micro guest in `image`, which is copied to the host."""
    shutil.copytree(image, host.path(f"{IMAGES}/micro"))
    return {
        "memory": "192M",
        "accel": "tcg",
        "kernel": "micro/vmlinuz",
        "initrd": "micro/initrd.img",
        "append": f"console=ttyS0 quiet {append}",
    }


def guest(name: str = "web1", **options: Any) -> dict[str, Any]:
    return {"virtnet.qemu.qemu_guest": {"name": name, **options}}


def guests(*config: dict[str, Any], **options: Any) -> dict[str, Any]:
    return {"virtnet.qemu.qemu_guest": {"config": list(config), **options}}


def inside(host: Sandbox, name: str, *argv: str) -> str:
    """What a command in the guest, which may still be booting, prints."""
    socket = host.path(f"/run/virtnet/guests/{name}/agent.sock")
    (outcome,) = run_all([Command(name, str(socket), argv)], PATIENCE)
    assert outcome.rc == 0, outcome
    return outcome.stdout.decode().rstrip("\n")


def wait_end(host: Sandbox, pid: int) -> None:
    """Wait until a process of the host, known there by that pid, has ended."""
    host.run([sys.executable, "-c", WAIT, str(pid)], timeout=PATIENCE)


def links(host: Sandbox) -> set[str]:
    return {line.split()[0].partition("@")[0] for line in host.run(["ip", "-br", "link"]).stdout.splitlines()}


def processes(host: Sandbox) -> list[str]:
    """The command lines of all QEMUs."""
    lines = host.run(["ps", "-ww", "-eo", "args"]).stdout.splitlines()
    return [line for line in lines if "qemu-system" in line.split()[0]]


def left_over(host: Sandbox) -> list[str]:
    """What there is of guests on the host: links, processes, files."""
    places = ("/etc/virtnet", "/run/virtnet", "/var/lib/virtnet/guests", "/var/log/virtnet")
    root = str(host.path("/")).rstrip("/")
    found = [path for place in places for path in host.path(place).rglob("*") if not path.is_dir()]
    files = [str(path)[len(root) :] for path in found]
    return [*sorted(links(host) - {"lo", "br-lab"}), *processes(host), *(f for f in files if not f.endswith("/lock"))]
