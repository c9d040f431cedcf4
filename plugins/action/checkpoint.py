# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Confirms a checkpoint over a connection that was opened after the change: one from before may outlive what a new one
does not get through."""

from __future__ import annotations

import getpass
import socket
import time
from typing import Any

from ansible.errors import AnsibleConnectionFailure
from ansible.plugins.action import ActionBase

_MODULE = "virtnet.qemu.checkpoint"
#: Seconds between two attempts to open a connection.
_PAUSE = 1.0
_TIMEOUT = 60


class ActionModule(ActionBase):
    _supports_check_mode = True
    _supports_async = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        super().run(tmp, task_vars)
        arguments = dict(self._task.args)
        if arguments.get("state") == "armed" and arguments.get("by") is None:
            arguments["by"] = _who()
        if arguments.get("state") == "confirmed" and not self._task.check_mode:
            self._open_anew(time.monotonic() + _seconds(arguments.get("timeout")))
        return self._execute_module(module_name=_MODULE, module_args=arguments, task_vars=task_vars)

    def _open_anew(self, deadline: float) -> None:
        """What was changed may take a while until it lets packets through."""
        while True:
            try:
                self._connection.reset()
                self._low_level_execute_command("true", sudoable=False)
                return
            except AnsibleConnectionFailure:
                if time.monotonic() >= deadline:
                    raise
                # A host that cannot be reached does not say when it can.
                time.sleep(_PAUSE)


def _who() -> str:
    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        user = "somebody"
    return f"{user}@{socket.gethostname()}"


def _seconds(given: Any) -> float:
    """What is no number, the module refuses."""
    try:
        return float(_TIMEOUT if given is None else given)
    except (TypeError, ValueError):
        return 0
