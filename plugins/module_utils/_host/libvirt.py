# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""libvirt's daemons, through its Python bindings."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from .errors import HostError

_MISSING = "install the package python3-libvirt (role virtnet.qemu.libvirt_network does)"


class Connection:
    """One connection, opened on first use."""

    def __init__(self) -> None:
        self._opened: Any = None

    def open(self, uri: str, missing: list[str]) -> Any:
        """What `uri` leads to; None with a reason in `missing`, for what an earlier task has to see to."""
        if self._opened is not None:
            return self._opened
        try:
            import libvirt
        except ImportError:
            missing.append(f"this Python has no bindings of libvirt; {_MISSING}")
            return None
        # It would print every error too.
        libvirt.registerErrorHandler(lambda _context, _error: None, None)
        # For who waits for events; it has to be there before the connection.
        libvirt.virEventRegisterDefaultImpl()
        try:
            self._opened = libvirt.open(uri)
        except libvirt.libvirtError as exc:
            missing.append(
                f"uri: libvirt does not answer at '{uri}': {exc.get_error_message()}; start its daemon "
                "(role virtnet.qemu.libvirt_network does)"
            )
        return self._opened

    def close(self) -> None:
        if self._opened is not None:
            self._opened.close()
            self._opened = None


@contextmanager
def plainly(what: str) -> Iterator[None]:
    """What libvirt refuses, in its words."""
    import libvirt

    try:
        yield
    except libvirt.libvirtError as exc:
        raise HostError(f"{what}: libvirt refuses: {exc.get_error_message()}") from exc
