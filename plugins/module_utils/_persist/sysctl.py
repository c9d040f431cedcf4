# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reads and edits a file of sysctl.d(5); what others wrote into it stays. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from .._spec.base import SpecError
from .._spec.sysctl import Entry, canonical_name, canonical_value

_HEAD = '# Written by virtnet.qemu. "was" is the value of before, which comes back when the line below it is removed.'
_WAS = "# was: "


def parse(text: str) -> dict[str, Entry]:
    """The parameters that a file sets; of one set twice the last, as systemd-sysctl(8) does."""
    lines = text.splitlines()
    found = {}
    for above, line in zip(["", *lines], lines):
        name = _name(line)
        if name:
            value = canonical_value(name, line.partition("=")[2])
            found[name] = Entry(value, above[len(_WAS) :].strip() if above.startswith(_WAS) else None)
    return found


def edit(text: str, entries: Mapping[str, Entry | None]) -> str:
    """The text with these parameters set, or removed where ``None``; empty when nothing is left."""
    lines = text.splitlines()
    kept = []
    for below, line in zip([*lines[1:], ""], lines):
        about = _name(below) if line.startswith(_WAS) else _name(line)
        if about not in entries and line != _HEAD:
            kept.append(line)
    added = [line for name, entry in entries.items() if entry for line in _lines(name, entry)]
    head = [_HEAD] if added or any(line.startswith(_WAS) for line in kept) else []
    return "".join(f"{line}\n" for line in [*head, *kept, *added])


def _lines(name: str, entry: Entry) -> list[str]:
    was = [] if entry.previous is None else [f"{_WAS}{entry.previous}"]
    return [*was, f"{name} = {entry.value}"]


def _name(line: str) -> str | None:
    """The parameter that a line sets."""
    line = line.strip()
    if not line or line[0] in "#;" or "=" not in line:
        return None
    name, _equals, value = line.partition("=")
    try:
        # A '-' says that systemd-sysctl is not to complain.
        return canonical_name(name.strip().lstrip("-")) if value.strip() else None
    except SpecError:
        # A pattern, which is none of ours.
        return None
