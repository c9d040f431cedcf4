# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = """
name: sandbox
short_description: Run tasks in a sandbox host, namespaces of this machine that play a host
version_added: 0.1.0
author:
  - virtnet.qemu contributors (@virtnet)
description:
  - Enters the network, mount, process and host name namespaces of a sandbox host with C(nsenter)
    and runs the tasks there, as the user who runs Ansible.
  - A sandbox host is found by its pid file; the collection's quick start and its tests make such hosts.
requirements:
  - C(nsenter) of util-linux on the controller
  - root on the controller
notes:
  - The remote user is ignored. The user who runs Ansible is used instead.
options:
  sandbox_name:
    description:
      - Name of the sandbox host.
    type: str
    vars:
      - name: inventory_hostname
      - name: ansible_host
      - name: ansible_sandbox_name
  pid_directory:
    description:
      - Folder on the controller that holds the file C(NAME.pid) of every running sandbox host.
    type: path
    default: /run/virtnet-sandbox
    env:
      - name: VIRTNET_SANDBOX_DIR
    vars:
      - name: ansible_sandbox_pid_directory
  become_success_timeout:
    description:
      - Time that becoming another user may take, in seconds.
    type: int
    default: 10
    vars:
      - name: ansible_sandbox_become_success_timeout
  become_strip_preamble:
    description:
      - Remove what becoming another user prints before the command's own output.
    type: bool
    default: true
    vars:
      - name: ansible_sandbox_become_strip_preamble
extends_documentation_fragment:
  - connection_pipelining
"""

EXAMPLES = """
# inventory.yml
hypervisors:
  hosts:
    sandbox1:
      ansible_connection: virtnet.qemu.sandbox
"""

import os
import select
import shlex
import shutil
import subprocess
from pathlib import Path

from ansible.errors import AnsibleConnectionFailure, AnsibleError, AnsibleFileNotFound
from ansible.plugins.connection.local import Connection as LocalConnection

# SIGKILL, as a process and as a shell report it.
KILLED = (-9, 137)
ENDING_SECONDS = 2


class Connection(LocalConnection):
    """Commands run as with the local connection, only inside the sandbox host."""

    transport = "virtnet.qemu.sandbox"

    def _connect(self) -> Connection:
        self._pid()
        return super()._connect()

    def exec_command(self, cmd: str, in_data: bytes | None = None, sudoable: bool = True) -> tuple[int, bytes, bytes]:
        done = super().exec_command(shlex.join(self._inside("/bin/sh", "-c", cmd)), in_data, sudoable)
        self._check_after(done[0])
        return done

    def put_file(self, in_path: str, out_path: str) -> None:
        if not os.path.exists(in_path):
            raise AnsibleFileNotFound(f"file {in_path!r} does not exist on the controller")
        with open(in_path, "rb") as source:
            self._copy('cat > "$1"', out_path, stdin=source, stdout=subprocess.DEVNULL)

    def fetch_file(self, in_path: str, out_path: str) -> None:
        with open(out_path, "wb") as target:
            self._copy('cat < "$1"', in_path, stdin=subprocess.DEVNULL, stdout=target)

    def reset(self) -> None:
        self.close()
        self._connect()

    def _copy(self, script: str, path: str, **streams) -> None:
        """Run a shell line inside on a path there, data going through standard input or output."""
        argv = self._inside("/bin/sh", "-c", script, "sh", path)
        done = subprocess.run(argv, stderr=subprocess.PIPE, check=False, **streams)
        self._check_after(done.returncode)
        if done.returncode != 0:
            said = os.fsdecode(done.stderr).strip()
            raise AnsibleError(f"could not copy {path!r} of sandbox host {self._name()!r}: {said}")

    def _inside(self, *argv: str) -> list[str]:
        nsenter = shutil.which("nsenter")
        if nsenter is None:
            raise AnsibleConnectionFailure("nsenter not found on the controller: install util-linux")
        if os.geteuid() != 0:
            raise AnsibleConnectionFailure("only root may enter a sandbox host: run Ansible as root")
        return [nsenter, "--target", str(self._pid()), "--net", "--mount", "--pid", "--uts", "--", *argv]

    def _check_after(self, code: int) -> None:
        """After a command that failed: when the host has ended, that is the reason, and is said instead."""
        if code in KILLED:
            self._wait_for_end()
        if code != 0:
            self._pid()

    def _wait_for_end(self) -> None:
        """Give a host that is ending the time to: its commands are killed before its first process is gone."""
        try:
            handle = os.pidfd_open(self._pid())
        except ProcessLookupError:
            return
        try:
            select.select([handle], [], [], ENDING_SECONDS)
        finally:
            os.close(handle)

    def _name(self) -> str:
        return self.get_option("sandbox_name")

    def _pid(self) -> int:
        """The host's first process, by its pid file: pid, start time and boot id."""
        file = Path(self.get_option("pid_directory")) / f"{self._name()}.pid"
        try:
            pid, started, boot = file.read_text(encoding="ascii").split()
            fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
            this_boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        except (OSError, ValueError):
            fields = []
        # Field 22 of proc_pid_stat(5) tells the process from a later one with its pid.
        if not fields or fields[0] in "XZ" or (fields[19], this_boot) != (started, boot):
            raise AnsibleConnectionFailure(
                f"sandbox host {self._name()!r} is not running (no live process in {file}): "
                f"start it with 'python -m tests.sandbox up {self._name()}' in the collection's folder"
            )
        return int(pid)
