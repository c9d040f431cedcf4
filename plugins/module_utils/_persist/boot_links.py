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

from .._spec import ip, uplink_tag
from .._spec.base import Resource, Step
from .._spec.extra_address import ExtraAddress
from .._spec.netns import Netns
from .boot_path import HEAD, Place, folder_of, path_of, shares_place
from .native import Files, Natives

#: Below this line is what needs links that other files make.
LATE = "# when all links are there:"
_OPTIONS = "# options: "
_OURS = "# ours: "
#: Options that steer a run, and are no part of what it makes.
_STEERING = ("state", "adopt", "purge_ports")
_OF_NO_LINK = ("all", "default", "lo")


# -- by the options of this run and of those before ----------------------------------------------


def of_options(
    spec: type[Resource],
    entries: Iterable[Mapping[str, Any]],
    there: Mapping[str, str],
    natives: Natives,
) -> Files:
    """The files that entries of a user's list come to, by path; ``None`` for one that is to go.

    What an entry does not say is as a run before said it, like on the host.
    """
    files: Files = {}
    # Several bridges may have to do with one file.
    held = {path: text for path, text in there.items() if natives.is_native(path)}
    keeper = natives.keeper() if spec.boot_folder == "bridge" else None
    for entry in entries:
        want = spec.parse(entry)
        path = path_of(spec.boot_folder, want.boot_places(), "sh")
        old = [other for other in there if folder_of(other) == spec.boot_folder and shares_place(path, other)]
        native = natives.without(want.name, held) if want.kind == "bridge" and not want.netns else {}
        files.update(dict.fromkeys(old))
        if want.state == "present":
            before = [_note(_OPTIONS, there[other]) for other in old]
            options = spec.with_earlier(entry, before[0] or {}) if before else dict(entry)
            made = spec.parse(options)
            given = {name: value for name, value in options.items() if value is not None and name not in _STEERING}
            is_hosts = made.kind == "bridge" and not made.netns
            found = _of_manager(made, natives, keeper, held, native) if is_hosts else None
            native.update(found or {})
            if found:
                files[path] = _beside_natives(made, given)
            elif getattr(made, "uplink", None):
                # Nobody that we know keeps it.
                files[path] = None
            else:
                files[path] = _of_made(made, given)
        files.update(native)
        held = {other: text for other, text in {**held, **native}.items() if text is not None}
    return files


def _of_manager(
    made: Any, natives: Natives, keeper: Any, held: Mapping[str, str], gone: Files
) -> dict[str, str] | None:
    """The files that have a host network manager make a bridge; ``None`` where none does."""
    if made.uplink:
        managed = natives.managed(made.uplink, made.name, held)
        return managed and managed.uplink_files(made)
    there = {path: text for path, text in {**held, **gone}.items() if text is not None}
    return keeper and keeper.bridge_files(made, there)


def _beside_natives(made: Any, given: Any) -> str:
    """The manager makes the bridge; what it has no words for comes as soon as it did."""
    marked = ip.set_alias(*made.key, uplink_tag.write(made.uplink or None, made.addresses))
    _soon, ports = _parted(made.steps(None, made))
    return _text(_OPTIONS, given, [], [], [marked, *ports])


def noted_resource(spec: type[Resource], text: str) -> Any:
    """What a file makes, as runs wanted it; ``None`` where it does not say so."""
    options = _note(_OPTIONS, text)
    return None if options is None else spec.parse(_entry(spec, options))


def is_as_noted(spec: type[Resource], text: str) -> bool:
    """Whether a file is what it says that it makes, beside what a host network manager makes or alone."""
    options = _note(_OPTIONS, text)
    made = spec.parse(_entry(spec, options))
    return text == _of_made(made, options) or (made.kind == "bridge" and text == _beside_natives(made, options))


def _entry(spec: type[Resource], options: Mapping[str, Any]) -> dict[str, Any]:
    """A user's entry with these options."""
    return {**{name: option.get("default") for name, option in spec.argument_spec.items()}, **options}


def _of_made(made: Resource, options: Any) -> str:
    return _text(_OPTIONS, options, [_guard(made)], *_parted(made.steps(None, made)))


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
        text = _text(_OURS, {"netns": netns, "addresses": state.addresses}, [], [], lines) if lines else None
        files[path_of(ExtraAddress.boot_folder, [(netns, name)], "sh")] = text
    return files


def noted_addresses(texts: Iterable[str]) -> Iterator[Place]:
    """Namespace and address of all that boot files make."""
    for text in texts:
        note = _note(_OURS, text) or {"addresses": ()}
        yield from ((note["netns"], address) for address in note["addresses"])


# -- the text ------------------------------------------------------------------------------------


def _text(label: str, note: Any, guards: list[str], soon: list[Step], late: list[Step]) -> str:
    head = f"{HEAD}{label}{json.dumps(note, sort_keys=True)}\n"
    lines = [step.line for step in soon] + ([LATE, *(step.line for step in late)] if late else [])
    return head + "".join(f"{line}\n" for line in [*guards, *lines])


def _parted(steps: list[Step]) -> tuple[list[Step], list[Step]]:
    """The steps that need nothing else, and those that need links that other files make."""
    return [step for step in steps if not _is_late(step)], [step for step in steps if _is_late(step)]


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
    return step.op in ("master_set", "isolated_set")
