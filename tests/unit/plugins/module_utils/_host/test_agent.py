# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The agent's client against an agent that is played here, over real sockets; with a real one in tests/integration."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json

import pytest

from ansible_collections.virtnet.qemu.plugins.module_utils._host import agent
from ansible_collections.virtnet.qemu.plugins.module_utils._spec.guest_exec import Command

PARSE_ERROR = b'{"error": {"class": "GenericError", "desc": "JSON parse error"}}\n'


class PlayedAgent:
    """Speaks the agent's protocol; its programs end at the third question, with what they were called with.

    `stale` is what it still had to say to an earlier client: it does so first, and before each answer. `mute` is the
    number of questions it does not answer, `drop_at` a command it breaks the connection at.
    """

    def __init__(self, stale=(), mute=0, drop_at=None):
        self.stale = list(stale)
        self.mute = mute
        self.drop_at = drop_at
        self.commands = []
        self.polls = {}
        self.clients = 0

    async def serve(self, reader, writer):
        self.clients += 1
        self.say_stale(writer)
        unread = b""
        while True:
            got = await reader.read(65536)
            if not got:
                return writer.close()
            # As qemu-ga: no line ends are needed, and what cannot be JSON is answered without an id.
            unread += got
            while b"\xff" in unread:
                writer.write(PARSE_ERROR)
                unread = unread.partition(b"\xff")[2]
            text = unread.decode()
            while text:
                message, end = json.JSONDecoder().raw_decode(text)
                text = text[end:].lstrip()
                if message["execute"] == self.drop_at:
                    return writer.close()
                self.take(message, writer)
            unread = b""

    def say_stale(self, writer):
        if self.stale:
            writer.write(self.stale.pop(0))

    def take(self, message, writer):
        self.commands.append(message)
        self.say_stale(writer)
        if self.mute:
            self.mute -= 1
        else:
            writer.write(json.dumps({"id": message["id"], **self.answer(message)}).encode() + b"\n")

    def answer(self, message):
        arguments = message["arguments"]
        if message["execute"] == "guest-sync":
            return {"return": arguments["id"]}
        if message["execute"] == "guest-exec":
            if arguments["path"] == "gone":
                return {"error": {"class": "GenericError", "desc": "No such file"}}
            pid = len(self.polls) + 100
            self.polls[pid] = (0, arguments)
            return {"return": {"pid": pid}}
        count, called = self.polls[arguments["pid"]]
        self.polls[arguments["pid"]] = (count + 1, called)
        if count < 2 or called["path"] == "endless":
            return {"return": {"exited": False}}
        words = [called["path"], *called["arg"], called.get("input-data", "none")]
        end = {"signal": 9} if called["path"] == "killed" else {"exitcode": 3}
        return {"return": {"exited": True, **end, "out-data": base64.b64encode(" ".join(words).encode()).decode()}}


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Runs commands with played agents: ``run(commands, timeout, web1=PlayedAgent(), ...)``."""

    def run(commands, timeout=20.0, **agents):
        async def main():
            async with contextlib.AsyncExitStack() as stack:
                for name, played in agents.items():
                    server = await asyncio.start_unix_server(played.serve, tmp_path / name)
                    stack.callback(server.close)
                return await agent._run_all(commands, timeout)

        return asyncio.run(main())

    # Long enough for a busy machine to answer at once.
    monkeypatch.setattr(agent, "_ASK_AGAIN", 0.5)
    return run


@pytest.fixture
def command(tmp_path):
    return lambda guest, *argv, stdin=None: Command(guest, str(tmp_path / guest), argv, stdin)


def test_a_command_and_its_end(run, command):
    played = PlayedAgent()
    (outcome,) = run([command("web1", "echo", "a b", stdin=b"in")], web1=played)
    assert (outcome.rc, outcome.error, outcome.truncated) == (3, None, False)
    assert outcome.stdout.decode() == f"echo a b {base64.b64encode(b'in').decode()}"
    assert outcome.stderr == b""
    assert [c["execute"] for c in played.commands] == ["guest-sync", "guest-exec", *["guest-exec-status"] * 3]
    assert played.commands[1]["arguments"]["capture-output"] is True


def test_a_signal(run, command):
    (outcome,) = run([command("web1", "killed")], web1=PlayedAgent())
    assert outcome.rc == -9


def test_many_commands_keep_their_order_and_share_a_connection(run, command):
    agents = {"web1": PlayedAgent(), "web2": PlayedAgent()}
    names = ["web1", "web2", "web2", "web1", "web2"]
    outcomes = run([command(name, "echo", str(n)) for n, name in enumerate(names)], **agents)
    assert [outcome.stdout for outcome in outcomes] == [f"echo {n} none".encode() for n in range(5)]
    assert [played.clients for played in agents.values()] == [1, 1]


def test_one_that_fails_leaves_the_others(run, command):
    outcomes = run([command("web1", "gone"), command("away", "echo"), command("web1", "echo")], web1=PlayedAgent())
    assert outcomes[0].error == "guest 'web1': guest-exec: No such file"
    assert outcomes[1].error.startswith("guest 'away': nothing answers at ")
    assert outcomes[1].error.endswith("is the guest started, and has it an agent?")
    assert outcomes[2].rc == 3


def test_answers_for_an_earlier_client_are_dropped(run, command):
    # With the ids that this client, too, gives its first questions.
    stale = [b'{"id": "__qmp#00000", "return": 1}\n', b'{"id": "__qmp#00001", "return": {"pid": 7}}\n']
    (outcome,) = run([command("web1", "echo")], web1=PlayedAgent(stale=stale))
    assert outcome.rc == 3


def test_an_error_for_an_earlier_client_is_dropped(run, command):
    played = PlayedAgent(stale=[PARSE_ERROR])
    (outcome,) = run([command("web1", "echo")], web1=played)
    assert outcome.rc == 3
    assert played.clients == 2


def test_an_agent_that_comes_late_is_asked_again(run, command):
    played = PlayedAgent(mute=3)
    (outcome,) = run([command("web1", "echo")], web1=played)
    assert outcome.rc == 3


def test_an_agent_that_never_answers(run, command):
    (outcome,) = run([command("web1", "echo")], timeout=0.3, web1=PlayedAgent(mute=10**6))
    assert outcome.rc is None
    assert outcome.error.startswith("guest 'web1': its agent did not answer within 0.3 s; is qemu-guest-agent running")


def test_a_command_that_does_not_end(run, command):
    (ended, endless) = run([command("web1", "echo"), command("web1", "endless", "1")], timeout=1, web1=PlayedAgent())
    assert ended.rc == 3
    assert endless.error == "guest 'web1': 'endless 1' still runs after 1 s; it was left running"


@pytest.mark.parametrize("place", ["guest-exec", "guest-exec-status"])
def test_a_connection_that_breaks(run, command, place):
    (outcome,) = run([command("web1", "echo")], web1=PlayedAgent(drop_at=place))
    assert outcome.error == f"guest 'web1': the connection to its agent was lost during {place}"
