# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""DHCP leases for probes, by busybox's client udhcpc. Times are in seconds."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import time
from collections.abc import Iterable
from contextlib import suppress
from types import TracebackType

from .._spec.probe_place import INSIDE, Lease
from . import command, namespace
from .errors import HostError

# What the client gives its script, by udhcpc's own names, between two lines that it itself never writes.
_SCRIPT = b'#!/bin/sh\n[ "$1" = bound ] || exit 0\necho "<lease>"; env; echo "</lease>"\n'
_RELEASE_PATIENCE = 3.0


class Leases:
    """Clients in several namespaces, which hold their leases until the end of the body and give them back then."""

    def __init__(self) -> None:
        self._clients: dict[str, subprocess.Popen[bytes]] = {}
        self._said: dict[str, bytes] = {}

    def __enter__(self) -> Leases:
        return self

    def __exit__(self, kind: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None) -> None:
        for client in self._clients.values():
            with suppress(ProcessLookupError):
                client.send_signal(signal.SIGTERM)
        deadline = time.monotonic() + _RELEASE_PATIENCE
        for client in self._clients.values():
            try:
                client.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                client.kill()
                client.wait()
            client.stdout.close()

    def get(self, namespaces: Iterable[str], timeout: float) -> dict[str, Lease]:
        """The leases that came within `timeout`, asked for in all namespaces at once."""
        names = list(namespaces)
        if not names:
            return {}
        client = program()
        if client is None:
            raise HostError("there is no DHCP client to ask for leases with; install the package 'busybox'")
        script = os.memfd_create("script", 0)
        try:
            os.write(script, _SCRIPT)
            for netns in names:
                self._start(client, netns, script, timeout)
        finally:
            os.close(script)
        self._listen(time.monotonic() + timeout)
        return {netns: lease for netns, said in self._said.items() if (lease := _lease(said))}

    def _start(self, client: list[str], netns: str, script: int, timeout: float) -> None:
        # It dies with us; released leases go first.
        argv = ["setpriv", "--pdeathsig", "TERM", "--", *client]
        # A server that looks whether an address is free leaves other questions lie: then all begins anew, at once (-A).
        argv += ["-f", "-R", "-t", str(int(timeout) + 1), "-T", "1", "-A", "1", "-i", INSIDE, "-O", "staticroutes"]
        argv += ["-s", f"/proc/self/fd/{script}"]
        try:
            with namespace.entered(netns):
                self._clients[netns] = subprocess.Popen(  # pylint: disable=ansible-bad-function
                    argv,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.STDOUT,
                    pass_fds=(script,),
                    cwd="/",
                    env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C"},
                )
        except OSError as exc:
            raise HostError(f"'{' '.join(argv)}' cannot be run: {exc.strerror}") from exc
        self._said[netns] = b""

    def _listen(self, deadline: float) -> None:
        waiting = {client.stdout.fileno(): netns for netns, client in self._clients.items()}
        while waiting:
            left = deadline - time.monotonic()
            ready = select.select(list(waiting), [], [], max(0.0, left))[0] if left > 0 else []
            if not ready:
                return
            for line in ready:
                text = os.read(line, 65536)
                self._said[waiting[line]] += text
                if not text or b"\n</lease>\n" in self._said[waiting[line]]:
                    del waiting[line]


def program() -> list[str] | None:
    """The DHCP client of this host, if it has one."""
    if busybox := command.which("busybox"):
        return [busybox, "udhcpc"]
    if udhcpc := command.which("udhcpc"):
        return [udhcpc]
    return None


def _lease(said: bytes) -> Lease | None:
    _log, begun, text = said.decode(errors="replace").partition("<lease>\n")
    if not begun:
        return None
    given = dict(line.split("=", 1) for line in text.splitlines() if "=" in line)
    words = given.get("staticroutes", "").split()
    # RFC 3442: where there are routes, the option for routers is ignored.
    routers = [gateway for dst, gateway in zip(words[::2], words[1::2]) if dst == "0.0.0.0/0"]
    routers = routers if words else given.get("router", "").split()
    return Lease(f"{given['ip']}/{given.get('mask', '32')}", tuple(routers), tuple(given.get("dns", "").split()))
