# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The power is cut before each step of a run that bridges the NIC that the host is managed through.

When the host has booted it is reached, and is in its old or in its new state.
"""

from __future__ import annotations

import os

import pytest

from tests.faults.power import WHOLE, Machine, SteppedRun
from tests.faults.vm import BOOT, VmHost, changes

#: How many steps are tried unless all are.
SOME = 4


@pytest.fixture(scope="module")
def vm():
    return VmHost()


def booted(vm, machine, kept):
    """What it is like to boot with such a disk."""
    machine.cut_and_boot(kept)
    assert vm.await_reachable(BOOT), f"{vm.name} cannot be reached"
    vm.try_out("systemctl is-system-running --wait", timeout=BOOT)
    return vm.state()


def chosen(steps):
    numbers = list(range(1, len(steps) + 1))
    if os.environ.get("VIRTNET_FAULTS") == "all":
        return numbers
    # Around the one that keeps the new state, and before it from the first change of the network itself on.
    confirmed = next(n for n in numbers if steps[n - 1].endswith("/confirmed.json"))
    armed = next(n for n in numbers if steps[n - 1].endswith("/armed.json"))
    between = [armed + 1 + (confirmed - armed) * part // (SOME - 2) for part in range(1, SOME - 2)]
    return [*between, confirmed, confirmed + 1]


def test_the_host_is_in_its_old_or_in_its_new_state(vm):
    machine = Machine(vm)
    old = vm.state()
    with SteppedRun(vm, machine) as run:
        run.play()
    states = {"old": old, "new": booted(vm, machine, WHOLE)}
    assert "master br-lan" in states["new"]
    bad, became = {}, {}
    for number in (tried := chosen(run.steps)):
        # Most steps write nothing to the disk, and there is no other way to tell one from the one before.
        disk = run.disks[number - 1]
        became[disk] = became.get(disk) or outcome(vm, machine, disk, states)
        print(f"{number:3} of {len(run.steps)} {became[disk]:11} {run.steps[number - 1]}", flush=True)
        if became[disk] not in states:
            bad[number, run.steps[number - 1]] = became[disk]
    figure = f"{len(tried) - len(bad)} of {len(tried)}"
    print(f"{figure} power cuts, {len(became)} different disks, of a run of {len(run.steps)} steps: old or new state")
    assert not bad


def outcome(vm, machine, number, states):
    try:
        booted(vm, machine, str(number))
    except AssertionError as problem:
        return str(problem)
    return vm.come_to_rest(states) or f"neither: {changes(states['old'], vm.state())}"
