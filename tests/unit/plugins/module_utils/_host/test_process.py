# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
import subprocess
import time

import pytest

from ansible_collections.virtnet.qemu.plugins.module_utils._host import process


@pytest.fixture
def sleeper():
    """A process that goes on for ever. It has answered: before that, the kernel may not show its environment yet."""
    pipe = subprocess.PIPE
    with subprocess.Popen(["cat"], env={"VIRTNET_DIGEST": "abc"}, stdin=pipe, stdout=pipe, bufsize=0) as child:
        child.stdin.write(b"?")
        assert child.stdout.read(1) == b"?"
        yield child
        child.kill()


@pytest.fixture
def pid_file(tmp_path, sleeper):
    path = tmp_path / "pid"
    path.write_text(process.identity(sleeper.pid))
    return path


def test_a_running_process_is_found(pid_file, sleeper):
    assert process.running(pid_file) == sleeper.pid
    assert process.digest(sleeper.pid) == "abc"


@pytest.mark.parametrize("text", ["", "x", "1", "0 0 0\n", "999999999 1 2\n", "-1 1 1\n"])
def test_a_pid_file_that_is_about_nothing(pid_file, text):
    pid_file.write_text(text)
    assert process.running(pid_file) is None
    with process.opened(pid_file) as pidfd:
        assert pidfd is None


def test_an_ended_process_does_not_run_before_its_parent_knows(pid_file, sleeper):
    os.kill(sleeper.pid, 9)
    assert process.ended(pid_file, time.monotonic() + 20)
    # Not waited for: it is a zombie.
    assert os.path.exists(f"/proc/{sleeper.pid}")
    assert process.running(pid_file) is None


def test_waiting_for_a_process_that_goes_on_has_an_end(pid_file):
    assert not process.ended(pid_file, time.monotonic() + 0.01)


def test_a_file_is_awaited(tmp_path, sleeper):
    made = tmp_path / "made"
    with subprocess.Popen(["sh", "-c", f"sleep 0.1; touch {made}"]):
        assert process.await_file(made, sleeper.pid, time.monotonic() + 20)


def test_a_file_is_not_awaited_after_the_process_ended(tmp_path):
    with subprocess.Popen(["sleep", "0.1"]) as child:
        assert not process.await_file(tmp_path / "never", child.pid, time.monotonic() + 20)


def test_a_file_is_not_awaited_for_ever(tmp_path, sleeper):
    assert not process.await_file(tmp_path / "never", sleeper.pid, time.monotonic() + 0.01)


def test_our_own_namespace(sleeper):
    assert process.in_netns(sleeper.pid, None)
    assert not process.in_netns(sleeper.pid, "no-such-namespace")
