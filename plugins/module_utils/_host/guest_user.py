# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The users as whom guests run: what they may open and read."""

from __future__ import annotations

import json
import os
import pwd
from typing import Any, Callable

from .._spec.guest_world import Account
from .errors import HostError

_X86 = ("x86_64", "i386")


def account(name: str, arch: str) -> Account | None:
    try:
        entry = pwd.getpwnam(name)
    except KeyError:
        return None
    opened = as_user(entry, lambda: [(path, _open(path)) for path in ("/dev/kvm", "/dev/vhost-net", "/dev/net/tun")])
    kvm, vhost, tun = (_unusable(name, path, error) for path, error in opened)
    return Account(entry.pw_uid, entry.pw_gid, kvm or _without_virtualisation(arch), vhost, tun)


def access(user: str, paths: list[str]) -> dict[str, tuple[bool, bool, bool]]:
    """For each path whether that user can read, write and execute it; root where there is no such user yet."""
    try:
        entry = pwd.getpwnam(user)
    except KeyError:
        entry = pwd.getpwuid(0)
    modes = (os.R_OK, os.W_OK, os.X_OK)
    return as_user(entry, lambda: {path: [os.access(path, mode) for mode in modes] for path in paths})


def as_user(entry: pwd.struct_passwd, work: Callable[[], Any]) -> Any:
    """What `work` returns in a process of that user and its groups; it must survive JSON."""
    groups = os.getgrouplist(entry.pw_name, entry.pw_gid)
    read_end, write_end = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            if os.geteuid() == 0:
                os.setgroups(groups)
                os.setgid(entry.pw_gid)
                os.setuid(entry.pw_uid)
            os.write(write_end, json.dumps(work()).encode())
        finally:
            os._exit(0)
    os.close(write_end)
    with os.fdopen(read_end) as pipe:
        said = pipe.read()
    os.waitpid(child, 0)
    if not said:
        raise HostError(f"user: nothing can be run as '{entry.pw_name}'; run as root ('become: true')")
    return json.loads(said)


def _open(path: str) -> str | None:
    """Why a device cannot be opened, or nothing."""
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CLOEXEC))
    except OSError as exc:
        return exc.strerror
    return None


def _unusable(user: str, path: str, error: str | None) -> str | None:
    if error is None:
        return None
    return f"there is no {path}" if not os.path.exists(path) else f"user '{user}' cannot open {path} ({error})"


def _without_virtualisation(arch: str) -> str | None:
    """A /dev/kvm without these flags belongs to a hypervisor of another make, which hangs ordinary guests."""
    if arch not in _X86:
        return None
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        flags = next((line for line in file if line.startswith("flags")), "").split()
    return None if {"vmx", "svm"} & set(flags) else "the processor offers neither vmx nor svm"
