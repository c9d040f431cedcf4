# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The examples in a module's documentation, to be run as they are."""

from __future__ import annotations

import importlib
from typing import Any

import yaml


def examples(module: str) -> list[dict[str, Any]]:
    """The tasks under a module's EXAMPLES."""
    found = importlib.import_module(f"ansible_collections.virtnet.qemu.plugins.modules.{module}")
    return yaml.safe_load(found.EXAMPLES)
