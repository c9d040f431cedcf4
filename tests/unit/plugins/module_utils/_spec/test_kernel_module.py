# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest

from ansible_collections.virtnet.qemu.plugins.module_utils._plan import plan
from ansible_collections.virtnet.qemu.plugins.module_utils._spec.base import SpecError
from ansible_collections.virtnet.qemu.plugins.module_utils._spec.kernel_module import KernelModule, ModulesWorld


def parse(name="vhost-net", required=True, state="present"):
    return KernelModule.parse({"name": name, "required": required, "state": state})


def world(status, at_boot=False, has_modules=True):
    return ModulesWorld({"vhost_net": status}, frozenset(["vhost_net"] if at_boot else []), "6.1", has_modules)


@pytest.mark.parametrize(
    ("status", "at_boot", "expected"),
    [
        ("loadable", False, ["at_boot_set", "load"]),
        ("loadable", True, ["load"]),
        ("loaded", False, ["at_boot_set"]),
        ("loaded", True, []),
        ("builtin", False, []),
        ("builtin", True, []),
    ],
)
def test_present(status, at_boot, expected):
    seen = world(status, at_boot)
    assert [s.op for c in plan([parse()], seen) for s in c.steps] == expected
    assert (seen.missing, seen.warnings) == ([], [])


@pytest.mark.parametrize("status", ["loadable", "loaded", "builtin", "missing"])
@pytest.mark.parametrize(("at_boot", "expected"), [(True, ["at_boot_set"]), (False, [])])
def test_absent_unloads_nothing(status, at_boot, expected):
    assert [s.op for c in plan([parse(state="absent")], world(status, at_boot)) for s in c.steps] == expected


def test_purge_unloads_nothing():
    (stray,) = KernelModule.strays([KernelModule("tun")], world("loaded", at_boot=True))
    assert [(s.op, s.args) for s in KernelModule.steps(stray, None)] == [
        ("at_boot_set", {"name": "vhost_net", "at_boot": False})
    ]


def test_what_is_required_and_missing_is_an_error():
    seen = world("missing")
    assert plan([parse()], seen) != []
    assert seen.missing == [
        "name: kernel 6.1 has no module 'vhost_net'; correct the name, or install a kernel that has it"
    ]


def test_what_is_missing_and_not_required_is_a_warning():
    seen = world("missing", has_modules=False)
    assert plan([parse(required=False)], seen) == []
    assert seen.missing == []
    (warning,) = seen.warnings
    for word in ("'vhost_net'", "kernel 6.1", "/lib/modules/6.1 does not exist", "container"):
        assert word in warning


@pytest.mark.parametrize("name", ["", "a b", "../x", "x.ko"])
def test_a_name_that_cannot_be_is_refused(name):
    with pytest.raises(SpecError, match="^name: "):
        parse(name)
