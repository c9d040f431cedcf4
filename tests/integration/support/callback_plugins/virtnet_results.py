# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Writes every task result as one JSON line to the file named by VIRTNET_RESULTS."""

from __future__ import annotations

DOCUMENTATION = """
name: virtnet_results
type: stdout
short_description: Task results as JSON lines in a file
description:
  - For the collection's own tests.
author:
  - virtnet.qemu contributors (@virtnet)
"""

import json
import os

from ansible.plugins.callback import CallbackBase


class CallbackModule(CallbackBase):
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "stdout"
    CALLBACK_NAME = "virtnet_results"

    def _write(self, status: str, result) -> None:
        line = {
            "host": result.host.get_name(),
            "task": result.task.get_name(),
            "status": status,
            "may_fail": bool(result.task.ignore_errors),
            "result": result.result,
        }
        # One write of a whole line, at once: a test may read while the play goes on.
        with open(os.environ["VIRTNET_RESULTS"], "a", encoding="utf-8") as out:
            out.write(json.dumps(line) + "\n")

    def v2_runner_on_ok(self, result) -> None:
        self._write("ok", result)

    def v2_runner_on_failed(self, result, ignore_errors: bool = False) -> None:
        self._write("failed", result)

    def v2_runner_on_skipped(self, result) -> None:
        self._write("skipped", result)

    def v2_runner_on_unreachable(self, result) -> None:
        self._write("unreachable", result)
