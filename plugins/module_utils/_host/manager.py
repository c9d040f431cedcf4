# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What each host network manager does for us.

A new manager is one renderer in ``_persist`` (see `_persist.native`), one class like this in ``_host``, and its name in
`managers.ALL`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Optional

#: Text before and after, by path: of the files that are this manager's. Nothing that is the same on both sides.
Edits = Mapping[str, tuple[Optional[str], Optional[str]]]


class Manager:
    """What a manager need not do is done here, namely nothing.

    A run goes `hold`, change of the network, `let_go`, change of the files, `reload`, `release`. When the change of the
    network fails there is no more than `release` at the end, when the network is as it was; when that of the files
    does, they are put back, and `reverted` comes before the network is led back.
    """

    #: Its renderer.
    files: Any
    #: What a checkpoint puts back below these folders the manager has to be told of.
    folders: tuple[str, ...] = ()

    def mode(self, path: str) -> int:
        """Of a file of its that is new."""
        return 0o644

    def observe(self) -> dict[str, str]:
        """The text of each file that is ours, or has something of ours in it, by path."""
        raise NotImplementedError

    def managed(self, nic: str, bridge: str, there: Mapping[str, str]) -> Any:
        """How the manager would configure a NIC, were it not for our files of that bridge, which are among `there`.

        It is what the renderer makes files of. ``None`` when the manager does not configure the NIC, or does not run.
        Raises HostError when it does so in a way that cannot be written for the bridge.
        """
        raise NotImplementedError

    def keeper(self) -> Any:
        """How the manager makes bridges that have no uplink, as an object of the renderer's; ``None`` when it is not it
        that brings this host's network up, or is better not asked to."""

    def hold(self, edits: Edits) -> None:
        """Have the manager not interfere with the change of the network. It ends what a killed run left of that too."""

    def let_go(self, edits: Edits) -> None:
        """The network is changed: have the manager let go of what leaves it, before it reads the files."""

    def reload(self, edits: Edits) -> None:
        """The files are changed: have the manager take the network for what it made by them."""

    def reverted(self, edits: Edits) -> None:
        """The files are put back, and the network will be."""

    def release(self) -> None:
        """The end of `hold`, whatever came of the run."""

    # -- checkpoints -----------------------------------------------------------------------------

    def saved(self) -> Any:
        """What else than files and the live state a checkpoint has to save of the manager, as plain data."""

    def told(self, saved: Any) -> None:
        """A checkpoint has put files below `folders` back, and goes on with the live state."""

    def at_work(self) -> bool:
        """Whether the manager is still busy with what it was told."""
        return False

    def brought_back(self, saved: Any) -> list[str]:
        """The live state is back: have the manager go on from there. Returns the lines a person would have typed."""
        return []


class Managers:
    """Some of them. Whichever configures a NIC first has it."""

    def __init__(self, *managers: Manager) -> None:
        self._all = managers

    def __iter__(self) -> Iterator[Manager]:
        return iter(self._all)

    def renderers(self) -> tuple[Any, ...]:
        return tuple(manager.files for manager in self)

    def names(self) -> str:
        return " or ".join(renderer.NAME for renderer in self.renderers())

    def mode(self, path: str) -> int:
        """Of a file that is new."""
        return next((manager.mode(path) for manager in self if manager.files.is_native(path)), 0o644)

    def observe(self) -> dict[str, str]:
        return {path: text for manager in self for path, text in manager.observe().items()}

    def managed(self, nic: str, bridge: str, there: Mapping[str, str]) -> Any:
        """What the manager that configures this NIC says of it; ``None`` where none does."""
        return next((found for manager in self if (found := manager.managed(nic, bridge, there)) is not None), None)

    def keeper(self) -> Any:
        """Of the manager that makes bridges without an uplink on this host; ``None`` where none does."""
        return next((found for manager in self if (found := manager.keeper()) is not None), None)

    def saved(self) -> dict[str, Any]:
        """What a checkpoint has to save of each, by its name."""
        return {manager.files.NAME: manager.saved() for manager in self}


NO_MANAGERS = Managers()
