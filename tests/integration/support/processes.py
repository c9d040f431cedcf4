# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Processes of Ansible: forked from one that has imported it, or on their own."""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

PROGRAM = Path(__file__).with_name("fork_server.py")
MANAGED = Path(__file__).parents[2] / "managed"


def separate(arguments: Sequence[str], environment: dict[str, str], output: IO[bytes]) -> subprocess.Popen:
    """Ansible in a process of its own, for variables that it reads when it is imported."""
    return subprocess.Popen(
        [sys.executable, "-m", "ansible", *arguments],
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )


class WarmPython:
    """A server that runs modules, having imported what they import: tests/managed/warm.py.

    It ends with the process that made it, or by :meth:`close`.

    :param socket: where it listens
    :param python: the interpreter
    """

    #: Stands for the interpreter where `variables` are set.
    program = MANAGED / "warm-python"

    def __init__(self, socket: Path, python: str, environment: dict[str, str]) -> None:
        self.variables = {"VIRTNET_WARM": str(socket), "VIRTNET_PYTHON": python}
        argv = ["setpriv", "--pdeathsig=KILL", python, str(MANAGED / "warm.py"), str(socket)]
        self._process = subprocess.Popen(argv, env=environment, stdout=subprocess.PIPE, start_new_session=True)
        assert self._process.stdout.readline() == b"ready\n"

    def close(self) -> None:
        with self._process:
            self._process.kill()


@dataclass(frozen=True)
class ColdPython:
    """An interpreter that is started for each module: the path of one that hosts of tests have.

    It is used as :class:`WarmPython` is.
    """

    program: str
    variables: dict[str, str] = field(default_factory=dict)

    def close(self) -> None:
        """Nothing of it runs on."""


class Forked:
    """A process that a :class:`ForkServer` made; as :class:`subprocess.Popen`, as far as tests need it.

    :param news: where its pid and its wait status can be read
    """

    def __init__(self, news: int) -> None:
        self._news = os.fdopen(news)
        self.pid = self._next()
        self.returncode: int | None = None

    def wait(self, timeout: float | None = None) -> int:
        """The exit status; negative for a signal.

        :raises subprocess.TimeoutExpired: it has not ended within so many seconds
        """
        if self.returncode is None:
            if not select.select([self._news], [], [], timeout)[0]:
                raise subprocess.TimeoutExpired(f"process {self.pid}", timeout)
            self.returncode = os.waitstatus_to_exitcode(self._next())
            self._news.close()
        return self.returncode

    def kill(self) -> None:
        try:
            self.wait(0)
        except subprocess.TimeoutExpired:
            os.kill(self.pid, signal.SIGKILL)

    def _next(self) -> int:
        line = self._news.readline()
        assert line, "the fork server has ended, see its standard error"
        return int(line)


class ForkServer:
    """Runs Ansible many times, importing it once. It ends with the process that made it, or by :meth:`close`.

    :param environment: all variables; those that Ansible reads when it is imported hold for all runs
    """

    def __init__(self, environment: dict[str, str]) -> None:
        self._messages, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            argv = [sys.executable, str(PROGRAM)]
            self.process = subprocess.Popen(argv, env=environment, stdin=theirs, start_new_session=True)

    def start(self, arguments: Sequence[str], variables: dict[str, str], output: IO[bytes]) -> Forked:
        """Begin what ``python -m ansible`` does with these arguments and more variables."""
        news, theirs = os.pipe()
        message = json.dumps([arguments, variables]).encode()
        try:
            socket.send_fds(self._messages, [message], [output.fileno(), theirs])
        finally:
            os.close(theirs)
        return Forked(news)

    def close(self) -> None:
        """It ends; runs that are still waited for go on."""
        self._messages.close()
        self.process.wait()
