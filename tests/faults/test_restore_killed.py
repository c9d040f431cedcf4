# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A host that restores itself is interrupted before each step of that: to go on leads to the old state."""

from __future__ import annotations

from tests.faults import steps
from tests.faults.host import ManagedHost, bridged, restore
from tests.faults.steps import Step
from tests.integration.support import Player
from tests.integration.test_checkpoint import FOLDER, checkpoint, differences


def test_the_restore_is_killed(play: Player, host: ManagedHost, undone, step_of_restore: Step):
    play(host, [checkpoint("armed", timeout=3600), bridged()])
    steps.count(host, f"kill {step_of_restore.number}")
    assert restore(host).returncode
    assert len(steps.counted(host)) >= step_of_restore.number
    steps.forget(host)
    (back,) = play(host, [checkpoint("restored")])
    assert back["restored"]["failed"] == back["restored"]["differs"] == []
    assert differences(undone.old, host.state()) == []
    assert not host.path(FOLDER).exists()
    armed, confirmed = play(host, [checkpoint("armed"), checkpoint("confirmed")])
    assert armed.warnings == [] and confirmed.changed
    assert differences(undone.old, host.state()) == []
