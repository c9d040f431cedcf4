# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Files, replaced as a whole or not at all."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from .errors import HostError


def read(path: Path) -> str | None:
    """The text of a file with the line ends that it has, or ``None`` where there is none."""
    try:
        return path.read_bytes().decode("utf-8")
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as exc:
        raise HostError(f"{path} cannot be read: {getattr(exc, 'strerror', None) or exc}") from exc


def write(path: Path, text: str, mode: int = 0o644, owner: tuple[int, int] | None = None) -> None:
    """Replace a file by `text`: readers see the old or the new one, also after a power cut.

    A file that exists keeps its mode and owner. `mode` and `owner` (ids of user and group) are for a new one.
    Directories above that are missing are made.
    """
    try:
        found = path.stat()
        mode, owner = found.st_mode & 0o7777, (found.st_uid, found.st_gid)
    except FileNotFoundError:
        pass
    except OSError as exc:
        raise HostError(f"{path} cannot be written: {exc.strerror}") from exc
    replace(path, text.encode(), mode, owner)


def replace(path: Path, data: bytes, mode: int, owner: tuple[int, int] | None) -> None:
    """The same with bytes, and with this mode and owner whatever was there."""
    # Always the same name: what a killed run left is overwritten by the next, which holds the host's lock.
    # The dot hides it from programs that read all files of a directory, such as dnsmasq.
    new = path.with_name(f".{path.name}.virtnet-new")
    try:
        make_directory(path.parent)
        handle = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            if owner:
                os.fchown(handle, *owner)
            os.fchmod(handle, mode)
            file.flush()
            os.fsync(handle)
        os.replace(new, path)
        sync(path.parent)
    except OSError as exc:
        raise HostError(f"{path} cannot be written: {exc.strerror}") from exc


def make_directory(path: Path) -> None:
    """Make a directory that everybody can read, and those above that are missing, whatever our umask is."""
    if path.is_dir():
        return
    make_directory(path.parent)
    path.mkdir(exist_ok=True)
    path.chmod(0o755)
    sync(path.parent)


def link(path: Path, target: str) -> None:
    """Replace whatever is there, but a directory, by a symbolic link."""
    new = path.with_name(f".{path.name}.virtnet-new")
    try:
        new.unlink(missing_ok=True)
        new.symlink_to(target)
        os.replace(new, path)
        sync(path.parent)
    except OSError as exc:
        raise HostError(f"{path} cannot be written: {exc.strerror}") from exc


def remove(path: Path) -> None:
    """Remove a file; that there is none is fine."""
    try:
        path.unlink()
        sync(path.parent)
    except FileNotFoundError:
        return
    except OSError as exc:
        raise HostError(f"{path} cannot be removed: {exc.strerror}") from exc


def remove_directory(path: Path) -> None:
    """Remove an empty directory."""
    try:
        path.rmdir()
        sync(path.parent)
    except OSError as exc:
        raise HostError(f"{path} cannot be removed: {exc.strerror}") from exc


def remove_tree(path: Path) -> None:
    """Remove a directory with all that is in it; that there is none is fine."""
    try:
        shutil.rmtree(path)
        sync(path.parent)
    except FileNotFoundError:
        return
    except OSError as exc:
        raise HostError(f"{path} cannot be removed: {exc.strerror}") from exc


def sync(directory: Path) -> None:
    """Have what was made or removed in it outlast a power cut."""
    handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
