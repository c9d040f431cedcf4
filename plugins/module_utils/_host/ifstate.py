# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What ifupdown takes for up: ifquery(8), ``--state``; and what it would type to have it so."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from . import files
from .command import attempt
from .errors import HostError

_FOLDER = Path("/run/network")
_STATE = _FOLDER / "ifstate"
_LOCK = _FOLDER / ".ifstate.lock"


def read() -> dict[str, str]:
    """The logical interface that each interface is up as."""
    lines = (files.read(_STATE) or "").split("\n")
    return dict(line.split("=", 1) for line in lines if "=" in line)


def write(name: str, logical: str | None) -> None:
    """An interface is up as that, or is not (``None``)."""
    try:
        with open(_LOCK, "a", encoding="utf-8") as lock:
            # As ifupdown's own functions do, with this lock for all and a file for each.
            fcntl.lockf(lock, fcntl.LOCK_EX)
            state = {**read(), name: logical}
            lines = [f"{known}={as_what}\n" for known, as_what in state.items() if as_what is not None]
            files.write(_STATE, "".join(lines))
            files.write(_FOLDER / f"ifstate.{name}", logical + "\n" if logical else "")
    except OSError as exc:
        raise HostError(f"{_LOCK} cannot be locked: {os.strerror(exc.errno)}") from exc


def typed(name: str) -> list[str]:
    """The lines that ifupdown would type to bring an interface up."""
    said = attempt(["ifup", "--no-act", "--force", "--verbose", name])
    return [line.strip() for line in f"{said.output}\n{said.errors}".splitlines()]
