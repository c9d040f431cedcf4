# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One lock a host: two plays on one host wait for each other (design §5.11)."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .errors import HostError

PATH = Path("/run/virtnet/lock")


@contextmanager
def host_lock(held: bool = True) -> Iterator[None]:
    """Hold the host's lock in the body; with ``held=False`` (check mode changes nothing) do not.

    The kernel drops the lock (flock(2)) when the process ends, however it ends.
    """
    if not held:
        yield
        return
    try:
        PATH.parent.mkdir(mode=0o755, exist_ok=True)
        # Not for others to open: who can, can keep it for ever.
        lock = os.fdopen(os.open(PATH, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600), "w")
    except OSError as exc:
        raise HostError(f"{PATH} cannot be opened ({exc.strerror}); run as root ('become: true')") from exc
    with lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
