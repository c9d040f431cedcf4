# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A VM host as Molecule's checks see it, by the connection that testinfra has to it."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.promises.networks import Network, read
from tests.sandbox import snapshot

SCENARIO = Path(os.environ["MOLECULE_SCENARIO_DIRECTORY"])
#: What a host is compared by, and of it the files of the collection's own that are gone with the next boot.
SUBJECTS = ("links", "routes", "rules", "namespaces", "nftables", "iptables", "sysctls", "users", "files")
LOCK = ("/run/virtnet", "/run/virtnet/lock")
EPHEMERAL = Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"])


class VmHost:
    """It has the methods of a sandbox host that checks use.

    :param host: what testinfra's fixture of this name gives
    """

    def __init__(self, host: Any) -> None:
        self._host = host
        variables = host.ansible.get_variables()
        self.name = variables["inventory_hostname"]
        self.number = variables["vm_host_number"]

    def run(self, argv: Sequence[str], input: str = "", check: bool = True) -> subprocess.CompletedProcess[str]:
        done = self._host.run(f"printf %s {shlex.quote(input)} | {shlex.join(argv)}")
        result = subprocess.CompletedProcess(argv, done.rc, done.stdout, done.stderr)
        if check:
            result.check_returncode()
        return result

    def in_guests(self, commands: Sequence[tuple[str, Sequence[str]]]) -> list[tuple[int, str]]:
        """Run commands in guests, at once: the exit status and output of each."""
        config = [{"name": guest, "argv": list(argv)} for guest, argv in commands]
        result = self.module("virtnet.qemu.guest_exec", {"config": config, "timeout": 180})
        return [(one["rc"], one["stdout"]) for one in result["results"]]

    def module(self, name: str, options: dict[str, Any], check: bool = False) -> dict[str, Any]:
        """The result of a module of ours that worked."""
        result = self._host.ansible(name, json.dumps(options), check=check)
        assert _worked(result), result
        return result

    def refusal(self, name: str, options: dict[str, Any]) -> str:
        """What a module of ours says that fails, in check mode."""
        result = self._host.ansible(name, json.dumps(options), check=True)
        assert not _worked(result), result
        return result["msg"]

    def snapshot(self) -> dict[str, Any]:
        source = Path(snapshot.__file__).read_text(encoding="utf-8")
        return json.loads(self.run(["python3", "-"], input=source).stdout)

    def before(self) -> dict[str, Any]:
        """The snapshot that was taken before the scenario did anything."""
        return json.loads((EPHEMERAL / f"{self.name}.json").read_text(encoding="utf-8"))

    @property
    def networks(self) -> list[Network]:
        """Those of the scenario's inventory; a host may have its own."""
        own, common = (
            SCENARIO / "inventory" / name for name in (f"host_vars/{self.name}.yml", "group_vars/hypervisors.yml")
        )
        return read(own if own.exists() else common, self.number)


def _worked(result: dict[str, Any]) -> bool:
    """Whether that is the result of a module of ours that did not fail; Ansible's own word for it is not kept."""
    return "commands" in result or "results" in result
