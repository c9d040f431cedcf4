# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A checkpoint is confirmed over a connection that was opened for it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from ansible.errors import AnsibleConnectionFailure

from ansible_collections.virtnet.qemu.plugins.action import checkpoint


class Controller(checkpoint.ActionModule):
    """Ansible's side: a connection of which some attempts fail."""

    def __init__(self, arguments: dict[str, Any], failures: int = 0, check_mode: bool = False) -> None:
        self.calls: list[str] = []
        self.arguments: dict[str, Any] = {}
        self._failures = failures
        self._task = SimpleNamespace(args=arguments, check_mode=check_mode, async_val=0, delegate_to=None)
        self._connection = SimpleNamespace(reset=lambda: self.calls.append("reset"), _shell=SimpleNamespace(tmpdir=""))

    def run(self, tmp: Any = None, task_vars: Any = None) -> dict[str, Any]:
        return super().run(tmp, task_vars)

    def _low_level_execute_command(self, cmd: str, **_options: Any) -> None:
        self.calls.append(cmd)
        if self._failures:
            self._failures -= 1
            raise AnsibleConnectionFailure("no way")

    def _execute_module(self, module_args: dict[str, Any], **_options: Any) -> dict[str, Any]:
        self.calls.append("module")
        self.arguments = module_args
        return {}


@pytest.fixture(autouse=True)
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoint, "_PAUSE", 0)
    monkeypatch.setattr(checkpoint.ActionBase, "run", lambda *_arguments: {})


def test_a_new_connection_comes_first():
    controller = Controller({"state": "confirmed"})
    controller.run()
    assert controller.calls == ["reset", "true", "module"]


def test_it_is_tried_again_but_the_module_runs_once():
    controller = Controller({"state": "confirmed"}, failures=2)
    controller.run()
    assert controller.calls == ["reset", "true"] * 3 + ["module"]


def test_in_the_end_the_host_is_unreachable():
    controller = Controller({"state": "confirmed", "timeout": 0}, failures=9)
    with pytest.raises(AnsibleConnectionFailure):
        controller.run()
    assert "module" not in controller.calls


@pytest.mark.parametrize("state", ["armed", "restored"])
def test_nothing_else_needs_one(state):
    controller = Controller({"state": state})
    controller.run()
    assert controller.calls == ["module"]
    assert ("by" in controller.arguments) is (state == "armed")


def test_check_mode_keeps_the_connection():
    controller = Controller({"state": "confirmed"}, check_mode=True)
    controller.run()
    assert controller.calls == ["module"]
