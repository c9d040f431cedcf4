# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Boot files and their units on this host, where systemd runs them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from .._persist import boot_links, boot_units
from .._persist.boot_path import FOLDER, Place
from .._spec.base import Step
from .._spec.extra_address import ExtraAddress
from . import files
from .command import attempt, run
from .errors import HostError
from .manager import Edits, Manager, Managers
from .systemd import WANTED, sync_enabled

_FOLDER = Path(FOLDER)


def observe(managers: Managers) -> dict[str, str]:
    """The text of each file of ours, by path. A unit that is not enabled counts as missing."""
    paths = [path for path in _FOLDER.glob("*/*") if not path.name.startswith(".")]
    found = {str(path): files.read(path) for path in [*sorted(paths), *map(Path, boot_units.all_files())]}
    disabled = [path for path in found if (unit := boot_units.unit_of(path)) and not (WANTED / unit).is_symlink()]
    ours = {path: text for path, text in found.items() if text is not None and path not in disabled}
    return {**ours, **managers.observe()}


def noted_addresses() -> set[Place]:
    """The addresses that a boot may have made, of which the journal, which ends with it, knows nothing."""
    texts = (files.read(path) for path in (_FOLDER / ExtraAddress.boot_folder).glob("*.sh"))
    return set(boot_links.noted_addresses(text for text in texts if text))


def prepare(steps: list[Step], managers: Managers) -> None:
    """Before the network itself is changed."""
    for manager in managers:
        texts = {path: text for path, text in _texts(steps).items() if manager.files.is_native(path)}
        manager.hold(_edits(manager, texts, _read(texts)))


def commit(steps: list[Step], managers: Managers) -> None:
    """Make the changes of files and units, all of them or none."""
    texts = _texts(steps)
    before = _read(texts)
    try:
        for manager in managers:
            manager.let_go(_edits(manager, texts, before))
        _make(steps, managers)
        for manager in managers:
            manager.reload(_edits(manager, texts, before))
    except HostError:
        for path, text in before.items():
            _put(Path(path), text, managers.mode(path))
        attempt(["systemctl", "daemon-reload"])
        for manager in managers:
            manager.reverted(_edits(manager, texts, before))
        raise


def give_up(managers: Managers) -> None:
    """Undo `prepare`, unless `commit` did."""
    for manager in managers:
        manager.release()


def _texts(steps: list[Step]) -> dict[str, str | None]:
    """What is to be in each file; ``None`` for one that is to go."""
    return {step.args["path"]: step.args.get("text") for step in steps if "path" in step.args}


def _read(paths: Iterable[str]) -> dict[str, str | None]:
    return {path: files.read(Path(path)) for path in paths}


def _edits(manager: Manager, texts: Mapping[str, str | None], before: Mapping[str, str | None]) -> Edits:
    return {path: (before[path], text) for path, text in texts.items() if manager.files.is_native(path)}


def _make(steps: list[Step], managers: Managers) -> None:
    enabled = [step.args["unit"] for step in steps if step.op == "enable"]
    disabled = [step.args["unit"] for step in steps if step.op == "disable"]
    if disabled:
        run(["systemctl", "disable", "--now", *disabled])
    for step in steps:
        if path := step.args.get("path"):
            _put(Path(path), step.args.get("text"), managers.mode(path))
    if enabled or disabled:
        run(["systemctl", "daemon-reload"])
    if enabled:
        # What they would make is there already.
        run(["systemctl", "enable", "--now", *enabled], timeout=600)
        sync_enabled()


def _put(path: Path, text: str | None, mode: int) -> None:
    if text is not None:
        files.write(path, text, mode)
        return
    files.remove(path)
    for folder in (path.parent, _FOLDER):
        if _FOLDER in (folder, folder.parent) and folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()
