# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The module guest_exec against real guest agents."""

from __future__ import annotations

import datetime
import os
import socket

import pytest

from tests.integration.support import fails
from tests.integration.support.examples import examples
from tests.integration.support.guest import Guest
from tests.sandbox import Sandbox

pytestmark = pytest.mark.newest_end


@pytest.fixture(scope="module")
def host():
    with Sandbox(f"guests-{os.getpid()}") as host:
        yield host


@pytest.fixture(scope="module")
def web1(host, micro_cloud_image):
    with Guest(host, "web1", micro_cloud_image) as guest:
        yield guest


@pytest.fixture(scope="module")
def web2(host, micro_cloud_image):
    with Guest(host, "web2", micro_cloud_image) as guest:
        yield guest


def execute(*argv, name="web1", **options):
    return {"virtnet.qemu.guest_exec": {"name": name, "argv": list(argv), **options}}


def several(*commands, **options):
    return {"virtnet.qemu.guest_exec": {"config": list(commands), **options}}


def test_a_guest_that_boots_is_waited_for(play, host, web1):
    (result,) = play(host, [execute("hostname")])
    assert result["stdout"] == "web1"
    assert result["rc"] == 0
    assert result.changed


@pytest.mark.both_ends
def test_output_input_and_times(play, host, web1):
    script = "cat; echo to stderr >&2; printf '\\377'"
    (result,) = play(host, [execute("sh", "-c", script, stdin="one\ntwo\n")])
    assert result["cmd"] == ["sh", "-c", script]
    assert result["stdout_lines"] == ["one", "two", "\N{REPLACEMENT CHARACTER}"]
    assert result["stderr"] == "to stderr"
    start, end = (datetime.datetime.fromisoformat(result[key]) for key in ("start", "end"))
    assert str(end - start) == result["delta"]
    assert start < end


def test_without_input_nothing_is_read(play, host, web1):
    (result,) = play(host, [execute("cat")])
    assert result["stdout"] == ""


def test_arguments_pass_no_shell(play, host, web1):
    (result,) = play(host, [execute("printf", "%s|", "a b", "$HOME", "*", "", "ä")])
    assert result["stdout"] == "a b|$HOME|*||ä|"


def test_an_exit_status_that_is_not_expected_fails(play, host, web1):
    script = "echo out; echo err >&2; exit 3"
    failed, expected = play(host, [fails(execute("sh", "-c", script)), execute("sh", "-c", script, expected_rc=[0, 3])])
    assert failed.msg == f"guest 'web1': 'sh -c {script}' ended with 3, not 0"
    for result in (failed, expected):
        assert (result["rc"], result["stdout"], result["stderr"]) == (3, "out", "err")
        assert result.changed


def test_a_signal_is_a_negative_status(play, host, web1):
    (result,) = play(host, [execute("sh", "-c", "kill -TERM $$", expected_rc=[-15])])
    assert result["rc"] == -15


def test_a_program_that_is_not_there(play, host, web1):
    (result,) = play(host, [fails(execute("no-such-program"))])
    assert result.msg.startswith("guest 'web1': guest-exec: ")
    assert "no-such-program" in result.msg
    # ansible-core 2.19 adds an empty one.
    assert result.get("rc") is None
    assert not result.changed


def test_a_command_that_does_not_end_in_time(play, host, web1):
    (result,) = play(host, [fails(execute("sleep", "1000", timeout=2))])
    assert result.msg == "guest 'web1': 'sleep 1000' still runs after 2 s; it was left running"
    web1.run("sh", "-c", "kill $(pidof sleep)")


def test_check_mode_runs_nothing(play, host, web1):
    (result,) = play(host, [execute("touch", "/tmp/ran")], check=True)
    assert result.status == "skipped"
    web1.run("test", "-e", "/tmp/ran", rc=1)


@pytest.mark.both_ends
def test_several_commands_run_at_once_and_are_told_in_order(play, host, web1, web2):
    guests = ["web1", "web2", "web1", "web2"]
    naps = [{"name": name, "argv": ["sh", "-c", f"sleep 3; echo {name} {n}"]} for n, name in enumerate(guests)]
    web2.run("true")
    (result,) = play(host, [several(*naps)])
    assert [r["stdout"] for r in result["results"]] == ["web1 0", "web2 1", "web1 2", "web2 3"]
    assert [r["name"] for r in result["results"]] == guests
    starts, ends = ([datetime.datetime.fromisoformat(r[key]) for r in result["results"]] for key in ("start", "end"))
    assert max(starts) < min(ends)
    assert result.changed


def test_one_that_fails_does_not_keep_the_others_from_running(play, host, web1):
    commands = [
        {"name": "web1", "argv": ["false"]},
        {"name": "gone", "argv": ["true"]},
        {"name": "web1", "argv": ["echo", "ran"]},
        {"name": "web1", "argv": ["false"], "expected_rc": [0, 1]},
    ]
    (result,) = play(host, [fails(several(*commands))])
    assert [r["rc"] for r in result["results"]] == [1, None, 0, 1]
    assert [r["failed"] for r in result["results"]] == [True, True, False, False]
    assert result["results"][2]["stdout"] == "ran"
    assert result.msg.startswith("2 of 4 commands failed: guest 'web1': 'false' ended with 1, not 0; guest 'gone': ")


def test_a_guest_that_does_not_run(play, host, web1):
    stale = socket.socket(socket.AF_UNIX)
    stale.bind(str(host.path("/run/stale.sock")))
    stale.close()
    missing, ended = play(
        host, [fails(execute("true", name="gone")), fails(execute("true", name="web9", socket="/run/stale.sock"))]
    )
    question = "is the guest started, and has it an agent?"
    assert missing.msg == f"guest 'gone': nothing answers at /run/virtnet/guests/gone/agent.sock: {question}"
    assert ended.msg == f"guest 'web9': nothing answers at /run/stale.sock: {question}"


def test_another_client_holds_the_socket(play, host, web1):
    with socket.socket(socket.AF_UNIX) as holder:
        holder.connect(str(web1.socket("agent")))
        (result,) = play(host, [fails(execute("true", timeout=3))])
    assert "did not answer within 3 s" in result.msg
    assert "no other program connected to /run/virtnet/guests/web1/agent.sock" in result.msg


@pytest.mark.parametrize(
    "left",
    [b'{"execute": "guest-ping"', b'{"execute": "guest-sync", "id": "__qmp#00000", "arguments": {"id": 1}}\n' * 3],
    ids=["half a line", "questions whose answers nobody read"],
)
def test_what_an_earlier_client_left_does_no_harm(play, host, web1, left):
    with socket.socket(socket.AF_UNIX) as earlier:
        earlier.connect(str(web1.socket("agent")))
        earlier.sendall(left)
    (result,) = play(host, [execute("echo", "answer")])
    assert result["stdout"] == "answer"


def test_a_guest_that_ends_meanwhile(play, host, micro_cloud_image):
    with Guest(host, "web3", micro_cloud_image) as guest:
        guest.run("true")
        run = play.start(host, [fails(execute("sh", "-c", "echo b > /proc/sysrq-trigger; sleep 1000", name="web3"))])
        (result,) = run.finish()
    assert result.msg.startswith("guest 'web3': the connection to its agent was lost during guest-exec")


def test_the_examples_of_the_documentation(play, host, web1, web2):
    other = host.path("/run/other")
    other.mkdir()
    (other / "agent.sock").symlink_to("/run/virtnet/guests/web2/agent.sock")
    results = play(host, examples("guest_exec"))
    assert [result.changed for result in results] == [False, False, True, False]
    assert web1.run("cat", "/etc/motd") == "Changed by Ansible."


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"name": "web1", "argv": []}, "argv: it is empty"),
        ({"name": "web1/x", "argv": ["true"]}, "name: 'web1/x' is not the name of a guest"),
        ({"name": "web1"}, "parameters are required together: name, argv"),
        ({}, "one of the following is required: config, name"),
        ({"name": "web1", "argv": ["true"], "config": []}, "mutually exclusive"),
    ],
)
def test_wrong_options(play, host, options, message):
    (result,) = play(host, [fails({"virtnet.qemu.guest_exec": options})])
    assert message in result.msg


def test_without_the_library(play, host):
    task = {**execute("true"), "vars": {"ansible_python_interpreter": "/usr/bin/python3"}}
    (result,) = play(host, [fails(task)])
    assert result.msg.startswith("Failed to import the required Python library (qemu.qmp)")
