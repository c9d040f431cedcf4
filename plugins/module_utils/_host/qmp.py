# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Controls running guests through QMP, by the library qemu.qmp (asyncio). Times are in seconds."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Iterable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any

from .errors import HostError

#: How long a QEMU that works may take to answer.
_ANSWER = 20
#: How long it may take to end once it was told to quit: it flushes its disks.
_QUIT = 30
_PRESS_AGAIN = 5
#: For a question that can go without an answer: another program may have the socket.
_GLANCE = 5
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


def devices(targets: Iterable[Target]) -> dict[str, frozenset[str]]:
    """The ids of the devices that each guest has; one that does not answer is left out."""
    targets = list(targets)
    found = _together(_devices(target) for target in targets) if targets else []
    return {target.name: ids for target, ids in zip(targets, found) if ids is not None}


def plug(target: Target, netdev: Mapping[str, Any], device: Mapping[str, Any], queues: Mapping[str, int]) -> None:
    """Plug a NIC in. `queues` are the open queues of its tap, by what QEMU is to call them."""
    _together([_plug(target, netdev, device, queues)])


def unplug(target: Target, nic: str) -> None:
    """Unplug a NIC, which is over when the guest has released it, and take away what is behind it."""
    _together([_unplug(target, nic)])


def _together(work: Iterable[Awaitable[Any]]) -> list[Any]:
    async def main() -> list[Any]:
        return await asyncio.gather(*work, return_exceptions=True)

    outcomes = asyncio.run(main())
    for outcome in outcomes:
        if isinstance(outcome, BaseException):
            raise outcome
    return outcomes


@asynccontextmanager
async def _connected(target: Target, patience: float | None = None) -> AsyncIterator[Any]:
    from qemu.qmp import QMPClient, QMPError

    client = QMPClient(target.name)
    try:
        await asyncio.wait_for(client.connect(target.socket), patience or _ANSWER)
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
    # One that starts answers when it is ready: a busy host takes its time.
    async with _connected(target, target.timeout) as client:
        with client.listener(("RESUME",)) as resumed:
            status = (await asyncio.wait_for(client.execute("query-status"), target.timeout))["status"]
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


async def _devices(target: Target) -> frozenset[str] | None:
    with suppress(HostError):
        async with _connected(target, _GLANCE) as client:
            return await _device_ids(client)
    return None


async def _device_ids(client: Any) -> frozenset[str]:
    arguments = {"path": "/machine/peripheral"}
    found = await asyncio.wait_for(client.execute("qom-list", arguments), _ANSWER)
    return frozenset(entry["name"] for entry in found if entry["name"] != "type")


async def _plug(target: Target, netdev: Any, device: Any, queues: Mapping[str, int]) -> None:
    async with _connected(target) as client:
        # A run that was killed may have left it.
        await _remove_netdev(client, netdev["id"])
        for name, fd in queues.items():
            client.send_fd_scm(fd)
            await asyncio.wait_for(client.execute("getfd", {"fdname": name}), _ANSWER)
        await asyncio.wait_for(client.execute("netdev_add", dict(netdev)), _ANSWER)
        try:
            await asyncio.wait_for(client.execute("device_add", dict(device)), _ANSWER)
        except BaseException:
            await _remove_netdev(client, netdev["id"])
            raise


async def _unplug(target: Target, nic: str) -> None:
    async with _connected(target) as client:
        with client.listener(("DEVICE_DELETED",)) as deleted:
            if nic in await _device_ids(client) and not await _released(client, deleted, nic, target.timeout):
                raise HostError(
                    f"guest '{target.name}': its system has not released NIC '{nic}' after {target.timeout:g} s "
                    "('stop_timeout'); try again when it has booted, or restart it"
                )
        await _remove_netdev(client, f"net-{nic}")


async def _released(client: Any, deleted: Any, nic: str, timeout: float) -> bool:
    """Ask until the guest has released the NIC: one that still boots does not hear it."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + timeout
    while (left := deadline - loop.time()) > 0:
        await _ask_for_release(client, nic)
        if await _is_deleted(deleted, nic, min(left, _PRESS_AGAIN)):
            return True
    return False


async def _ask_for_release(client: Any, nic: str) -> None:
    from qemu.qmp import ExecuteError

    # It is refused while an earlier one has not been answered, and when the device has gone just now.
    with suppress(ExecuteError):
        await asyncio.wait_for(client.execute("device_del", {"id": nic}), _ANSWER)


async def _is_deleted(deleted: Any, nic: str, timeout: float) -> bool:
    async def seen() -> None:
        async for event in deleted:
            if event["data"].get("device") == nic:
                return

    try:
        await asyncio.wait_for(seen(), timeout)
    except asyncio.TimeoutError:
        return False
    return True


async def _remove_netdev(client: Any, netdev: str) -> None:
    from qemu.qmp import ExecuteError

    # There may be none.
    with suppress(ExecuteError):
        await asyncio.wait_for(client.execute("netdev_del", {"id": netdev}), _ANSWER)
