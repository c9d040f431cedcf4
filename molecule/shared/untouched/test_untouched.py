# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The host is as it was before anything was done."""

SUBJECTS = ("links", "routes", "rules", "namespaces", "nftables", "iptables", "sysctls", "users", "files")


def test_the_host_is_as_before(vm_host):
    before, now = vm_host.before(), vm_host.snapshot()
    assert {subject: now[subject] for subject in SUBJECTS} == {subject: before[subject] for subject in SUBJECTS}
