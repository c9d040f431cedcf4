# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Runs other programs, in the C locale, and says plainly what they refuse."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from .errors import HostError

_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def which(program: str) -> str | None:
    """Where a program is, whatever PATH we were called with: that of `su` may lack the folders of root."""
    return shutil.which(program, path=f"{os.environ.get('PATH', '')}:{_PATH}")


@dataclass(frozen=True)
class Done:
    """How a program ended: its return code, and what it said."""

    code: int
    output: str
    errors: str


def attempt(argv: list[str], input: str = "", timeout: float = 120) -> Done:
    """Run a program that may fail. Raises HostError when it cannot be run, or takes longer than `timeout` seconds."""
    environment = {**os.environ, "LC_ALL": "C", "PATH": f"{os.environ.get('PATH', '')}:{_PATH}"}
    try:
        with _pipe_of(input) as stdin:
            # No module is at hand here, so its run_command is not either.
            done = subprocess.run(  # pylint: disable=ansible-bad-function
                argv, stdin=stdin, capture_output=True, env=environment, timeout=timeout, check=False
            )
    except subprocess.TimeoutExpired:
        raise HostError(f"'{shlex.join(argv)}' did not end within {timeout:g} s") from None
    except OSError as exc:
        raise HostError(f"'{shlex.join(argv)}' cannot be run: {exc.strerror}") from exc
    return Done(done.returncode, done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace").strip())


@contextmanager
def _pipe_of(text: str) -> Iterator[int]:
    """The end of a pipe that text comes out of; filled by more than the 512 bytes at a time that `subprocess` gives.

    No file: a policy of SELinux may keep nft and iptables from those of whoever calls them.
    """
    out, into = os.pipe()
    filler = threading.Thread(target=_fill, args=(into, text.encode()))
    filler.start()
    try:
        yield out
    finally:
        os.close(out)
        filler.join()


def _fill(into: int, data: bytes) -> None:
    # Who has what it needs may not read the rest.
    with suppress(BrokenPipeError), os.fdopen(into, "wb") as pipe:
        pipe.write(data)


def run(argv: list[str], timeout: float = 120) -> str:
    """The standard output. Raises HostError when the program fails or takes longer than `timeout` seconds."""
    done = attempt(argv, timeout=timeout)
    if done.code:
        raise HostError(f"'{shlex.join(argv)}' failed: {done.errors or f'it ended with {done.code}'}")
    return done.output
