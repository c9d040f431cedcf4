# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Removes what belongs to this checkout from the cache, and what tests leave in the repository."""

from __future__ import annotations

import shutil

from . import places

LEFT_BEHIND = (".hypothesis", ".pytest_cache", ".ruff_cache", ".ansible", "tests/output")

if __name__ == "__main__":
    for path in (places.checkout(), *(places.REPOSITORY / name for name in LEFT_BEHIND)):
        if path.exists():
            print(f"removing {path}")
            shutil.rmtree(path)
