# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The guests that are defined on this host: one file each."""

from __future__ import annotations

import json
import pwd
from dataclasses import dataclass
from pathlib import Path

from .._spec import guest_paths as paths
from .._spec.guest_definition import Definition
from .._spec.guest_hotplug import Plugged
from .._spec.service import Service
from . import files
from .errors import HostError

_VERSION = 1


@dataclass(frozen=True)
class Saved:
    """What the file of a guest says; see `Guest` for the fields.

    ``live`` is there once a running guest was changed: the process (`process.identity`), and what it has since then.
    """

    definition: Definition
    argv: tuple[str, ...]
    made: tuple[str, ...]
    service: Service
    live: tuple[str, Plugged] | None = None


def read_all() -> dict[str, Saved]:
    return {path.stem: _read(path) for path in sorted(Path(paths.DEFINITIONS).glob("*.json"))}


def read(name: str) -> Saved:
    return _read(Path(paths.definition(name)))


def _read(path: Path) -> Saved:
    try:
        data = json.loads(files.read(path) or "")
        if data["version"] != _VERSION:
            raise HostError(f"{path} was written by another version of virtnet.qemu; use that one")
        service = Service.from_json(json.dumps(data["service"]))
        live = data["live"] and (data["live"]["process"], Plugged.from_data(data["live"]["plugged"]))
        return Saved(Definition.from_data(data["definition"]), tuple(data["argv"]), tuple(data["made"]), service, live)
    except (ValueError, TypeError, KeyError, AttributeError) as exc:
        raise HostError(f"{path} is damaged ({exc}); remove it and run again") from exc


def write(name: str, saved: Saved) -> None:
    data = {
        "version": _VERSION,
        "definition": saved.definition.as_data(),
        "argv": list(saved.argv),
        "made": list(saved.made),
        "service": json.loads(saved.service.as_json()),
        "live": saved.live and {"process": saved.live[0], "plugged": saved.live[1].as_data()},
    }
    files.write(Path(paths.definition(name)), json.dumps(data, indent=2) + "\n", mode=0o640)


def remove(name: str) -> None:
    files.remove(Path(paths.definition(name)))


def read_password(name: str) -> str | None:
    return files.read(Path(paths.password(name)))


def write_password(name: str, password: str | None, user: str | None) -> None:
    """For the guest's user alone, whose QEMU reads it at each start; ``None`` removes it."""
    path = Path(paths.password(name))
    # Made anew, since a file that exists keeps its owner.
    files.remove(path)
    if password and user:
        owner = pwd.getpwnam(user)
        files.write(path, password, mode=0o400, owner=(owner.pw_uid, owner.pw_gid))
