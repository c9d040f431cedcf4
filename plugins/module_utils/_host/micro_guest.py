# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Keeps the micro guest's files in a directory: built when they must be, whole or not at all."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from .._persist.micro_guest import CONTENT, INITRD, KERNEL
from .._spec import micro_guest as spec
from .._spec.base import SpecError
from . import deb, initramfs
from .errors import HostError

#: What the files were built from, and their checksums.
MANIFEST = "manifest.json"
#: Below the destination, so that a file gets from there to its place by a rename.
_WORK = ".build"


def ensure(wanted: spec.MicroGuest, check_mode: bool) -> dict[str, Any]:
    """Bring the directory to the wanted state; the module's result.

    ``present`` builds unless the files are those of the same options; ``latest`` also compares the packages' versions.
    """
    dest = Path(wanted.dest)
    try:
        if wanted.state == "absent" and not dest.exists():
            return _report(wanted, None, None, [])
        with _work_folder(dest, check_mode) as work:
            have = read_manifest(dest)
            if have is None and not wanted.force:
                _refuse_foreign(dest)
            if wanted.state == "absent":
                return _absent(wanted, have, check_mode)
            return _present(wanted, have, check_mode, work)
    except OSError as exc:
        raise HostError(f"dest: {exc.filename or dest}: {exc.strerror}") from exc


def _present(wanted: spec.MicroGuest, have: dict[str, Any] | None, check_mode: bool, work: Path) -> dict[str, Any]:
    inputs = wanted.inputs(CONTENT)
    good = have is not None and have["intact"] and have["inputs"] == inputs and not wanted.force
    if good and wanted.state == "present":
        return _report(wanted, have, have, [])
    if wanted.update_cache and not check_mode:
        deb.update_lists()
    packages = initramfs.resolve(wanted.flavour, work)
    if good and have["packages"] == packages:
        return _report(wanted, have, have, [])
    if not check_mode:
        _install(Path(wanted.dest), {"inputs": inputs, "packages": packages}, initramfs.build(wanted, packages, work))
    commands = [
        *(["apt-get -q update"] if wanted.update_cache else []),
        " ".join(deb.download_command(packages)),
        f"install -D -m 0644 boot/vmlinuz-{spec.kernel_release(packages)} {wanted.dest}/{KERNEL}",
        f"find . | cpio -o -H newc | gzip > {wanted.dest}/{INITRD}",
    ]
    return _report(wanted, have, {"inputs": inputs, "packages": packages}, commands)


def _absent(wanted: spec.MicroGuest, have: dict[str, Any] | None, check_mode: bool) -> dict[str, Any]:
    dest = Path(wanted.dest)
    there = [path for path in sorted(dest.iterdir()) if path.name != _WORK]
    ours = [path for path in there if path.name in (KERNEL, INITRD, MANIFEST)]
    if ours == there:
        if not check_mode:
            shutil.rmtree(dest)
        return _report(wanted, have, None, [f"rm -r {dest}"])
    if not check_mode:
        for path in ours:
            path.unlink()
    return _report(wanted, have, None, [f"rm {' '.join(map(str, ours))}"] if ours else [])


def _report(
    wanted: spec.MicroGuest, before: dict[str, Any] | None, after: dict[str, Any] | None, commands: list[str]
) -> dict[str, Any]:
    return {
        "changed": bool(commands),
        "commands": commands,
        "kernel": f"{wanted.dest}/{KERNEL}",
        "initrd": f"{wanted.dest}/{INITRD}",
        "packages": (after or {}).get("packages", {}),
        "diff": {"before": _shown(before), "after": _shown(after)},
    }


def _shown(manifest: dict[str, Any] | None) -> dict[str, Any]:
    """What a user sees of a manifest in diff mode."""
    if manifest is None:
        return {}
    damaged = {} if manifest.get("intact", True) else {"files": "damaged or missing"}
    return {**manifest["inputs"], "packages": manifest["packages"], **damaged}


@contextmanager
def _work_folder(dest: Path, check_mode: bool) -> Iterator[Path]:
    """A folder for the body's work. Outside check mode it is in `dest`, which is made, and locked against others.

    What a killed run left of it is removed first. The kernel drops the lock (flock(2)) however the process ends.
    """
    if check_mode:
        with tempfile.TemporaryDirectory() as folder:
            yield Path(folder)
        return
    handle, made = _lock(dest)
    work = dest / _WORK
    try:
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir()
        yield work
    finally:
        shutil.rmtree(work, ignore_errors=True)
        if made and dest.exists() and not any(dest.iterdir()):
            dest.rmdir()
        os.close(handle)


def _lock(dest: Path) -> tuple[int, bool]:
    """A handle that holds the lock of `dest`, and whether the directory was made for it."""
    while True:
        made = not dest.exists()
        dest.mkdir(parents=True, exist_ok=True)
        handle = os.open(dest, os.O_RDONLY | os.O_DIRECTORY)
        fcntl.flock(handle, fcntl.LOCK_EX)
        # Who held it before may have removed the directory.
        if dest.exists() and os.path.samestat(os.fstat(handle), dest.stat()):
            return handle, made
        os.close(handle)


def read_manifest(dest: Path) -> dict[str, Any] | None:
    """The record of what is in `dest`, None where there is none. ``intact``: the files are as recorded."""
    path = dest / MANIFEST
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
        checksums = manifest["files"]
        intact = all((dest / name).is_file() and _checksum(dest / name) == checksums[name] for name in (KERNEL, INITRD))
        return {"inputs": dict(manifest["inputs"]), "packages": dict(manifest["packages"]), "intact": intact}
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError) as exc:
        raise HostError(f"dest: {path} is not this module's; choose another directory or remove the file") from exc


def _refuse_foreign(dest: Path) -> None:
    there = [str(dest / name) for name in (KERNEL, INITRD) if (dest / name).exists()]
    if there:
        raise SpecError(
            f"dest: {' and '.join(there)} not made by this module; choose another directory, or give 'force: true'"
        )


def _install(dest: Path, manifest: dict[str, Any], files: dict[str, bytes]) -> None:
    """Put a build in place, each file by a rename.

    The record goes first: killed after that, the files are not as recorded and the next run builds again.
    """
    for name, data in files.items():
        _write(dest / _WORK / name, data)
    checksums = {name: _checksum(dest / _WORK / name) for name in files}
    record = json.dumps({**manifest, "files": checksums}, indent=2, sort_keys=True)
    _write(dest / _WORK / MANIFEST, f"{record}\n".encode())
    for name in (MANIFEST, *files):
        os.replace(dest / _WORK / name, dest / name)


def _write(path: Path, data: bytes) -> None:
    with path.open("wb") as file:
        os.fchmod(file.fileno(), 0o644)
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _checksum(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
