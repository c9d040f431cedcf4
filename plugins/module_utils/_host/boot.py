# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Boot files and their units on this host, where systemd runs them."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from .._persist import boot_links, boot_units, networkd as networkd_files
from .._persist.boot_path import FOLDER, Place
from .._spec.base import Step
from .._spec.extra_address import ExtraAddress
from . import files, networkd
from .command import attempt, run
from .errors import HostError

_FOLDER = Path(FOLDER)
_WANTED = Path(boot_units.UNITS, "multi-user.target.wants")


def observe() -> dict[str, str]:
    """The text of each file of ours, by path. A unit that is not enabled counts as missing."""
    paths = [path for path in _FOLDER.glob("*/*") if not path.name.startswith(".")]
    paths += Path(networkd_files.FOLDER).glob(f"{networkd_files.PREFIX}*")
    found = {str(path): files.read(path) for path in [*sorted(paths), *map(Path, boot_units.all_files())]}
    disabled = [path for path in found if (unit := boot_units.unit_of(path)) and not (_WANTED / unit).is_symlink()]
    return {path: text for path, text in found.items() if text is not None and path not in disabled}


def noted_addresses() -> set[Place]:
    """The addresses that a boot may have made, of which the journal, which ends with it, knows nothing."""
    texts = (files.read(path) for path in (_FOLDER / ExtraAddress.boot_folder).glob("*.sh"))
    return set(boot_links.noted_addresses(text for text in texts if text))


def prepare(steps: list[Step]) -> None:
    """Before the network itself is changed."""
    networkd.hold(_native_texts(steps))


def commit(steps: list[Step]) -> None:
    """Make the changes of files and units, all of them or none."""
    before = {step.args["path"]: files.read(Path(step.args["path"])) for step in steps if "path" in step.args}
    try:
        networkd.let_go(_native_texts(steps))
        _make(steps)
        _tell_networkd(before)
    except HostError:
        for path, text in before.items():
            _put(Path(path), text)
        attempt(["systemctl", "daemon-reload"])
        _tell_networkd(before)
        raise


def _native_texts(steps: list[Step]) -> list[str]:
    """Those of networkd's files that are to go."""
    gone = [step.args["path"] for step in steps if step.op == "remove" and networkd_files.is_native(step.args["path"])]
    return [text for path in gone if (text := files.read(Path(path)))]


def give_up() -> None:
    """Undo `prepare`, unless `commit` did."""
    _tell_networkd([])


def _tell_networkd(paths: Iterable[str]) -> None:
    if networkd.release() or any(map(networkd_files.is_native, paths)):
        networkd.reload()


def _make(steps: list[Step]) -> None:
    enabled = [step.args["unit"] for step in steps if step.op == "enable"]
    disabled = [step.args["unit"] for step in steps if step.op == "disable"]
    if disabled:
        run(["systemctl", "disable", "--now", *disabled])
    for step in steps:
        if "path" in step.args:
            _put(Path(step.args["path"]), step.args.get("text"))
    if enabled or disabled:
        run(["systemctl", "daemon-reload"])
    if enabled:
        # What they would make is there already.
        run(["systemctl", "enable", "--now", *enabled], timeout=600)


def _put(path: Path, text: str | None) -> None:
    if text is not None:
        files.write(path, text)
        return
    files.remove(path)
    for folder in (path.parent, _FOLDER):
        if _FOLDER in (folder, folder.parent) and folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()
