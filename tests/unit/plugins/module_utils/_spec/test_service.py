# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from dataclasses import fields, replace

import pytest

from ansible_collections.virtnet.qemu.plugins.module_utils._spec.base import SpecError
from ansible_collections.virtnet.qemu.plugins.module_utils._spec.service import OpenedTap, Service

SERVICE = Service(
    name="guest-web1",
    description="A guest",
    argv=("/usr/bin/qemu", "-name", "web 1"),
    user="virtnet-qemu",
    supplementary_groups=("kvm",),
    environment=(("A", "b c"),),
    limits=(("memlock", "infinity"),),
    stop_argv=("/bin/stop", "it"),
    start_pre=(("/bin/true", "1"), ("/bin/true", "2")),
    opened_taps=(OpenedTap("tap1", (3, 4), True),),
)


def test_json_and_back():
    assert Service.from_json(SERVICE.as_json()) == SERVICE


@pytest.mark.parametrize("text", ["", "[]", "1", '{"name": "x", "colour": "red"}', "{"])
def test_anything_else_is_no_service(text):
    with pytest.raises(ValueError):
        Service.from_json(text)


@pytest.mark.parametrize(
    "change",
    [
        {"argv": ("/usr/bin/qemu",)},
        {"user": "root"},
        {"group": "kvm"},
        {"supplementary_groups": ()},
        {"netns": "r1"},
        {"environment": ()},
        {"limits": ()},
        {"runtime_directory": "x"},
        {"unit_options": (("PrivateTmp", "no"),)},
        {"opened_taps": ()},
    ],
)
def test_what_a_process_depends_on_is_in_its_digest(change):
    assert replace(SERVICE, **change).digest != SERVICE.digest


@pytest.mark.parametrize(
    "change",
    [
        {"description": "Another"},
        {"restart": False},
        {"enabled": False},
        {"start_timeout": 1},
        {"stop_timeout": 1},
        {"stop_argv": None},
        {"after": ("x.service",)},
        {"reload": True},
        {"ready_file": "/run/x"},
    ],
)
def test_what_only_its_supervisor_needs_is_not(change):
    assert replace(SERVICE, **change).digest == SERVICE.digest


def test_the_digest_is_the_same_for_equal_services():
    copy = Service(**{f.name: getattr(SERVICE, f.name) for f in fields(SERVICE)})
    assert copy.digest == SERVICE.digest


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"name": "a/b"}, ["name", "'a/b'"]),
        ({"name": "-a"}, ["name", "'-a'"]),
        ({"name": ""}, ["name", "''"]),
        ({"argv": ("qemu",)}, ["'qemu'", "absolute path"]),
        ({"stop_argv": ("stop",)}, ["'stop'", "absolute path"]),
        ({"argv": ("/bin/sh", "a\0b")}, ["NUL"]),
    ],
)
def test_what_cannot_be_a_service(change, words):
    with pytest.raises(SpecError) as error:
        replace(SERVICE, **change)
    for word in words:
        assert word in str(error.value)
