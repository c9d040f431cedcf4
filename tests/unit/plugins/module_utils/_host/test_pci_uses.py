# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whose SSH session a module runs in; what else uses devices is in tests/integration and on VM hosts."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from ansible_collections.virtnet.qemu.plugins.module_utils._host import pci_uses

SESSION = "198.51.100.7 50000 192.0.2.11 22"
ASK = f"from {pci_uses.__name__} import _ssh_connection; print(*_ssh_connection())"


@pytest.mark.parametrize("hidden", ["", "env -u SSH_CONNECTION "])
def test_the_session_is_found_also_where_a_program_on_the_way_hides_it(hidden):
    script = f'{hidden}"$0" -c "$1"; exit $?'
    done = subprocess.run(
        ["sh", "-c", script, sys.executable, ASK],
        env={**os.environ, "SSH_CONNECTION": SESSION, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "198.51.100.7 192.0.2.11\n"


def test_own_variables_count_though_the_process_was_started_without_them(monkeypatch):
    monkeypatch.setenv("SSH_CONNECTION", SESSION)
    assert pci_uses._ssh_connection() == ("198.51.100.7", "192.0.2.11")


def test_no_session(monkeypatch):
    monkeypatch.delenv("SSH_CONNECTION", raising=False)
    monkeypatch.setattr(pci_uses, "_inherited", lambda name: None)
    assert pci_uses._ssh_connection() == (None, None)
