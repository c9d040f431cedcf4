# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Task results as tests look at them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


class TaskResult(dict):
    """A module's whole result, with what Ansible made of it.

    ``status`` is ok, failed, skipped or unreachable; ``may_fail`` says that the task
    was one of :func:`fails`.
    """

    def __init__(self, host: str, task: str, status: str, may_fail: bool, result: dict[str, Any]) -> None:
        super().__init__(result)
        self.host = host
        self.task = task
        self.status = status
        self.may_fail = may_fail

    @property
    def changed(self) -> bool:
        return self.get("changed", False)

    @property
    def failed(self) -> bool:
        return self.status == "failed"

    @property
    def msg(self) -> str:
        return self["msg"]

    @property
    def commands(self) -> list[str]:
        return self["commands"]

    @property
    def warnings(self) -> list[str]:
        return self.get("warnings", [])

    @property
    def traceback(self) -> bool:
        return "Traceback (most recent call last)" in json.dumps(self)

    def unexpected(self) -> str | None:
        """Why a test must not go on with this result, or None."""
        if self.traceback:
            return "a traceback reached the user"
        if self.failed and not self.may_fail:
            return "failed"
        if self.may_fail and self.status == "ok":
            return "succeeded, though a failure was expected"
        return None

    def __str__(self) -> str:
        return f"{self.host}: {self.task}: {self.status}\n{json.dumps(self, indent=2)}"


def read_results(path: Path) -> list[TaskResult]:
    """What the callback has written so far."""
    if not path.exists():
        return []
    return [TaskResult(**json.loads(line)) for line in path.read_text().splitlines()]
