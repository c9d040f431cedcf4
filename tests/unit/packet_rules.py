# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Packet rules as a user asks for them, and hosts to plan them on."""

from __future__ import annotations

from typing import Any

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from ansible_collections.virtnet.qemu.plugins.module_utils._plan import plan
from ansible_collections.virtnet.qemu.plugins.module_utils._spec import (
    firewall_marked,
    firewall_table,
    guard_table,
    nat_table,
)
from ansible_collections.virtnet.qemu.plugins.module_utils._spec.table import RuleWorld

BACKENDS = ("nftables", "iptables")
LAYOUTS = {
    nat_table.NatRules: nat_table.LAYOUTS,
    # The last is that of a host with other firewalls.
    firewall_table.NetworkFirewalls: {**firewall_table.LAYOUTS, "marked": firewall_marked},
    guard_table.NicGuards: guard_table.LAYOUTS,
}


def entry(spec: type, given: dict[str, Any]) -> Any:
    """What a module makes of one entry's options."""
    validated = ArgumentSpecValidator({**spec.argument_spec, **spec.run_options}).validate(given)
    assert not validated.error_messages, validated.error_messages
    return spec.parse(validated.validated_parameters)


def wants(spec: type, *given: dict[str, Any]) -> list[Any]:
    return spec.gathered([entry(spec, one) for one in given])


def world(spec: type, backend: str, rulesets: dict[str, Any] | None = None, **options: Any) -> RuleWorld:
    """A host with one namespace, whose default backend is `backend`; what is missing is an error."""
    layouts = LAYOUTS[spec]
    asked = "auto" if len(layouts) > 1 else backend
    return RuleWorld({(None, asked): (layouts[backend], rulesets or {})}, layouts[backend], **options)


def outcome(spec: type, backend: str, *given: dict[str, Any], have: dict[str, Any] | None = None) -> dict[str, Any]:
    """The rulesets after a run with these entries on a host that has some."""
    want, *_admission = wants(spec, *given)
    there = world(spec, backend, have)
    after = want.target(there, want.have(there))
    return dict(after.rulesets) if after else {}


def commands(spec: type, backend: str, *given: dict[str, Any], have: dict[str, Any] | None = None) -> list[str]:
    """What a run with these entries does to a host that has some rules."""
    changes = plan(wants(spec, *given), world(spec, backend, have))
    return [step.line for change in changes for step in change.steps]
