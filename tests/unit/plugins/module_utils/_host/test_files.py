# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
import stat

import pytest

from ansible_collections.virtnet.qemu.plugins.module_utils._host import files
from ansible_collections.virtnet.qemu.plugins.module_utils._host.errors import HostError


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


def test_a_new_file_has_the_mode_given_whatever_the_umask(tmp_path):
    path = tmp_path / "a/b/file"
    old = os.umask(0o077)
    try:
        files.write(path, "text", mode=0o640)
    finally:
        os.umask(old)
    assert path.read_text() == "text"
    assert [mode(p) for p in (path, path.parent, path.parent.parent)] == [0o640, 0o755, 0o755]


def test_a_replaced_file_keeps_its_mode(tmp_path):
    path = tmp_path / "file"
    path.write_text("old")
    path.chmod(0o604)
    files.write(path, "new")
    assert (path.read_text(), mode(path)) == ("new", 0o604)


def test_whoever_has_the_old_file_open_reads_it_to_its_end(tmp_path):
    path = tmp_path / "file"
    path.write_text("old")
    with path.open() as reader:
        files.write(path, "new")
        assert reader.read() == "old"
    assert path.read_text() == "new"


def test_what_a_killed_run_left_is_used_up(tmp_path):
    path = tmp_path / "file"
    (tmp_path / ".file.virtnet-new").write_text("half writ")
    files.write(path, "whole")
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


def test_a_link_in_the_place_of_the_new_file_is_not_followed(tmp_path):
    victim = tmp_path / "victim"
    victim.write_text("precious")
    (tmp_path / ".file.virtnet-new").symlink_to(victim)
    with pytest.raises(HostError, match="file cannot be written"):
        files.write(tmp_path / "file", "text")
    assert victim.read_text() == "precious"


def test_a_missing_file_is_none(tmp_path):
    assert files.read(tmp_path / "file") is None


@pytest.mark.parametrize("act", [files.read, files.remove, lambda path: files.write(path, "x")])
def test_what_cannot_be_done_is_a_plain_error(tmp_path, act):
    with pytest.raises(HostError, match=str(tmp_path)):
        act(tmp_path)


def test_what_is_no_text_is_a_plain_error(tmp_path):
    (tmp_path / "file").write_bytes(b"\xff\xfe\xff")
    with pytest.raises(HostError, match="file cannot be read"):
        files.read(tmp_path / "file")


def test_a_file_is_removed_once_and_again(tmp_path):
    path = tmp_path / "file"
    path.write_text("text")
    files.remove(path)
    files.remove(path)
    assert not path.exists()


def test_a_folder_is_removed_with_all_in_it_once_and_again(tmp_path):
    (tmp_path / "kept").write_text("text")
    (tmp_path / "folder/sub").mkdir(parents=True)
    (tmp_path / "folder/sub/file").write_text("text")
    (tmp_path / "folder/link").symlink_to(tmp_path / "kept")
    files.remove_tree(tmp_path / "folder")
    files.remove_tree(tmp_path / "folder")
    assert [path.name for path in tmp_path.iterdir()] == ["kept"]


def test_a_folder_that_cannot_be_removed_is_a_plain_error(tmp_path):
    (tmp_path / "file").write_text("text")
    with pytest.raises(HostError, match="file cannot be removed: Not a directory"):
        files.remove_tree(tmp_path / "file")


@pytest.fixture
def synced(monkeypatch):
    """The files and folders that were written out to the disk."""
    found = []

    def note(handle):
        found.append(os.readlink(f"/proc/self/fd/{handle}"))

    monkeypatch.setattr(os, "fsync", note)
    return found


def test_a_new_file_is_on_the_disk_with_all_folders_that_lead_to_it(tmp_path, synced):
    files.write(tmp_path / "a/b/file", "text")
    assert set(synced) == {str(tmp_path / name) for name in ("", "a", "a/b", "a/b/.file.virtnet-new")}


def test_what_is_removed_is_off_the_disk(tmp_path, synced):
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder/file").write_text("text")
    (tmp_path / "folder/link").symlink_to("file")
    for name in ("folder/file", "folder/link"):
        files.remove(tmp_path / name)
    files.remove_directory(tmp_path / "folder")
    assert synced == [str(tmp_path / name) for name in ("folder", "folder", "")]


def test_a_link_is_on_the_disk_whatever_was_there(tmp_path, synced):
    (tmp_path / "link").write_text("a file")
    files.link(tmp_path / "link", "elsewhere")
    assert os.readlink(tmp_path / "link") == "elsewhere"
    assert [path.name for path in tmp_path.iterdir()] == ["link"]
    assert synced == [str(tmp_path)]
