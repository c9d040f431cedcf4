# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The DHCP clients that ifupdown starts, one for each interface: dhclient, dhcpcd or busybox's udhcpc.

On Debian ifupdown takes whichever is installed; it is asked what it would type, so we need not know.
"""

from __future__ import annotations

import os
import re
import select
import signal
from collections.abc import Iterable, Iterator
from pathlib import Path

from . import files, ifstate, process
from .command import attempt
from .supervisor import booted

_PROGRAMS = ("dhclient", "udhcpc", "dhcpcd")
_LINE = re.compile(r"(?:^|.*[;/ ])(?:dhclient|udhcpc|dhcpcd)\s")
_LEASES = Path("/var/lib/dhcp")
_DHCPCD = Path("/var/lib/dhcpcd")
_DHCPCD_RUNS = Path("/run/dhcpcd")
#: Seconds that a client has to end, and to get a lease.
_PATIENCE_FOR_END = 5
_PATIENCE_FOR_LEASE = 90


def served(names: Iterable[str]) -> list[str]:
    """Those of the interfaces that have a client."""
    names = list(dict.fromkeys(names))
    known = {name for _pid, _program, argv in _by_arguments() for name in argv}
    return [name for name in names if name in known or _dhcpcds(name)]


def stop(name: str) -> None:
    """End it without a word to the server or to the kernel."""
    for pid, program in _pids(name).items():
        if program == "dhcpcd":
            # It takes back what it did when it ends otherwise, and its helpers outlive it.
            for one in [pid, *_descendants(pid)]:
                _end(one, signal.SIGKILL)
        else:
            _end(pid, signal.SIGTERM)


def _end(pid: int, number: signal.Signals) -> None:
    handle = process.pidfd(pid)
    if handle is None:
        return
    try:
        for attempted in (number, signal.SIGKILL):
            signal.pidfd_send_signal(handle, attempted)
            if select.select([handle], [], [], _PATIENCE_FOR_END)[0]:
                return
    except ProcessLookupError:
        return
    finally:
        os.close(handle)


def _descendants(pid: int) -> list[int]:
    try:
        text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    except OSError:
        return []
    return [one for child in map(int, text.split()) for one in (child, *_descendants(child))]


def start(name: str) -> list[str]:
    """What ifupdown types for an interface that has its address by DHCP, and for others nothing; returns the lines."""
    if served([name]):
        return []
    lines = [line for line in ifstate.typed(name) if _LINE.match(line)]
    # It is to outlive the unit or the session that we are in.
    scope = ["systemd-run", "--quiet", "--scope", "--collect", "--"] if booted() else []
    for line in lines:
        attempt([*scope, "sh", "-c", line], timeout=_PATIENCE_FOR_LEASE)
    return lines


def hand_over(source: str, target: str) -> None:
    """Have the client of one interface go on with the lease of another. The lease stays where it was, too."""
    for kind in ("dhclient", "dhclient6"):
        text = files.read(_LEASES / f"{kind}.{source}.leases")
        if text is not None:
            text = text.replace(f'interface "{source}";', f'interface "{target}";')
            files.write(_LEASES / f"{kind}.{target}.leases", text)
    for suffix in ("lease", "lease6"):
        lease = _DHCPCD / f"{source}.{suffix}"
        if lease.is_file():
            files.replace(_DHCPCD / f"{target}.{suffix}", lease.read_bytes(), 0o644, None)


def forget(name: str) -> None:
    """Leave no lease of an interface that is no more."""
    for kind in ("dhclient", "dhclient6"):
        files.remove(_LEASES / f"{kind}.{name}.leases")
    for suffix in ("lease", "lease6"):
        files.remove(_DHCPCD / f"{name}.{suffix}")


def _pids(name: str) -> dict[int, str]:
    """The program of each client of an interface, by its process."""
    return {**{pid: program for pid, program, argv in _by_arguments() if name in argv}, **_dhcpcds(name)}


def _dhcpcds(name: str) -> dict[int, str]:
    """dhcpcd has other words where its arguments were."""
    texts = [(files.read(_DHCPCD_RUNS / f"{name}{suffix}.pid") or "").strip() for suffix in ("", "-4", "-6")]
    found = [text for text in texts if text.isdigit() and _argv(text)[0].startswith("dhcpcd")]
    return {int(text): "dhcpcd" for text in found if process.in_netns(int(text), None)}


def _by_arguments() -> Iterator[tuple[int, str, list[str]]]:
    for pid in filter(str.isdigit, os.listdir("/proc")):
        argv = _argv(pid)
        program = argv[0].rpartition("/")[2]
        if program in _PROGRAMS and process.in_netns(int(pid), None):
            yield int(pid), program, argv[1:]


def _argv(pid: str) -> list[str]:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")
    except OSError:
        return [""]
