# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The examples in a module's documentation, to be run."""

from __future__ import annotations

import ast
from typing import Any

import yaml

from .player import REPOSITORY


def examples(module: str) -> list[dict[str, Any]]:
    """The tasks of the EXAMPLES of one of our modules."""
    tree = ast.parse((REPOSITORY / f"plugins/modules/{module}.py").read_text())
    (text,) = (
        node.value.value for node in tree.body if isinstance(node, ast.Assign) and node.targets[0].id == "EXAMPLES"
    )
    return yaml.safe_load(text)
