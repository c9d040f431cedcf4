# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A kernel parameter, live and in a file of sysctl.d(5). Pure."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from .base import Resource, SpecError, Step, control

DEFAULT_FILE = "/etc/sysctl.d/60-virtnet.conf"


@dataclass(frozen=True)
class Entry:
    """What a file says of a parameter; ``previous`` is the live value before we set it, where that is known."""

    value: str
    previous: str | None = None


@dataclass(frozen=True)
class Sysctl(Resource):
    """``value`` is the live one, ``entry`` what ``sysctl_file`` holds. Words of a value are parted by one space."""

    kind = "sysctl"

    name: str
    value: str | None = None
    entry: Entry | None = None
    sysctl_file: str = control(DEFAULT_FILE)
    state: str = control("present")
    keep: tuple[str, ...] = control(())

    argument_spec = {
        "name": {"type": "str"},
        "value": {"type": "str"},
        "keep": {"type": "list", "elements": "str"},
        "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    }
    run_options = {"sysctl_file": {"type": "path", "default": DEFAULT_FILE}}

    @classmethod
    def parse(cls, params: dict[str, Any]) -> Sysctl:
        name, value = canonical_name(params["name"]), params["value"]
        if params["state"] == "present" and value is None:
            raise SpecError(f"value: it is not given for '{name}'; give the value that the parameter is to have")
        path = params["sysctl_file"]
        if not path.startswith("/") or not path.endswith(".conf"):
            raise SpecError(f"sysctl_file: '{path}' is not read at boot; give an absolute path that ends in .conf")
        return cls(
            name=name,
            value=None if value is None else canonical_value(name, value),
            keep=tuple(canonical_value(name, value) for value in params["keep"] or ()),
            sysctl_file=path,
            state=params["state"],
        )

    @property
    def key(self) -> str:
        return self.name

    @classmethod
    def owned_keys(cls, world: SysctlWorld) -> list[str]:
        return list(world.entries)

    @classmethod
    def observed(cls, world: SysctlWorld, key: str) -> Sysctl | None:
        value, entry = world.values.get(key), world.entries.get(key)
        if value is None and entry is None:
            return None
        return cls(name=key, value=value, entry=entry, sysctl_file=world.sysctl_file)

    def target(self, world: SysctlWorld, have: Sysctl | None) -> Sysctl | None:
        if self.state == "absent":
            return have and replace(have, value=_put_back(have), entry=None)
        if have is None or have.value is None:
            world.missing.append(
                f"name: this kernel has no parameter '{self.name}'; "
                "correct the name, or load the kernel module it belongs to"
            )
        if have and not have.entry and have.value in self.keep:
            return have
        previous = have.value if have else None
        if have and have.entry:
            previous = have.entry.previous
        return Sysctl(self.name, self.value, Entry(self.value, previous), self.sysctl_file)

    def recorded(self, after: Sysctl | None) -> Sysctl | None:
        return self.entry and replace(self, value=self.entry.value)

    def as_dict(self) -> dict[str, Any]:
        return {"name": self.name, "value": self.value, self.sysctl_file: self.entry and self.entry.value}

    @classmethod
    def steps(cls, before: Sysctl | None, after: Sysctl | None) -> list[Step]:
        after = after or replace(before, value=_put_back(before), entry=None)
        steps = []
        # The file first: killed in between, it is known what the live value was.
        if after.entry != (before and before.entry):
            verb = f"add '{after.name} = {after.entry.value}' to" if after.entry else f"remove {after.name} from"
            args = {"name": after.name, "entry": after.entry, "sysctl_file": after.sysctl_file}
            steps.append(Step("entry_set", args, f"{verb} {after.sysctl_file}"))
        if after.value is not None and after.value != (before and before.value):
            line = f"sysctl -w {after.name}={shlex.quote(after.value)}"
            steps.append(Step("value_set", {"name": after.name, "value": after.value}, line))
        return steps


class SysctlWorld:
    """The live values of the parameters that were asked about, and what the file holds."""

    def __init__(self, sysctl_file: str, values: Mapping[str, str], entries: Mapping[str, Entry]):
        self.sysctl_file = sysctl_file
        self.values = values
        self.entries = entries
        self.missing: list[str] = []


def _put_back(have: Sysctl) -> str | None:
    """The live value that a removal leaves: that of before us, where it is known and there is still a parameter."""
    known = have.entry is not None and have.entry.previous is not None
    return have.entry.previous if known and have.value is not None else have.value


def canonical_name(value: str) -> str:
    """With dots, and '/' for a dot within a word. Where the first separator is '/', it is the reverse (sysctl.d(5))."""
    if not re.fullmatch(r"[A-Za-z0-9_-]+([./][A-Za-z0-9_:@-]+)+", value):
        raise SpecError(f"name: '{value}' is not the name of a kernel parameter such as net.ipv4.ip_forward")
    return value.translate(str.maketrans("./", "/.")) if re.search(r"[./]", value)[0] == "/" else value


def canonical_value(name: str, value: str) -> str:
    """Words parted by one space; the kernel shows and takes a tab as well."""
    if not value.strip() or not value.replace("\t", " ").isprintable():
        raise SpecError(f"value: {value!r} cannot be the value of '{name}'; give a number or a text on one line")
    return " ".join(value.split())
