# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import base64
import json
import os

import pytest

from ansible_collections.virtnet.qemu.plugins.module_utils._host import (
    checkpoint_restore,
    checkpoint_state,
    checkpoint_store,
    managers,
)
from ansible_collections.virtnet.qemu.plugins.module_utils._host.manager import Managers


class Killed(BaseException):
    """What nothing catches."""


class Files:
    NAME = "fake"


class Manager:
    files = Files

    def __init__(self, folder):
        self.folders = (str(folder),)
        self.told_of = []
        self.killed = True

    def told(self, _saved):
        if self.killed:
            raise Killed
        self.told_of.append(sorted(os.listdir(self.folders[0])))

    def at_work(self):
        return False


@pytest.fixture
def manager(tmp_path, monkeypatch):
    folder = tmp_path / "network"
    folder.mkdir()
    manager = Manager(folder)
    monkeypatch.setattr(managers, "ALL", Managers(manager))
    monkeypatch.setattr(checkpoint_restore, "booted", lambda: True)
    monkeypatch.setattr(checkpoint_store, "RESTORING", tmp_path / "restoring.json")
    monkeypatch.setattr(checkpoint_state, "files", lambda: {str(path): entry(path) for path in folder.iterdir()})
    return manager


def entry(path):
    text = base64.b64encode(path.read_bytes()).decode()
    return {"text": text, "mode": path.stat().st_mode & 0o777, "uid": os.getuid(), "gid": os.getgid()}


def test_a_manager_is_told_also_by_who_goes_on_with_a_restore(tmp_path, manager):
    """The files are back then, and nothing in them shows that the manager has yet to read them."""
    (tmp_path / "network/ours").write_text("not any more")
    saved = {"files": {}, "managers": {}}
    checkpoint_store.RESTORING.write_text(json.dumps(saved))
    with pytest.raises(Killed):
        checkpoint_restore.Restore(saved, at_boot=False)._files()
    manager.killed = False
    for _again in range(2):
        checkpoint_restore.Restore(json.loads(checkpoint_store.RESTORING.read_text()), at_boot=False)._files()
    assert manager.told_of == [[], []]


def test_a_manager_whose_files_nobody_touched_is_told_nothing(manager):
    manager.killed = False
    checkpoint_restore.Restore({"files": {}, "managers": {}}, at_boot=False)._files()
    assert manager.told_of == []
