# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A guest, from nothing to its first answer to a ping: by our module, and by a bare QEMU command."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.integration.support.packages import Repository
from tests.sandbox import Sandbox

from .bulk import fresh_host
from .measure import Cost
from .plays import Plays

ADDRESS = "10.9.0.11"
APPEND = f"console=ttyS0 quiet ip={ADDRESS}::10.9.0.1:24::eth0:none"
PACKAGES = ("linux-image-cloud-amd64", "busybox-static", "qemu-guest-agent")


class Guest:
    """The micro guest under emulation: one of its boots takes as long as another."""

    def __init__(self, folder: Path, packages: Path) -> None:
        self._plays = Plays(folder / "plays")
        self._image = folder / "micro"
        with fresh_host() as host:
            Repository(packages, PACKAGES).offer(host)
            build = {"dest": str(self._image), "flavour": "cloud-amd64", "update_cache": True}
            self._plays.cost([host], [{"name": "Build", "virtnet.qemu.micro_guest": build}])

    def figures(self) -> Iterator[dict[str, Any]]:
        for who, start in (("ours", self._ours), ("bare QEMU", self._bare)):
            with _host_with_bridge() as host:
                began = time.monotonic()
                with start(host):
                    # By itself it ends with the first word that nobody is there.
                    host.run(["timeout", "300", "sh", "-c", f"until ping -q -c 1 -W 1 {ADDRESS}; do :; done"])
                    took = time.monotonic() - began
            yield {"phase": "guest", "who": who, "cost": vars(Cost(took, 0))}
        with fresh_host() as host:
            nothing = self._plays.cost([host], [{"name": "Nothing", "ansible.builtin.ping": None}])
        yield {"phase": "guest", "who": "empty play", "cost": vars(Cost(nothing.wall, 0))}

    @contextmanager
    def _ours(self, host: Sandbox) -> Iterator[None]:
        guest = {
            "name": "web1",
            "memory": "192M",
            "accel": "tcg",
            "user": "root",
            "kernel": str(self._image / "vmlinuz"),
            "initrd": str(self._image / "initrd.img"),
            "append": APPEND,
            "nics": [{"bridge": "br0"}],
        }
        self._plays.cost([host], [{"name": "Guest", "virtnet.qemu.qemu_guest": guest}])
        yield

    @contextmanager
    def _bare(self, host: Sandbox) -> Iterator[None]:
        lines = ("tuntap add dev tap0 mode tap", "link set dev tap0 master br0 up")
        host.run(["ip", "-batch", "-"], input="\n".join(lines))
        qemu = host.popen(
            ["qemu-system-x86_64", "-machine", "q35", "-accel", "tcg", "-m", "192", "-nodefaults", "-display", "none"]
            + ["-kernel", str(self._image / "vmlinuz"), "-initrd", str(self._image / "initrd.img"), "-append", APPEND]
            + ["-netdev", "tap,id=n0,ifname=tap0,script=no,downscript=no", "-device", "virtio-net-pci,netdev=n0"]
        )
        try:
            yield
        finally:
            qemu.kill()
            qemu.wait()


@contextmanager
def _host_with_bridge() -> Iterator[Sandbox]:
    with fresh_host() as host:
        lines = ("link add dev br0 type bridge", "address add 10.9.0.1/24 dev br0", "link set dev br0 up")
        host.run(["ip", "-batch", "-"], input="\n".join(lines))
        yield host
