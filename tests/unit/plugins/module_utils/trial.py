# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A module's whole flow against the model of the kernel, with faults where a test wants them."""

from __future__ import annotations

import copy
from contextlib import nullcontext
from typing import Any
from unittest.mock import patch

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from ansible_collections.virtnet.qemu.plugins.module_utils import _reconcile
from ansible_collections.virtnet.qemu.plugins.module_utils._host.errors import HostError
from ansible_collections.virtnet.qemu.plugins.module_utils._spec.base import Resource, Step
from ansible_collections.virtnet.qemu.plugins.module_utils._spec.world import World

from .kernel import Kernel, Refused


class Adapter:
    """As `Netlink`, on the model. `fails_at`: the number of the step that the host refuses, or None."""

    def __init__(self, kernel: Kernel, fails_at: int | None = None) -> None:
        self.kernel = kernel
        self.fails_at = fails_at
        self.steps: list[Step] = []

    def observe(self, wants: list[Resource], everything: bool = False) -> World:
        return self.kernel.world(wants)

    def commit(self, steps: list[Step]) -> None:
        known = self.kernel.places()
        for step in steps:
            if len(self.steps) == self.fails_at:
                self.fails_at = None
                raise HostError("injected")
            try:
                self.kernel.run([step])
            except Refused as exc:
                raise HostError(f"'{step.line}': {exc}") from exc
            self.steps.append(step)
        self.kernel.settle(self.kernel.places() - known)

    def close(self) -> None:
        """Nothing is open."""


def parse(spec: type[Resource], params: dict[str, Any]) -> tuple[list[Resource], bool]:
    """What a task's options ask for, checked as Ansible does: the wanted resources, and whether to purge."""
    checked = ArgumentSpecValidator(_reconcile.argument_spec(spec)).validate(params)
    assert not checked.error_messages, checked.error_messages
    return _reconcile.parse(spec, checked.validated_parameters), checked.validated_parameters["purge"]


def run(
    spec: type[Resource], adapter: Adapter, wants: list[Resource], purge: bool = False, check: bool = False
) -> dict:
    with patch.object(_reconcile, "host_lock", lambda held: nullcontext()):
        return _reconcile.reconcile(spec, adapter, wants, purge, check)


def copied(kernel: Kernel) -> Kernel:
    return copy.deepcopy(kernel)


def state(kernel: Kernel, wants: list[Resource] = ()) -> dict[str, Any]:
    """What two moments are compared by: all but what the kernel picks, and sysctls that nobody asked about."""
    world = kernel.world(wants)
    found: dict[str, Any] = {}
    for netns in world.namespaces():
        for key, value in world.sysctls(netns).items():
            found[f"{netns} {key}"] = value
        for link in world.links(netns).values():
            values = dict(vars(link))
            if link.mac.startswith("02:"):
                values["mac"] = "picked"
            # Which address of a subnet came first is up to the order of what was done.
            del values["index"], values["secondary"]
            found.update({f"{netns} {link.name} {name}": value for name, value in values.items()})
    return found
