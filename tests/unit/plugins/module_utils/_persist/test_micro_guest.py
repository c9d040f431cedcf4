# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import subprocess

import pytest

from ansible_collections.virtnet.qemu.plugins.module_utils._persist.micro_guest import (
    DIRECTORIES,
    FILES,
    INITTAB,
    LINKS,
)

SCRIPTS = {path: text for path, (mode, text) in FILES.items() if text.startswith("#!")}


@pytest.mark.parametrize("path", SCRIPTS)
def test_scripts_are_shell(path):
    done = subprocess.run(["sh", "-n"], input=SCRIPTS[path], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("path", FILES)
def test_just_scripts_are_executable(path):
    mode, text = FILES[path]
    assert bool(mode & 0o111) == text.startswith("#!/bin/sh\n")


@pytest.mark.parametrize("name", ["/etc/rc", "/etc/hotplug", "/etc/nic-up", "/etc/udhcpc"])
def test_what_is_called_is_there(name):
    assert name[1:] in FILES
    assert any(name in text for text in [INITTAB, *SCRIPTS.values()])


def test_no_path_is_there_twice():
    paths = [*FILES, *LINKS, *DIRECTORIES]
    assert len(paths) == len(set(paths))
