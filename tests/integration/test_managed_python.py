# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is kept of the archives that modules come in: the same code runs, compiled or kept."""

from __future__ import annotations

import os
import subprocess
import zipfile
from pathlib import Path

import pytest

from tests.integration.support.player import MANAGED

IMPORT = "import sys; sys.path.insert(0, sys.argv[1]); import subject; print(subject.where())"
SOURCE = "def where():\n    return {!r}, (lambda: 0).__code__.co_filename\n"


class Archives:
    def __init__(self, folder: Path, python: str) -> None:
        self.cache = folder / "cache"
        self._folder = folder
        self._python = python

    def run(self, name: str, said: str, **variables: str) -> None:
        """Import a module from a new archive: it is this one, and knows where it is from."""
        archive = self._folder / f"{name}.zip"
        with zipfile.ZipFile(archive, "w") as made:
            made.writestr("subject.py", SOURCE.format(said))
        given = {"PYTHONPATH": str(MANAGED), "VIRTNET_COMPILED": str(self.cache), **variables}
        kept = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
        argv = [self._python, "-c", IMPORT, str(archive)]
        done = subprocess.run(argv, env=kept | given, capture_output=True, text=True, check=True)
        assert (done.stdout.strip(), done.stderr) == (str((said, f"{archive}/subject.py")), "")

    def kept(self) -> list[Path]:
        return sorted(path for path in self.cache.glob("*/*"))


@pytest.fixture
def archives(tmp_path, pytestconfig) -> Archives:
    return Archives(tmp_path, pytestconfig.getoption("--managed-python"))


def test_a_source_is_compiled_once_and_anew_when_it_is_another(archives):
    archives.run("first", "one")
    (kept,) = archives.kept()
    before = kept.stat()
    archives.run("second", "one")
    assert archives.kept() == [kept]
    assert kept.stat().st_mtime_ns == before.st_mtime_ns
    archives.run("second", "two")
    assert len(archives.kept()) == 2


@pytest.mark.parametrize("size", [0, 1, 100])
def test_what_is_damaged_is_compiled_again(archives, size):
    archives.run("first", "one")
    (kept,) = archives.kept()
    kept.write_bytes(kept.read_bytes()[:size])
    archives.run("second", "one")
    assert kept.stat().st_size > size


def test_where_nothing_can_be_kept_all_works(archives):
    archives.run("first", "one", VIRTNET_COMPILED="/proc/1/nowhere")
    archives.run("second", "one", VIRTNET_COMPILED="")
    assert archives.kept() == []
