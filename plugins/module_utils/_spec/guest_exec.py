# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Commands to be run in guests, and how they ended. Pure."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .base import SpecError


@dataclass(frozen=True)
class Command:
    """`argv`, to be run in `guest`, whose agent's socket is `socket`; `stdin` is what it reads.

    It went well when its exit status is one of `expected_rc`.
    """

    guest: str
    socket: str
    argv: tuple[str, ...]
    stdin: bytes | None = None
    expected_rc: tuple[int, ...] = (0,)

    @classmethod
    def parse(cls, params: Mapping[str, Any]) -> Command:
        name, argv, stdin = params["name"], params["argv"], params["stdin"]
        if not name or "/" in name:
            raise SpecError(f"name: '{name}' is not the name of a guest; for a socket elsewhere give 'socket'")
        if not argv or not argv[0]:
            raise SpecError("argv: it is empty; give a program and its arguments, as in [ping, -c1, 192.168.4.1]")
        return cls(
            guest=name,
            socket=params["socket"] or f"/run/virtnet/guests/{name}/agent.sock",
            argv=tuple(argv),
            stdin=None if stdin is None else stdin.encode(),
            expected_rc=tuple(params["expected_rc"]),
        )


@dataclass(frozen=True)
class Outcome:
    """How a command ended. `error` tells why it did not get as far; then `rc` is None.

    `rc` is the exit status, or the negative number of the signal that ended the command. `start` and `end` are
    this host's time. `truncated`: the agent kept only the first 16 MiB of an output.
    """

    start: datetime.datetime
    end: datetime.datetime
    rc: int | None = None
    stdout: bytes = b""
    stderr: bytes = b""
    truncated: bool = False
    error: str | None = None


def report(command: Command, outcome: Outcome) -> dict[str, Any]:
    """The result of one command, named as ansible.builtin.command does; ``msg`` is there when it failed."""
    result = {
        "name": command.guest,
        "cmd": list(command.argv),
        "rc": outcome.rc,
        "stdout": outcome.stdout.decode("utf-8", "replace").rstrip("\r\n"),
        "stderr": outcome.stderr.decode("utf-8", "replace").rstrip("\r\n"),
        "start": str(outcome.start),
        "end": str(outcome.end),
        "delta": str(outcome.end - outcome.start),
        "failed": outcome.rc not in command.expected_rc,
    }
    if outcome.error:
        result["msg"] = outcome.error
    elif result["failed"]:
        expected = " or ".join(map(str, command.expected_rc))
        result["msg"] = f"guest '{command.guest}': '{' '.join(command.argv)}' ended with {outcome.rc}, not {expected}"
    return result


def summary(results: list[dict[str, Any]]) -> str:
    """One message for the commands among `results` that failed."""
    failed = [result["msg"] for result in results if result["failed"]]
    return f"{len(failed)} of {len(results)} commands failed: {'; '.join(dict.fromkeys(failed))}"
