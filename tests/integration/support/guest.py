# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Guests started by hand, without the collection, in sandbox hosts."""

from __future__ import annotations

import json
import socket
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

from ansible_collections.virtnet.qemu.plugins.module_utils._host.agent import run_all
from ansible_collections.virtnet.qemu.plugins.module_utils._spec.guest_exec import Command, Outcome
from tests.sandbox import Sandbox

# Until a guest that boots, or ends, or does what it is told, must have done so.
PATIENCE = 120.0


class Guest:
    """A micro guest under QEMU in a sandbox host, with the sockets where the collection puts them.

    :param image: the folder with the guest's kernel and initramfs
    :param append: for the kernel command line; by default, the host name
    :param devices: more of QEMU's command line
    :param memory: MiB
    """

    def __init__(
        self,
        host: Sandbox,
        name: str,
        image: Path,
        append: str | None = None,
        devices: Sequence[str] = (),
        memory: int = 192,
    ) -> None:
        self.host = host
        self.name = name
        self.events: list[dict[str, Any]] = []
        self._folder = f"/run/virtnet/guests/{name}"
        self._argv = [
            *("qemu-system-x86_64", "-machine", "q35", "-accel", "tcg", "-cpu", "max", "-smp", "1", "-m", str(memory)),
            *("-nodefaults", "-display", "none", "-no-reboot"),
            *("-kernel", str(image / "vmlinuz"), "-initrd", str(image / "initrd.img")),
            *("-append", f"console=ttyS0 quiet {f'hostname={name}' if append is None else append}"),
            *("-serial", f"unix:{self._folder}/console.sock,server=on,wait=off"),
            *("-device", "virtio-serial-pci"),
            *("-chardev", f"socket,id=agent,path={self._folder}/agent.sock,server=on,wait=off"),
            *("-device", "virtserialport,chardev=agent,name=org.qemu.guest_agent.0"),
            *devices,
        ]

    def __enter__(self) -> Self:
        self.host.path(self._folder).mkdir(parents=True)
        ours, theirs = socket.socketpair()
        ours.settimeout(PATIENCE)
        with theirs:
            # A socket that QEMU inherits is there from the start; one that it makes would have to be waited for.
            monitor = ["-chardev", f"socket,id=qmp,fd={theirs.fileno()}", "-mon", "chardev=qmp,mode=control"]
            self.process = self.host.popen(
                [*self._argv, *monitor],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                text=True,
                pass_fds=[theirs.fileno()],
            )
        self._monitor = ours.makefile("rw", encoding="utf-8")
        ours.close()
        self._read()
        self.qmp("qmp_capabilities")
        return self

    def __exit__(self, *_exc: object) -> None:
        self.process.kill()
        self.process.communicate()
        self._monitor.close()

    def socket(self, name: str) -> Path:
        """The guest's ``console`` or ``agent`` socket, as seen from the machine."""
        return self.host.path(f"{self._folder}/{name}.sock")

    def qmp(self, command: str, **arguments: Any) -> Any:
        """One QMP command and what it returned."""
        self._monitor.write(json.dumps({"execute": command, "arguments": arguments}) + "\n")
        self._monitor.flush()
        while True:
            message = self._read()
            assert "error" not in message, message
            if "return" in message:
                return message["return"]

    def wait_event(self, name: str, **data: Any) -> None:
        """Wait until QEMU has told of an event, with this in its data."""
        while not any(e["event"] == name and data.items() <= e.get("data", {}).items() for e in self.events):
            self._read()

    def _read(self) -> dict[str, Any]:
        line = self._monitor.readline()
        assert line, f"QEMU ended: {self.process.stderr.read()}"
        message = json.loads(line)
        if "event" in message:
            self.events.append(message)
        return message

    def run(self, *argv: str, rc: int = 0) -> str:
        """Run a command in the guest, which may still be booting; its output, without the line break at the end."""
        outcome = self.execute(*argv)
        assert outcome.rc == rc, outcome
        return outcome.stdout.decode().rstrip("\n")

    def execute(self, *argv: str) -> Outcome:
        """The same, however it ends."""
        (outcome,) = run_all([Command(self.name, str(self.socket("agent")), argv)], PATIENCE)
        return outcome

    def wait_end(self) -> int:
        """Wait until QEMU has ended by itself; its exit status."""
        return self.process.wait(PATIENCE)


def has_device(model: str) -> bool:
    """Whether this machine's QEMU has that device."""
    said = subprocess.run(["qemu-system-x86_64", "-device", "help"], capture_output=True, text=True, check=True).stdout
    return f'name "{model}"' in said


def ethernet(number: int) -> str:
    return f"52:54:00:00:00:{number:02x}"


def nic(model: str, number: int, bus: str = "") -> list[str]:
    """QEMU's command line for a NIC on the tap ``tap<number>``."""
    return [
        *("-netdev", f"tap,id=net{number},ifname=tap{number},script=no,downscript=no"),
        *("-device", f"{model},id=nic{number},netdev=net{number},mac={ethernet(number)}{bus}"),
    ]
