# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A file that makes something of ours again at boot, and the unit that runs such files. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .base import Resource, Step


@dataclass(frozen=True)
class BootFile(Resource):
    """``unit``: the file is a unit of systemd of that name, which is enabled."""

    kind = "boot_file"

    path: str
    text: str
    unit: str | None = None

    @property
    def key(self) -> str:
        return self.path

    def as_dict(self) -> dict[str, Any]:
        return {"file": self.path, "lines": self.text.splitlines()}

    @staticmethod
    def steps(before: BootFile | None, after: BootFile | None) -> list[Step]:
        some = after or before
        place = {"path": some.path}
        if after is None:
            disabled = [_systemctl("disable", some.unit)] if some.unit else []
            return [*disabled, Step("remove", place, f"rm {some.path}")]
        enabled = [_systemctl("enable", some.unit)] if some.unit else []
        return [Step("write", {**place, "text": some.text}, f"write {some.path}"), *enabled]


def _systemctl(verb: str, unit: str) -> Step:
    return Step(verb, {"unit": unit}, f"systemctl {verb} --now {unit}")
