# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A VM host that may not be reachable, from outside: by SSH without a connection that is kept, and by playbooks."""

from __future__ import annotations

import difflib
import itertools
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.vmhosts import VmLan

PROJECT = Path(os.environ["MOLECULE_PROJECT_DIRECTORY"])
SCENARIO = Path(os.environ["MOLECULE_SCENARIO_DIRECTORY"])
HOSTS = PROJECT / "molecule/hosts"
SITE = PROJECT / "molecule/shared/converge.yml"
TOOLS = Path(sys.executable).parent
#: Seconds that an emulated host may take, on a busy machine, to boot; and to come to rest when it can be reached.
BOOT = 900
REST = 90
#: And for any look at it.
LOOKED = 300
#: One that hangs is a connection through which nothing comes.
OPTIONS = (
    *("StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "LogLevel=ERROR", "PreferredAuthentications=none"),
    *("ServerAliveInterval=5", "ServerAliveCountMax=2", "ConnectTimeout=10", "ControlPath=none"),
)
#: What one notices of a host's network, and its files for the next boot. Which NIC is found first is no part of that.
LOOK = """\
ip -o link | sed 's/^[0-9]*: //; s/ qlen [0-9]*//' | sort
ip -br address | sort
ip -4 route
ip -6 route | sed '/^fe80:/d'
ip -6 route | sed -n '/^fe80:/p' | sort
ip rule
find /etc/virtnet/boot/bridge /etc/systemd/network -type f -print -exec cat {} + 2> /dev/null | sort
"""


def changes(before: str, now: str) -> str:
    """What is another in a state."""
    return "\n".join(difflib.unified_diff(before.splitlines(), now.splitlines(), "before", "now", lineterm=""))


class VmHost:
    def __init__(self, name: str = os.environ.get("VIRTNET_VM_HOSTS") or "hv1") -> None:
        self.name = name
        self.number = 10 + int(name[2:])
        self.address = f"192.0.2.{self.number}"
        self.lan = VmLan()
        self._managed_from: list[str] = []

    @contextmanager
    def managed_from(self, address: str) -> Iterator[None]:
        """Connections come from this address of the LAN's router."""
        self._managed_from = ["--source", address]
        try:
            yield
        finally:
            self._managed_from = []

    # -- connections -----------------------------------------------------------------------------

    def ssh(self, *argv: str) -> list[str]:
        """The command line that runs a shell line there over a connection of its own."""
        proxy = " ".join([f"{PROJECT}/tools/virtnet vmhosts connect", *self._managed_from, "%h %p"])
        options = [f"-o{option}" for option in (*OPTIONS, f"ProxyCommand={proxy}")]
        return ["ssh", *options, f"root@{self.address}", *argv]

    def try_out(self, script: str, timeout: float = 60) -> str | None:
        """What a script said there; None when it failed, or nobody answered."""
        try:
            done = self._done(script, ["sh", "-s"], timeout)
        except subprocess.TimeoutExpired:
            return None
        return done.stdout if done.returncode == 0 else None

    def run(self, script: str) -> str:
        done = self._done(script, ["sh", "-e", "-s"], LOOKED)
        assert done.returncode == 0, done
        return done.stdout

    def _done(self, script: str, argv: list[str], timeout: float) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.ssh(*argv), input=script, capture_output=True, text=True, timeout=timeout, check=False
        )

    def await_reachable(self, patience: float) -> bool:
        end = time.monotonic() + patience
        while self.try_out("true") is None:
            if time.monotonic() > end:
                return False
            # A host that cannot be reached does not say when it can.
            time.sleep(0.5)
        return True

    def await_file(self, path: str, patience: float) -> str:
        end = time.monotonic() + patience
        while (text := self.try_out(f"cat {path}")) is None:
            assert time.monotonic() < end, f"no {path} on {self.name}"
            # Whoever waits there may be cut off.
            time.sleep(1)
        return text

    # -- state -----------------------------------------------------------------------------------

    def state(self) -> str:
        """When no IPv6 address is looked for on the network any more."""
        wait = 'while [ -n "$(ip -6 address show tentative)" ]; do sleep 0.1; done'
        return re.sub(r" expires \d+sec", "", self.run(f"{wait}\n{LOOK}"))

    def come_to_rest(self, states: dict[str, str]) -> str | None:
        """Which of these states it comes to; None when it is another one."""
        end = time.monotonic() + REST
        while True:
            now = self.state()
            for name, state in states.items():
                if now == state:
                    return name
            if time.monotonic() > end:
                return None
            # networkd is asked by nobody here: what it does shows in the state.
            time.sleep(1)

    # -- runs ------------------------------------------------------------------------------------

    def start(self, *arguments: str, playbook: Path = SITE) -> subprocess.Popen[str]:
        inventories = [HOSTS / "all.yml", HOSTS / f"{self.name}.yml", SCENARIO / "inventory"]
        words = [f"--inventory={path}" for path in inventories]
        return subprocess.Popen(
            [str(TOOLS / "ansible-playbook"), *words, "--skip-tags=virtnet_host", *arguments, str(playbook)],
            env={**os.environ, "ANSIBLE_NOCOLOR": "1", "ANSIBLE_PIPELINING": "1", "ANSIBLE_FORCE_COLOR": "0"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def play(self, *arguments: str, playbook: Path = SITE) -> tuple[int, str]:
        with self.start(*arguments, playbook=playbook) as process:
            said = process.communicate(timeout=900)[0]
        return process.returncode, said

    @contextmanager
    def watched(self) -> Iterator[Outage]:
        """Sees when the host cannot be reached from its LAN."""
        outage = Outage(self)
        with outage:
            yield outage


class Outage:
    """The longest time without an answer, by ping from the LAN."""

    #: Seconds between two packets.
    PACE = 0.2

    def __init__(self, host: VmHost) -> None:
        self._host = host
        self._times: list[float] = []

    def __enter__(self) -> None:
        argv = ["ping", "-n", "-D", "-i", str(self.PACE), self._host.address]
        self._ping = self._host.lan.popen(argv, stdout=subprocess.PIPE, text=True)
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        for line in self._ping.stdout:
            if found := re.match(r"\[([0-9.]+)\] \d+ bytes from ", line):
                self._times.append(float(found[1]))

    def __exit__(self, *_exc: Any) -> None:
        self._ping.kill()
        self._reader.join()
        self._ping.communicate()

    @property
    def seconds(self) -> float:
        return max((after - before for before, after in itertools.pairwise(self._times)), default=float("inf"))
