# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest

from ansible_collections.virtnet.qemu.plugins.module_utils._host import command
from ansible_collections.virtnet.qemu.plugins.module_utils._host.errors import HostError

#: More than a pipe holds.
LONG = "add rule é\n" * 100_000


@pytest.mark.parametrize("text", ["", "é", LONG], ids=["none", "short", "long"])
def test_a_program_reads_what_it_is_given(text):
    assert command.attempt(["cat"], input=text).output == text


def test_it_may_leave_that_unread():
    assert command.attempt(["true"], input=LONG).code == 0


def test_nor_does_it_have_to_read_it_in_time():
    with pytest.raises(HostError, match="'sleep 60' did not end within 0.1 s"):
        command.attempt(["sleep", "60"], input=LONG, timeout=0.1)


def test_it_comes_by_a_pipe():
    """A policy of SELinux may keep nft and iptables from files of whoever calls them."""
    assert command.attempt(["test", "-p", "/dev/stdin"], input="add table inet lab").code == 0


def test_a_program_that_is_not_there():
    with pytest.raises(HostError, match="'/none -x' cannot be run: No such file or directory"):
        command.attempt(["/none", "-x"], input=LONG)
