# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where a checkpoint is kept. The name of its file says what becomes of it, so that to rename it decides, and who comes
second finds it gone."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from . import files
from .errors import HostError

FOLDER = Path("/var/lib/virtnet/checkpoint")
#: Saved state, under the name of what becomes of it.
ARMED, CONFIRMED, RESTORING = (FOLDER / f"{name}.json" for name in ("armed", "confirmed", "restoring"))
#: What a restore came to, until somebody is told.
REPORT = FOLDER / "restored.json"
#: Says that somebody asked for it.
ASKED = FOLDER / "asked"
PROGRAM = FOLDER / "restore.pyz"
PID_FILE, LOG = FOLDER / "timer.pid", FOLDER / "timer.log"
#: What is set to anything in the environment of a module that is to change nothing unless a checkpoint is armed.
_REQUIRED = "VIRTNET_CHECKPOINT"
#: Held as long as a host restores itself.
_BUSY = FOLDER / "busy"


def make() -> None:
    """The folder is for root alone: files of networks hold secrets."""
    try:
        files.make_directory(FOLDER.parent)
        FOLDER.mkdir(mode=0o700, exist_ok=True)
        FOLDER.chmod(0o700)
    except OSError as exc:
        raise HostError(f"{FOLDER} cannot be made ({exc.strerror}); run as root ('become: true')") from exc


def read(path: Path) -> dict[str, Any] | None:
    text = files.read(path)
    try:
        return None if text is None else json.loads(text)
    except ValueError as exc:
        raise HostError(f"{path} is damaged ({exc}); remove it when the host is as you want it") from exc


def write(path: Path, data: dict[str, Any]) -> None:
    files.write(path, json.dumps(data), mode=0o600)


def decided(outcome: Path) -> bool:
    """Whether the armed checkpoint is ours to end so; nobody else ends it then."""
    try:
        os.rename(ARMED, outcome)
    except FileNotFoundError:
        return False
    files.sync(FOLDER)
    return True


def clear() -> None:
    """Nothing is left, but what the other folders hold."""
    # A restore that came second removes what is its own at the same time.
    shutil.rmtree(FOLDER, ignore_errors=True)
    with suppress(OSError):
        FOLDER.parent.rmdir()


def leave_empty() -> None:
    """Of a restore that came second."""
    with suppress(OSError):
        _BUSY.unlink()
        FOLDER.rmdir()
        FOLDER.parent.rmdir()


def require() -> None:
    """Refuse to change what nobody would take back any more. The lock of the host must be held."""
    if os.environ.get(_REQUIRED) and not ARMED.exists():
        raise HostError(
            "nothing is changed here: it was to be under a checkpoint, and that is not armed any more, as its time was "
            "over before this began; give it more ('timeout', or 'networks_checkpoint_timeout' of the roles)"
        )


def pending() -> bool:
    """Whether there is a state to restore, or one that was not restored to the end."""
    return ARMED.exists() or RESTORING.exists()


def done() -> None:
    """The host is restored, also if it loses its power now."""
    files.remove(RESTORING)


def forget_all_but_report() -> None:
    for path in FOLDER.iterdir():
        if path != REPORT:
            path.unlink()


@contextmanager
def busy() -> Iterator[None]:
    """In the body a host restores itself."""
    make()
    with open(_BUSY, "w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def is_busy() -> bool:
    try:
        with open(_BUSY, encoding="utf-8") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False


def await_end(deadline: float) -> bool:
    """Wait until no restore is going on; false when it broke off, or goes on at `deadline` (of time.monotonic())."""
    while is_busy() and time.monotonic() < deadline:
        # flock(2) has no time-out.
        time.sleep(0.05)
    return not RESTORING.exists()
