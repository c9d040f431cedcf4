# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Debian packages, looked up and fetched without installing anything (apt-cache(8), apt-get(8), dpkg-deb(1))."""

from __future__ import annotations

import subprocess
import tarfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from .command import attempt, run, which
from .errors import HostError

#: Seconds that apt may take to fetch 100 MB over a slow line.
_PATIENCE = 1800


def architecture() -> str:
    """Debian's name of this machine's architecture, such as ``amd64``."""
    for tool in ("dpkg", "dpkg-deb", "apt-get", "apt-cache"):
        if not which(tool):
            raise HostError(f"'{tool}' is not on this host; the packages used are Debian's, so build on a Debian host")
    return run(["dpkg", "--print-architecture"]).strip()


def update_lists() -> None:
    run(["apt-get", "-q", "update"], timeout=_PATIENCE)


def show(names: list[str], scratch: Path) -> str:
    """The records of those of `names` that there are, of the version apt would install.

    Apt's index is kept in `scratch`: a host may have it turned off (containers do), and then each call would
    parse all lists again.
    """
    argv = ["apt-cache", "-o", f"Dir::Cache::pkgcache={scratch}/pkgcache.bin", "show", "--no-all-versions", *names]
    done = attempt(argv)
    # apt-cache ends with 100 when it knows none of the names; which are missing shows in the records.
    if done.code not in (0, 100):
        raise HostError(f"'{' '.join(argv)}' failed: {done.errors}")
    return done.output


def download(versions: Mapping[str, str], folder: Path) -> dict[str, Path]:
    """Fetch these packages, verified by apt, into `folder`: name -> file."""
    folder.mkdir()
    # apt-get has no option for where to, it is the current directory.
    run(["env", f"--chdir={folder}", *download_command(versions)], timeout=_PATIENCE)
    return {name: next(folder.glob(f"{name}_*.deb")) for name in versions}


def download_command(versions: Mapping[str, str]) -> list[str]:
    return ["apt-get", "-q", "download", *(f"{name}={version}" for name, version in versions.items())]


def extract(package: Path, root: Path) -> None:
    run(["dpkg-deb", "-x", str(package), str(root)])


@contextmanager
def content(package: Path) -> Iterator[Iterator[tuple[str, IO[bytes]]]]:
    """The regular files of a package, as (path without "./", stream), read once and in order; nothing is unpacked."""
    argv = ["dpkg-deb", "--fsys-tarfile", str(package)]
    pipe, null = subprocess.PIPE, subprocess.DEVNULL
    with subprocess.Popen(argv, stdout=pipe, stderr=null) as process:  # pylint: disable=ansible-bad-function
        try:
            with tarfile.open(fileobj=process.stdout, mode="r|") as tar:
                yield ((member.name[2:], tar.extractfile(member)) for member in tar if member.isreg())
        except tarfile.TarError as exc:
            raise HostError(f"{package.name} cannot be read: {exc}") from exc
        finally:
            process.kill()
