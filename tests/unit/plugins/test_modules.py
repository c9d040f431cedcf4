# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What modules hand to the flow that they share."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest

from ansible_collections.virtnet.qemu.plugins.module_utils._boot import Boot
from ansible_collections.virtnet.qemu.plugins.module_utils._host import managers

FOLDER = Path(__file__).parents[3] / "plugins/modules"
NAMES = sorted(path.stem for path in FOLDER.glob("*.py") if "run_module(" in path.read_text(encoding="utf-8"))


@pytest.fixture(params=NAMES)
def handed(request, monkeypatch):
    """The arguments of `run_module`."""
    module = importlib.import_module(f"ansible_collections.virtnet.qemu.plugins.modules.{request.param}")
    found = []
    monkeypatch.setattr(module, "run_module", lambda spec, adapter, boot=None: found.append((spec, boot)))
    module.main()
    return found[0]


def test_what_has_files_for_the_boot_has_them_made(handed):
    spec, boot = handed
    assert bool(spec.boot_folder) == bool(boot)


def test_the_host_network_managers_have_a_part_in_bridges_only(handed):
    spec, boot = handed
    if boot:
        made = boot(spec, [], {"purge": False, "persist": "auto"})
        assert isinstance(made, Boot)
        assert list(made.managers) == (list(managers.ALL) if spec.kind == "bridge" else [])
