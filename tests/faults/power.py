# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A VM host's disk as it is before each step of a run, and the host as it boots from that.

A run is made once. Before each of its steps the host waits, while its disk is kept as it is at that moment: what the
host's kernel has not written to it is not there. To boot from what was kept is to have lost the power then.
"""

from __future__ import annotations

import json
import socket
import subprocess
import threading
from typing import Any, Self

from tests.faults import steps
from tests.faults.vm import HOSTS, PROJECT, TOOLS, VmHost

#: Of QEMU's guest agent, which VM hosts have none of.
PORT = "/dev/virtio-ports/org.qemu.guest_agent.0"
#: QEMU's name of the disk, and where it is.
DISK, IMAGE = "disk0", "/var/lib/virtnet/guests/%s/system.qcow2"
WHOLE = "whole"
#: The host's kernel then writes nothing to its disk by itself, only what a program has it write out.
INSTALL = """\
mkdir -p {library}
cat > {library}/{module}.py << 'END OF HOOK'
{hook}
END OF HOOK
echo '{line}' > {system}
sync
mkdir {folder}
echo hold 0 {port} {port} > {folder}/stop
mount -o remount,commit=86400 /
sysctl -q vm.dirty_writeback_centisecs=0
"""


class Machine:
    """QEMU's side of a VM host."""

    def __init__(self, host: VmHost) -> None:
        self._host = host

    def _socket(self, which: str) -> socket.socket:
        line = socket.socket(socket.AF_UNIX)
        line.connect(str(self._host.lan.path(f"/run/virtnet/guests/{self._host.name}/{which}.sock")))
        return line

    def ask(self, command: str, **arguments: Any) -> Any:
        """One command of QMP."""
        with self._socket("qmp") as line, line.makefile("rw") as file:
            file.readline()
            for execute, given in (("qmp_capabilities", {}), (command, arguments)):
                file.write(json.dumps({"execute": execute, "arguments": given}) + "\n")
                file.flush()
                answer: dict[str, Any] = {}
                while not answer.keys() & {"return", "error"}:
                    said = file.readline()
                    if not said and command == "quit":
                        return None
                    answer = json.loads(said)
                assert "return" in answer, (command, answer)
        return answer["return"]

    def keep_disk(self, name: str) -> None:
        self.ask("blockdev-snapshot-internal-sync", device=DISK, name=name)

    def written(self) -> int:
        """The bytes that were written to the disk so far."""
        (disk,) = (entry for entry in self.ask("query-blockstats") if entry["device"] == DISK)
        return disk["stats"]["wr_bytes"]

    def port(self) -> socket.socket:
        return self._socket("agent")

    def cut_and_boot(self, name: str) -> None:
        """The power is gone, and comes back when the disk is as it was kept."""
        self.ask("quit")
        self._module(state="stopped")
        self._host.lan.run(["qemu-img", "snapshot", "-a", name, IMAGE % self._host.name])
        self._module(state="started")

    def _module(self, **options: Any) -> None:
        argv = [str(TOOLS / "ansible"), "lan", f"--inventory={HOSTS / 'all.yml'}", "-m", "virtnet.qemu.qemu_guest"]
        argv += ["-a", json.dumps({"name": self._host.name, **options})]
        done = subprocess.run(argv, capture_output=True, text=True, cwd=PROJECT, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


class SteppedRun:
    """A run, and the disk before each of its steps."""

    def __init__(self, host: VmHost, machine: Machine) -> None:
        self._host = host
        self._machine = machine
        #: What each was; the disk before the first is kept under the name of 1.
        self.steps: list[str] = []
        #: For each step the first one before which the disk was the same.
        self.disks: list[int] = []
        self._written: dict[int, int] = {}
        words = {"hook": steps.HOOK.read_text(encoding="utf-8"), "module": steps.MODULE, "line": steps.IMPORT}
        places = {"library": steps.LIBRARY, "system": steps.SYSTEM, "folder": steps.FOLDER, "port": PORT}
        self._host.run(INSTALL.format(**words, **places))

    def __enter__(self) -> Self:
        self._port = self._machine.port()
        self._keeper = threading.Thread(target=self._keep)
        self._keeper.start()
        return self

    def _keep(self) -> None:
        with self._port.makefile("r") as lines:
            for line in lines:
                self.steps.append(line.rstrip("\n"))
                number = len(self.steps)
                before = self._machine.written()
                self._machine.keep_disk(str(number))
                after = self._machine.written()
                # Something else may write meanwhile: then the disk is one of its own.
                self.disks.append(self._written.setdefault(after, number) if before == after else number)
                self._port.sendall(b"\n")

    def __exit__(self, *_exc: object) -> None:
        self._port.shutdown(socket.SHUT_RDWR)
        self._keeper.join()
        self._port.close()

    def play(self) -> None:
        # What forks itself for a module was started before the hook was there.
        code, said = self._host.play("--extra-vars=ansible_python_interpreter=/usr/bin/python3")
        assert code == 0, said
        self._machine.keep_disk(WHOLE)
