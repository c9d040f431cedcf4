# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The process that the tests' plays are forked from: a run is as one on its own, and nothing is left over."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.support.player import REPOSITORY
from tests.integration.support.processes import ForkServer, separate

STARTER = """
import os, sys
from tests.integration.support.processes import ForkServer
server = ForkServer(dict(os.environ))
run = server.start(["playbook", sys.argv[1]], {}, sys.stderr)
print(server.process.pid, run.pid, flush=True)
sys.stdin.read()
"""
REFUSED = {"ansible.builtin.fail": {"msg": "No"}}
PATIENCE = 60


def say(text: str) -> dict[str, Any]:
    return {"ansible.builtin.debug": {"msg": text}}


def write_play(path: Path, *tasks: dict[str, Any]) -> str:
    """A play on this machine that changes nothing."""
    path.write_text(json.dumps([{"name": "Test", "hosts": "localhost", "gather_facts": False, "tasks": list(tasks)}]))
    return str(path)


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """With nothing in it that changes from one run to the next."""
    settings = {"ANSIBLE_HOME": str(tmp_path / "home"), "ANSIBLE_DEPRECATION_WARNINGS": "0", "ANSIBLE_NOCOLOR": "1"}
    return {**os.environ, **settings, "ANSIBLE_CALLBACK_RESULT_FORMAT": "yaml"}


@pytest.fixture
def server(environment) -> Iterator[ForkServer]:
    server = ForkServer(environment)
    yield server
    server.close()


@pytest.mark.parametrize(("arguments", "status"), [(["--version"], 0), ([], 2), (["/nowhere.yml"], 1), (["PLAY"], 2)])
def test_a_run_says_and_returns_what_one_on_its_own_does(server, environment, tmp_path, arguments, status):
    play = write_play(tmp_path / "play.json", say("{{ lookup('env', 'VIRTNET_TOLD') }}"), REFUSED)
    words = ["playbook", *(play if word == "PLAY" else word for word in arguments)]
    told = {"VIRTNET_TOLD": "größe"}
    alone, forked = tmp_path / "alone", tmp_path / "forked"
    with alone.open("wb") as output:
        assert separate(words, environment | told, output).wait(PATIENCE) == status
    with forked.open("wb") as output:
        runs = [server.start(words, told, output) for _time in range(2)]
    assert [run.wait(PATIENCE) for run in runs] == [status, status]
    assert sorted(forked.read_text().splitlines()) == sorted(alone.read_text().splitlines() * 2)
    assert ("größe" in forked.read_text()) == ("PLAY" in arguments)
    # What all runs share stays until there will be no more.
    assert list((tmp_path / "home/tmp").iterdir())
    server.close()
    assert not list((tmp_path / "home/tmp").iterdir())


def test_a_run_can_be_waited_for_and_killed(server, environment, tmp_path):
    started, go_on = tmp_path / "started", tmp_path / "go_on"
    for fifo in (started, go_on):
        os.mkfifo(fifo)
    play = write_play(tmp_path / "play.json", say(f"{{{{ lookup('pipe', 'echo > {started}; cat {go_on}') }}}}"))
    with (tmp_path / "output").open("wb") as output:
        run = server.start(["playbook", play], {}, output)
    assert started.read_text() == "\n"
    with pytest.raises(subprocess.TimeoutExpired):
        run.wait(0)
    assert os.getsid(run.pid) == run.pid != server.process.pid
    assert Path(f"/proc/{run.pid}/fd/0").readlink() == Path(os.devnull)
    run.kill()
    assert run.wait(PATIENCE) == -signal.SIGKILL
    # Its worker reads, and ends with the file.
    go_on.write_text("")


def test_it_ends_with_the_process_that_started_it_and_so_do_its_runs(environment, tmp_path):
    pause = {"ansible.builtin.pause": {"seconds": 600}}
    play = write_play(tmp_path / "play.json", pause)
    with subprocess.Popen(
        [sys.executable, "-c", STARTER, play],
        cwd=REPOSITORY,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as starter:
        handles = [os.pidfd_open(int(pid)) for pid in starter.stdout.readline().split()]
        starter.kill()
    for handle in handles:
        ended, _none, _none = select.select([handle], [], [], PATIENCE)
        os.close(handle)
        assert ended
