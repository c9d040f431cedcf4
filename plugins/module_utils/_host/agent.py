# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Runs commands in guests through the QEMU guest agent's socket.

The protocol is that of QEMU's docs/interop/qemu-ga-ref: JSON lines without greeting or negotiation, so the QMP
client of ``qemu.qmp`` speaks it. Times are in seconds.
"""

from __future__ import annotations

import asyncio
import base64
import datetime
import logging
import random
import socket
import traceback
from contextlib import suppress
from typing import Any

from .._spec.guest_exec import Command, Outcome
from . import libraries
from .errors import HostError

libraries.find_more()
try:
    from qemu.qmp import ExecuteError, QMPClient, QMPError
except ImportError:
    IMPORT_ERROR: str | None = traceback.format_exc()
else:
    IMPORT_ERROR = None

# It warns of each answer to a client before us; that is expected here, and without a handler it goes to stderr.
logging.getLogger("qemu.qmp").addHandler(logging.NullHandler())

#: A question the guest lost by a reboot is asked again after this time.
_ASK_AGAIN = 5.0
#: The agent has no event for the end of a command: it is asked, at first soon, then ever more seldom.
_POLL_FIRST, _POLL_LAST, _POLL_GROWTH = 0.02, 0.5, 1.5


class Agent:
    """A connection to one guest's agent. Everything that fails raises HostError."""

    def __init__(self, guest: str, path: str) -> None:
        self._guest = guest
        self._path = path
        self._client: Any = None
        self._line: Any = None

    async def connect(self) -> None:
        """Returns when the agent has answered, however long that takes."""
        while True:
            try:
                await self._open()
                return await self._synchronise()
            except (QMPError, AssertionError):
                # The agent had to refuse what an earlier client left, and that ends the connection. When it does so
                # at once, qemu.qmp is surprised: its connect() asserts that the connection still runs.
                await self.close()

    async def _open(self) -> None:
        self._client = QMPClient(self._guest)
        self._client.await_greeting = self._client.negotiate = False
        line = socket.socket(socket.AF_UNIX)
        line.setblocking(False)
        self._line = line
        try:
            line.connect(self._path)
        except OSError as exc:
            await self.close()
            raise HostError(f"guest '{self._guest}': nothing answers at {self._path}: {_remedy(exc)}") from exc
        await self._client.connect(line.dup())

    async def _synchronise(self) -> None:
        """What the agent still has to say to earlier clients comes first and is dropped (guest-sync)."""
        while True:
            token = random.getrandbits(31)
            try:
                if await asyncio.wait_for(self._client.execute("guest-sync", {"id": token}), _ASK_AGAIN) == token:
                    return
            except asyncio.TimeoutError:
                # It does not run yet; or an earlier client left half a line, and all of ours is taken for the rest
                # of it until this byte, which no line may hold (guest-sync-delimited).
                with suppress(OSError):
                    self._line.send(b"\xff")

    async def run(self, argv: tuple[str, ...], stdin: bytes | None = None) -> dict[str, Any]:
        """Run a program, found by the agent's PATH, to its end: the return value of ``guest-exec-status``."""
        arguments: dict[str, Any] = {"path": argv[0], "arg": list(argv[1:]), "capture-output": True}
        if stdin is not None:
            arguments["input-data"] = base64.b64encode(stdin).decode()
        pid = (await self.execute("guest-exec", arguments))["pid"]
        delay = _POLL_FIRST
        while True:
            status = await self.execute("guest-exec-status", {"pid": pid})
            if status["exited"]:
                return status
            await asyncio.sleep(delay)
            delay = min(delay * _POLL_GROWTH, _POLL_LAST)

    async def execute(self, command: str, arguments: dict[str, Any] | None = None) -> Any:
        """One command of the agent's protocol."""
        try:
            return await self._client.execute(command, arguments)
        except ExecuteError as exc:
            raise HostError(f"guest '{self._guest}': {command}: {exc.error.error.desc}") from exc
        except QMPError as exc:
            raise HostError(f"guest '{self._guest}': the connection to its agent was lost during {command}") from exc

    async def close(self) -> None:
        # What broke the connection was told where it broke; disconnect() would raise it once more.
        with suppress(QMPError, EOFError, OSError):
            await self._client.disconnect()
        self._line.close()


def _remedy(exc: Exception) -> str:
    if isinstance(exc, (FileNotFoundError, ConnectionRefusedError)):
        return "is the guest started, and has it an agent?"
    if isinstance(exc, PermissionError):
        return "permission denied; run as root ('become: true')"
    if isinstance(exc, BlockingIOError):
        return "other programs wait for it already"
    return str(exc)


def run_all(commands: list[Command], timeout: float) -> list[Outcome]:
    """Run all `commands` at once; their outcomes in the same order. `timeout` is for all together, waiting included."""
    return asyncio.run(_run_all(commands, timeout))


async def _run_all(commands: list[Command], timeout: float) -> list[Outcome]:
    deadline = asyncio.get_running_loop().time() + timeout
    # QEMU serves one client of a socket at a time.
    by_socket: dict[str, list[int]] = {}
    for index, command in enumerate(commands):
        by_socket.setdefault(command.socket, []).append(index)
    groups = ([commands[i] for i in indexes] for indexes in by_socket.values())
    found = await asyncio.gather(*(_run_in_guest(group, timeout, deadline) for group in groups))
    done = {i: one for indexes, outcomes in zip(by_socket.values(), found) for i, one in zip(indexes, outcomes)}
    return [done[i] for i in range(len(commands))]


async def _run_in_guest(commands: list[Command], timeout: float, deadline: float) -> list[Outcome]:
    """The commands of one guest, over one connection."""
    guest, path, start = commands[0].guest, commands[0].socket, _now()
    agent = Agent(guest, path)
    try:
        await _until(deadline, agent.connect())
        return await asyncio.gather(*(_run(agent, command, timeout, deadline) for command in commands))
    except asyncio.TimeoutError:
        error = (
            f"guest '{guest}': its agent did not answer within {timeout:g} s; is qemu-guest-agent running in it, "
            f"and is no other program connected to {path}?"
        )
    except HostError as exc:
        error = str(exc)
    finally:
        await agent.close()
    return [Outcome(start, _now(), error=error) for command in commands]


async def _run(agent: Agent, command: Command, timeout: float, deadline: float) -> Outcome:
    start = _now()
    try:
        status = await _until(deadline, agent.run(command.argv, command.stdin))
    except asyncio.TimeoutError:
        line = " ".join(command.argv)
        error = f"guest '{command.guest}': '{line}' still runs after {timeout:g} s; it was left running"
        return Outcome(start, _now(), error=error)
    except HostError as exc:
        return Outcome(start, _now(), error=str(exc))
    return Outcome(
        start,
        _now(),
        rc=-status["signal"] if "signal" in status else status["exitcode"],
        stdout=base64.b64decode(status.get("out-data", "")),
        stderr=base64.b64decode(status.get("err-data", "")),
        truncated=bool(status.get("out-truncated") or status.get("err-truncated")),
    )


async def _until(deadline: float, work: Any) -> Any:
    return await asyncio.wait_for(work, deadline - asyncio.get_running_loop().time())


def _now() -> datetime.datetime:
    return datetime.datetime.now()
