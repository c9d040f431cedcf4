# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The one flow of every module: what is refused, what is undone, and what is then said."""

from __future__ import annotations

import pytest

from ansible_collections.virtnet.qemu.plugins.module_utils._host.errors import HostError
from ansible_collections.virtnet.qemu.plugins.module_utils._spec.base import SpecError, Step
from ansible_collections.virtnet.qemu.plugins.module_utils._spec.bridge import Bridge
from ansible_collections.virtnet.qemu.plugins.module_utils._spec.tap import Tap

from .kernel import Kernel
from .trial import Adapter, copied, parse, run, state

TWO_BRIDGES = {"config": [{"name": "br0", "addresses": ["10.0.0.1/24"]}, {"name": "br1"}]}


def wanted(options, spec=Bridge):
    return parse(spec, options)[0]


def test_the_result_shows_what_was_and_what_is():
    kernel = Kernel({})
    run(Bridge, Adapter(kernel), wanted({"name": "br0"}))
    result = run(Bridge, Adapter(kernel), wanted({"config": [{"name": "br0", "mtu": 1400}, {"name": "br1"}]}))
    assert [(bridge["name"], bridge["mtu"]) for bridge in result["before"]] == [("br0", 1500)]
    assert [(bridge["name"], bridge.get("mtu")) for bridge in result["after"]] == [("br0", 1400), ("br1", None)]
    assert "alias" not in result["after"][0]


def test_an_error_says_which_entry_it_is_about():
    with pytest.raises(SpecError, match="^config, 'br1': addresses: '172.30,1.51' is not an IP address"):
        wanted({"config": [{"name": "br0"}, {"name": "br1", "addresses": ["172.30,1.51"]}]})


def test_what_is_missing_is_said_once_each_and_nothing_is_changed():
    kernel = Kernel({})
    taps = wanted({"config": [{"name": "t0", "bridge": "br0"}, {"name": "t1", "bridge": "br0"}]}, Tap)
    with pytest.raises(SpecError, match="^bridge: there is no bridge 'br0'; make it first$"):
        run(Tap, Adapter(kernel), taps)
    assert state(kernel) == state(Kernel({}))


class Forgetful(Adapter):
    """A host that takes every change, but whose MTU is soon as it was."""

    def commit(self, steps: list[Step]) -> None:
        super().commit([step for step in steps if "mtu" not in step.args])


def test_what_reads_back_otherwise_is_an_error_and_undone():
    kernel = Kernel({})
    said = "the host took every change, but reading it back shows .*: ip link set dev br0 mtu 1400. Everything is as it"
    with pytest.raises(HostError, match=said):
        run(Bridge, Forgetful(kernel), wanted({"name": "br0", "mtu": 1400}))
    assert state(kernel) == state(Kernel({}))


class Broken(Adapter):
    """Fails for good with its fourth step."""

    def commit(self, steps: list[Step]) -> None:
        for step in steps:
            if len(self.steps) == 3:
                raise HostError("out of memory")
            super().commit([step])


def test_an_undo_that_fails_is_said():
    with pytest.raises(HostError, match="^out of memory. Undoing what was done so far failed too: out of memory$"):
        run(Bridge, Broken(Kernel({})), wanted(TWO_BRIDGES))


class Interrupted(Adapter):
    """Somebody presses Ctrl-C at the fourth step."""

    def commit(self, steps: list[Step]) -> None:
        for step in steps:
            if len(self.steps) == 3:
                self.steps.append(step)
                raise KeyboardInterrupt
            super().commit([step])


def test_an_interrupted_run_is_undone():
    kernel = Kernel({})
    with pytest.raises(KeyboardInterrupt):
        run(Bridge, Interrupted(kernel), wanted(TWO_BRIDGES))
    assert state(kernel) == state(Kernel({}))


def test_undo_does_not_pin_what_the_kernel_picked():
    kernel = Kernel({})
    run(Bridge, Adapter(kernel), wanted({"name": "br0"}))
    adapter = Adapter(copied(kernel), fails_at=1)
    with pytest.raises(HostError):
        run(Bridge, adapter, wanted({"config": [{"name": "br0", "mtu": 1400}, {"name": "br1"}]}))
    assert [step.line for step in adapter.steps] == ["ip link set dev br0 mtu 1400", "ip link set dev br0 mtu 1500"]


def test_the_adapter_is_closed_whatever_happens():
    closed = []
    adapter = Adapter(Kernel({}), fails_at=0)
    adapter.close = lambda: closed.append(True)
    with pytest.raises(HostError):
        run(Bridge, adapter, wanted({"name": "br0"}))
    assert closed == [True]
