# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Controls running guests through QMP, by the library qemu.qmp (asyncio). Times are in seconds."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Iterable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any

from .errors import HostError

#: How long a QEMU that works may take to answer.
_ANSWER = 20
#: How long it may take to end once it was told to quit: it flushes its disks.
_QUIT = 30
_PRESS_AGAIN = 5
#: What a guest goes through before it runs: RunState in QEMU's qapi/run-state.json.
_BEFORE_RUNNING = ("prelaunch", "inmigrate", "paused")


@dataclass(frozen=True)
class Target:
    """A guest, its QMP socket, and how long what is asked of it may take."""

    name: str
    socket: str
    timeout: float = _ANSWER


def await_running(targets: Iterable[Target]) -> None:
    """Returns when all of them run; raises HostError for the first that does not."""
    _together(_await_running(target) for target in targets)


def shut_down(targets: Iterable[Target], at_once: Iterable[str] = ()) -> None:
    """Press the power buttons, and wait; tell what has not gone in time, or is named in `at_once`, to quit.

    A guest that does not answer is left to the supervisor.
    """
    _together(_shut_down(target, target.name in set(at_once)) for target in targets)


def set_vnc_password(target: Target, password: str) -> None:
    _together([_set_vnc_password(target, password)])


def _together(work: Iterable[Awaitable[None]]) -> None:
    async def main() -> list[Any]:
        return await asyncio.gather(*work, return_exceptions=True)

    for outcome in asyncio.run(main()):
        if isinstance(outcome, BaseException):
            raise outcome


@asynccontextmanager
async def _connected(target: Target) -> AsyncIterator[Any]:
    from qemu.qmp import QMPClient, QMPError

    client = QMPClient(target.name)
    try:
        await asyncio.wait_for(client.connect(target.socket), _ANSWER)
    except (QMPError, asyncio.TimeoutError) as exc:
        raise HostError(f"guest '{target.name}': no QEMU answers at {target.socket}") from exc
    try:
        yield client
    except (QMPError, EOFError) as exc:
        raise HostError(f"guest '{target.name}': QMP failed: {exc}") from exc
    except asyncio.TimeoutError:
        raise HostError(f"guest '{target.name}': QEMU does not answer") from None
    finally:
        # That QEMU closed the connection first was seen where it mattered.
        with suppress(QMPError, EOFError, OSError, asyncio.TimeoutError):
            await asyncio.wait_for(client.disconnect(), _ANSWER)


async def _await_running(target: Target) -> None:
    async with _connected(target) as client:
        with client.listener(("RESUME",)) as resumed:
            status = (await asyncio.wait_for(client.execute("query-status"), _ANSWER))["status"]
            if status in _BEFORE_RUNNING:
                try:
                    await asyncio.wait_for(resumed.get(), target.timeout)
                    status = "running"
                except asyncio.TimeoutError:
                    raise HostError(f"guest '{target.name}' is still '{status}' after {target.timeout:g} s") from None
            if status != "running":
                raise HostError(f"guest '{target.name}' does not run: QEMU says '{status}'")


async def _shut_down(target: Target, at_once: bool) -> None:
    with suppress(HostError):
        async with _connected(target) as client:
            if not at_once and await _powered_down(client, target.timeout):
                return
            await asyncio.wait_for(client.execute("quit"), _ANSWER)
            await _gone(client, _QUIT)


async def _powered_down(client: Any, timeout: float) -> bool:
    """Press the power button until QEMU has gone: a guest that still boots does not feel it yet."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + timeout
    while (left := deadline - loop.time()) > 0:
        await asyncio.wait_for(client.execute("system_powerdown"), _ANSWER)
        if await _gone(client, min(left, _PRESS_AGAIN)):
            return True
    return False


async def _gone(client: Any, timeout: float) -> bool:
    """Wait until QEMU has closed the connection, which it does when it ends."""
    from qemu.qmp import Runstate

    async def closed() -> None:
        while client.runstate is Runstate.RUNNING:
            await client.runstate_changed()

    try:
        await asyncio.wait_for(closed(), timeout)
    except asyncio.TimeoutError:
        return False
    return True


async def _set_vnc_password(target: Target, password: str) -> None:
    async with _connected(target) as client:
        arguments = {"protocol": "vnc", "password": password}
        await asyncio.wait_for(client.execute("set_password", arguments), _ANSWER)
