# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A kernel module that is loaded now and at boot, or a kernel that needs none: modules-load.d(5). Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from .base import Resource, SpecError, Step, control

FILE = "/etc/modules-load.d/virtnet.conf"


@dataclass(frozen=True)
class KernelModule(Resource):
    """``status`` is loaded, builtin, loadable or missing; ``at_boot`` says whether our file names the module."""

    kind = "kernel_module"

    name: str
    status: str = "missing"
    at_boot: bool = False
    required: bool = control(True)
    state: str = control("present")

    argument_spec = {
        "name": {"type": "str"},
        "required": {"type": "bool", "default": True},
        "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    }

    @classmethod
    def parse(cls, params: dict[str, Any]) -> KernelModule:
        if not re.fullmatch(r"[A-Za-z0-9_-]+", params["name"]):
            raise SpecError(f"name: '{params['name']}' is not the name of a kernel module such as vhost_net")
        # The kernel itself takes '-' for '_'.
        return cls(params["name"].replace("-", "_"), required=params["required"], state=params["state"])

    @property
    def key(self) -> str:
        return self.name

    @classmethod
    def owned_keys(cls, world: ModulesWorld) -> list[str]:
        return list(world.at_boot)

    @classmethod
    def observed(cls, world: ModulesWorld, key: str) -> KernelModule:
        return cls(key, world.status.get(key, "missing"), key in world.at_boot)

    def target(self, world: ModulesWorld, have: KernelModule) -> KernelModule:
        if self.state == "absent":
            return replace(have, at_boot=False)
        if have.status == "builtin":
            return have
        if have.status == "missing" and not self.required:
            world.warnings.append(world.why_missing(self.name))
            return have
        if have.status == "missing":
            world.missing.append(f"name: {world.why_missing(self.name)}")
        return replace(have, status="loaded", at_boot=True)

    def recorded(self, after: KernelModule | None) -> KernelModule | None:
        return replace(self, status="loaded") if self.at_boot else None

    @classmethod
    def steps(cls, before: KernelModule, after: KernelModule | None) -> list[Step]:
        steps = []
        at_boot = after is not None and after.at_boot
        if before.at_boot != at_boot:
            line = f"add {before.name} to {FILE}" if at_boot else f"remove {before.name} from {FILE}"
            steps.append(Step("at_boot_set", {"name": before.name, "at_boot": at_boot}, line))
        # What was loaded for us is not unloaded: others may have come to use it.
        if after is not None and after.status == "loaded" != before.status:
            steps.append(Step("load", {"name": after.name}, f"modprobe {after.name}"))
        return steps


class ModulesWorld:
    """The status of the modules that were asked about, and those that our file names."""

    def __init__(self, status: Mapping[str, str], at_boot: frozenset[str], release: str, has_modules: bool):
        self.status = status
        self.at_boot = at_boot
        self.missing: list[str] = []
        self.warnings: list[str] = []
        self._release = release
        self._has_modules = has_modules

    def why_missing(self, name: str) -> str:
        if self._has_modules:
            return f"kernel {self._release} has no module '{name}'; correct the name, or install a kernel that has it"
        return (
            f"'{name}' is not part of kernel {self._release}, and /lib/modules/{self._release} does not exist; "
            "in a container load it on the machine below, otherwise install the modules of the running kernel"
        )
