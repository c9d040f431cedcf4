# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The QEMU binaries of this host, and what each of them supports."""

from __future__ import annotations

import os

from .._spec import qemu_help
from .._spec.guest_world import Emulator
from . import command

#: Where distributions put it besides PATH: that of RHEL, then the alias of Debian and Fedora.
_OTHERS = ("/usr/libexec/qemu-kvm", "/usr/bin/qemu-kvm", "/usr/bin/kvm")


def find(path: str | None, arch: str) -> Emulator | None:
    """The binary at `path`, or that of this host's architecture; ``None`` where there is none."""
    candidates = [path] if path else [command.which(f"qemu-system-{arch}"), *_OTHERS]
    for candidate in candidates:
        if candidate and os.path.isfile(candidate) and os.access(candidate, os.X_OK):
            return _describe(candidate)
    return None


def _describe(path: str) -> Emulator:
    def help_on(*words: str) -> str:
        return command.run([path, *words, "help"])

    return Emulator(
        path=path,
        machines=qemu_help.machines(help_on("-machine")),
        cpus=qemu_help.cpus(help_on("-cpu")),
        nics=qemu_help.nics(help_on("-device")),
    )
