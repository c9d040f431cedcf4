# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A sandbox host whose first process is a real systemd."""

from __future__ import annotations

import os
import socket
import subprocess
from collections.abc import Sequence
from pathlib import Path

from tests.sandbox import Sandbox, SandboxError
from tests.sandbox.initprocess import InitProcess, children

INIT = Path(__file__).with_name("systemd_init.sh")
BOOT_TIMEOUT = 60.0
# All other units of the machine would change what is the machine's: files in /tmp, kernel parameters, devices.
TARGETS = (
    *("sysinit", "basic", "multi-user", "shutdown", "umount", "network"),
    *("sockets", "timers", "paths", "slices", "local-fs", "swap"),
)
KEPT_UNITS = [f"{name}.target" for name in TARGETS] + ["systemd-journald.service", "systemd-journald.socket"]


class SystemdHost(Sandbox):
    """It lives in namespaces of its own inside another sandbox host, with which it shares network and files.

    Only units that keep to the host itself are there: journald, the targets of a normal boot, and what tests install.
    """

    def __init__(self, name: str, units: Sequence[str] = ()) -> None:
        """
        :param units: more of the machine's that are there
        """
        super().__init__(name)
        self._units = [*KEPT_UNITS, *units]
        self._outer = Sandbox(f"{name}-outer")
        self._cgroup = f"/run/cgroup/virtnet-{name}"

    def _launch(self) -> None:
        self._outer.start()
        try:
            self._keep_few_units()
            self._outer.run(["mkdir", "/run/cgroup"])
            self._outer.run(["mount", "-t", "cgroup2", "cgroup2", "/run/cgroup"])
            self._boot()
        except BaseException:
            self.stop()
            raise

    def _keep_few_units(self) -> None:
        keep = [word for name in self._units for word in ("!", "-name", name)]
        for folder in ("/etc/systemd/system", "/usr/lib/systemd/system", "/usr/lib/systemd/system-generators"):
            shallow = ["-mindepth", "1", "-maxdepth", "1"]
            self._outer.run(["find", folder, *shallow, *keep, "-exec", "rm", "--recursive", "{}", "+"])
        wants = "/usr/lib/systemd/system/sysinit.target.wants"
        self._outer.run(["mkdir", wants])
        self._outer.run(["ln", "-s", "../systemd-journald.service", wants])

    def reboot(self) -> None:
        """End all processes, and have systemd start what is to be started; links stay as they are."""
        super().stop()
        self._remove_cgroups()
        self._outer.run(["find", "/run", "-xdev", "-mindepth", "1", "-depth", "!", "-path", "/run/cgroup*", "-delete"])
        self._boot()

    def _boot(self) -> None:
        self._outer.run(["mkdir", self._cgroup])
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as booted:
            booted.settimeout(BOOT_TIMEOUT)
            booted.bind(str(self._outer.path("/run/notify")))
            self._become_systemd()
            # What systemd tells whoever started it, see sd_notify(3).
            while b"READY=1" not in booted.recv(4096).split(b"\n"):
                pass

    def _become_systemd(self) -> None:
        launcher = self._outer.popen(
            ["unshare", "--mount", "--propagation=private", "--pid", "--ipc", "--fork", "--kill-child", "--mount-proc"]
            + ["sh", str(INIT), self._cgroup],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._launcher = launcher
        said = []
        for line in launcher.stdout:
            if line == "ready\n":
                break
            said.append(line)
        else:
            raise SandboxError(f"sandbox host {self.name!r} did not start systemd: {''.join(said).strip()}")
        # nsenter started unshare, and that the init.
        (unshare,) = children(launcher.pid)
        (init,) = children(unshare)
        InitProcess.of(init).write(self.pid_file)

    def stop(self) -> None:
        super().stop()
        if self._outer.running:
            self._remove_cgroups()
        self._outer.stop()

    def _remove_cgroups(self) -> None:
        """The kernel keeps empty ones."""
        for folder, _folders, _files in os.walk(self._outer.path(self._cgroup), topdown=False):
            os.rmdir(folder)
