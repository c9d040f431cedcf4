# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A host made of namespaces: own network, mounts, processes and name."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

from .initprocess import InitProcess, SandboxError, children, directory
from .snapshot import take_snapshot

INIT = Path(__file__).with_name("init.sh")
NEEDED = ("unshare", "nsenter", "setpriv", "tini", "ip", "mount")
# Whoever gives up on a command kills nsenter, which does not pass that on.
END_WITH_CALLER = ["setpriv", "--pdeathsig", "KILL", "--"]
NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")


class Machine:
    """The machine the tests run on, to be looked at only."""

    name = "this machine"

    def enter(self) -> list[str]:
        return []

    def path(self, inside: str) -> Path:
        return Path(inside)

    def run(
        self, argv: Sequence[str], input: str | None = None, check: bool = True, timeout: float | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run a command there and return its output as text.

        :param timeout: seconds, then :class:`subprocess.TimeoutExpired`
        :raises SandboxError: not running, or with ``check`` a return code other than 0
        """
        # An empty input and not an inherited one: a command must not wait for a terminal.
        done = subprocess.run(
            [*self.enter(), *END_WITH_CALLER, *argv],
            input=input or "",
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
        if check and done.returncode != 0:
            raise SandboxError(f"{self.name}: {' '.join(argv)}: rc {done.returncode}: {done.stderr or done.stdout}")
        return done

    def snapshot(self) -> dict[str, Any]:
        """What the host looks like, for a comparison of before and after."""
        return take_snapshot(self)


class Sandbox(Machine):
    """One sandbox host, found by its name from any program on the machine.

    It ends with the process that started it, unless ``detached``; with its first
    process ends everything in it. Inside, /etc, /opt, /usr and /var are private
    copies, /run and /sys are its own, and all else is the machine's.

    :param name: host name, letters, digits and dashes, 63 characters at most
    :param detached: it lives until someone calls :meth:`stop`
    :raises SandboxError: unsuitable name
    """

    def __init__(self, name: str, detached: bool = False) -> None:
        if not NAME.fullmatch(name):
            raise SandboxError(
                f"sandbox name {name!r}: use lower case letters, digits and dashes, 63 characters at most"
            )
        self.name = name
        self.detached = detached
        self.pid_file = directory() / f"{name}.pid"
        self._launcher: subprocess.Popen[str] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_exc: object) -> None:
        self.stop()

    @property
    def running(self) -> bool:
        init = InitProcess.read(self.pid_file)
        return init is not None and init.alive()

    @property
    def pid(self) -> int:
        """The pid, on the machine, of the first process.

        :raises SandboxError: it does not run
        """
        init = InitProcess.read(self.pid_file)
        if init is None or not init.alive():
            raise SandboxError(f"sandbox host {self.name!r} is not running")
        return init.pid

    def start(self) -> None:
        """Make the host; returns when it is ready.

        :raises SandboxError: it runs already, not root, or a tool is missing
        """
        if self.running:
            raise SandboxError(f"sandbox host {self.name!r} runs already")
        if os.geteuid() != 0:
            raise SandboxError("sandbox hosts are made of namespaces: run this as root")
        missing = [tool for tool in NEEDED if shutil.which(tool) is None]
        if missing:
            raise SandboxError(f"not found: {', '.join(missing)}; install the packages listed in bindep.txt")
        self._launch()
        try:
            self.configure()
        except BaseException:
            self.stop()
            raise

    def configure(self) -> None:
        """Called once the host is up: for hosts that offer something."""

    def _launch(self) -> None:
        waiting = ["sleep", "infinity"] if self.detached else ["cat"]
        launcher = subprocess.Popen(
            ["unshare", "--net", "--mount", "--propagation=private", "--pid", "--uts", "--fork", "--kill-child"]
            + ["--mount-proc", "sh", str(INIT), self.name, *waiting],
            # Its end of file ends `cat`, and it comes when this process ends, however that happens.
            stdin=subprocess.DEVNULL if self.detached else subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        said = []
        for line in launcher.stdout:
            if line == "ready\n":
                break
            said.append(line)
        else:
            launcher.wait()
            raise SandboxError(f"sandbox host {self.name!r} did not start: {''.join(said).strip()}")
        self._launcher = launcher
        (pid,) = children(launcher.pid)
        InitProcess.of(pid).write(self.pid_file)

    def stop(self) -> None:
        """End the host and all in it; nothing happens when it does not run."""
        init = InitProcess.read(self.pid_file)
        if init is not None:
            init.kill()
        self.pid_file.unlink(missing_ok=True)
        if self._launcher is not None:
            for stream in (self._launcher.stdin, self._launcher.stdout):
                if stream is not None:
                    stream.close()
            self._launcher.wait()
            self._launcher = None

    def enter(self, *namespaces: str) -> list[str]:
        """The start of a command line that runs what follows inside."""
        names = namespaces or ("net", "mount", "pid", "uts")
        return ["nsenter", "--target", str(self.pid), *(f"--{name}" for name in names), "--"]

    def popen(self, argv: Sequence[str], **options: Any) -> subprocess.Popen:
        """Start a command inside, which dies with the returned process.

        The options are those of :class:`subprocess.Popen`.
        """
        return subprocess.Popen([*self.enter(), *END_WITH_CALLER, *argv], **options)

    def path(self, inside: str) -> Path:
        """A path of the host, as seen from the machine."""
        return Path(f"/proc/{self.pid}/root{inside}")


def link(a: Sandbox, a_name: str, b: Sandbox, b_name: str) -> None:
    """Join two hosts by a cable: a veth pair, both ends up.

    The pair is made inside the first host, so the machine never sees it.
    """
    subprocess.run(
        [*a.enter("net"), "ip", "link", "add", a_name, "type", "veth"]
        + ["peer", "name", b_name, "netns", f"/proc/{b.pid}/ns/net"],
        check=True,
    )
    for host, name in ((a, a_name), (b, b_name)):
        # Nobody else is on the cable, so nothing has to settle and the host stays as it is seen first.
        host.run(["sh", "-c", f"echo 0 > /proc/sys/net/ipv6/conf/{name}/accept_dad"])
        host.run(["ip", "link", "set", name, "up"])


def running_names() -> list[str]:
    """The names of all sandbox hosts that run on this machine."""
    found = []
    for path in sorted(directory().glob("*.pid")):
        init = InitProcess.read(path)
        if init is not None and init.alive():
            found.append(path.stem)
    return found
