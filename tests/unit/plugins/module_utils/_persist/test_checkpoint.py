# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from ansible_collections.virtnet.qemu.plugins.module_utils._persist import checkpoint
from ansible_collections.virtnet.qemu.plugins.module_utils._persist.boot_units import BOOT_UNITS

ARGV = ["/usr/bin/python3", "-I", "/var/lib/a b.pyz", "boot"]


def ordered(word: str) -> set[str]:
    lines = checkpoint.boot_unit(ARGV).splitlines()
    return {unit for line in lines if line.startswith(f"{word}=") for unit in line.partition("=")[2].split()}


def test_files_are_put_back_before_anything_reads_them():
    managers = {"systemd-networkd.service", "NetworkManager.service", "networking.service"}
    others = {"network-pre.target", "nftables.service", "systemd-sysctl.service", "systemd-modules-load.service"}
    assert {*managers, *others, *BOOT_UNITS} < ordered("Before")
    assert ordered("After") == {"local-fs.target"}
    assert "ExecStart=/usr/bin/python3 -I '/var/lib/a b.pyz' boot\n" in checkpoint.boot_unit(ARGV)


def test_the_timer_is_transient():
    argv = checkpoint.timer(ARGV, 90)
    assert argv[0] == "systemd-run" and argv[-5:] == ["--", *ARGV]
    assert {"--unit=virtnet-checkpoint", "--on-active=90"} < set(argv)
