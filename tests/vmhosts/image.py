# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Builds what a VM host boots: a disk, a kernel and an initramfs, of a Debian made from packages by name."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

FILES = Path(__file__).with_name("image")
MANAGED = Path(__file__).parents[1] / "managed"
#: What stays out of the image.
UNREAD = ("doc", "man", "info", "locale")
SIZE = "4G"


def built(folder: Path, suite: str, guests: Sequence[Path]) -> Path:
    """The folder with disk.img, vmlinuz and initrd.img of a Debian suite; built unless they are those of our files.

    :param folder: where all of them are kept
    :param guests: folders with the micro guests that go into the disk, among the host's images
    """
    folder.mkdir(parents=True, exist_ok=True)
    made = folder / f"{suite}-{_key(suite, guests)}"
    with _locked(folder / f"{suite}.lock"):
        if not made.exists():
            print(f"building a VM host's disk of Debian {suite} ...", flush=True)
            _build(suite, made, guests)
    return made


def _key(suite: str, guests: Sequence[Path]) -> str:
    content = hashlib.sha256(f"{suite} {SIZE}".encode())
    images = [path for guest in guests for path in sorted(guest.iterdir())]
    managed = sorted(path for path in MANAGED.iterdir() if path.is_file())
    for path in (*sorted(FILES.iterdir()), *managed, Path(__file__), *images):
        content.update(path.read_bytes())
    return content.hexdigest()[:12]


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _build(suite: str, made: Path, guests: Sequence[Path]) -> None:
    with tempfile.TemporaryDirectory(dir=made.parent) as work:
        root, ready, wheels = Path(work, "root"), Path(work, "ready"), Path(work, "wheels")
        ready.mkdir()
        download = [sys.executable, "-m", "pip", "download", "-qq", "--disable-pip-version-check", "--no-deps"]
        subprocess.run([*download, f"--dest={wheels}", "qemu.qmp"], check=True)
        subprocess.run(_mmdebstrap(suite, root, wheels), check=True, stdin=subprocess.DEVNULL)
        for name in ("vmlinuz", "initrd.img"):
            (newest,) = (root / "boot").glob(f"{name}-*")
            shutil.copyfile(newest, ready / name)
        for guest in guests:
            shutil.copytree(guest, root / "var/lib/virtnet/images" / guest.name)
        shutil.copytree(MANAGED, root / "usr/local/lib/managed", ignore=shutil.ignore_patterns("__pycache__"))
        subprocess.run(["mke2fs", "-q", "-t", "ext4", "-d", str(root), str(ready / "disk.img"), SIZE], check=True)
        os.rename(ready, made)


def _mmdebstrap(suite: str, root: Path, wheels: Path) -> list[str]:
    excluded = [f"--dpkgopt=path-exclude=/usr/share/{name}/*" for name in UNREAD]
    return [
        *("mmdebstrap", "--variant=minbase", '--aptopt=APT::Install-Recommends "false"', *excluded),
        f"--include={','.join(_packages())}",
        f'--customize-hook=sh "{FILES}/customize.sh" "$1" "{FILES}" "{wheels}"',
        *(suite, str(root)),
    ]


def _packages() -> list[str]:
    lines = (FILES / "packages.txt").read_text().splitlines()
    return [line for line in lines if line and not line.startswith("#")]
