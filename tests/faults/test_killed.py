# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The role bridges the NIC that its host is managed through, and is killed before each of its steps.

The host is then in its old or in its new state, reaches its LAN, and the next run comes to the new one. In sandbox
hosts with a real systemd and systemd-networkd.
"""

from __future__ import annotations

import os
import signal

from tests.faults import steps
from tests.faults.host import PATIENT, ManagedHost
from tests.faults.steps import Step
from tests.integration.support import Player
from tests.integration.test_checkpoint import FOLDER, NO_PROBLEM, await_restore, differences, problems

HELD, GO = "/run/held", "/run/go"


def test_the_module_is_killed(play: Player, host: ManagedHost, reference, step: Step):
    steps.count(host, f"kill {step.number}")
    results = host.begin(play).finish()
    assert len(steps.counted(host)) >= step.number
    steps.forget(host)
    assert [result for result in results if result.failed]
    assert_old_or_new(host, reference)
    assert_next_run_is_right(play, host, reference, told=False)


def test_the_controller_is_killed(play: Player, host: ManagedHost, reference, step_of_some: Step):
    for name in (HELD, GO):
        os.mkfifo(host.path(name))
    steps.count(host, f"hold {step_of_some.number} {HELD} {GO}")
    run = host.begin(play)
    run.wait_for(host.path(HELD))
    os.killpg(run.process.pid, signal.SIGKILL)
    run.process.wait()
    assert len(steps.counted(host)) >= step_of_some.number
    # The module goes on, and comes to its own end.
    module = host.path(f"{steps.FOLDER}/held").read_text()
    host.path(GO).write_text("\n")
    host.run(["tail", f"--pid={module}", "-f", "/dev/null"])
    restored = host.path(FOLDER).exists()
    if restored:
        assert problems(await_restore(host)) == NO_PROBLEM
    steps.forget(host)
    assert_old_or_new(host, reference)
    assert_next_run_is_right(play, host, reference, told=restored)


def assert_old_or_new(host: ManagedHost, reference) -> None:
    state = host.state()
    network = {name: reached["network"] for name, reached in (("old", reference.old), ("new", reference.new))}
    assert state["network"] in network.values(), state["network"]
    (which,) = (name for name, reached in network.items() if reached == state["network"])
    natives = {
        name: {path: text for path, text in files.items() if "/systemd/network" in path}
        for name, files in (("there", state["files"]), ("old", reference.old["files"]), ("new", reference.new["files"]))
    }
    assert natives["there"] == natives[which]
    host.run(["ping", "-c1", "-W5", host.lan.ADDRESS])


def assert_next_run_is_right(play: Player, host: ManagedHost, reference, told: bool) -> None:
    results = host.begin(play, PATIENT).finish()
    assert not [result for result in results if result.failed], results
    warnings = [warning for result in results for warning in result.warnings]
    assert any("restored itself" in warning for warning in warnings) is told, warnings
    assert differences(reference.new, host.state()) == []
    assert differences(reference.left_over, host.left_over()) == []
