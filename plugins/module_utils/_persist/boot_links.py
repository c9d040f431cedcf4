# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Boot files of links, namespaces and addresses: the lines that make them from nothing. Pure."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from .._spec.base import Resource, Step
from .._spec.extra_address import ExtraAddress
from .._spec.netns import Netns
from .boot_path import Place, path_of, shares_place

HEAD = "# Written by virtnet.qemu; changes here are lost.\n"
#: Below this line is what needs links that other files make.
LATE = "# when all links are there:"
_OPTIONS = "# options: "
_OURS = "# ours: "
#: Options that steer a run, and are no part of what it makes.
_STEERING = ("state", "adopt", "purge_ports")
_OF_NO_LINK = ("all", "default", "lo")


# -- by the options of this run and of those before ----------------------------------------------


def of_options(spec: type[Resource], entries: Iterable[Mapping[str, Any]], there: Mapping[str, str]) -> dict:
    """The files that entries of a user's list come to, by path; ``None`` for one that is to go.

    What an entry does not say is as a run before said it, like on the host.
    """
    files: dict[str, str | None] = {}
    for entry in entries:
        want = spec.parse(entry)
        path = path_of(spec.boot_folder, want.boot_places(), "sh")
        old = [other for other in there if shares_place(path, other)]
        files.update(dict.fromkeys(old))
        if want.state == "present":
            before = [_note(_OPTIONS, there[other]) for other in old]
            options = spec.with_earlier(entry, before[0] or {}) if before else dict(entry)
            files[path] = _file_of(spec, options)
    return files


def _file_of(spec: type[Resource], options: dict[str, Any]) -> str | None:
    made = spec.parse(options)
    if not made.boots:
        return None
    given = {name: value for name, value in options.items() if value is not None and name not in _STEERING}
    return _text(_OPTIONS, given, [_guard(made)], spec.steps(None, made))


def _guard(made: Resource) -> str:
    """The command that finds what is there already, which then is left as it is."""
    if isinstance(made, Netns):
        return f"unless test -e /run/netns/{made.name}"
    netns, name = made.key
    return f"unless ip {f'-n {netns} ' if netns else ''}link show dev {shlex.quote(name)}"


# -- by what is ours -----------------------------------------------------------------------------


def of_addresses(states: Iterable[tuple[Place, ExtraAddress | None]]) -> dict[str, str | None]:
    """The files of addresses on other interfaces, by path; ``None`` for one that is to go."""
    files: dict[str, str | None] = {}
    for (netns, name), state in states:
        lines = state.boot_steps() if state else []
        text = _text(_OURS, {"netns": netns, "addresses": state.addresses}, [], lines) if lines else None
        files[path_of(ExtraAddress.boot_folder, [(netns, name)], "sh")] = text
    return files


def noted_addresses(texts: Iterable[str]) -> Iterator[Place]:
    """Namespace and address of all that boot files make."""
    for text in texts:
        note = _note(_OURS, text) or {"addresses": ()}
        yield from ((note["netns"], address) for address in note["addresses"])


# -- the text ------------------------------------------------------------------------------------


def _text(label: str, note: Any, guards: list[str], steps: list[Step]) -> str:
    late = [step.line for step in steps if _is_late(step)]
    soon = [step.line for step in steps if not _is_late(step)]
    head = f"{HEAD}{label}{json.dumps(note, sort_keys=True)}\n"
    return head + "".join(f"{line}\n" for line in [*guards, *soon, *([LATE, *late] if late else [])])


def _note(label: str, text: str) -> Any:
    """What a file says of itself; ``None`` when it was damaged."""
    found = re.search(rf"^{label}(.*)$", text, re.MULTILINE)
    try:
        return json.loads(found[1]) if found else None
    except ValueError:
        return None


def _is_late(step: Step) -> bool:
    if step.op == "sysctl_set":
        found = re.search(r"\.(?:conf|neigh)\.([^.]+)\.", step.args["key"])
        return bool(found) and found[1] not in _OF_NO_LINK
    return step.op in ("master_set", "isolated_set", "extra_add")
