# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest

from ansible_collections.virtnet.qemu.plugins.module_utils._plan import plan
from ansible_collections.virtnet.qemu.plugins.module_utils._spec.base import SpecError
from ansible_collections.virtnet.qemu.plugins.module_utils._spec.sysctl import DEFAULT_FILE, Entry, Sysctl, SysctlWorld

FORWARD = "net.ipv4.ip_forward"


def parse(name=FORWARD, value="1", state="present", sysctl_file=DEFAULT_FILE, keep=None):
    return Sysctl.parse({"name": name, "value": value, "state": state, "sysctl_file": sysctl_file, "keep": keep})


def world(value="0", entry=None):
    values = {} if value is None else {FORWARD: value}
    return SysctlWorld(DEFAULT_FILE, values, {FORWARD: entry} if entry else {})


def steps(want, seen):
    return [
        tuple(v for k, v in s.args.items() if k not in ("name", "sysctl_file"))
        for c in plan([want], seen)
        for s in c.steps
    ]


@pytest.mark.parametrize(
    ("value", "entry", "expected"),
    [
        # The file first, with the live value of before.
        ("0", None, [(Entry("1", "0"),), ("1",)]),
        ("1", None, [(Entry("1", "1"),)]),
        ("1", Entry("1", "0"), []),
        ("0", Entry("1", "0"), [("1",)]),
        ("0", Entry("0", "5"), [(Entry("1", "5"),), ("1",)]),
        # A line by hand: what was before it is not known.
        ("1", Entry("1"), []),
    ],
)
def test_present(value, entry, expected):
    assert steps(parse(), world(value, entry)) == expected


@pytest.mark.parametrize(
    ("value", "entry", "expected"),
    [
        ("1", Entry("1", "0"), [(None,), ("0",)]),
        ("0", Entry("1", "0"), [(None,)]),
        ("1", Entry("1"), [(None,)]),
        ("1", None, []),
        (None, None, []),
        # The kernel has lost it, with a module say.
        (None, Entry("1", "0"), [(None,)]),
    ],
)
def test_absent(value, entry, expected):
    assert steps(parse(value=None, state="absent"), world(value, entry)) == expected


def test_purge_puts_back_too():
    other = Sysctl("net.core.somaxconn", "1")
    (stray,) = Sysctl.strays([other], world("1", Entry("1", "0")))
    assert [step.op for step in Sysctl.steps(stray, None)] == ["entry_set", "value_set"]


def test_a_parameter_that_the_kernel_does_not_have():
    seen = world(None)
    plan([parse()], seen)
    assert seen.missing == [
        f"name: this kernel has no parameter '{FORWARD}'; correct the name, or load the kernel module it belongs to"
    ]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("net.ipv4.ip_forward", "net.ipv4.ip_forward"),
        ("net/ipv4/ip_forward", "net.ipv4.ip_forward"),
        ("net.ipv4.conf.eth0/5.forwarding", "net.ipv4.conf.eth0/5.forwarding"),
        ("net/ipv4/conf/eth0.5/forwarding", "net.ipv4.conf.eth0/5.forwarding"),
    ],
)
def test_names(given, expected):
    assert parse(name=given).name == expected


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"name": "ip_forward"}, ["name", "'ip_forward'"]),
        ({"name": "net.ipv4.conf.*.forwarding"}, ["name", "'net.ipv4.conf.*.forwarding'"]),
        ({"name": "net/../../etc/passwd"}, ["name"]),
        ({"name": "../kernel/core_pattern"}, ["name"]),
        ({"value": None}, ["value", FORWARD]),
        ({"value": " "}, ["value", FORWARD]),
        ({"value": "1\nkernel.sysrq=1"}, ["value", "one line"]),
        ({"sysctl_file": "x.conf"}, ["sysctl_file", "'x.conf'"]),
        ({"sysctl_file": "/etc/sysctl.d/x"}, ["sysctl_file", ".conf"]),
    ],
)
def test_what_is_refused(options, words):
    with pytest.raises(SpecError) as error:
        parse(**options)
    for word in words:
        assert word in str(error.value)


@pytest.mark.parametrize(
    ("value", "entry", "kept"), [("0", None, True), ("2", None, False), ("0", Entry("1", "2"), False)]
)
def test_a_value_of_somebodys_choice_is_kept(value, entry, kept):
    assert (steps(parse(keep=["0"]), world(value, entry)) == []) == kept
