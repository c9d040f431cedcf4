# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The options of a checkpoint, and what is said of one. Pure."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import Any

from .base import SpecError, Step

ARGUMENT_SPEC: dict[str, Any] = {
    "state": {"type": "str", "choices": ["armed", "confirmed", "restored"], "required": True},
    "timeout": {"type": "int", "default": 60},
    "probe": {"type": "list", "elements": "str"},
    "by": {"type": "str"},
}
_LONGEST = 86400


def check(params: Mapping[str, Any]) -> None:
    """Raises SpecError for options that cannot be."""
    if not 1 <= params["timeout"] <= _LONGEST:
        raise SpecError(f"timeout: {params['timeout']} is not a number of seconds from 1 to {_LONGEST}")
    if params["probe"] is None:
        return
    if params["state"] != "confirmed":
        raise SpecError(
            f"probe: it is asked before 'state: confirmed', not with 'state: {params['state']}'; leave it out"
        )
    if not params["probe"]:
        raise SpecError("probe: it is empty; give a program and its arguments, such as [ping, -c1, 192.0.2.1]")


def command(argv: list[str], input: str = "", line: str | None = None) -> Step:
    """A program that is run; `line` where its words alone would not say it."""
    return Step("run", {"argv": argv, "input": input}, shlex.join(argv) if line is None else line)


def ip(*words: Any) -> Step:
    return command(["ip", *map(str, words)])


def impossible(reason: str) -> Step:
    """What no program can put back."""
    return Step("impossible", {}, reason)


def told(report: Mapping[str, Any]) -> str:
    """What became of a checkpoint whose host has restored itself."""
    parts = [
        f"the checkpoint that {report['by']} armed at {report['armed']} was not confirmed, so the host restored itself "
        f"at {report['restored']} ({report['reason']}; {len(report['commands'])} changes taken back)"
    ]
    if report["failed"]:
        parts.append(f"these failed: {_listed(report['failed'])}")
    parts.append(f"this still differs: {_listed(report['differs'])}" if report["differs"] else "it is as it was before")
    return "; ".join(parts)


def _listed(lines: list[str]) -> str:
    shown = lines[:10]
    return ", ".join(f"'{line}'" for line in shown) + (f" and {len(lines) - 10} more" if len(lines) > 10 else "")
