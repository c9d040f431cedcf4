# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The connection plugin: where commands run, how files travel, what is said when a host is gone."""

from __future__ import annotations

import hashlib
import os
import shutil
from pathlib import Path

import pytest

from tests.integration.support import fails

pytestmark = pytest.mark.newest_end

CONTENT = bytes(range(256)) * 5000
COPIED = "/etc/virtnet-test.bin"


@pytest.mark.parametrize("pipelining", ["1", "0"])
def test_files_travel_whole_and_stay_inside(play, host, tmp_path, pipelining):
    source, fetched = tmp_path / "source", tmp_path / "fetched"
    source.write_bytes(CONTENT)
    copy, fetch = play(
        host,
        [
            {"ansible.builtin.copy": {"src": str(source), "dest": COPIED, "mode": "0640"}},
            {"ansible.builtin.fetch": {"src": COPIED, "dest": str(fetched), "flat": True}},
        ],
        env={"ANSIBLE_PIPELINING": pipelining},
    )
    assert copy["checksum"] == fetch["checksum"] == hashlib.sha1(CONTENT).hexdigest()
    assert fetched.read_bytes() == CONTENT
    assert host.path(COPIED).read_bytes() == CONTENT
    assert not Path(COPIED).exists()


def test_a_file_that_does_not_fit_is_a_plain_error(play, host, tmp_path):
    source = tmp_path / "source"
    source.write_bytes(CONTENT)
    host.run(["mount", "--options", "remount,size=512k", "/run"])
    (result,) = play(host, [fails({"ansible.builtin.copy": {"src": str(source), "dest": "/run/copy"}})])
    assert f"of sandbox host '{host.name}': " in result.msg
    assert "No space left on device" in result.msg


def test_tasks_run_in_the_namespaces_of_the_host(play, host):
    kinds = ["net", "mnt", "pid", "uts"]
    results = play(host, [{"ansible.builtin.command": f"readlink /proc/self/ns/{kind}"} for kind in kinds])
    for kind, result in zip(kinds, results, strict=True):
        assert result["stdout"] == os.readlink(f"/proc/{host.pid}/ns/{kind}")
        assert result["stdout"] != os.readlink(f"/proc/self/ns/{kind}")


def test_facts_are_those_of_the_host(play, host, lan):
    (result,) = play(host, [{"ansible.builtin.setup": {"gather_subset": ["!all", "network", "platform"]}}])
    facts = result["ansible_facts"]
    assert facts["ansible_hostname"] == host.name
    assert sorted(facts["ansible_interfaces"]) == ["lo", "uplink0"]
    assert facts["ansible_default_ipv4"]["address"] == "192.0.2.10"


def test_a_user_can_be_become(play, host):
    become = {"become": True, "become_user": "games", "become_method": "su", "become_flags": "-s /bin/sh"}
    (result,) = play(host, [{"ansible.builtin.raw": "id --user --name", **become}])
    assert result["stdout"].strip() == "games"


def test_a_host_that_is_not_there_is_a_plain_error(play, host):
    host.stop()
    (result,) = play.start(host, [{"ansible.builtin.ping": {}}]).finish()
    assert result.status == "unreachable"
    assert f"sandbox host '{host.name}' is not running" in result.msg
    assert f"tests.sandbox up {host.name}" in result.msg


def test_a_host_killed_during_a_task_is_a_plain_error(play, host):
    os.mkfifo(host.path("/run/started"))
    # Only a raw command is not followed by another, such as one that tidies up and would find out by itself.
    run = play.start(host, [{"ansible.builtin.raw": "echo > /run/started; exec sleep 600"}])
    run.wait_for(host.path("/run/started"))
    host.stop()
    (result,) = run.finish()
    assert result.status == "unreachable"
    assert f"sandbox host '{host.name}' is not running" in result.msg
    assert not result.traceback


def test_a_pid_now_of_another_process_is_not_entered(play, host, new_host):
    other = new_host()
    pid, started, boot = host.pid_file.read_text().split()
    host.pid_file.write_text(f"{other.pid} {started}1 {boot}\n")
    (result,) = play.start(host, [{"ansible.builtin.ping": {}}]).finish()
    host.pid_file.write_text(f"{pid} {started} {boot}\n")
    assert "is not running" in result.msg


def test_the_option_for_the_folder_is_used(play, host, tmp_path):
    moved = tmp_path / "pids"
    moved.mkdir()
    shutil.copy(host.pid_file, moved / "renamed.pid")
    variables = {"ansible_sandbox_pid_directory": str(moved), "ansible_host": "renamed"}
    (result,) = play(host, [{"ansible.builtin.command": "hostname"}], vars=variables)
    assert result["stdout"] == host.name
