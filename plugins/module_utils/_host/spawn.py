# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Starts a service's process, detached from ours."""

from __future__ import annotations

import grp
import os
import pwd
import resource
import signal
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from .._spec.service import OpenedTap, Service
from . import files, namespace, process, tuntap
from .errors import HostError

_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True)
class _Identity:
    """Numeric ids; ``None``: as we are."""

    uid: int | None
    gid: int | None
    groups: list[int]


def start(service: Service, pid_file: Path, log: Path) -> None:
    """Returns when the program runs, or could not be run: then HostError.

    The process writes the pid file itself before it becomes the program. Until then it shares the lock of the host
    that we hold, so whoever gets that lock after we were killed finds the pid file.
    """
    identity = _identity(service)
    try:
        _prepare(service, identity, pid_file, log)
        read_end, write_end = os.pipe()
        child = os.fork()
    except OSError as exc:
        raise HostError(f"service '{service.name}' could not be started: {exc}") from exc
    if child == 0:
        _become(service, identity, pid_file, log, write_end)
    os.close(write_end)
    with os.fdopen(read_end) as pipe:
        # Closed without a word by the exec.
        said = pipe.read()
    if said:
        os.waitpid(child, 0)
        raise HostError(f"service '{service.name}' could not be started: {said}")


def helper(service: Service) -> subprocess.Popen[bytes]:
    """Start the command that stops a service."""
    null = subprocess.DEVNULL
    try:
        return subprocess.Popen(  # pylint: disable=ansible-bad-function
            service.stop_argv, stdin=null, stdout=null, stderr=null, cwd="/", env=_environment(service)
        )
    except OSError as exc:
        raise HostError(f"'{' '.join(service.stop_argv)}' cannot be run: {exc.strerror}") from exc


def _environment(service: Service) -> dict[str, str]:
    return {"PATH": _PATH, "LANG": "C.UTF-8", **dict(service.full_environment)}


def _identity(service: Service) -> _Identity:
    try:
        user = pwd.getpwnam(service.user) if service.user else None
    except KeyError:
        raise HostError(f"user: there is no user '{service.user}' on this host; make it first") from None
    try:
        gid = grp.getgrnam(service.group).gr_gid if service.group else user and user.pw_gid
        extra = [grp.getgrnam(name).gr_gid for name in service.supplementary_groups]
    except KeyError as exc:
        raise HostError(f"group: there is no group on this host by that name ({exc.args[0]}); make it first") from None
    groups = [*(os.getgrouplist(user.pw_name, gid) if user else ()), *extra]
    return _Identity(user.pw_uid if user else None, gid, groups)


def _prepare(service: Service, identity: _Identity, pid_file: Path, log: Path) -> None:
    for top, name in (("/run", service.runtime_directory), ("/var/lib", service.state_directory)):
        if name:
            path = Path(top, name)
            files.make_directory(path)
            os.chown(path, -1 if identity.uid is None else identity.uid, -1 if identity.gid is None else identity.gid)
            path.chmod(service.directory_mode)
    for path in (pid_file, log):
        files.make_directory(path.parent)
    if service.ready_file:
        files.remove(Path(service.ready_file))


def _become(service: Service, identity: _Identity, pid_file: Path, log: Path, report: int) -> NoReturn:
    """In the child: turn into the program, or say why not."""
    try:
        os.setsid()
        files.write(pid_file, process.identity(os.getpid()))
        _redirect(log)
        _heed_signals()
        os.chdir("/")
        os.umask(0o022)
        for name, value in service.limits:
            _limit(name, value)
        with namespace.entered(service.netns):
            for tap in service.opened_taps:
                _open_tap(tap)
            _change_identity(identity)
            os.execve(service.argv[0], service.argv, _environment(service))
    except OSError as exc:
        os.write(report, ": ".join(filter(None, (exc.filename, exc.strerror))).encode())
    except (HostError, ValueError, AttributeError) as exc:
        os.write(report, str(exc).encode())
    finally:
        os._exit(127)


def _heed_signals() -> None:
    """What Python ignores, and who started it (nohup), would stay ignored in the program."""
    for number in signal.valid_signals():
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


def _redirect(log: Path) -> None:
    null = os.open(os.devnull, os.O_RDONLY)
    out = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND, 0o640)
    for target, source in ((0, null), (1, out), (2, out)):
        os.dup2(source, target)


def _open_tap(tap: OpenedTap) -> None:
    for number, fd in zip(tap.descriptors, tuntap.open_queues(tap.name, len(tap.descriptors))):
        os.dup2(fd, number)
        os.close(fd)
    if tap.temporary:
        tuntap.make_temporary(tap.descriptors[0])


def _limit(name: str, value: str) -> None:
    """`value` as in systemd.exec(5): one for both, or soft:hard; ``infinity`` for none."""
    soft, _colon, hard = value.partition(":")
    limits = [resource.RLIM_INFINITY if v == "infinity" else int(v) for v in (soft, hard or soft)]
    resource.setrlimit(getattr(resource, f"RLIMIT_{name.upper()}"), (limits[0], limits[1]))


def _change_identity(identity: _Identity) -> None:
    if identity.groups:
        os.setgroups(sorted(set(identity.groups)))
    if identity.gid is not None:
        os.setgid(identity.gid)
    if identity.uid is not None:
        os.setuid(identity.uid)
