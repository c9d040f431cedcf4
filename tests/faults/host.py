# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A host that is managed through the NIC that a run makes a port of a bridge."""

from __future__ import annotations

import subprocess
import sys
from typing import Any, Self

from tests.faults import steps
from tests.faults.steps import Step
from tests.integration.support import Player, Run
from tests.integration.support.links import ip, links
from tests.integration.support.systemd_host import SystemdHost
from tests.integration.support.uplink import bare, start_dbus
from tests.integration.test_checkpoint import FOLDER, checkpoint
from tests.integration.test_networkd import NETWORKD, STATIC, await_state, configure, picture
from tests.sandbox import LanHost, Sandbox

#: Seconds that the host waits for somebody who confirms.
TIMEOUT = 20
#: The same for a run that nothing interrupts.
PATIENT = 300
NETWORKS = [{"name": "lan", "model": "bridged", "uplink": "uplink0"}]
#: Of files, what a run makes for the next boot, and where it keeps what it is at.
FOLDERS = ("/etc/virtnet", "/etc/sysctl.d", "/etc/systemd/network", "/etc/systemd/system", "/run/systemd/network")
PRIVATE = ("/var/lib/virtnet", "/run/virtnet")


def bridged() -> dict[str, Any]:
    return {"virtnet.qemu.bridge": {"name": "br-lan", "uplink": "uplink0"}}


def restore(host: Sandbox) -> subprocess.CompletedProcess[str]:
    """What the timer does when its time is over."""
    return host.run(["/usr/bin/python3", "-I", f"{FOLDER}/restore.pyz", "timeout"], check=False)


class ManagedHost(SystemdHost):
    """With systemd and systemd-networkd, plugged into a LAN of its own."""

    def __init__(self, name: str) -> None:
        super().__init__(name, NETWORKD)
        self.lan = LanHost(f"{name}-lan")

    def __enter__(self) -> Self:
        super().__enter__()
        start_dbus(self)
        self.lan.start()
        self.lan.connect(self)
        bare(self)
        # All such hosts are to be the same.
        ip(self, "link", "set", "uplink0", "address", "52:54:00:00:00:10")
        configure(self, STATIC)
        steps.install(self, sys.executable)
        return self

    def __exit__(self, *exc: object) -> None:
        self.lan.stop()
        super().__exit__(*exc)

    def begin(self, play: Player, timeout: int = TIMEOUT) -> Run:
        """Start a run of the role that bridges the uplink."""
        role = {"ansible.builtin.include_role": {"name": "virtnet.qemu.networks"}}
        return play.start(self, [{**role, "vars": {"networks_list": NETWORKS, "networks_checkpoint_timeout": timeout}}])

    def counted(self, play: Player) -> list[Step]:
        """Those of a whole run."""
        steps.count(self)
        results = self.begin(play, PATIENT).finish()
        assert not [result for result in results if result.failed], results
        found = steps.counted(self)
        steps.forget(self)
        return found

    def counted_back(self, play: Player) -> list[Step]:
        """Those of a whole restore."""
        play(self, [checkpoint("armed", timeout=3600), bridged()])
        steps.count(self)
        done = restore(self)
        assert done.returncode == 0, done
        found = steps.counted(self)
        steps.forget(self)
        return found

    def state(self) -> dict[str, Any]:
        """What one notices of the host, when it has come to rest; all of the same kind are equal."""
        await_state(self, "br-lan" if "br-lan" in links(self) else "uplink0", "routable (")
        return {"network": picture(self), "files": self._files(FOLDERS)}

    def left_over(self) -> dict[str, Any]:
        return self._files(PRIVATE)

    def _files(self, folders: tuple[str, ...]) -> dict[str, str]:
        found = {}
        root = self.path("/")
        for folder in folders:
            for path in sorted(self.path(folder).rglob("*")):
                # A folder alone says nothing.
                if path.is_symlink() or path.is_file():
                    text = str(path.readlink()) if path.is_symlink() else path.read_text()
                    found[f"/{path.relative_to(root)}"] = text
        return found
