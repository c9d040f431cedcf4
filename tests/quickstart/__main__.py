# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The quick start from the command line: ``python -m tests.quickstart site|check|measure|paths|teardown|test``."""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.integration.support import Player
from tests.promises import networks, table
from tests.promises.reach import measure
from tests.sandbox import LanHost, Machine, Sandbox

REPOSITORY = Path(__file__).resolve().parents[2]
INVENTORY = "inventories/quickstart/hosts.yml"
HOST = "sandbox1"
LAN = "sandbox-lan"
#: What of a host has to be the same again after a teardown.
SUBJECTS = ("links", "routes", "rules", "namespaces", "nftables", "iptables", "sysctls", "processes")

GUESTS = f"{Path(INVENTORY).parent}/group_vars/hypervisors.yml"

LOOK_FURTHER = f"""
Look further:
  tools/virtnet sandbox exec {HOST} ip -brief address         the sandbox host's interfaces
  tools/virtnet sandbox exec {HOST} nft list ruleset          its firewall
  tools/virtnet sandbox exec {HOST} socat -,raw,echo=0,escape=0x1d \\
      UNIX-CONNECT:/run/virtnet/guests/web1/console.sock      web1's console (leave with Ctrl-])
  tools/virtnet sandbox exec {LAN} curl http://192.0.2.10:8080/    the LAN, through the forward, to web1
  tools/virtnet quickstart paths                              every path that was measured
  edit {GUESTS}, then
  make check                                                  what site.yml would change (--check --diff)
  make site                                                   change it
  make teardown                                               remove all of it
"""


class QuickStart:
    def __init__(self, cache: Path) -> None:
        self.host = Sandbox(HOST, detached=True)
        self.lan = LanHost(LAN, detached=True)
        self._images = cache / "images" / "micro"

    def up(self) -> None:
        """The sandbox host, plugged into its LAN."""
        for sandbox in (self.lan, self.host):
            if not sandbox.running:
                sandbox.start()
        if self.host.run(["ip", "link", "show", "uplink0"], check=False).returncode != 0:
            self.lan.connect(self.host)
            self.lan.serve_guests()

    def down(self) -> None:
        self.host.stop()
        self.lan.stop()

    def play(self, playbook: str, *arguments: str) -> dict[str, int]:
        """Run a playbook in the user's sight; returns the hypervisor's line of the recap."""
        argv = ["ansible-playbook", "--inventory", INVENTORY, playbook]
        argv += ["--extra-vars", f"quickstart_image_cache={self._images}", *arguments]
        print("$", " ".join(argv), flush=True)
        with subprocess.Popen(argv, cwd=REPOSITORY, stdout=subprocess.PIPE, text=True) as process:
            recap = _show(process)
        if process.returncode != 0:
            raise SystemExit(f"{playbook} failed (exit status {process.returncode}); what went wrong stands above")
        return recap

    def measured(self, paths: bool = False) -> bool:
        """Print who reaches whom, with `paths` every path; true when every promise is kept."""
        inventory = networks.read(REPOSITORY / GUESTS)
        with tempfile.TemporaryDirectory() as folder, Player(Path(folder), sys.executable) as player:

            def in_guests(commands: Sequence[tuple[str, Sequence[str]]]) -> list[tuple[int, str]]:
                config = [{"name": guest, "argv": list(argv)} for guest, argv in commands]
                (task,) = player(self.host, [{"virtnet.qemu.guest_exec": {"config": config, "timeout": 180}}])
                return [(result["rc"], result["stdout"]) for result in task["results"]]

            outcomes = measure(inventory, self.host, self.lan, in_guests)
        guests = sum(len(network.guests) for network in inventory)
        print(
            f"\nWho reaches whom, measured from inside {guests} guests, their host and the LAN. 'yes' or 'no' is what\n"
            f"the model promises, and 4/4: it is so on 4 of 4 paths. {len(outcomes)} paths, half of them by IPv6.\n"
        )
        print(table.listing(outcomes) if paths else table.summary(inventory, outcomes))
        return all(outcome.kept for outcome in outcomes)

    def state(self) -> dict[str, Any]:
        seen = self.host.snapshot()
        return {subject: seen[subject] for subject in SUBJECTS}


def _show(process: subprocess.Popen) -> dict[str, int]:
    recap: dict[str, int] = {}
    for line in process.stdout:
        print(line, end="", flush=True)
        if re.match(rf"{HOST}\s+: ok=", re.sub(r"\x1b\[[0-9;]*m", "", line)):
            recap = {k: int(v) for k, v in re.findall(r"(\w+)=(\d+)", line)}
    return recap


def site(quick: QuickStart) -> None:
    started = time.monotonic()
    machine = Machine().snapshot()
    quick.up()
    recap = quick.play("playbooks/quickstart.yml")
    if not quick.measured():
        raise SystemExit("\nThe network does not keep its promises: see the end of the table above.")
    _check_machine(machine)
    print(LOOK_FURTHER)
    print(
        f"Done in {time.monotonic() - started:.0f} s: {recap['changed']} tasks changed {HOST}, all guests run, and "
        "every path is as its network's model promises.\n"
        "This machine's own network, sysctls and firewall are as before."
    )


def check(quick: QuickStart) -> None:
    quick.up()
    quick.play("playbooks/site.yml", "--check", "--diff")


def teardown(quick: QuickStart) -> None:
    if quick.host.running:
        quick.play("playbooks/teardown.yml")
    quick.down()
    print("The guests, their networks and the sandbox host are gone.")


def test(quick: QuickStart) -> None:
    """All that the quick start promises, in order; ends with a line of counts."""
    quick.down()
    passed = []

    def expect(what: str, condition: bool, detail: Any = "") -> None:
        if not condition:
            raise SystemExit(f"NOT SO: {what} {detail}\n{len(passed)} passed, 1 failed")
        passed.append(what)
        print(f"-- seen: {what}", flush=True)

    machine = Machine().snapshot()
    quick.up()
    clean = quick.state()
    recap = quick.play("playbooks/site.yml", "--check", "--diff")
    expect("--check --diff on a clean host reports changes", recap["changed"] > 0)
    expect("--check --diff changes nothing", quick.state() == clean, _difference(clean, quick.state()))
    recap = quick.play("playbooks/quickstart.yml")
    expect("the first run changes something", recap["changed"] > 0)
    expect("every path is as promised", quick.measured())
    recap = quick.play("playbooks/quickstart.yml")
    expect("the second run changes nothing", recap["changed"] == 0, recap)
    recap = quick.play("playbooks/site.yml", "--check", "--diff")
    expect("a check of a finished host reports no change", recap["changed"] == 0, recap)
    quick.play("playbooks/teardown.yml")
    expect("after the teardown the host is as before", quick.state() == clean, _difference(clean, quick.state()))
    recap = quick.play("playbooks/teardown.yml")
    expect("a second teardown changes nothing", recap["changed"] == 0, recap)
    quick.down()
    _check_machine(machine)
    expect("this machine's own network, sysctls and firewall are as before", True)
    print(f"{len(passed)} passed, 0 failed")


def _check_machine(before: dict[str, Any]) -> None:
    after = Machine().snapshot()
    for subject in SUBJECTS[:-1]:
        if after[subject] != before[subject]:
            raise SystemExit(f"This machine's own {subject} changed:\n{_difference(before, after)}")


def _difference(before: dict[str, Any], after: dict[str, Any]) -> str:
    changed = [s for s in before if s in after and before[s] != after[s]]
    return "\n".join(f"{s}:\n  before: {before[s]}\n  after:  {after[s]}" for s in changed)


COMMANDS = {
    "site": site,
    "check": check,
    "measure": lambda quick: sys.exit(0 if quick.measured() else 1),
    "paths": lambda quick: sys.exit(0 if quick.measured(paths=True) else 1),
    "teardown": teardown,
    "test": test,
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.quickstart", description=__doc__)
    parser.add_argument("command", choices=COMMANDS)
    arguments = parser.parse_args()
    COMMANDS[arguments.command](QuickStart(Path(os.environ["VIRTNET_CACHE"])))


if __name__ == "__main__":
    main()
