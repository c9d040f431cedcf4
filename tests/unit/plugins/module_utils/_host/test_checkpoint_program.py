# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The restore program brings its bytecode along, for the Python that saved the host, and its source for any other."""

from __future__ import annotations

import subprocess
import sys
import zipfile

import pytest

from ansible_collections.virtnet.qemu.plugins.module_utils._host import checkpoint_program as program

WORKS = 0


@pytest.fixture
def installed(monkeypatch, tmp_path):
    monkeypatch.setattr(program.store, "PROGRAM", tmp_path / "restore.pyz")
    monkeypatch.setattr(program, "_SYSTEM", sys.executable)
    program.install()
    return program.store.PROGRAM


def changed(archive, ending, change):
    """A copy of which the files with this ending are changed."""
    copy = archive.with_name(f"changed-{archive.name}")
    with zipfile.ZipFile(archive) as old, zipfile.ZipFile(copy, "w") as new:
        for name in old.namelist():
            data = old.read(name)
            new.writestr(name, change(data) if name.endswith(ending) and "/_host/" in name else data)
    return copy


def check(archive):
    return subprocess.run([sys.executable, "-I", archive, "check"], check=False, capture_output=True).returncode


def test_it_compiles_nothing(installed):
    assert check(changed(installed, ".py", lambda source: b"syntax error" if source else source)) == WORKS


def test_another_python_compiles_the_source(installed):
    other = changed(installed, ".pyc", lambda data: b"\0\0\r\n" + data[4:])
    assert check(other) == WORKS
    assert check(changed(other, ".py", lambda source: b"syntax error" if source else source)) != WORKS
