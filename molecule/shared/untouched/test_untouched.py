# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The host is as it was before anything was done."""

from tests.vmhosts.host import LOCK, SUBJECTS


def test_the_host_is_as_before(vm_host):
    before, now = vm_host.before(), vm_host.snapshot()
    for snapshot in (before, now):
        for path in LOCK:
            snapshot["files"].pop(path, None)
    for subject in SUBJECTS:
        assert now[subject] == before[subject], subject
