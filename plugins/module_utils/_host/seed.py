# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Makes NoCloud seeds: ISO images by xorriso(1)."""

from __future__ import annotations

import os
import pwd
import tempfile
from pathlib import Path

from .._spec.guest_seed import LABEL, Seed
from . import command
from .errors import HostError


def create(seed: Seed, path: str, user: str) -> None:
    place = Path(path)
    new = place.with_name(f".{place.name}.virtnet-new")
    try:
        new.unlink(missing_ok=True)
        with tempfile.TemporaryDirectory(prefix="virtnet-seed-") as folder:
            for name, text in seed.files:
                Path(folder, name).write_text(text, encoding="utf-8")
            command.run(["xorriso", "-as", "mkisofs", "-quiet", "-V", LABEL, "-J", "-r", "-o", str(new), folder])
        owner = pwd.getpwnam(user)
        os.chown(new, owner.pw_uid, owner.pw_gid)
        new.chmod(0o400)
        new.replace(place)
    except OSError as exc:
        raise HostError(f"'{path}' cannot be made: {exc.strerror}") from exc


def tidy(folder: Path, keep: str | None) -> None:
    """Remove the seeds of a guest's folder but the one to keep."""
    for path in folder.glob("seed-*.iso"):
        if str(path) != keep:
            path.unlink()
