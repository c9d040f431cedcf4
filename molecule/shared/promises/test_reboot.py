# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A host is after a reboot what it was before: links, addresses, routes, rules, leases, what runs.

Scenarios verify before a reboot and after it. What it was is kept for so long.
"""

import json
from pathlib import Path

from tests.vmhosts import booted
from tests.vmhosts.host import EPHEMERAL, SCENARIO


def test_the_host_is_what_it_was_before_the_reboot(vm_host):
    now = json.loads(vm_host.run(["python3", "-"], input=Path(booted.__file__).read_text(encoding="utf-8")).stdout)
    state = now["state"]
    assert state["failed"] == []
    assert not [unit for unit in state["units"] if " active " not in unit]
    kept = EPHEMERAL / f"{vm_host.name}-{SCENARIO.name}-booted.json"
    before = json.loads(kept.read_text(encoding="utf-8")) if kept.exists() else now
    kept.write_text(json.dumps(now), encoding="utf-8")
    if before["boot"] != now["boot"]:
        for subject in state:
            assert state[subject] == before["state"][subject], subject
